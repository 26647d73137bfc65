/* The same facts in every order of arrival end in the same ledger: the rules, driven as the
 * handlers drive them, without a database. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules.h"
#include "states.h"

static const struct kw_uuid order_id = { "11111111-1111-5111-8111-111111111111" };
static const struct kw_uuid fulfilments[] = {
	{ "f1111111-1111-5111-8111-111111111111" },
	{ "f2222222-2222-5222-8222-222222222222" },
};

/* ---- the world: what the tables would hold ---- */

struct balance {
	int account;
	char party[32], currency[4];
	int64_t minor;
};

struct world {
	struct kw_arena *arena;
	struct expectation row;
	struct order_line lines[4];
	size_t n_lines;
	bool known_lines;
	struct share shares[8];
	size_t n_shares;
	struct payment payments[4];
	size_t n_payments;
	struct balance balances[24];
	size_t n_balances;
	struct earning earnings[8];
	size_t n_earnings;
	size_t events;
};

static void add_balance(struct world *w, const struct posting *p)
{
	for (size_t i = 0; i < w->n_balances; i++) {
		struct balance *b = &w->balances[i];
		if (b->account == p->account && strcmp(b->party, p->party) == 0 &&
			strcmp(b->currency, p->currency) == 0) {
			b->minor += p->minor;
			return;
		}
	}
	struct balance *b = &w->balances[w->n_balances++];
	assert_true(w->n_balances <= KW_LEN(w->balances));
	b->account = p->account;
	snprintf(b->party, sizeof(b->party), "%s", p->party);
	memcpy(b->currency, p->currency, 4);
	b->minor = p->minor;
}

static int64_t balance_of(
	const struct world *w, int account, const char *party, const char *currency)
{
	for (size_t i = 0; i < w->n_balances; i++) {
		const struct balance *b = &w->balances[i];
		if (b->account == account && strcmp(b->party, party) == 0 &&
			strcmp(b->currency, currency) == 0)
			return b->minor;
	}
	return 0;
}

static struct kw_err err;

static void run(struct world *w, struct book *book)
{
	/* as the handlers do: lines and shares where they can matter */
	if (book_earns(&book->after) || book->loaded) {
		book->loaded = true;
		book->lines = w->lines;
		book->n_lines = w->known_lines ? w->n_lines : 0;
		book->shares = w->shares;
		book->n_shares = w->n_shares;
	}
	struct book first = *book;
	if (book_settle(book, w->arena, &err) != KW_OK)
		fail_msg("%s", err.reason);
	if (book_earns(&book->after) && !book->loaded) { /* paid after it was delivered */
		*book = first;
		book->after = book->before;
		book->loaded = true;
		book->lines = w->lines;
		book->n_lines = w->n_lines;
		book->shares = w->shares;
		book->n_shares = w->n_shares;
		assert_int_equal(book_settle(book, w->arena, &err), KW_OK);
	}
	for (size_t i = 0; i < book->n_postings; i++)
		add_balance(w, &book->postings[i]);
	for (size_t i = 0; i < book->n_earnings; i++)
		w->earnings[w->n_earnings++] = book->earnings[i];
	assert_int_equal(book->after.revision, w->row.revision + (book->n_postings > 0));
	assert_int_equal(book->after.version, w->row.version + (book->emit != NULL));
	w->events += book->emit != NULL;
	w->row = book->after;
	for (size_t i = 0; i < w->n_payments; i++) {
		w->payments[i].was_captured = w->payments[i].captured;
		w->payments[i].was_refunded = w->payments[i].refunded;
		w->payments[i].was_bound = true;
	}
}

static int by_line(const void *left, const void *right)
{
	const struct share *a = left, *b = right;
	int order = strcmp(a->line_id, b->line_id);
	return order ? order : (a->n > b->n) - (a->n < b->n);
}

static struct share *share_of(struct world *w, int f, const char *line_id)
{
	for (size_t i = 0; i < w->n_shares; i++)
		if (strcmp(w->shares[i].fulfilment_id.s, fulfilments[f].s) == 0 &&
			strcmp(w->shares[i].line_id, line_id) == 0)
			return &w->shares[i];
	assert_true(w->n_shares < KW_LEN(w->shares));
	struct share *share = &w->shares[w->n_shares++];
	*share = (struct share) { .order_id = order_id,
		.fulfilment_id = fulfilments[f],
		.line_id = line_id,
		.n = f + 1 };
	return share;
}

/* ---- facts ---- */

enum fact_kind { RECEIVED, ROUTED, PAID, DELIVERED, CANCELLED };

struct fact {
	enum fact_kind kind;
	/* RECEIVED */
	int64_t total, shipping, tax, discount, fee_bps;
	bool cod, test;
	struct order_line lines[3];
	/* ROUTED, CANCELLED: quantities by fulfilment and line */
	struct {
		int fulfilment;
		const char *line_id, *maker_id;
		int64_t quantity;
	} shares[5];
	/* PAID */
	int payment;
	struct payment_word word;
	/* DELIVERED */
	int fulfilment;
};

static void receive(struct world *w, const struct fact *f)
{
	struct book book = { .before = w->row, .after = w->row, .loaded = true };
	struct payment *all[4];
	struct expectation *e = &book.after;

	e->channel = "dibs";
	e->external_id = "1001";
	memcpy(e->currency, "PKR", 4);
	e->cod = f->cod;
	e->test = f->test;
	e->fee_bps = f->fee_bps;
	e->total = f->total;
	e->shipping = f->shipping;
	e->tax = f->tax;
	e->discount = f->discount;
	for (size_t i = 0; i < 3 && f->lines[i].line_id; i++) {
		int64_t cancelled = w->lines[i].cancelled;
		w->lines[i] = f->lines[i];
		w->lines[i].cancelled = cancelled;
		w->n_lines = i + 1;
	}
	w->known_lines = true;
	for (size_t i = 0; i < w->n_payments; i++)
		all[i] = &w->payments[i];
	book.payments = all;
	book.n_payments = w->n_payments;
	run(w, &book);
}

static void route(struct world *w, const struct fact *f)
{
	struct book book = { .before = w->row, .after = w->row };

	for (size_t i = 0; i < 5 && f->shares[i].line_id; i++) {
		struct share *share = share_of(w, f->shares[i].fulfilment, f->shares[i].line_id);
		share->routed = true;
		share->maker_id = f->shares[i].maker_id;
		share->quantity = f->shares[i].quantity;
	}
	qsort(w->shares, w->n_shares, sizeof(w->shares[0]), by_line);
	run(w, &book);
}

static void deliver(struct world *w, const struct fact *f)
{
	struct book book = { .before = w->row, .after = w->row };

	for (size_t i = 0; i < 5 && f->shares[i].line_id; i++) {
		struct share *share = share_of(w, f->fulfilment, f->shares[i].line_id);
		share->delivered_at = 1;
		if (!share->routed) {
			share->maker_id = f->shares[i].maker_id;
			share->quantity = f->shares[i].quantity;
		}
	}
	qsort(w->shares, w->n_shares, sizeof(w->shares[0]), by_line);
	book.after.waiting = true;
	run(w, &book);
}

static void pay(struct world *w, const struct fact *f)
{
	struct book book = { .before = w->row, .after = w->row };
	struct payment *p = &w->payments[f->payment], *touched[] = { p };

	while (w->n_payments <= (size_t)f->payment)
		w->payments[w->n_payments++] =
			(struct payment) { .state = PAYMENT_NEW, .provider = "stripe-demo" };
	if (!p->payment_id.s[0])
		p->payment_id = kw_uuid_of("payment", "stripe-demo", f->payment ? "b" : "a");
	p->was_bound = p->order_id.s[0] != '\0';
	struct payment_word word = f->word;
	word.order_id = order_id;
	assert_int_equal(payment_apply(p, &word).fault, -1);
	book.payments = touched;
	book.n_payments = 1;
	run(w, &book);
}

static void cancel(struct world *w, const struct fact *f)
{
	struct book book = { .before = w->row, .after = w->row, .loaded = w->row.channel != NULL };

	for (size_t i = 0; i < 5 && f->shares[i].line_id; i++) {
		if (f->shares[i].fulfilment >= 0)
			share_of(w, f->shares[i].fulfilment, f->shares[i].line_id)->cancelled =
				true;
		w->lines[f->shares[i].line_id[0] - 'a'].cancelled += f->shares[i].quantity;
	}
	run(w, &book);
}

static void happen(struct world *w, const struct fact *f)
{
	static void (*const how[])(struct world *, const struct fact *) = {
		[RECEIVED] = receive,
		[ROUTED] = route,
		[PAID] = pay,
		[DELIVERED] = deliver,
		[CANCELLED] = cancel,
	};
	how[f->kind](w, f);
}

/* ---- all orders ---- */

static void play(const struct fact *facts, const size_t *at, size_t n, struct world *w,
	struct kw_arena *arena)
{
	*w = (struct world) { .arena = arena,
		.row = { .order_id = order_id, .state = WAITING_ORDER } };
	for (size_t i = 0; i < n; i++)
		happen(w, &facts[at[i]]);
}

static void same_end(const struct world *a, const struct world *b, const size_t *at, size_t n)
{
	char how[64] = "";
	for (size_t i = 0; i < n; i++)
		snprintf(how + strlen(how), sizeof(how) - strlen(how), "%zu ", at[i]);
	for (size_t i = 0; i < a->n_balances; i++) {
		const struct balance *x = &a->balances[i];
		int64_t other = balance_of(b, x->account, x->party, x->currency);
		if (other != x->minor)
			fail_msg("order %s: %s %s %s is %lld, not %lld", how,
				kw_strtab_name(&accounts, x->account), x->party, x->currency,
				(long long)other, (long long)x->minor);
	}
	for (size_t i = 0; i < b->n_balances; i++) {
		const struct balance *x = &b->balances[i];
		assert_int_equal(balance_of(a, x->account, x->party, x->currency), x->minor);
	}
	assert_int_equal(a->row.state, b->row.state);
	assert_int_equal(a->row.cleared, b->row.cleared);
	assert_int_equal(a->row.expected, b->row.expected);
	assert_int_equal(a->row.received, b->row.received);
	assert_int_equal(a->row.released, b->row.released);
	assert_int_equal(a->row.faults, b->row.faults);
	assert_int_equal(a->row.waiting, b->row.waiting);
	assert_int_equal(a->n_earnings, b->n_earnings);
}

/* Plays the facts in all their orders; ret: how it ends, in all of them. */
static void try_all(const struct fact *facts, size_t n, struct world *ret)
{
	struct kw_arena *arena = kw_arena_new(64 << 20), *first = kw_arena_new(1 << 20);
	size_t at[8] = { 0, 1, 2, 3, 4, 5, 6, 7 }, c[8] = { 0 }, i = 1;

	assert_true(n <= 8);
	play(facts, at, n, ret, first);
	while (i < n) { /* Heap's algorithm */
		if (c[i] >= i) {
			c[i++] = 0;
			continue;
		}
		size_t j = i % 2 ? c[i] : 0, t = at[j];
		at[j] = at[i];
		at[i] = t;
		c[i]++;
		i = 1;
		struct world w;
		play(facts, at, n, &w, arena);
		same_end(ret, &w, at, n);
		kw_arena_reset(arena);
	}
	for (size_t b = 0; b < ret->n_balances; b++) {
		int64_t sum = 0;
		for (size_t o = 0; o < ret->n_balances; o++)
			if (strcmp(ret->balances[o].currency, ret->balances[b].currency) == 0)
				sum += ret->balances[o].minor;
		assert_int_equal(sum, 0);
	}
	kw_arena_free(arena);
	ret->arena = first;
}

static void done(struct world *w)
{
	kw_arena_free(w->arena);
}

/* ---- the scenarios ---- */

/* Three shawls at 33.35 less 10.01 for two makers, one stole; odd amounts everywhere. */
#define SHAWLS                                                                           \
	.kind = RECEIVED, .total = 15334, .shipping = 999, .tax = 331, .discount = 1001, \
	.fee_bps = 250,                                                                  \
	.lines = { { .line_id = "a", .quantity = 3, .price = 3335, .discount = 1001 },   \
		{ .line_id = "b", .quantity = 1, .price = 5000 } }
#define BY_TWO          \
	.kind = ROUTED, \
	.shares = { { 0, "a", "amina", 2 }, { 1, "a", "bano", 1 }, { 1, "b", "bano", 1 } }
#define FIRST_DELIVERED .kind = DELIVERED, .fulfilment = 0, .shares = { { 0, "a", "amina", 2 } }
#define SECOND_DELIVERED                    \
	.kind = DELIVERED, .fulfilment = 1, \
	.shares = { { 1, "a", "bano", 1 }, { 1, "b", "bano", 1 } }
#define CAPTURE(n, minor, cur) \
	.kind = PAID, .payment = (n), .word = { .kind = KIND_SUCCEEDED, .amount = { (minor), cur } }
#define REFUND(n, minor, cur) \
	.kind = PAID, .payment = (n), .word = { .kind = KIND_REFUNDED, .amount = { (minor), cur } }

static void test_paid_and_delivered(void **state)
{
	(void)state;
	const struct fact facts[] = { { SHAWLS }, { BY_TWO }, { CAPTURE(0, 15334, "PKR") },
		{ FIRST_DELIVERED }, { SECOND_DELIVERED } };
	struct world w;

	try_all(facts, KW_LEN(facts), &w);
	assert_int_equal(w.row.state, POSTED);
	assert_int_equal(w.row.released, 15334);
	assert_int_equal(w.row.faults, 0);
	assert_false(w.row.waiting);
	assert_int_equal(balance_of(&w, ACCOUNT_UNEARNED, "dibs", "PKR"), 0);
	assert_int_equal(balance_of(&w, ACCOUNT_RECEIVABLE, "dibs", "PKR"), 0);
	assert_int_equal(balance_of(&w, ACCOUNT_SUSPENSE, "stripe-demo", "PKR"), 0);
	assert_int_equal(balance_of(&w, ACCOUNT_CLEARING, "stripe-demo", "PKR"), 15334);
	assert_int_equal(balance_of(&w, ACCOUNT_SHIPPING, "dibs", "PKR"), -999);
	assert_int_equal(balance_of(&w, ACCOUNT_TAX, "dibs", "PKR"), -331);
	/* 90.04 over three pieces: 30.02, 30.01, 30.01. Fees: 2.5 % of 60.03, 30.01 and 50.00, half
	 * up */
	assert_int_equal(balance_of(&w, ACCOUNT_FEE, "dibs", "PKR"), -(150 + 75 + 125));
	assert_int_equal(balance_of(&w, ACCOUNT_MAKER, "amina", "PKR"), -(6003 - 150));
	assert_int_equal(balance_of(&w, ACCOUNT_MAKER, "bano", "PKR"), -(3001 - 75 + 5000 - 125));
	assert_int_equal(w.n_earnings, 3);
	done(&w);
}

static void test_over_and_under(void **state)
{
	(void)state;
	const struct fact over[] = { { SHAWLS }, { BY_TWO }, { CAPTURE(0, 15334, "PKR") },
		{ CAPTURE(1, 66, "PKR") }, { FIRST_DELIVERED }, { SECOND_DELIVERED } };
	const struct fact under[] = { { SHAWLS }, { BY_TWO }, { CAPTURE(0, 15333, "PKR") },
		{ FIRST_DELIVERED } };
	const struct fact in_two[] = { { SHAWLS }, { BY_TWO }, { CAPTURE(0, 15333, "PKR") },
		{ CAPTURE(1, 1, "PKR") }, { FIRST_DELIVERED } };
	struct world w;

	try_all(over, KW_LEN(over), &w);
	assert_int_equal(w.row.state, OVER);
	assert_true(w.row.cleared);
	assert_int_equal(w.row.faults, FAULT_BIT(FAULT_OVERPAID));
	assert_int_equal(balance_of(&w, ACCOUNT_SURPLUS, "dibs", "PKR"), -66);
	assert_int_equal(w.n_earnings, 3);
	done(&w);

	try_all(under, KW_LEN(under), &w);
	assert_int_equal(w.row.state, UNDER);
	assert_false(w.row.cleared);
	assert_true(w.row.waiting);
	assert_int_equal(w.row.faults, FAULT_BIT(FAULT_UNDERPAID));
	assert_int_equal(balance_of(&w, ACCOUNT_RECEIVABLE, "dibs", "PKR"), 1);
	assert_int_equal(balance_of(&w, ACCOUNT_UNEARNED, "dibs", "PKR"), -15334);
	assert_int_equal(w.n_earnings, 0);
	done(&w);

	try_all(in_two, KW_LEN(in_two), &w);
	assert_int_equal(w.row.state, POSTED);
	assert_int_equal(w.row.faults, 0);
	assert_int_equal(w.n_earnings, 1);
	done(&w);
}

static void test_other_currency(void **state)
{
	(void)state;
	const struct fact facts[] = { { SHAWLS }, { BY_TWO }, { CAPTURE(0, 5500, "USD") },
		{ FIRST_DELIVERED } };
	struct world w;

	try_all(facts, KW_LEN(facts), &w);
	assert_int_equal(w.row.state, CURRENCY_MISMATCH);
	assert_false(w.row.cleared);
	assert_int_equal(w.row.faults, FAULT_BIT(FAULT_CURRENCY_MISMATCH));
	assert_int_equal(balance_of(&w, ACCOUNT_SUSPENSE, "stripe-demo", "USD"), -5500);
	assert_int_equal(balance_of(&w, ACCOUNT_RECEIVABLE, "dibs", "PKR"), 15334);
	assert_int_equal(w.n_earnings, 0);
	done(&w);
}

static void test_refunds(void **state)
{
	(void)state;
	const struct fact part[] = { { SHAWLS }, { BY_TWO }, { CAPTURE(0, 15334, "PKR") },
		{ REFUND(0, 34, "PKR") } };
	const struct fact all[] = { { SHAWLS }, { CAPTURE(0, 15334, "PKR") },
		{ REFUND(0, 34, "PKR") }, { REFUND(0, 15334, "PKR") } };
	const struct fact surplus[] = { { SHAWLS }, { BY_TWO }, { CAPTURE(0, 15400, "PKR") },
		{ REFUND(0, 66, "PKR") }, { FIRST_DELIVERED } };
	struct world w;

	try_all(part, KW_LEN(part), &w);
	assert_int_equal(w.row.state, PARTLY);
	assert_false(w.row.cleared);
	assert_int_equal(w.row.faults, FAULT_BIT(FAULT_REFUND_UNEXPLAINED));
	assert_int_equal(w.row.received, 15300);
	assert_int_equal(balance_of(&w, ACCOUNT_RECEIVABLE, "dibs", "PKR"), 34);
	done(&w);

	try_all(all, KW_LEN(all), &w);
	assert_int_equal(w.row.state, PARTLY);
	assert_int_equal(w.row.received, 0);
	assert_int_equal(balance_of(&w, ACCOUNT_CLEARING, "stripe-demo", "PKR"), 0);
	assert_int_equal(balance_of(&w, ACCOUNT_RECEIVABLE, "dibs", "PKR"), 15334);
	done(&w);

	try_all(surplus, KW_LEN(surplus), &w);
	assert_int_equal(w.row.state, POSTED);
	assert_int_equal(w.row.faults, 0);
	assert_int_equal(balance_of(&w, ACCOUNT_SURPLUS, "dibs", "PKR"), 0);
	assert_int_equal(w.n_earnings, 1);
	done(&w);
}

static void test_cash_on_delivery(void **state)
{
	(void)state;
	struct fact facts[] = { { SHAWLS, .cod = true }, { BY_TWO }, { FIRST_DELIVERED },
		{ SECOND_DELIVERED } };
	struct world w;

	try_all(facts, KW_LEN(facts), &w);
	assert_int_equal(w.row.state, EXPECTED);
	assert_true(w.row.cleared);
	assert_int_equal(w.events, 1);     /* cleared was told */
	assert_int_equal(w.n_earnings, 0); /* nothing is earned from cash that is not banked */
	assert_true(w.row.waiting);
	assert_int_equal(balance_of(&w, ACCOUNT_RECEIVABLE, "dibs", "PKR"), 15334);
	done(&w);
}

static void test_test_orders(void **state)
{
	(void)state;
	struct fact facts[] = { { SHAWLS, .test = true }, { BY_TWO }, { CAPTURE(0, 15334, "PKR") },
		{ FIRST_DELIVERED } };
	struct world w;

	try_all(facts, KW_LEN(facts), &w);
	assert_int_equal(w.row.state, EXPECTED);
	assert_false(w.row.cleared);
	assert_int_equal(w.events, 0);
	assert_int_equal(w.row.faults, FAULT_BIT(FAULT_TEST_MONEY));
	assert_int_equal(balance_of(&w, ACCOUNT_SUSPENSE, "stripe-demo", "PKR"), -15334);
	assert_int_equal(balance_of(&w, ACCOUNT_RECEIVABLE, "dibs", "PKR"), 0);
	assert_int_equal(w.n_earnings, 0);
	done(&w);
}

static void test_cancelled_in_part(void **state)
{
	(void)state;
	/* the second fulfilment is cancelled: 30.01 + 50.00 with their shipping and tax */
	const struct fact facts[] = { { SHAWLS }, { BY_TWO }, { CAPTURE(0, 15334, "PKR") },
		{ FIRST_DELIVERED },
		{ .kind = CANCELLED, .shares = { { 1, "a", NULL, 1 }, { 1, "b", NULL, 1 } } } };
	struct world w;

	try_all(facts, KW_LEN(facts), &w);
	assert_int_equal(w.row.state, OVER);
	assert_int_equal(w.row.faults, FAULT_BIT(FAULT_REFUND_DUE));
	assert_int_equal(w.row.released, w.row.expected);
	assert_int_equal(balance_of(&w, ACCOUNT_UNEARNED, "dibs", "PKR"), 0);
	assert_int_equal(balance_of(&w, ACCOUNT_REFUND_DUE, "dibs", "PKR"), -w.row.cancelled);
	assert_int_equal(balance_of(&w, ACCOUNT_SURPLUS, "dibs", "PKR"), 0);
	assert_int_equal(w.row.expected + w.row.cancelled, 15334);
	assert_int_equal(w.n_earnings, 1);
	done(&w);
}

/* What was never allocated comes off the end of its line; the rest is paid exactly and earns. */
static void test_rest_cancelled_and_paid(void **state)
{
	(void)state;
	const struct fact facts[] = { { SHAWLS },
		{ .kind = ROUTED, .shares = { { 0, "a", "amina", 2 } } },
		{ CAPTURE(0, 6573, "PKR") }, { FIRST_DELIVERED },
		{ .kind = CANCELLED, .shares = { { -1, "a", NULL, 1 }, { -1, "b", NULL, 1 } } } };
	struct world w;

	try_all(facts, KW_LEN(facts), &w);
	/* two of three pieces: 60.03, 2/3 of 6.42 shipping, 2/3 of 2.13 tax */
	assert_int_equal(w.row.state, POSTED);
	assert_int_equal(w.row.cancelled, 15334 - 6573);
	assert_int_equal(w.row.faults, 0);
	assert_int_equal(w.row.released, 6573);
	assert_int_equal(balance_of(&w, ACCOUNT_MAKER, "amina", "PKR"), -(6003 - 150));
	done(&w);
}

static void test_cancelled_whole(void **state)
{
	(void)state;
	const struct fact unpaid[] = { { SHAWLS },
		{ .kind = CANCELLED, .shares = { { -1, "a", NULL, 3 }, { -1, "b", NULL, 1 } } } };
	const struct fact paid[] = { { SHAWLS }, { BY_TWO }, { CAPTURE(0, 15334, "PKR") },
		{ .kind = CANCELLED,
			.shares = {
				{ 0, "a", NULL, 2 }, { 1, "a", NULL, 1 }, { 1, "b", NULL, 1 } } } };
	const struct fact refunded[] = { paid[0], paid[1], paid[2], paid[3],
		{ REFUND(0, 15334, "PKR") } };
	struct world w;

	try_all(unpaid, KW_LEN(unpaid), &w);
	assert_int_equal(w.row.state, VOID);
	assert_int_equal(w.row.faults, 0);
	assert_int_equal(balance_of(&w, ACCOUNT_RECEIVABLE, "dibs", "PKR"), 0);
	done(&w);

	try_all(paid, KW_LEN(paid), &w);
	assert_int_equal(w.row.state, VOID);
	assert_false(w.row.cleared);
	assert_int_equal(w.row.faults, FAULT_BIT(FAULT_REFUND_DUE));
	assert_int_equal(balance_of(&w, ACCOUNT_REFUND_DUE, "dibs", "PKR"), -15334);
	done(&w);

	try_all(refunded, KW_LEN(refunded), &w);
	assert_int_equal(w.row.state, VOID);
	assert_int_equal(w.row.faults, 0);
	for (size_t i = 0; i < w.n_balances; i++)
		assert_int_equal(w.balances[i].minor, 0);
	done(&w);
}

/* ---- anything, in any order ---- */

static uint64_t seed;
static int any(int below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (int)((seed >> 33) % (uint64_t)below);
}

static void release(struct world *w)
{
	struct book book = { .before = w->row, .after = w->row, .loaded = true };

	book.after.waived = w->row.expected - w->row.received;
	run(w, &book);
	assert_int_not_equal(w->row.state, UNDER); /* cancelled pieces count now */
}

/* One fact that may contradict all others: no piece left, more routed than there is, amounts at
 * random. */
static void anything(struct world *w, bool *received)
{
	static const char *const ids[] = { "a", "b" };
	struct fact f = { .kind = (enum fact_kind)any(5) };
	int64_t amounts[] = { 15334, 8761, 6573, 1, 334, 20000 };

	if (w->row.state == UNDER && any(4) == 0) {
		release(w);
		return;
	}
	if (f.kind == RECEIVED) {
		if (*received)
			return;
		*received = true;
		f = (struct fact) { SHAWLS };
		f.cod = any(6) == 0;
		f.test = any(12) == 0;
		f.total = any(3) ? f.total : any(20000);
	} else if (f.kind == PAID) {
		f.payment = any(4);
		f.word = (struct payment_word) { .kind = any(3),
			.amount = { amounts[any(6)], "PKR" } };
		if (any(5) == 0)
			memcpy(f.word.amount.currency, "USD", 4);
		/* what contradicts the payment itself is tested elsewhere */
		if (f.payment < (int)w->n_payments && w->payments[f.payment].currency[0]) {
			const struct payment *p = &w->payments[f.payment];
			memcpy(f.word.amount.currency, p->currency, 4);
			if (f.word.kind == KIND_SUCCEEDED && p->captured)
				f.word.amount.minor = p->captured;
		}
	} else {
		f.fulfilment = any(2);
		int n = 1 + any(2);
		for (int i = 0; i < n; i++) {
			f.shares[i].fulfilment = f.kind == DELIVERED ? f.fulfilment : any(2);
			if (f.kind == CANCELLED && any(2))
				f.shares[i].fulfilment = -1;
			f.shares[i].line_id = ids[(i + any(2)) % 2];
			f.shares[i].maker_id = any(2) ? "amina" : "bano";
			f.shares[i].quantity = any(4);
		}
	}
	happen(w, &f);
}

static void must_hold(const struct world *w, const struct expectation *before)
{
	const struct expectation *e = &w->row;
	int64_t receivable = 0, unearned = 0, too_much = 0, released = 0, net = 0, shortfall = 0;

	for (size_t i = 0; i < w->n_balances; i++) {
		const struct balance *b = &w->balances[i];
		receivable += b->account == ACCOUNT_RECEIVABLE ? b->minor : 0;
		shortfall += b->account == ACCOUNT_SHORTFALL ? b->minor : 0;
		unearned += b->account == ACCOUNT_UNEARNED ? b->minor : 0;
		too_much += b->account == ACCOUNT_REFUND_DUE || b->account == ACCOUNT_SURPLUS
				    ? b->minor
				    : 0;
	}
	for (size_t i = 0; i < w->n_earnings; i++) {
		const struct earning *n = &w->earnings[i];
		released += n->amount + n->fee + n->shipping + n->tax + n->difference;
		assert_true(n->amount >= 0 && n->fee >= 0);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(w->earnings[j].earning_id.s, n->earning_id.s);
	}
	for (size_t i = 0; i < w->n_payments; i++)
		if (payment_matches(e, &w->payments[i], w->payments[i].order_id.s[0] != '\0'))
			net += payment_net(w->payments[i].captured, w->payments[i].refunded);
	assert_int_equal(released, e->released);
	if (!e->channel)
		return;
	assert_int_equal(net, e->received);
	assert_in_range(e->cancelled, before->channel ? before->cancelled : 0, e->total);
	assert_false(before->state == VOID && e->state != VOID);
	assert_false(e->cleared && (e->test || e->state == VOID));
	if (e->test)
		return;
	assert_int_equal(
		receivable + shortfall, e->expected > e->received ? e->expected - e->received : 0);
	assert_true(shortfall <= e->waived && receivable >= 0);
	assert_true(e->state != WAIVED || (shortfall > 0 && receivable == 0));
	assert_int_equal(unearned, e->released - e->expected);
	assert_int_equal(too_much, e->received > e->expected ? e->expected - e->received : 0);
	assert_int_equal(e->state == POSTED, e->received == e->expected && e->state != VOID);
	assert_int_equal(e->state == OVER, e->received > e->expected && e->state != VOID);
}

/* No order of any facts, not even of facts that contradict each other, is refused, unbalances the
 * ledger or undoes what must stay. */
static void test_anything(void **state)
{
	(void)state;
	struct kw_arena *arena = kw_arena_new(64 << 20);
	size_t states[9] = { 0 };

	seed = 4711;
	print_message("seed %llu\n", (unsigned long long)seed);
	for (int round = 0; round < 30000; round++) {
		struct world w = { .arena = arena,
			.row = { .order_id = order_id, .state = WAITING_ORDER } };
		bool received = false;
		for (int i = 0; i < 14; i++) {
			struct expectation before = w.row;
			anything(&w, &received);
			must_hold(&w, &before);
		}
		states[w.row.state]++;
		kw_arena_reset(arena);
	}
	for (size_t i = 0; i < KW_LEN(states); i++) /* it has been everywhere */
		assert_true(states[i] > 20);
	kw_arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paid_and_delivered),
		cmocka_unit_test(test_over_and_under),
		cmocka_unit_test(test_other_currency),
		cmocka_unit_test(test_refunds),
		cmocka_unit_test(test_cash_on_delivery),
		cmocka_unit_test(test_test_orders),
		cmocka_unit_test(test_cancelled_in_part),
		cmocka_unit_test(test_rest_cancelled_and_paid),
		cmocka_unit_test(test_cancelled_whole),
		cmocka_unit_test(test_anything),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
