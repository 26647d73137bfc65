/* Decisions about one order: what its money says, what was earned, what does not fit. Pure. */
#include "rules.h"

#include <string.h>

#include "states.h"

int judge_money(const struct expectation *e, bool voided)
{
	if (voided)
		return MONEY_CANCELLED;
	if (e->test)
		return MONEY_NONE;
	if (e->received == e->expected)
		return MONEY_EXACT;
	if (e->received > e->expected)
		return MONEY_MORE;
	if (e->captured > 0 && e->captured >= e->expected)
		return MONEY_WENT_BACK;
	if (e->waived > 0 && e->expected - e->received <= e->waived)
		return MONEY_WAIVED;
	if (e->foreign > 0)
		return MONEY_FOREIGN;
	if (e->captured > 0)
		return MONEY_LESS;
	return e->cod ? MONEY_ON_DELIVERY : MONEY_NONE;
}

static bool is_paid(const struct expectation *e)
{
	return e->state == POSTED || e->state == OVER || e->state == WAIVED;
}

bool book_earns(const struct expectation *e)
{
	return e->channel && e->waiting && is_paid(e);
}

static struct posting *account_of(
	struct book *book, int account, const char *party, const char *currency)
{
	for (size_t i = 0; i < book->n_postings; i++) {
		struct posting *p = &book->postings[i];
		if (p->account == account && strcmp(p->party, party) == 0 &&
			strcmp(p->currency, currency) == 0)
			return p;
	}
	struct posting *p = &book->postings[book->n_postings++];
	p->account = account;
	p->party = party;
	memcpy(p->currency, currency, sizeof(p->currency));
	return p;
}

static void post(
	struct book *book, int account, const char *party, const char *currency, int64_t minor)
{
	if (minor)
		account_of(book, account, party, currency)->minor += minor;
}

/* Sums of the payments, and where their money lies. */
static void count_payments(struct book *book)
{
	const struct expectation *before = &book->before;
	struct expectation *after = &book->after;

	for (size_t i = 0; i < book->n_payments; i++) {
		const struct payment *p = book->payments[i];
		int64_t was = payment_net(p->was_captured, p->was_refunded),
			is = payment_net(p->captured, p->refunded);
		bool matched = payment_matches(before, p, p->was_bound),
		     matches = payment_matches(after, p, true);
		bool was_known = p->was_bound && before->channel;

		post(book, ACCOUNT_CLEARING, p->provider, p->currency, is - was);
		post(book, ACCOUNT_SUSPENSE, p->provider, p->currency,
			(matched ? 0 : was) - (matches ? 0 : is));
		after->received += (matches ? is : 0) - (matched ? was : 0);
		after->captured += (matches ? p->captured : 0) - (matched ? p->was_captured : 0);
		if (after->channel && after->test)
			after->held += (is > 0) - (was_known && was > 0);
		else if (after->channel && !matches)
			after->foreign += (is > 0) - (was_known && was > 0);
	}
}

static enum kw_rc earn(struct book *book, const struct share *share, int64_t pieces, struct worth w,
	struct kw_err *err)
{
	const struct expectation *e = &book->after;
	struct kw_money net = { .minor = w.net }, fee;
	memcpy(net.currency, e->currency, sizeof(net.currency));

	KW_TRY(kw_money_bps(net, (int)e->fee_bps, &fee, err));
	struct earning *earning = &book->earnings[book->n_earnings++];
	*earning = (struct earning) {
		.earning_id = kw_uuid_of("earning", e->order_id.s, share->fulfilment_id.s,
			share->line_id, share->maker_id),
		.order_id = e->order_id,
		.fulfilment_id = share->fulfilment_id,
		.line_id = share->line_id,
		.maker_id = share->maker_id,
		.quantity = pieces,
		.amount = w.net - fee.minor,
		.fee = fee.minor,
		.shipping = w.shipping,
		.tax = w.tax,
		.difference = w.difference,
	};
	memcpy(earning->currency, e->currency, sizeof(earning->currency));
	post(book, ACCOUNT_MAKER, share->maker_id, e->currency, -earning->amount);
	post(book, ACCOUNT_FEE, e->channel, e->currency, -earning->fee);
	post(book, ACCOUNT_SHIPPING, e->channel, e->currency, -w.shipping);
	post(book, ACCOUNT_TAX, e->channel, e->currency, -w.tax);
	post(book, ACCOUNT_DIFFERENCE, e->channel, e->currency, -w.difference);
	book->after.released += worth_total(w);
	return KW_OK;
}

/* Which pieces a share has. Shares take the pieces of a line from its front, in the order in which
 * routing numbered them; what is cancelled without having been allocated comes off its end. */
struct walk {
	const struct order_line *line;
	struct worth worth;
	size_t first, end; /* its shares */
	int64_t cancelled_worth;
	bool mismatch, delivered_cancelled;
};

static int64_t take(const struct walk *walk, const struct share *share, int64_t from)
{
	int64_t left = walk->line->quantity - from;
	return share->quantity < left ? share->quantity : left;
}

static void walk_cancelled(const struct book *book, struct walk *walk)
{
	const struct order_line *line = walk->line;
	int64_t at = 0, of_shares = 0;

	for (size_t i = walk->first; i < walk->end; i++) {
		const struct share *share = &book->shares[i];
		if (!share->routed)
			continue;
		int64_t pieces = take(walk, share, at);
		walk->mismatch |= pieces < share->quantity;
		if (share->cancelled) {
			of_shares += pieces;
			walk->cancelled_worth += worth_total(
				worth_of_pieces(&walk->worth, line->quantity, at, at + pieces));
			walk->delivered_cancelled |= share->delivered_at != 0;
		}
		at += pieces;
	}
	int64_t from_end = line->cancelled - of_shares;
	if (from_end > line->quantity - at) {
		walk->mismatch = true;
		from_end = line->quantity - at;
	}
	if (from_end > 0)
		walk->cancelled_worth += worth_total(worth_of_pieces(
			&walk->worth, line->quantity, line->quantity - from_end, line->quantity));
	if (line->cancelled >= line->quantity)
		walk->cancelled_worth = worth_total(walk->worth);
}

static enum kw_rc walk_earned(struct book *book, const struct walk *walk, struct kw_err *err)
{
	int64_t at = 0;

	for (size_t i = walk->first; i < walk->end; i++) {
		struct share *share = &book->shares[i];
		if (!share->routed)
			continue;
		int64_t pieces = take(walk, share, at);
		if (share->delivered_at && !share->cancelled && !share->earned && pieces > 0) {
			struct worth w = worth_of_pieces(
				&walk->worth, walk->line->quantity, at, at + pieces);
			KW_TRY(earn(book, share, pieces, w, err));
			share->earned = true;
		}
		at += pieces;
	}
	return KW_OK;
}

/* The walks of all lines; shares of lines that the order does not have are a mismatch. */
static enum kw_rc make_walks(const struct book *book, struct kw_arena *a, struct walk **ret,
	bool *ret_stray, struct kw_err *err)
{
	struct worth *worths = kw_new(a, struct worth, book->n_lines);
	struct walk *walks = kw_new(a, struct walk, book->n_lines);
	size_t s = 0;

	*ret_stray = false;
	KW_TRY(divide_order(&book->after, book->lines, book->n_lines, worths, err));
	for (size_t i = 0; i < book->n_lines; i++) {
		const char *line_id = book->lines[i].line_id;
		for (; s < book->n_shares && strcmp(book->shares[s].line_id, line_id) < 0; s++)
			*ret_stray = true;
		walks[i] =
			(struct walk) { .line = &book->lines[i], .worth = worths[i], .first = s };
		while (s < book->n_shares && strcmp(book->shares[s].line_id, line_id) == 0)
			s++;
		walks[i].end = s;
	}
	*ret_stray |= s < book->n_shares;
	*ret = walks;
	return KW_OK;
}

static bool still_waiting(const struct book *book)
{
	for (size_t i = 0; i < book->n_shares; i++)
		if (book->shares[i].delivered_at && !book->shares[i].earned &&
			!book->shares[i].cancelled)
			return true;
	return false;
}

static void put_fault(struct expectation *e, int kind, bool is)
{
	if (is)
		e->faults |= FAULT_BIT(kind);
	else
		e->faults &= ~FAULT_BIT(kind);
}

/* Received beyond what is expected: what a cancellation explains, and the rest. */
static int64_t refund_due(const struct expectation *e)
{
	int64_t more = e->received - e->expected;
	return more <= 0 ? 0 : more < e->cancelled ? more : e->cancelled;
}

static int64_t surplus(const struct expectation *e)
{
	int64_t more = e->received - e->expected;
	return more <= 0 ? 0 : more - refund_due(e);
}

static int64_t missing(const struct expectation *e)
{
	return e->expected > e->received ? e->expected - e->received : 0;
}

static int64_t shortfall(const struct expectation *e)
{
	return missing(e) < e->waived ? missing(e) : e->waived;
}

static void judge_faults(struct expectation *e)
{
	put_fault(e, FAULT_UNDERPAID, e->state == UNDER);
	put_fault(e, FAULT_OVERPAID, surplus(e) > 0);
	put_fault(e, FAULT_REFUND_DUE, refund_due(e) > 0);
	put_fault(e, FAULT_REFUND_UNEXPLAINED, e->state == PARTLY);
	put_fault(e, FAULT_CURRENCY_MISMATCH, e->foreign > 0);
	put_fault(e, FAULT_TEST_MONEY, e->held > 0);
	put_fault(e, FAULT_ORDER_MISSING, false);
}

/* What the order's own accounts should hold. */
struct holdings {
	int64_t receivable, unearned, refund_due, surplus, shortfall;
};

static struct holdings holdings_of(const struct expectation *e)
{
	if (!e->channel || e->test)
		return (struct holdings) { 0 };
	return (struct holdings) {
		.receivable = missing(e) - shortfall(e),
		.unearned = -(e->expected - e->released),
		.refund_due = -refund_due(e),
		.surplus = -surplus(e),
		.shortfall = shortfall(e),
	};
}

static void post_holdings(struct book *book)
{
	const struct expectation *e = &book->after;
	struct holdings was = holdings_of(&book->before), is = holdings_of(e);

	if (!e->channel)
		return;
	post(book, ACCOUNT_RECEIVABLE, e->channel, e->currency, is.receivable - was.receivable);
	post(book, ACCOUNT_UNEARNED, e->channel, e->currency, is.unearned - was.unearned);
	post(book, ACCOUNT_REFUND_DUE, e->channel, e->currency, is.refund_due - was.refund_due);
	post(book, ACCOUNT_SURPLUS, e->channel, e->currency, is.surplus - was.surplus);
	post(book, ACCOUNT_SHORTFALL, e->channel, e->currency, is.shortfall - was.shortfall);
}

/* Drops what came to nothing, and asserts that the rest sums to zero in each currency. */
static void close_postings(struct book *book)
{
	size_t n = 0;
	for (size_t i = 0; i < book->n_postings; i++)
		if (book->postings[i].minor)
			book->postings[n++] = book->postings[i];
	book->n_postings = n;
	for (size_t i = 0; i < n; i++) {
		int64_t sum = 0;
		for (size_t j = 0; j < n; j++)
			if (strcmp(book->postings[j].currency, book->postings[i].currency) == 0)
				sum += book->postings[j].minor;
		kw_assert(sum == 0);
	}
}

static bool apply_cancellations(struct book *book, struct walk *walks, bool stray)
{
	struct expectation *after = &book->after;
	bool all = true, any = false, mismatch = stray, delivered_cancelled = false,
	     difference = false;
	int64_t cancelled = 0;

	for (size_t i = 0; i < book->n_lines; i++) {
		walk_cancelled(book, &walks[i]);
		cancelled += walks[i].cancelled_worth;
		all &= walks[i].line->cancelled >= walks[i].line->quantity;
		any |= walks[i].line->cancelled > 0;
		mismatch |= walks[i].mismatch;
		delivered_cancelled |= walks[i].delivered_cancelled;
		difference |= walks[i].worth.difference != 0;
	}
	put_fault(after, FAULT_ALLOCATION_MISMATCH, mismatch);
	put_fault(after, FAULT_DELIVERED_CANCELLED, delivered_cancelled);
	put_fault(after, FAULT_TOTALS_MISMATCH, difference);
	/* What is cancelled stays so: an expectation never grows, whatever contradicts it later. */
	if (cancelled > after->cancelled)
		after->cancelled = cancelled < after->total ? cancelled : after->total;
	return all && any;
}

static enum kw_rc judge_order(struct book *book, bool voided, struct kw_err *err)
{
	const struct expectation *before = &book->before;
	struct expectation *after = &book->after;

	after->expected = after->total - after->cancelled;
	int event = judge_money(after, voided);
	const struct kw_edge *edge = kw_fsm_find(&expectation_fsm, before->state, event);
	if (!edge)
		return kw_fail(err, KW_FATAL, "an expectation in state %s cannot take %s",
			kw_strtab_name(&expectation_states, before->state),
			kw_strtab_name(&money_events, event));
	after->state = edge->to;
	after->cleared = !after->test && (is_paid(after) || (after->cod && after->state != VOID));
	bool differs = after->state != before->state || after->expected != before->expected ||
		       after->received != before->received || after->cleared != before->cleared;
	if (differs && edge->emit) {
		book->emit = edge->emit;
		after->version++;
	}
	return KW_OK;
}

static bool same_row(const struct expectation *a, const struct expectation *b);

enum kw_rc book_settle(struct book *book, struct kw_arena *a, struct kw_err *err)
{
	struct expectation *after = &book->after;
	struct walk *walks = NULL;
	bool voided = after->state == VOID, stray = false;

	book->postings = kw_new(a, struct posting, 5 + 2 * book->n_payments + 5 * book->n_shares);
	book->earnings = kw_new(a, struct earning, book->n_shares);
	book->n_postings = book->n_earnings = 0;
	book->emit = NULL;
	count_payments(book);
	if (after->channel) {
		if (book->loaded) {
			KW_TRY(make_walks(book, a, &walks, &stray, err));
			voided |= apply_cancellations(book, walks, stray);
		}
		KW_TRY(judge_order(book, voided, err));
		if (book->loaded && is_paid(after))
			for (size_t i = 0; i < book->n_lines; i++)
				KW_TRY(walk_earned(book, &walks[i], err));
		if (book->loaded)
			after->waiting = still_waiting(book);
		judge_faults(after);
	}
	post_holdings(book);
	close_postings(book);
	if (book->n_postings)
		after->revision++;
	book->opened = after->faults & ~book->before.faults;
	book->ended = book->before.faults & ~after->faults;
	book->changed = !same_row(&book->before, after);
	return KW_OK;
}

static bool same_row(const struct expectation *a, const struct expectation *b)
{
	return !a->channel == !b->channel && a->revision == b->revision &&
	       a->version == b->version && a->state == b->state && a->cleared == b->cleared &&
	       a->cancelled == b->cancelled && a->expected == b->expected &&
	       a->received == b->received && a->waived == b->waived && a->captured == b->captured &&
	       a->foreign == b->foreign && a->held == b->held && a->released == b->released &&
	       a->faults == b->faults && a->waiting == b->waiting;
}

size_t suspend_payment(const struct payment *p, struct posting *ret)
{
	int64_t more = payment_net(p->captured, p->refunded) -
		       payment_net(p->was_captured, p->was_refunded);
	if (more == 0)
		return 0;
	ret[0] = (struct posting) {
		.account = ACCOUNT_CLEARING, .party = p->provider, .minor = more
	};
	ret[1] = (struct posting) {
		.account = ACCOUNT_SUSPENSE, .party = p->provider, .minor = -more
	};
	memcpy(ret[0].currency, p->currency, sizeof(p->currency));
	memcpy(ret[1].currency, p->currency, sizeof(p->currency));
	return 2;
}

/* ---- exceptions ---- */

void fault_money(const struct expectation *e, int kind, struct kw_money *ret_expected,
	struct kw_money *ret_received)
{
	*ret_expected = *ret_received = (struct kw_money) { 0 };
	if (!e->channel || kind >= FAULT_ORDER_END)
		return;
	ret_expected->minor = e->expected;
	ret_received->minor = e->received;
	memcpy(ret_expected->currency, e->currency, sizeof(e->currency));
	memcpy(ret_received->currency, e->currency, sizeof(e->currency));
}

const char *fault_reason(int kind)
{
	static const char *const reasons[] = {
		[FAULT_UNDERPAID] = "less was received than the order expects",
		[FAULT_OVERPAID] = "more was received than the order expects",
		[FAULT_REFUND_DUE] = "money was received for what has been cancelled",
		[FAULT_REFUND_UNEXPLAINED] = "money went back and no cancellation explains it",
		[FAULT_CURRENCY_MISMATCH] = "money came in another currency than the order's",
		[FAULT_TEST_MONEY] = "money came for a test order",
		[FAULT_TOTALS_MISMATCH] = "the order's total is not the sum of its parts",
		[FAULT_ALLOCATION_MISMATCH] = "more was allocated or cancelled than the order has",
		[FAULT_DELIVERED_CANCELLED] = "a cancelled share was delivered",
		[FAULT_ORDER_MISSING] = "money waits for an order that has not come",
		[FAULT_UNKNOWN_REFERENCE] =
			"money came without a reference to an order of a known channel",
		[FAULT_EVENT_CONFLICT] = "the provider sent an event id again with other content",
		[FAULT_CAPTURE_CONFLICT] =
			"the provider told another amount or currency for the same payment",
		[FAULT_REFERENCE_CONFLICT] = "the payment already belongs to another order",
	};
	return reasons[kind];
}

const char *fault_owner(int kind)
{
	switch (kind) {
	case FAULT_TOTALS_MISMATCH:
		return "channels";
	case FAULT_ALLOCATION_MISMATCH:
	case FAULT_DELIVERED_CANCELLED:
		return "fulfilment";
	default:
		return "finance";
	}
}
