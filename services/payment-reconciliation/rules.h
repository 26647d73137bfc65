/* Decisions about money, as pure functions: what a batch handler knows of an order goes in, what is
 * to be written comes out. The same facts give the same balances in whatever order they came.
 * Results live in the arena; any thread. */
#ifndef PAYMENT_RULES_H
#define PAYMENT_RULES_H

#include "core/arena.h"
#include "core/err.h"
#include "model.h"

/* What a line, or some of its pieces, is worth. */
struct worth {
	int64_t net; /* price x quantity - discounts */
	int64_t shipping, tax, difference;
};

/* The order's amounts over its lines, by largest remainder: the sum over all lines is the order's
 * total, to the last minor unit. Discounts that no line names, shipping, tax, and the difference
 * between the total and its parts go by the lines' worth. */
enum kw_rc divide_order(const struct expectation *order, const struct order_line *lines, size_t n,
	struct worth *ret, struct kw_err *err);

/* Pieces number from (counted from 0) up to, not including, to: each piece has its fixed part of
 * the line, the first ones a minor unit more where it does not divide. So what a share is worth
 * does not depend on what happens to the others. */
struct worth worth_of_pieces(const struct worth *line, int64_t quantity, int64_t from, int64_t to);

static inline int64_t worth_total(struct worth w)
{
	return w.net + w.shipping + w.tax + w.difference;
}

/* enum money_event: what the money says. voided: every piece is cancelled. */
int judge_money(const struct expectation *e, bool voided);

/* What a payment holds: captured less refunded; nothing while only the refund is known. */
int64_t payment_net(int64_t captured, int64_t refunded);

/* Is the payment counted in the expectation? Else it is in suspense. */
bool payment_matches(const struct expectation *e, const struct payment *p, bool bound);

/* One provider's word, laid on what we knew of its payment. */
struct payment_word {
	int kind; /* enum payment_kind */
	struct kw_money amount;
	struct kw_uuid order_id;
};
struct payment_change {
	bool changed;
	const struct kw_event_type
		*emit[2]; /* a capture that was told after its refund makes both */
	int fault;        /* enum exception_kind, or -1: the word was not laid on */
};
struct payment_change payment_apply(struct payment *p, const struct payment_word *word);

/* One order, as one handler sees it. */
struct book {
	struct expectation before; /* as it was locked */
	struct expectation after;  /* the same with the handler's facts put in; book_settle fills
				      what is derived */
	/* Known where `loaded`: all lines in order of line_id, all shares in order of line_id, n.
	 */
	bool loaded;
	const struct order_line *lines;
	size_t n_lines;
	struct share *shares;
	size_t n_shares;
	/* Those that the batch touched; all of the order's when it is the order that came. */
	struct payment **payments;
	size_t n_payments;
	/* Results. */
	const struct kw_event_type *emit; /* of the expectation; NULL: none */
	struct posting *postings;         /* sums to zero by currency */
	size_t n_postings;
	struct earning *earnings;
	size_t n_earnings;
	int64_t opened, ended; /* FAULT_BITs */
	bool changed;          /* the expectation's row */
};
enum kw_rc book_settle(struct book *book, struct kw_arena *a, struct kw_err *err);

/* Would it matter to load the lines and shares? They decide on earnings and on what a cancellation
 * is worth. */
bool book_earns(const struct expectation *e);

/* A payment of no order: into suspense, or out of it. At most two postings. */
size_t suspend_payment(const struct payment *p, struct posting *ret);

/* Money in `kind`'s exception: what was expected and what came; "" where it has no amount. */
void fault_money(const struct expectation *e, int kind, struct kw_money *ret_expected,
	struct kw_money *ret_received);
/* For a person. */
const char *fault_reason(int kind);
/* Who is to look at it. */
const char *fault_owner(int kind);

#endif
