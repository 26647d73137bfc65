/* The transaction runner against a real server: commit, roll back, run again, and a COMMIT whose
 * reply is lost. */
#include <pthread.h>
#include <stdatomic.h>

#include "dies.h"
#include "pg_testing.h"

enum { ADD, ADD_ONCE, FIND_LOCKED };

static const struct kw_stmt stmts[] = {
	[ADD] = { "UPDATE rows SET n = n + $2::int8 WHERE id = $1::int8" },
	[ADD_ONCE] = { "INSERT INTO rows VALUES ($1::int8, $2::int8) ON CONFLICT DO NOTHING" },
	[FIND_LOCKED] = { "SELECT n FROM rows WHERE id = $1::int8 FOR UPDATE" },
};

/* What a callback does; every test's own. */
struct work {
	int runs, landed_calls;
	int64_t id;
	enum kw_rc result; /* of the callback, after its statement */
	struct kw_pg *other;
	const char *set; /* a script first, or NULL */
	pthread_barrier_t *both;
	struct kt_proxy *proxy;
};

static enum kw_rc add(
	struct kw_pg *pg, const struct kw_stmt *stmt, int64_t id, int64_t by, struct kw_err *err)
{
	/* of its own: two threads of the deadlock come here */
	KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new(65536);
	struct kw_args args = kw_args_of(a);
	size_t affected;

	kw_args_i64(&args, id);
	kw_args_i64(&args, by);
	KW_TRY(kw_pg_exec(pg, stmt, &args, &affected, err));
	return affected == 1 ? KW_OK : kw_fail(err, KW_FATAL, "no row");
}

static enum kw_rc find_locked(struct kw_pg *pg, int64_t id, int64_t *ret, struct kw_err *err)
{
	struct kw_args args = kw_args_of(test_arena);
	struct number row;

	kw_args_i64(&args, id);
	KW_TRY(kw_pg_fetch_one(
		pg, &stmts[FIND_LOCKED], &args, number_cols, sizeof(row), &row, err));
	*ret = row.n;
	return KW_OK;
}

static enum kw_rc add_one(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	struct work *w = ctx;

	w->runs++;
	if (w->set)
		KW_TRY(kw_pg_script(pg, w->set, err));
	KW_TRY(add(pg, &stmts[ADD], w->id, 1, err));
	return w->result;
}

static int reset(void **state)
{
	static const struct kw_stmt zero = { "UPDATE rows SET n = 0" };
	struct kw_pg *pg = test_pg();

	(void)state;
	kw_arena_reset(test_arena);
	OK(kw_pg_exec(pg, &zero, NULL, NULL, &why));
	kw_pg_free(pg);
	return 0;
}

static void commits(void **state)
{
	struct kw_pg *pg = test_pg();
	struct work w = { .id = 1 };
	struct kw_tx tx = { .run = add_one, .ctx = &w };

	(void)state;
	OK(kw_pg_tx_run(pg, &tx, &why));
	OK(kw_pg_tx_run(pg, &tx, &why));
	assert_int_equal(w.runs, 2);
	assert_int_equal(test_row(1), 2);
	assert_int_equal(kw_pg_sessions(pg), 1);
	kw_pg_free(pg);
}

static void rolls_back(void **state)
{
	static const enum kw_rc results[] = { KW_NOTHING, KW_DUPLICATE, KW_INVALID, KW_CONFLICT,
		KW_FATAL };
	struct kw_pg *pg = test_pg();

	(void)state;
	for (size_t i = 0; i < KW_LEN(results); i++) {
		struct work w = { .id = 1, .result = results[i] };

		assert_int_equal(
			kw_pg_tx_run(pg, &(struct kw_tx) { .run = add_one, .ctx = &w }, NULL),
			results[i]);
		assert_int_equal(w.runs, 1);
	}
	assert_int_equal(test_row(1), 0);
	kw_pg_free(pg);
}

static void gives_up_retrying(void **state)
{
	struct kw_pg *pg = test_pg();
	struct work w = { .id = 1, .result = KW_RETRY };

	(void)state;
	assert_int_equal(
		kw_pg_tx_run(
			pg, &(struct kw_tx) { .run = add_one, .ctx = &w, .max_tries = 3 }, NULL),
		KW_RETRY);
	assert_int_equal(w.runs, 3);
	w.runs = 0;
	assert_int_equal(
		kw_pg_tx_run(pg, &(struct kw_tx) { .run = add_one, .ctx = &w }, NULL), KW_RETRY);
	assert_int_equal(w.runs, 5);
	assert_int_equal(test_row(1), 0);
	kw_pg_free(pg);
}

/* The first run reads, another connection changes what it read, then it writes. */
static enum kw_rc read_then_write(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	struct work *w = ctx;
	static const struct kw_stmt read = { "SELECT n FROM rows WHERE id = 1" };

	KW_TRY(kw_pg_script(pg, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", err));
	int64_t n = test_number(pg, &read);
	if (w->runs++ == 0)
		OK(add(w->other, &stmts[ADD], 1, 100, &why));
	return add(pg, &stmts[ADD], 1, n + 1, err);
}

static void serialization_failure(void **state)
{
	struct kw_pg *pg = test_pg();
	struct work w = { .other = test_pg() };

	(void)state;
	OK(kw_pg_tx_run(pg, &(struct kw_tx) { .run = read_then_write, .ctx = &w }, &why));
	assert_int_equal(w.runs, 2);
	assert_int_equal(test_row(1), 100 + 100 + 1);
	assert_int_equal(kw_pg_sessions(pg), 1);
	kw_pg_free(pg);
	kw_pg_free(w.other);
}

/* Both take their first row before either takes its second. */
static enum kw_rc crosswise(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	struct work *w = ctx;

	KW_TRY(add(pg, &stmts[ADD], w->id, 1, err));
	if (w->runs++ == 0)
		pthread_barrier_wait(w->both);
	return add(pg, &stmts[ADD], 3 - w->id, 1, err);
}

static void *run_crosswise(void *arg)
{
	struct work *w = arg;
	enum kw_rc rc =
		kw_pg_tx_run(w->other, &(struct kw_tx) { .run = crosswise, .ctx = w }, NULL);

	w->result = rc;
	return NULL;
}

static void deadlock(void **state)
{
	pthread_barrier_t both;
	pthread_t thread;
	struct work a = { .id = 1, .other = test_pg(), .both = &both };
	struct work b = { .id = 2, .other = test_pg(), .both = &both };

	(void)state;
	pthread_barrier_init(&both, NULL, 2);
	assert_int_equal(pthread_create(&thread, NULL, run_crosswise, &b), 0);
	run_crosswise(&a);
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&both);
	assert_int_equal(a.result, KW_OK);
	assert_int_equal(b.result, KW_OK);
	assert_int_equal(a.runs + b.runs, 3);
	assert_int_equal(test_row(1), 2);
	assert_int_equal(test_row(2), 2);
	kw_pg_free(a.other);
	kw_pg_free(b.other);
}

static enum kw_rc hold_row(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	struct work *inner = ctx;
	struct kw_err inner_err = { 0 };
	int64_t n;

	KW_TRY(find_locked(pg, 1, &n, err));
	assert_int_equal(kw_pg_tx_run(inner->other,
				 &(struct kw_tx) { .run = add_one, .ctx = inner, .max_tries = 2 },
				 &inner_err),
		KW_RETRY);
	assert_string_equal(inner_err.code, "55P03");
	return KW_OK;
}

static void lock_timeout(void **state)
{
	struct kw_pg *pg = test_pg();
	struct work w = { .id = 1, .other = test_pg(), .set = "SET LOCAL lock_timeout = '50ms'" };

	(void)state;
	OK(kw_pg_tx_run(pg, &(struct kw_tx) { .run = hold_row, .ctx = &w }, &why));
	assert_int_equal(w.runs, 2);
	assert_int_equal(test_row(1), 0);
	kw_pg_free(pg);
	kw_pg_free(w.other);
}

/* ---- lost sessions ---- */

/* The session ends in the middle; what the callback does after it must not open another. */
static enum kw_rc lose_in_the_middle(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	struct work *w = ctx;

	KW_TRY(add(pg, &stmts[ADD], 1, 1, err));
	if (w->runs++ == 0) {
		test_terminate(pg);
		struct kw_err lost = { 0 };
		unsigned sessions = kw_pg_sessions(pg);
		for (int i = 0; i < 3; i++)
			assert_int_equal(add(pg, &stmts[ADD], 2, 1, &lost), KW_RETRY);
		assert_int_equal(kw_pg_script(pg, "SELECT 1", &lost), KW_RETRY);
		assert_int_equal(kw_pg_connect(pg, &lost), KW_RETRY);
		assert_int_equal(kw_pg_prepare_all(pg, stmts, 3, &lost), KW_RETRY);
		assert_string_equal(lost.code, "SESSION_LOST");
		assert_int_equal(kw_pg_sessions(pg), sessions);
	}
	return w->result; /* OK: it forgot to look */
}

static void lost_in_the_middle(void **state)
{
	struct kw_pg *pg = test_pg();
	struct work w = { 0 };

	(void)state;
	OK(kw_pg_tx_run(pg, &(struct kw_tx) { .run = lose_in_the_middle, .ctx = &w }, &why));
	assert_int_equal(w.runs, 2);
	assert_int_equal(kw_pg_sessions(pg), 2);
	assert_int_equal(test_row(1), 1);
	assert_int_equal(test_row(2), 0);
	kw_pg_free(pg);
}

enum where { NOWHERE, BEFORE, BEFORE_REPLY, AT_ONCE };

struct cutter {
	_Atomic int where;
	atomic_bool sent; /* COMMIT went to the server */
	atomic_int commits;
};

/* Breaks the connection of the first COMMIT that it sees. */
static enum kt_verdict cut_commit(
	void *ctx, int connection, bool to_server, const void *bytes, size_t n)
{
	struct cutter *c = ctx;
	bool is_commit = to_server && kt_bytes_contain(bytes, n, "COMMIT");

	(void)connection;
	if (is_commit)
		atomic_fetch_add(&c->commits, 1);
	int where = atomic_load(&c->where);
	if (where == BEFORE && is_commit) {
		atomic_store(&c->where, NOWHERE);
		return KT_CUT;
	}
	if (where == AT_ONCE && is_commit) {
		atomic_store(&c->where, NOWHERE);
		return KT_PASS_THEN_CUT;
	}
	if (where == BEFORE_REPLY && is_commit)
		atomic_store(&c->sent, true);
	if (where == BEFORE_REPLY && !to_server && atomic_load(&c->sent)) {
		atomic_store(&c->where, NOWHERE);
		return KT_CUT;
	}
	return KT_PASS;
}

static enum kw_rc has_landed(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	struct work *w = ctx;
	int64_t n;

	w->landed_calls++;
	KW_TRY(find_locked(pg, w->id, &n, err));
	return n == 1 ? KW_OK : KW_NOTHING;
}

struct lost_commit {
	struct cutter cutter;
	struct kt_proxy *proxy;
	struct kw_pg *pg;
	struct work w;
};

static void lost_commit_open(struct lost_commit *l, enum where where)
{
	const char *dsn;

	*l = (struct lost_commit) { .w.id = 1 };
	atomic_store(&l->cutter.where, where);
	l->proxy = test_proxy(cut_commit, &l->cutter, &dsn);
	l->w.proxy = l->proxy;
	l->pg = test_pg_at(dsn);
}

static void lost_commit_close(struct lost_commit *l)
{
	kw_pg_free(l->pg);
	kt_proxy_close(l->proxy);
}

static void commit_does_not_arrive(void **state)
{
	struct lost_commit l;

	(void)state;
	lost_commit_open(&l, BEFORE);
	OK(kw_pg_tx_run(
		l.pg, &(struct kw_tx) { .run = add_one, .landed = has_landed, .ctx = &l.w }, &why));
	assert_int_equal(l.w.landed_calls, 1);
	assert_int_equal(l.w.runs, 2);
	assert_int_equal(kw_pg_sessions(l.pg), 2);
	assert_int_equal(test_row(1), 1);
	lost_commit_close(&l);
}

static void reply_does_not_arrive(void **state)
{
	struct lost_commit l;

	(void)state;
	lost_commit_open(&l, BEFORE_REPLY);
	OK(kw_pg_tx_run(
		l.pg, &(struct kw_tx) { .run = add_one, .landed = has_landed, .ctx = &l.w }, &why));
	assert_int_equal(l.w.landed_calls, 1);
	assert_int_equal(l.w.runs, 1);
	assert_int_equal(kw_pg_sessions(l.pg), 2);
	assert_int_equal(test_row(1), 1);
	lost_commit_close(&l);
}

/* The server is still at it when we ask: the row's lock makes the question wait for the answer. */
static void commit_takes_its_time(void **state)
{
	struct lost_commit l;

	(void)state;
	lost_commit_open(&l, AT_ONCE);
	OK(kw_pg_script(l.pg,
		"CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS "
		"$$ BEGIN PERFORM pg_sleep(0.7); RETURN NULL; END $$;"
		"CREATE CONSTRAINT TRIGGER dawdle AFTER UPDATE ON rows DEFERRABLE INITIALLY DEFERRED "
		"FOR EACH ROW EXECUTE FUNCTION dawdle()",
		&why));
	OK(kw_pg_tx_run(
		l.pg, &(struct kw_tx) { .run = add_one, .landed = has_landed, .ctx = &l.w }, &why));
	assert_int_equal(l.w.landed_calls, 1);
	assert_int_equal(l.w.runs, 1);
	assert_int_equal(test_row(1), 1);
	OK(kw_pg_script(l.pg, "DROP TRIGGER dawdle ON rows; DROP FUNCTION dawdle", &why));
	lost_commit_close(&l);
}

static enum kw_rc add_idempotently(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	struct work *w = ctx;
	struct kw_args args = kw_args_of(test_arena);

	w->runs++;
	kw_args_i64(&args, w->id);
	kw_args_i64(&args, 7);
	return kw_pg_exec(pg, &stmts[ADD_ONCE], &args, NULL, err);
}

static void idempotent_runs_again(void **state)
{
	struct lost_commit l;

	(void)state;
	lost_commit_open(&l, BEFORE_REPLY);
	l.w.id = 77;
	OK(kw_pg_tx_run(l.pg, &(struct kw_tx) { .run = add_idempotently, .ctx = &l.w }, &why));
	assert_int_equal(l.w.runs, 2);
	assert_int_equal(test_row(77), 7);
	lost_commit_close(&l);
}

static enum kw_rc refuse_then_add(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	struct work *w = ctx;

	kt_proxy_refuse(w->proxy, true);
	return add_one(pg, ctx, err);
}

/* Nobody can be asked: it is not run again, and the caller learns that it may be in. */
static void outcome_stays_unknown(void **state)
{
	struct lost_commit l;
	struct kw_err err = { 0 };
	struct kw_tx tx = {
		.run = refuse_then_add, .landed = has_landed, .ctx = &l.w, .max_tries = 3
	};

	(void)state;
	lost_commit_open(&l, BEFORE_REPLY);
	assert_int_equal(kw_pg_tx_run(l.pg, &tx, &err), KW_RETRY);
	assert_string_equal(err.code, "COMMIT_UNKNOWN");
	assert_int_equal(l.w.runs, 1);
	assert_int_equal(test_row(1), 1);
	/* and the connection works again as soon as the server can be reached */
	kt_proxy_refuse(l.proxy, false);
	l.w = (struct work) { .id = 2 };
	tx.run = add_one;
	OK(kw_pg_tx_run(l.pg, &tx, &why));
	assert_int_equal(test_row(2), 1);
	lost_commit_close(&l);
}

/* A COMMIT that the server answers with an error is rolled back for certain: nobody is asked. */
static void commit_refused(void **state)
{
	struct lost_commit l;
	struct kw_err err = { 0 };
	struct kw_tx tx = { .run = add_one, .landed = has_landed, .ctx = &l.w };

	(void)state;
	lost_commit_open(&l, NOWHERE);
	OK(kw_pg_script(l.pg,
		"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
		"$$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'KW003'; END $$;"
		"CREATE CONSTRAINT TRIGGER refuse AFTER UPDATE ON rows DEFERRABLE INITIALLY DEFERRED "
		"FOR EACH ROW EXECUTE FUNCTION refuse()",
		&why));
	assert_int_equal(kw_pg_tx_run(l.pg, &tx, &err), KW_CONFLICT);
	assert_string_equal(err.code, "KW003");
	assert_int_equal(l.w.runs, 1);
	assert_int_equal(l.w.landed_calls, 0);
	assert_int_equal(test_row(1), 0);
	OK(kw_pg_script(l.pg, "DROP TRIGGER refuse ON rows; DROP FUNCTION refuse", &why));
	lost_commit_close(&l);
}

/* ---- our own bugs ---- */

static enum kw_rc go_on_after_failure(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	(void)ctx;
	KW_TRY(add(pg, &stmts[ADD], 1, 1, err));
	assert_int_equal(kw_pg_script(pg, "SELECT 1 / 0", NULL), KW_FATAL);
	return KW_OK;
}

static void failure_is_not_committed(void **state)
{
	struct kw_pg *pg = test_pg();

	(void)state;
	assert_int_equal(
		kw_pg_tx_run(pg, &(struct kw_tx) { .run = go_on_after_failure }, NULL), KW_FATAL);
	assert_int_equal(test_row(1), 0);
	OK(kw_pg_script(pg, "SELECT 1", &why));
	assert_int_equal(kw_pg_sessions(pg), 1);
	kw_pg_free(pg);
}

static enum kw_rc commit_inside(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	(void)ctx;
	return kw_pg_script(pg, "COMMIT", err);
}

static enum kw_rc nest(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	return kw_pg_tx_run(pg, &(struct kw_tx) { .run = add_one, .ctx = ctx }, err);
}

/* Each with a connection of its own: a child must not speak on its parent's. */
static void with_new_connection(void (*misuse)(struct kw_pg *pg))
{
	misuse(test_pg());
}

static void leave_open(struct kw_pg *pg)
{
	(void)kw_pg_script(pg, "BEGIN", NULL);
}

static void commit_in_callback(struct kw_pg *pg)
{
	(void)kw_pg_tx_run(pg, &(struct kw_tx) { .run = commit_inside }, NULL);
}

static void transaction_in_transaction(struct kw_pg *pg)
{
	struct work w = { .id = 1 };

	(void)kw_pg_tx_run(pg, &(struct kw_tx) { .run = nest, .ctx = &w }, NULL);
}

static void nothing_is_left_open(void **state)
{
	(void)state;
	assert_dies(with_new_connection(leave_open));
	assert_dies(with_new_connection(commit_in_callback));
	assert_dies(with_new_connection(transaction_in_transaction));
}

static enum kw_rc begin_and_fail(struct kw_pg *pg, struct kw_err *err)
{
	return kw_pg_script(pg, "BEGIN; UPDATE rows SET n = 9; SELECT 1 / 0; COMMIT", err);
}

static void failed_script_leaves_nothing(void **state)
{
	struct kw_pg *pg = test_pg();
	struct work w = { .id = 1 };

	(void)state;
	assert_int_equal(begin_and_fail(pg, NULL), KW_FATAL);
	OK(kw_pg_tx_run(pg, &(struct kw_tx) { .run = add_one, .ctx = &w }, &why));
	assert_int_equal(test_row(1), 1);
	assert_int_equal(test_row(2), 0);
	kw_pg_free(pg);
}

static void read_only_transaction(void **state)
{
	struct kw_pg *pg = test_pg();
	struct work w = { .id = 1 };
	struct kw_err err = { 0 };

	(void)state;
	assert_int_equal(
		kw_pg_tx_run(
			pg, &(struct kw_tx) { .run = add_one, .ctx = &w, .read_only = true }, &err),
		KW_FATAL);
	assert_string_equal(err.code, "25006");
	OK(kw_pg_tx_run(pg, &(struct kw_tx) { .run = add_one, .ctx = &w }, &why));
	kw_pg_free(pg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(commits, reset),
		cmocka_unit_test_setup(rolls_back, reset),
		cmocka_unit_test_setup(gives_up_retrying, reset),
		cmocka_unit_test_setup(serialization_failure, reset),
		cmocka_unit_test_setup(deadlock, reset),
		cmocka_unit_test_setup(lock_timeout, reset),
		cmocka_unit_test_setup(lost_in_the_middle, reset),
		cmocka_unit_test_setup(commit_does_not_arrive, reset),
		cmocka_unit_test_setup(reply_does_not_arrive, reset),
		cmocka_unit_test_setup(commit_takes_its_time, reset),
		cmocka_unit_test_setup(idempotent_runs_again, reset),
		cmocka_unit_test_setup(outcome_stays_unknown, reset),
		cmocka_unit_test_setup(commit_refused, reset),
		cmocka_unit_test_setup(failure_is_not_committed, reset),
		cmocka_unit_test_setup(nothing_is_left_open, reset),
		cmocka_unit_test_setup(failed_script_leaves_nothing, reset),
		cmocka_unit_test_setup(read_only_transaction, reset),
	};
	test_database("kw-pg-tx");
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	kw_arena_free(test_arena);
	return failed;
}
