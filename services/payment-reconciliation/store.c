/* The typed functions around the statements that handlers use. */
#include "store.h"

#include <stdlib.h>
#include <string.h>

#include "statements.h"

/* ---- expectations ---- */

static const struct kw_col id_cols[] = { { KW_COL_UUID_KIND, 0, 0, NULL }, KW_COL_END };

static const struct kw_col order_cols[] = {
	KW_COL_UUID(struct expectation, order_id),
	KW_COL_I64(struct expectation, revision),
	KW_COL_I64(struct expectation, version),
	KW_COL_ENUM(struct expectation, state, &expectation_states),
	KW_COL_BOOL(struct expectation, cleared),
	KW_COL_TEXT(struct expectation, channel),
	KW_COL_TEXT(struct expectation, external_id),
	KW_COL_CHARS(struct expectation, currency),
	KW_COL_BOOL(struct expectation, test),
	KW_COL_BOOL(struct expectation, cod),
	KW_COL_I64(struct expectation, fee_bps),
	KW_COL_I64(struct expectation, total),
	KW_COL_I64(struct expectation, shipping),
	KW_COL_I64(struct expectation, tax),
	KW_COL_I64(struct expectation, discount),
	KW_COL_I64(struct expectation, cancelled),
	KW_COL_I64(struct expectation, expected),
	KW_COL_I64(struct expectation, received),
	KW_COL_I64(struct expectation, captured),
	KW_COL_I64(struct expectation, foreign),
	KW_COL_I64(struct expectation, held),
	KW_COL_I64(struct expectation, released),
	KW_COL_I64(struct expectation, faults),
	KW_COL_BOOL(struct expectation, waiting),
	KW_COL_I64(struct expectation, waived),
	KW_COL_END,
};

static int by_order(const void *left, const void *right)
{
	return strcmp(((const struct expectation *)left)->order_id.s,
		((const struct expectation *)right)->order_id.s);
}

struct count {
	int64_t n;
};
static const struct kw_col count_cols[] = { KW_COL_I64(struct count, n), KW_COL_END };

/* One pass in order of the ids, whichever it is: rows that are there first and absent ones later
 * would meet head on with another that makes one of these and waits for one of those. Where all are
 * there nothing is written. */
enum kw_rc store_lock_orders(struct kw_batch *b, const struct kw_uuid *ids, size_t n,
	struct expectation **ret, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);
	struct count there;
	size_t n_locked;

	kw_args_rows(&args, id_cols, ids, n, sizeof(*ids));
	KW_TRY(kw_pg_fetch_one(
		b->pg, STMT(COUNT_ORDERS), &args, count_cols, sizeof(there), &there, err));
	bool all = there.n == (int64_t)n;
	if (!all)
		kw_args_time(&args, b->now);
	KW_TRY(kw_pg_fetch(b->pg, all ? STMT(LOCK_ORDERS) : STMT(MAKE_ORDERS), &args, order_cols,
		sizeof(**ret), ret, &n_locked, err));
	if (n_locked != n)
		return kw_fail(err, KW_FATAL, "%zu of %zu expectations were locked", n_locked, n);
	qsort(*ret, n, sizeof(**ret), by_order);
	return KW_OK;
}

enum kw_rc store_insert_orders(struct kw_batch *b, const struct expectation *rows, size_t n,
	struct expectation **ret, size_t *ret_n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);
	kw_args_rows(&args, order_cols, rows, n, sizeof(*rows));
	kw_args_time(&args, b->now);
	KW_TRY(kw_pg_fetch(
		b->pg, STMT(INSERT_ORDERS), &args, order_cols, sizeof(**ret), ret, ret_n, err));
	qsort(*ret, *ret_n, sizeof(**ret), by_order);
	return KW_OK;
}

/* Runs an array statement that must touch exactly n rows. */
static enum kw_rc exec_all(
	struct kw_batch *b, int stmt, const struct kw_args *args, size_t n, struct kw_err *err)
{
	size_t affected;
	KW_TRY(kw_pg_exec(b->pg, STMT(stmt), args, &affected, err));
	if (affected != n)
		return kw_fail(
			err, KW_FATAL, "statement %d touched %zu rows, not %zu", stmt, affected, n);
	return KW_OK;
}

enum kw_rc store_update_orders(
	struct kw_batch *b, const struct expectation *rows, size_t n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);
	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, order_cols, rows, n, sizeof(*rows));
	kw_args_time(&args, b->now);
	return exec_all(b, UPDATE_ORDERS, &args, n, err);
}

/* ---- lines and shares ---- */

static const struct kw_col line_cols[] = {
	KW_COL_UUID(struct order_line, order_id),
	KW_COL_TEXT(struct order_line, line_id),
	KW_COL_TEXT(struct order_line, title),
	KW_COL_I64(struct order_line, quantity),
	KW_COL_I64(struct order_line, price),
	KW_COL_I64(struct order_line, discount),
	KW_COL_END,
};

static const struct kw_col loaded_line_cols[] = {
	KW_COL_UUID(struct order_line, order_id),
	KW_COL_TEXT(struct order_line, line_id),
	KW_COL_TEXT(struct order_line, title),
	KW_COL_I64(struct order_line, quantity),
	KW_COL_I64(struct order_line, price),
	KW_COL_I64(struct order_line, discount),
	KW_COL_I64(struct order_line, cancelled),
	KW_COL_END,
};

static const struct kw_col cancelled_line_cols[] = {
	KW_COL_UUID(struct order_line, order_id),
	KW_COL_TEXT(struct order_line, line_id),
	KW_COL_I64(struct order_line, cancelled),
	KW_COL_END,
};

enum kw_rc store_write_lines(
	struct kw_batch *b, const struct order_line *lines, size_t n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);
	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, line_cols, lines, n, sizeof(*lines));
	return exec_all(b, WRITE_LINES, &args, n, err);
}

enum kw_rc store_cancel_lines(
	struct kw_batch *b, const struct order_line *lines, size_t n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);
	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, cancelled_line_cols, lines, n, sizeof(*lines));
	return exec_all(b, CANCEL_LINES, &args, n, err);
}

static const struct kw_col routed_share_cols[] = {
	KW_COL_UUID(struct share, order_id),
	KW_COL_UUID(struct share, fulfilment_id),
	KW_COL_TEXT(struct share, line_id),
	KW_COL_TEXT(struct share, maker_id),
	KW_COL_I64(struct share, n),
	KW_COL_I64(struct share, quantity),
	KW_COL_END,
};

static const struct kw_col delivered_share_cols[] = {
	KW_COL_UUID(struct share, order_id),
	KW_COL_UUID(struct share, fulfilment_id),
	KW_COL_TEXT(struct share, line_id),
	KW_COL_TEXT(struct share, maker_id),
	KW_COL_I64(struct share, n),
	KW_COL_I64(struct share, quantity),
	KW_COL_UUID(struct share, parcel_id),
	KW_COL_TIME(struct share, delivered_at),
	KW_COL_END,
};

static const struct kw_col share_cols[] = {
	KW_COL_UUID(struct share, order_id),
	KW_COL_UUID(struct share, fulfilment_id),
	KW_COL_TEXT(struct share, line_id),
	KW_COL_TEXT(struct share, maker_id),
	KW_COL_I64(struct share, n),
	KW_COL_I64(struct share, quantity),
	KW_COL_UUID(struct share, parcel_id),
	KW_COL_TIME(struct share, delivered_at),
	KW_COL_BOOL(struct share, routed),
	KW_COL_BOOL(struct share, cancelled),
	KW_COL_BOOL(struct share, earned),
	KW_COL_END,
};

static const struct kw_col share_key_cols[] = {
	KW_COL_UUID(struct share, order_id),
	KW_COL_UUID(struct share, fulfilment_id),
	KW_COL_END,
};

/* A share that is there already (routed twice, delivered twice) stays as it is: no row is asserted.
 */
enum kw_rc store_route_shares(
	struct kw_batch *b, const struct share *shares, size_t n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);
	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, routed_share_cols, shares, n, sizeof(*shares));
	return kw_pg_exec(b->pg, STMT(ROUTE_SHARES), &args, NULL, err);
}

enum kw_rc store_deliver_shares(
	struct kw_batch *b, const struct share *shares, size_t n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);
	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, delivered_share_cols, shares, n, sizeof(*shares));
	return kw_pg_exec(b->pg, STMT(DELIVER_SHARES), &args, NULL, err);
}

enum kw_rc store_cancel_shares(
	struct kw_batch *b, const struct share *shares, size_t n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);
	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, share_key_cols, shares, n, sizeof(*shares));
	return kw_pg_exec(b->pg, STMT(CANCEL_SHARES), &args, NULL, err);
}

enum kw_rc store_load_lines(struct kw_batch *b, const struct kw_uuid *orders, size_t n,
	struct order_line **ret, size_t *ret_n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);
	kw_args_rows(&args, id_cols, orders, n, sizeof(*orders));
	return kw_pg_fetch(
		b->pg, STMT(LOAD_LINES), &args, loaded_line_cols, sizeof(**ret), ret, ret_n, err);
}

enum kw_rc store_load_shares(struct kw_batch *b, const struct kw_uuid *orders, size_t n,
	struct share **ret, size_t *ret_n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);
	kw_args_rows(&args, id_cols, orders, n, sizeof(*orders));
	return kw_pg_fetch(
		b->pg, STMT(LOAD_SHARES), &args, share_cols, sizeof(**ret), ret, ret_n, err);
}

/* ---- what providers say ---- */

static const struct kw_col event_cols[] = {
	KW_COL_TEXT(struct provider_event, provider),
	KW_COL_TEXT(struct provider_event, provider_event_id),
	KW_COL_UUID(struct provider_event, payment_id),
	KW_COL_ENUM(struct provider_event, kind, &payment_kinds),
	KW_COL_MONEY(struct provider_event, amount),
	KW_COL_MONEY(struct provider_event, fee),
	KW_COL_UUID(struct provider_event, order_id),
	KW_COL_TIME(struct provider_event, occurred_at),
	KW_COL_TEXT(struct provider_event, content_hash),
	KW_COL_I64(struct provider_event, seen),
	KW_COL_END,
};

static const struct kw_col seen_cols[] = {
	KW_COL_TEXT(struct seen_event, provider),
	KW_COL_TEXT(struct seen_event, provider_event_id),
	KW_COL_TEXT(struct seen_event, content_hash),
	KW_COL_I64(struct seen_event, seen),
	KW_COL_END,
};

static const struct kw_col seen_key_cols[] = {
	KW_COL_TEXT(struct seen_event, provider),
	KW_COL_TEXT(struct seen_event, provider_event_id),
	KW_COL_END,
};

static int by_event(const void *left, const void *right)
{
	const struct seen_event *a = left, *b = right;
	int order = strcmp(a->provider, b->provider);
	return order ? order : strcmp(a->provider_event_id, b->provider_event_id);
}

enum kw_rc store_see_events(struct kw_batch *b, const struct provider_event *events, size_t n,
	struct seen_event **ret, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);
	size_t n_seen;

	kw_args_rows(&args, event_cols, events, n, sizeof(*events));
	kw_args_time(&args, b->now);
	KW_TRY(kw_pg_fetch(
		b->pg, STMT(SEE_EVENTS), &args, seen_cols, sizeof(**ret), ret, &n_seen, err));
	if (n_seen != n)
		return kw_fail(err, KW_FATAL, "%zu of %zu provider events came back", n_seen, n);
	qsort(*ret, n, sizeof(**ret), by_event);
	return KW_OK;
}

enum kw_rc store_refuse_events(
	struct kw_batch *b, const struct seen_event *events, size_t n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);
	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, seen_key_cols, events, n, sizeof(*events));
	return exec_all(b, REFUSE_EVENTS, &args, n, err);
}

#define PAYMENT_COLS                                                                            \
	KW_COL_UUID(struct payment, payment_id), KW_COL_UUID(struct payment, order_id),         \
		KW_COL_UUID(struct payment, home), KW_COL_TEXT(struct payment, provider),       \
		KW_COL_TEXT(struct payment, provider_payment_id),                               \
		KW_COL_TEXT(struct payment, channel), KW_COL_TEXT(struct payment, external_id), \
		KW_COL_CHARS(struct payment, currency), KW_COL_I64(struct payment, captured),   \
		KW_COL_I64(struct payment, refunded),                                           \
		KW_COL_ENUM(struct payment, state, &payment_states),                            \
		KW_COL_I64(struct payment, version), KW_COL_I64(struct payment, revision),      \
		KW_COL_BOOL(struct payment, disputed)

static const struct kw_col payment_cols[] = { PAYMENT_COLS, KW_COL_END };
static const struct kw_col known_payment_cols[] = {
	PAYMENT_COLS,
	KW_COL_I64(struct payment, was_captured),
	KW_COL_I64(struct payment, was_refunded),
	KW_COL_BOOL(struct payment, was_bound),
	KW_COL_END,
};

enum kw_rc store_lock_payments(struct kw_batch *b, const struct kw_uuid *ids, size_t n,
	struct payment **ret, size_t *ret_n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);
	kw_args_rows(&args, id_cols, ids, n, sizeof(*ids));
	return kw_pg_fetch(b->pg, STMT(LOCK_PAYMENTS), &args, known_payment_cols, sizeof(**ret),
		ret, ret_n, err);
}

enum kw_rc store_insert_payments(
	struct kw_batch *b, const struct payment *rows, size_t n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);
	size_t affected;

	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, payment_cols, rows, n, sizeof(*rows));
	kw_args_time(&args, b->now);
	KW_TRY(kw_pg_exec(b->pg, STMT(INSERT_PAYMENTS), &args, &affected, err));
	if (affected != n)
		return kw_fail(err, KW_RETRY, "another replica made %zu of %zu payments meanwhile",
			n - affected, n);
	return KW_OK;
}

enum kw_rc store_update_payments(
	struct kw_batch *b, const struct payment *rows, size_t n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);
	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, payment_cols, rows, n, sizeof(*rows));
	kw_args_time(&args, b->now);
	return exec_all(b, UPDATE_PAYMENTS, &args, n, err);
}

enum kw_rc store_load_payments(struct kw_batch *b, const struct kw_uuid *orders, size_t n,
	struct payment **ret, size_t *ret_n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);
	kw_args_rows(&args, id_cols, orders, n, sizeof(*orders));
	return kw_pg_fetch(b->pg, STMT(LOAD_PAYMENTS), &args, known_payment_cols, sizeof(**ret),
		ret, ret_n, err);
}

/* ---- ledger, earnings, exceptions ---- */

static const struct kw_col transaction_cols[] = {
	KW_COL_UUID(struct ledger_transaction, entity_id),
	KW_COL_I64(struct ledger_transaction, revision),
	KW_COL_ENUM(struct ledger_transaction, kind, &entry_kinds),
	KW_COL_UUID(struct ledger_transaction, cause),
	KW_COL_END,
};

static const struct kw_col posting_cols[] = {
	KW_COL_UUID(struct ledger_posting, entity_id),
	KW_COL_I64(struct ledger_posting, revision),
	KW_COL_I64(struct ledger_posting, n),
	KW_COL_ENUM(struct ledger_posting, p.account, &accounts),
	KW_COL_TEXT(struct ledger_posting, p.party),
	KW_COL_I64(struct ledger_posting, p.minor),
	KW_COL_CHARS(struct ledger_posting, p.currency),
	KW_COL_END,
};

enum kw_rc store_book(struct kw_batch *b, const struct ledger_transaction *transactions, size_t n,
	const struct ledger_posting *postings, size_t n_postings, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);
	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, transaction_cols, transactions, n, sizeof(*transactions));
	kw_args_time(&args, b->now);
	KW_TRY(exec_all(b, BOOK_TRANSACTIONS, &args, n, err));
	args = kw_args_of(b->arena);
	kw_args_rows(&args, posting_cols, postings, n_postings, sizeof(*postings));
	return exec_all(b, BOOK_POSTINGS, &args, n_postings, err);
}

static const struct kw_col earning_cols[] = {
	KW_COL_UUID(struct earning, earning_id),
	KW_COL_UUID(struct earning, order_id),
	KW_COL_UUID(struct earning, fulfilment_id),
	KW_COL_TEXT(struct earning, line_id),
	KW_COL_TEXT(struct earning, maker_id),
	KW_COL_CHARS(struct earning, currency),
	KW_COL_I64(struct earning, quantity),
	KW_COL_I64(struct earning, amount),
	KW_COL_I64(struct earning, fee),
	KW_COL_I64(struct earning, shipping),
	KW_COL_I64(struct earning, tax),
	KW_COL_I64(struct earning, difference),
	KW_COL_END,
};

enum kw_rc store_earn(
	struct kw_batch *b, const struct earning *earnings, size_t n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);
	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, earning_cols, earnings, n, sizeof(*earnings));
	kw_args_time(&args, b->now);
	return exec_all(b, EARN, &args, n, err);
}

static const struct kw_col exception_cols[] = {
	KW_COL_UUID(struct exception, exception_id),
	KW_COL_UUID(struct exception, home),
	KW_COL_UUID(struct exception, order_id),
	KW_COL_UUID(struct exception, payment_id),
	KW_COL_ENUM(struct exception, kind, &exception_kinds),
	KW_COL_MONEY(struct exception, expected),
	KW_COL_MONEY(struct exception, received),
	KW_COL_TEXT(struct exception, reason),
	KW_COL_TEXT(struct exception, owner),
	KW_COL_ENUM(struct exception, state, &exception_states),
	KW_COL_I64(struct exception, version),
	KW_COL_TEXT(struct exception, resolution),
	KW_COL_TEXT(struct exception, by),
	KW_COL_TEXT(struct exception, note),
	KW_COL_END,
};

static enum kw_rc fetch_exceptions(struct kw_batch *b, int stmt, const struct kw_uuid *ids,
	size_t n, struct exception **ret, size_t *ret_n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);
	kw_args_rows(&args, id_cols, ids, n, sizeof(*ids));
	return kw_pg_fetch(
		b->pg, STMT(stmt), &args, exception_cols, sizeof(**ret), ret, ret_n, err);
}

enum kw_rc store_find_exceptions(struct kw_batch *b, const struct kw_uuid *ids, size_t n,
	struct exception **ret, size_t *ret_n, struct kw_err *err)
{
	return fetch_exceptions(b, FIND_EXCEPTIONS, ids, n, ret, ret_n, err);
}

enum kw_rc store_lock_exceptions(struct kw_batch *b, const struct kw_uuid *ids, size_t n,
	struct exception **ret, size_t *ret_n, struct kw_err *err)
{
	return fetch_exceptions(b, LOCK_EXCEPTIONS, ids, n, ret, ret_n, err);
}

/* What the version test refuses was changed by another meanwhile: an exception of one message alone
 * has no row to lock before it is there. */
enum kw_rc store_write_exceptions(
	struct kw_batch *b, const struct exception *rows, size_t n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(b->arena);
	size_t affected;

	if (n == 0)
		return KW_OK;
	kw_args_rows(&args, exception_cols, rows, n, sizeof(*rows));
	kw_args_time(&args, b->now);
	KW_TRY(kw_pg_exec(b->pg, STMT(WRITE_EXCEPTIONS), &args, &affected, err));
	if (affected != n)
		return kw_fail(err, KW_RETRY,
			"another replica changed %zu of %zu exceptions meanwhile", n - affected, n);
	return KW_OK;
}
