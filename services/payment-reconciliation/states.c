/* The state tables: expectation, payment, exception; and the names of all enums. */
#include "states.h"

static const struct kw_edge expectation_edges[] = {
	{ WAITING_ORDER, MONEY_NONE, EXPECTED, NULL },
	{ WAITING_ORDER, MONEY_ON_DELIVERY, EXPECTED, &expectation_settled_event },
	{ WAITING_ORDER, MONEY_EXACT, POSTED, &expectation_settled_event },
	{ WAITING_ORDER, MONEY_MORE, OVER, &expectation_settled_event },
	{ WAITING_ORDER, MONEY_LESS, UNDER, &expectation_settled_event },
	{ WAITING_ORDER, MONEY_FOREIGN, CURRENCY_MISMATCH, &expectation_settled_event },
	{ WAITING_ORDER, MONEY_WENT_BACK, PARTLY, &expectation_settled_event },
	{ WAITING_ORDER, MONEY_CANCELLED, VOID, &expectation_settled_event },

	{ EXPECTED, MONEY_NONE, EXPECTED, NULL },
	{ EXPECTED, MONEY_ON_DELIVERY, EXPECTED, &expectation_settled_event },
	{ EXPECTED, MONEY_EXACT, POSTED, &expectation_settled_event },
	{ EXPECTED, MONEY_MORE, OVER, &expectation_settled_event },
	{ EXPECTED, MONEY_LESS, UNDER, &expectation_settled_event },
	{ EXPECTED, MONEY_FOREIGN, CURRENCY_MISMATCH, &expectation_settled_event },
	{ EXPECTED, MONEY_WENT_BACK, PARTLY, &expectation_settled_event },
	{ EXPECTED, MONEY_CANCELLED, VOID, &expectation_settled_event },

	/* once posted, less can only be what went back: captures do not shrink, expectations do not
	   grow */
	{ POSTED, MONEY_EXACT, POSTED, &expectation_settled_event },
	{ POSTED, MONEY_MORE, OVER, &expectation_settled_event },
	{ POSTED, MONEY_WENT_BACK, PARTLY, &expectation_settled_event },
	{ POSTED, MONEY_CANCELLED, VOID, &expectation_settled_event },

	{ OVER, MONEY_EXACT, POSTED, &expectation_settled_event },
	{ OVER, MONEY_MORE, OVER, &expectation_settled_event },
	{ OVER, MONEY_WENT_BACK, PARTLY, &expectation_settled_event },
	{ OVER, MONEY_CANCELLED, VOID, &expectation_settled_event },

	{ UNDER, MONEY_EXACT, POSTED, &expectation_settled_event },
	{ UNDER, MONEY_MORE, OVER, &expectation_settled_event },
	{ UNDER, MONEY_LESS, UNDER, &expectation_settled_event },
	{ UNDER, MONEY_FOREIGN, CURRENCY_MISMATCH, &expectation_settled_event },
	{ UNDER, MONEY_WENT_BACK, PARTLY, &expectation_settled_event },
	{ UNDER, MONEY_WAIVED, WAIVED, &expectation_settled_event },
	{ UNDER, MONEY_CANCELLED, VOID, &expectation_settled_event },

	{ WAIVED, MONEY_EXACT, POSTED, &expectation_settled_event },
	{ WAIVED, MONEY_MORE, OVER, &expectation_settled_event },
	{ WAIVED, MONEY_LESS, UNDER, &expectation_settled_event },
	{ WAIVED, MONEY_FOREIGN, CURRENCY_MISMATCH, &expectation_settled_event },
	{ WAIVED, MONEY_WENT_BACK, PARTLY, &expectation_settled_event },
	{ WAIVED, MONEY_WAIVED, WAIVED, &expectation_settled_event },
	{ WAIVED, MONEY_CANCELLED, VOID, &expectation_settled_event },

	{ CURRENCY_MISMATCH, MONEY_NONE, EXPECTED, &expectation_settled_event },
	{ CURRENCY_MISMATCH, MONEY_ON_DELIVERY, EXPECTED, &expectation_settled_event },
	{ CURRENCY_MISMATCH, MONEY_EXACT, POSTED, &expectation_settled_event },
	{ CURRENCY_MISMATCH, MONEY_MORE, OVER, &expectation_settled_event },
	{ CURRENCY_MISMATCH, MONEY_LESS, UNDER, &expectation_settled_event },
	{ CURRENCY_MISMATCH, MONEY_FOREIGN, CURRENCY_MISMATCH, &expectation_settled_event },
	{ CURRENCY_MISMATCH, MONEY_WENT_BACK, PARTLY, &expectation_settled_event },
	{ CURRENCY_MISMATCH, MONEY_WAIVED, WAIVED, &expectation_settled_event },
	{ CURRENCY_MISMATCH, MONEY_CANCELLED, VOID, &expectation_settled_event },

	{ PARTLY, MONEY_EXACT, POSTED, &expectation_settled_event },
	{ PARTLY, MONEY_MORE, OVER, &expectation_settled_event },
	{ PARTLY, MONEY_WENT_BACK, PARTLY, &expectation_settled_event },
	{ PARTLY, MONEY_CANCELLED, VOID, &expectation_settled_event },

	{ VOID, MONEY_CANCELLED, VOID, &expectation_settled_event },
};
const struct kw_fsm expectation_fsm = KW_FSM(expectation_edges);

static const struct kw_edge payment_edges[] = {
	{ PAYMENT_NEW, PAY_FAILED, PAYMENT_FAILED, NULL },
	{ PAYMENT_NEW, PAY_CAPTURED, PAYMENT_CAPTURED, &payment_captured_event },
	{ PAYMENT_NEW, PAY_REFUNDED_PART, PAYMENT_REFUND_AHEAD, NULL },
	{ PAYMENT_NEW, PAY_REFUNDED_ALL, PAYMENT_REFUND_AHEAD, NULL },

	{ PAYMENT_FAILED, PAY_FAILED, KW_SAME, NULL },
	{ PAYMENT_FAILED, PAY_CAPTURED, PAYMENT_CAPTURED, &payment_captured_event },
	{ PAYMENT_FAILED, PAY_REFUNDED_PART, PAYMENT_REFUND_AHEAD, NULL },
	{ PAYMENT_FAILED, PAY_REFUNDED_ALL, PAYMENT_REFUND_AHEAD, NULL },

	{ PAYMENT_REFUND_AHEAD, PAY_FAILED, KW_SAME, NULL },
	{ PAYMENT_REFUND_AHEAD, PAY_CAPTURED, PAYMENT_CAPTURED, &payment_captured_event },
	{ PAYMENT_REFUND_AHEAD, PAY_REFUNDED_PART, KW_SAME, NULL },
	{ PAYMENT_REFUND_AHEAD, PAY_REFUNDED_ALL, KW_SAME, NULL },

	{ PAYMENT_CAPTURED, PAY_FAILED, KW_SAME, NULL }, /* an earlier attempt, told late */
	{ PAYMENT_CAPTURED, PAY_CAPTURED, KW_SAME, NULL },
	{ PAYMENT_CAPTURED, PAY_REFUNDED_PART, PAYMENT_PARTLY_REFUNDED, &payment_refunded_event },
	{ PAYMENT_CAPTURED, PAY_REFUNDED_ALL, PAYMENT_REFUNDED, &payment_refunded_event },

	{ PAYMENT_PARTLY_REFUNDED, PAY_FAILED, KW_SAME, NULL },
	{ PAYMENT_PARTLY_REFUNDED, PAY_CAPTURED, KW_SAME, NULL },
	{ PAYMENT_PARTLY_REFUNDED, PAY_REFUNDED_PART, PAYMENT_PARTLY_REFUNDED,
		&payment_refunded_event },
	{ PAYMENT_PARTLY_REFUNDED, PAY_REFUNDED_ALL, PAYMENT_REFUNDED, &payment_refunded_event },

	{ PAYMENT_REFUNDED, PAY_FAILED, KW_SAME, NULL },
	{ PAYMENT_REFUNDED, PAY_CAPTURED, KW_SAME, NULL },
	{ PAYMENT_REFUNDED, PAY_REFUNDED_PART, KW_SAME,
		NULL }, /* an earlier, smaller one, told late */
	{ PAYMENT_REFUNDED, PAY_REFUNDED_ALL, KW_SAME, NULL },
};
const struct kw_fsm payment_fsm = KW_FSM(payment_edges);

static const struct kw_edge exception_edges[] = {
	{ EXCEPTION_NONE, EXCEPTION_ARISES, EXCEPTION_OPEN, &exception_opened_event },
	{ EXCEPTION_OPEN, EXCEPTION_ARISES, KW_SAME, NULL },
	{ EXCEPTION_OPEN, EXCEPTION_ENDS, EXCEPTION_RESOLVED, &exception_resolved_event },
	{ EXCEPTION_OPEN, EXCEPTION_WORKED, EXCEPTION_ACCEPTED, &exception_accepted_event },
	{ EXCEPTION_ACCEPTED, EXCEPTION_ARISES, KW_SAME, NULL },
	{ EXCEPTION_ACCEPTED, EXCEPTION_ENDS, EXCEPTION_RESOLVED, &exception_resolved_event },
	{ EXCEPTION_ACCEPTED, EXCEPTION_WORKED, KW_SAME, NULL },
	{ EXCEPTION_RESOLVED, EXCEPTION_ARISES, EXCEPTION_OPEN, &exception_opened_event },
	{ EXCEPTION_RESOLVED, EXCEPTION_ENDS, KW_SAME, NULL },
	{ EXCEPTION_RESOLVED, EXCEPTION_WORKED, KW_SAME, NULL },
};
const struct kw_fsm exception_fsm = KW_FSM(exception_edges);

static const char *const payment_kind_names[] = { "SUCCEEDED", "REFUNDED", "FAILED" };
const struct kw_strtab payment_kinds = KW_STRTAB(payment_kind_names);

static const char *const payment_state_names[] = { "NEW", "FAILED", "CAPTURED", "PARTLY_REFUNDED",
	"REFUNDED", "REFUND_AHEAD" };
const struct kw_strtab payment_states = KW_STRTAB(payment_state_names);

static const char *const payment_event_names[] = { "FAILED", "CAPTURED", "REFUNDED_PART",
	"REFUNDED_ALL" };
const struct kw_strtab payment_events = KW_STRTAB(payment_event_names);

static const char *const expectation_state_names[] = { "EXPECTED", "POSTED", "OVER", "UNDER",
	"CURRENCY_MISMATCH", "PARTLY", "WAIVED", "VOID", "WAITING_ORDER" };
const struct kw_strtab expectation_states = KW_STRTAB(expectation_state_names);
const struct kw_strtab settled_states = { expectation_state_names, WAITING_ORDER };

static const char *const money_event_names[] = { "NONE", "ON_DELIVERY", "EXACT", "MORE", "LESS",
	"FOREIGN", "WENT_BACK", "WAIVED", "CANCELLED" };
const struct kw_strtab money_events = KW_STRTAB(money_event_names);

static const char *const exception_state_names[] = { "NONE", "OPEN", "ACCEPTED", "RESOLVED" };
const struct kw_strtab exception_states = KW_STRTAB(exception_state_names);

static const char *const exception_event_names[] = { "ARISES", "ENDS", "WORKED" };
const struct kw_strtab exception_events = KW_STRTAB(exception_event_names);

static const char *const exception_kind_names[] = { "UNDERPAID", "OVERPAID", "REFUND_DUE",
	"REFUND_UNEXPLAINED", "CURRENCY_MISMATCH", "TEST_MONEY", "TOTALS_MISMATCH",
	"ALLOCATION_MISMATCH", "DELIVERED_CANCELLED", "ORDER_MISSING", "UNKNOWN_REFERENCE",
	"EVENT_CONFLICT", "CAPTURE_CONFLICT", "REFERENCE_CONFLICT" };
const struct kw_strtab exception_kinds = KW_STRTAB(exception_kind_names);

static const char *const account_names[] = { "RECEIVABLE", "CLEARING", "SUSPENSE", "UNEARNED",
	"MAKER", "FEE", "SHIPPING", "TAX", "DIFFERENCE", "REFUND_DUE", "SURPLUS", "SHORTFALL" };
const struct kw_strtab accounts = KW_STRTAB(account_names);

static const char *const entry_kind_names[] = { "SALE", "MONEY", "EARNING", "CANCELLATION",
	"RELEASE" };
const struct kw_strtab entry_kinds = KW_STRTAB(entry_kind_names);
