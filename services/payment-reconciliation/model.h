/* What payment-reconciliation knows of an order and its money: plain structs that the rules decide
 * on. Values; texts belong to the batch's arena. Amounts are minor units in the order's currency
 * unless a currency stands beside. */
#ifndef PAYMENT_MODEL_H
#define PAYMENT_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/clock.h"
#include "core/fsm.h"
#include "core/id.h"
#include "core/money.h"
#include "core/strtab.h"

#define MONEY_MAX                                                                             \
	100000000000000LL /* of one amount from outside; sums of a whole order stay far below \
			     int64 */
#define ORDER_LINES_MAX 1000

/* What a provider says of its payment. */
enum payment_kind { KIND_SUCCEEDED, KIND_REFUNDED, KIND_FAILED };
extern const struct kw_strtab payment_kinds;

enum payment_state {
	PAYMENT_NEW, /* no row yet */
	PAYMENT_FAILED,
	PAYMENT_CAPTURED,
	PAYMENT_PARTLY_REFUNDED,
	PAYMENT_REFUNDED,
	PAYMENT_REFUND_AHEAD, /* the refund was told before the capture: nothing is booked yet */
};
extern const struct kw_strtab payment_states;

enum payment_event { PAY_FAILED, PAY_CAPTURED, PAY_REFUNDED_PART, PAY_REFUNDED_ALL };
extern const struct kw_strtab payment_events;

enum expectation_state {
	EXPECTED,
	POSTED,
	OVER,
	UNDER,
	CURRENCY_MISMATCH,
	PARTLY, /* all of it came, and a part that no cancellation explains went back */
	WAIVED, /* less came, and a person waived the rest */
	VOID,
	WAITING_ORDER, /* money, a route or a parcel came before the order; never told to others */
};
extern const struct kw_strtab expectation_states, settled_states; /* settled: without the last */

/* What the money says when it is laid beside the expectation. */
enum money_event {
	MONEY_NONE,
	MONEY_ON_DELIVERY, /* none, and none is wanted before delivery */
	MONEY_EXACT,
	MONEY_MORE,
	MONEY_LESS,
	MONEY_FOREIGN, /* only in another currency, or not enough without that */
	MONEY_WENT_BACK,
	MONEY_WAIVED,    /* less than expected, and no less than a person let pass */
	MONEY_CANCELLED, /* no line is left */
};
extern const struct kw_strtab money_events;

/* ACCEPTED: a person said that it stands; the fault is still there. */
enum exception_state { EXCEPTION_NONE, EXCEPTION_OPEN, EXCEPTION_ACCEPTED, EXCEPTION_RESOLVED };
extern const struct kw_strtab exception_states;
enum exception_event { EXCEPTION_ARISES, EXCEPTION_ENDS, EXCEPTION_WORKED };
extern const struct kw_strtab exception_events;

/* The first ones are of an order and one bit each in expectation.faults; those from FAULT_ORDER_END
 * on are of a payment or of one message. */
enum exception_kind {
	FAULT_UNDERPAID,
	FAULT_OVERPAID,
	FAULT_REFUND_DUE,
	FAULT_REFUND_UNEXPLAINED,
	FAULT_CURRENCY_MISMATCH,
	FAULT_TEST_MONEY,
	FAULT_TOTALS_MISMATCH,
	FAULT_ALLOCATION_MISMATCH,
	FAULT_DELIVERED_CANCELLED,
	FAULT_ORDER_MISSING,
	FAULT_ORDER_END,
	FAULT_UNKNOWN_REFERENCE = FAULT_ORDER_END,
	FAULT_EVENT_CONFLICT,
	FAULT_CAPTURE_CONFLICT,
	FAULT_REFERENCE_CONFLICT,
};
extern const struct kw_strtab exception_kinds;
#define FAULT_BIT(kind) (INT64_C(1) << (kind))

/* The row where an order and its money meet. channel NULL: the order has not come. */
struct expectation {
	struct kw_uuid order_id;
	int64_t revision; /* the last ledger transaction of this order */
	int64_t version;  /* the last event of this expectation */
	int state;
	bool cleared;
	const char *channel, *external_id;
	char currency[4];
	bool test, cod;
	int64_t fee_bps, total, shipping, tax, discount;
	/* derived */
	int64_t cancelled; /* part of total */
	int64_t expected;  /* total - cancelled */
	int64_t received;  /* captured - refunded, in the order's currency */
	int64_t waived;    /* so much may be missing: a person released the order */
	int64_t captured;
	int64_t foreign;  /* payments of this order that hold money in another currency */
	int64_t held;     /* payments that hold money for a test order */
	int64_t released; /* earned shares with fee, shipping, tax and difference */
	int64_t faults;   /* FAULT_BITs that are open */
	bool waiting;     /* a delivered share has not been earned */
};

struct order_line {
	struct kw_uuid order_id;
	const char *line_id, *title;
	int64_t quantity, price, discount, cancelled;
};

/* A line, or a part of it, that one maker makes: of one fulfilment. */
struct share {
	struct kw_uuid order_id, fulfilment_id;
	const char *line_id, *maker_id;
	int64_t n, quantity;
	bool routed, cancelled, earned;
	struct kw_uuid parcel_id;
	kw_time delivered_at;
};

struct payment {
	struct kw_uuid payment_id;
	struct kw_uuid order_id; /* "": no order that we know how to name */
	struct kw_uuid
		home; /* key of its events, fixed at first sight: the order id, or the payment id */
	const char *provider, *provider_payment_id, *channel, *external_id;
	char currency[4];
	int64_t captured, refunded; /* as the provider said; refunded may run ahead */
	int state;
	int64_t version,
		revision; /* revision: of its own ledger transactions, while it has no order */
	bool disputed;    /* a conflict was seen */
	/* Before the batch at hand. */
	int64_t was_captured, was_refunded;
	bool was_bound;
};

enum account {
	ACCOUNT_RECEIVABLE, /* of a channel's buyers */
	ACCOUNT_CLEARING,   /* at a provider */
	ACCOUNT_SUSPENSE,   /* came through a provider, for no order that we know */
	ACCOUNT_UNEARNED,   /* sold, not delivered */
	ACCOUNT_MAKER,
	ACCOUNT_FEE,
	ACCOUNT_SHIPPING,
	ACCOUNT_TAX,
	ACCOUNT_DIFFERENCE, /* between an order's total and the sum of its parts */
	ACCOUNT_REFUND_DUE, /* received for what was cancelled */
	ACCOUNT_SURPLUS,    /* received beyond what was sold */
	ACCOUNT_SHORTFALL,  /* waived: what the house bears, so that the maker has all of hers */
};
extern const struct kw_strtab accounts;

/* What a ledger transaction was booked for. */
enum entry_kind { ENTRY_SALE, ENTRY_MONEY, ENTRY_EARNING, ENTRY_CANCELLATION, ENTRY_RELEASE };
extern const struct kw_strtab entry_kinds;

/* Debit above zero, credit below. */
struct posting {
	int account;
	const char *party;
	char currency[4];
	int64_t minor;
};

struct earning {
	struct kw_uuid earning_id, order_id, fulfilment_id;
	const char *line_id, *maker_id;
	char currency[4];
	int64_t quantity, amount, fee, shipping, tax, difference;
};

#endif
