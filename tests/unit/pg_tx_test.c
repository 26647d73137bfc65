/* The transaction runner against a real server: commit, roll back, run again, and what it refuses.
 */
#include "dies.h"
#include "pg_testing.h"

static void commits(void **state)
{
	struct kw_pg *pg = test_pg();
	struct test_work w = { .id = 1 };
	struct kw_tx tx = { .run = test_add_one, .ctx = &w };

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
		struct test_work w = { .id = 1, .result = results[i] };

		assert_int_equal(
			kw_pg_tx_run(pg, &(struct kw_tx) { .run = test_add_one, .ctx = &w }, NULL),
			results[i]);
		assert_int_equal(w.runs, 1);
	}
	assert_int_equal(test_row(1), 0);
	kw_pg_free(pg);
}

static void gives_up_retrying(void **state)
{
	struct kw_pg *pg = test_pg();
	struct test_work w = { .id = 1, .result = KW_RETRY };

	(void)state;
	assert_int_equal(
		kw_pg_tx_run(pg, &(struct kw_tx) { .run = test_add_one, .ctx = &w, .max_tries = 3 },
			NULL),
		KW_RETRY);
	assert_int_equal(w.runs, 3);
	w.runs = 0;
	assert_int_equal(kw_pg_tx_run(pg, &(struct kw_tx) { .run = test_add_one, .ctx = &w }, NULL),
		KW_RETRY);
	assert_int_equal(w.runs, 5);
	assert_int_equal(test_row(1), 0);
	kw_pg_free(pg);
}

/* The first run reads, another connection changes what it read, then it writes. */
static enum kw_rc read_then_write(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	struct test_work *w = ctx;
	static const struct kw_stmt read = { "SELECT n FROM rows WHERE id = 1" };

	KW_TRY(kw_pg_script(pg, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", err));
	int64_t n = test_number(pg, &read);
	if (w->runs++ == 0)
		OK(test_add(w->other, 1, 100, &why));
	return test_add(pg, 1, n + 1, err);
}

static void serialization_failure(void **state)
{
	struct kw_pg *pg = test_pg();
	struct test_work w = { .other = test_pg() };

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
	struct test_work *w = ctx;

	KW_TRY(test_add(pg, w->id, 1, err));
	if (w->runs++ == 0)
		pthread_barrier_wait(w->both);
	return test_add(pg, 3 - w->id, 1, err);
}

static void *run_crosswise(void *arg)
{
	struct test_work *w = arg;
	enum kw_rc rc =
		kw_pg_tx_run(w->other, &(struct kw_tx) { .run = crosswise, .ctx = w }, NULL);

	w->result = rc;
	return NULL;
}

static void deadlock(void **state)
{
	pthread_barrier_t both;
	pthread_t thread;
	struct test_work a = { .id = 1, .other = test_pg(), .both = &both };
	struct test_work b = { .id = 2, .other = test_pg(), .both = &both };

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
	struct test_work *inner = ctx;
	struct kw_err inner_err = { 0 };
	int64_t n;

	KW_TRY(test_find_locked(pg, 1, &n, err));
	assert_int_equal(
		kw_pg_tx_run(inner->other,
			&(struct kw_tx) { .run = test_add_one, .ctx = inner, .max_tries = 2 },
			&inner_err),
		KW_RETRY);
	assert_string_equal(inner_err.code, "55P03");
	return KW_OK;
}

static void lock_timeout(void **state)
{
	struct kw_pg *pg = test_pg();
	struct test_work w = {
		.id = 1, .other = test_pg(), .set = "SET LOCAL lock_timeout = '50ms'"
	};

	(void)state;
	OK(kw_pg_tx_run(pg, &(struct kw_tx) { .run = hold_row, .ctx = &w }, &why));
	assert_int_equal(w.runs, 2);
	assert_int_equal(test_row(1), 0);
	kw_pg_free(pg);
	kw_pg_free(w.other);
}

/* ---- our own bugs ---- */

static enum kw_rc go_on_after_failure(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	(void)ctx;
	KW_TRY(test_add(pg, 1, 1, err));
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
	return kw_pg_tx_run(pg, &(struct kw_tx) { .run = test_add_one, .ctx = ctx }, err);
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
	struct test_work w = { .id = 1 };

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
	struct test_work w = { .id = 1 };

	(void)state;
	assert_int_equal(begin_and_fail(pg, NULL), KW_FATAL);
	OK(kw_pg_tx_run(pg, &(struct kw_tx) { .run = test_add_one, .ctx = &w }, &why));
	assert_int_equal(test_row(1), 1);
	assert_int_equal(test_row(2), 0);
	kw_pg_free(pg);
}

static void read_only_transaction(void **state)
{
	struct kw_pg *pg = test_pg();
	struct test_work w = { .id = 1 };
	struct kw_err err = { 0 };

	(void)state;
	assert_int_equal(
		kw_pg_tx_run(pg,
			&(struct kw_tx) { .run = test_add_one, .ctx = &w, .read_only = true },
			&err),
		KW_FATAL);
	assert_string_equal(err.code, "25006");
	OK(kw_pg_tx_run(pg, &(struct kw_tx) { .run = test_add_one, .ctx = &w }, &why));
	kw_pg_free(pg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(commits, test_reset),
		cmocka_unit_test_setup(rolls_back, test_reset),
		cmocka_unit_test_setup(gives_up_retrying, test_reset),
		cmocka_unit_test_setup(serialization_failure, test_reset),
		cmocka_unit_test_setup(deadlock, test_reset),
		cmocka_unit_test_setup(lock_timeout, test_reset),
		cmocka_unit_test_setup(failure_is_not_committed, test_reset),
		cmocka_unit_test_setup(nothing_is_left_open, test_reset),
		cmocka_unit_test_setup(failed_script_leaves_nothing, test_reset),
		cmocka_unit_test_setup(read_only_transaction, test_reset),
	};
	test_database("kw-pg-tx");
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	kw_arena_free(test_arena);
	return failed;
}
