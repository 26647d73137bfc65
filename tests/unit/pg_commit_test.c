/* The transaction runner when its session is lost: in the middle, and in COMMIT, with both
 * outcomes. */
#include <stdatomic.h>

#include "pg_testing.h"

/* The session ends in the middle; what the callback does after it must not open another. */
static enum kw_rc lose_in_the_middle(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	static const struct kw_stmt unprepared = { "SELECT 1" };
	struct test_work *w = ctx;

	KW_TRY(test_add(pg, 1, 1, err));
	if (w->runs++ == 0) {
		test_terminate(pg);
		struct kw_err lost = { 0 };
		unsigned sessions = kw_pg_sessions(pg);
		for (int i = 0; i < 3; i++)
			assert_int_equal(test_add(pg, 2, 1, &lost), KW_RETRY);
		assert_int_equal(kw_pg_script(pg, "SELECT 1", &lost), KW_RETRY);
		assert_int_equal(kw_pg_connect(pg, &lost), KW_RETRY);
		assert_int_equal(kw_pg_prepare_all(pg, &unprepared, 1, &lost), KW_RETRY);
		assert_string_equal(lost.code, "SESSION_LOST");
		assert_int_equal(kw_pg_sessions(pg), sessions);
	}
	return w->result; /* OK: it forgot to look */
}

static void lost_in_the_middle(void **state)
{
	struct kw_pg *pg = test_pg();
	struct test_work w = { 0 };

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
	struct test_work *w = ctx;
	int64_t n;

	w->landed_calls++;
	KW_TRY(test_find_locked(pg, w->id, &n, err));
	return n == 1 ? KW_OK : KW_NOTHING;
}

struct lost_commit {
	struct cutter cutter;
	struct kt_proxy *proxy;
	struct kw_pg *pg;
	struct test_work w;
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
	OK(kw_pg_tx_run(l.pg,
		&(struct kw_tx) { .run = test_add_one, .landed = has_landed, .ctx = &l.w }, &why));
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
	OK(kw_pg_tx_run(l.pg,
		&(struct kw_tx) { .run = test_add_one, .landed = has_landed, .ctx = &l.w }, &why));
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
		"CREATE CONSTRAINT TRIGGER dawdle AFTER UPDATE ON rows DEFERRABLE INITIALLY "
		"DEFERRED "
		"FOR EACH ROW EXECUTE FUNCTION dawdle()",
		&why));
	OK(kw_pg_tx_run(l.pg,
		&(struct kw_tx) { .run = test_add_one, .landed = has_landed, .ctx = &l.w }, &why));
	assert_int_equal(l.w.landed_calls, 1);
	assert_int_equal(l.w.runs, 1);
	assert_int_equal(test_row(1), 1);
	OK(kw_pg_script(l.pg, "DROP TRIGGER dawdle ON rows; DROP FUNCTION dawdle", &why));
	lost_commit_close(&l);
}

static enum kw_rc add_idempotently(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	static const struct kw_stmt add_once = {
		"INSERT INTO rows VALUES ($1::int8, $2::int8) ON CONFLICT DO NOTHING"
	};
	struct test_work *w = ctx;
	struct kw_args args = kw_args_of(test_arena);

	w->runs++;
	kw_args_i64(&args, w->id);
	kw_args_i64(&args, 7);
	return kw_pg_exec(pg, &add_once, &args, NULL, err);
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
	struct test_work *w = ctx;

	kt_proxy_refuse(w->proxy, true);
	return test_add_one(pg, ctx, err);
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
	l.w = (struct test_work) { .id = 2 };
	tx.run = test_add_one;
	OK(kw_pg_tx_run(l.pg, &tx, &why));
	assert_int_equal(test_row(2), 1);
	lost_commit_close(&l);
}

static void at_commit(struct kw_pg *pg, const char *function)
{
	OK(kw_pg_script(pg, function, &why));
	OK(kw_pg_script(pg,
		"CREATE CONSTRAINT TRIGGER refuse AFTER UPDATE ON rows DEFERRABLE INITIALLY "
		"DEFERRED "
		"FOR EACH ROW EXECUTE FUNCTION refuse()",
		&why));
}

/* A COMMIT that the server answers with an error is rolled back for certain: nobody is asked. */
static void commit_refused(void **state)
{
	struct lost_commit l;
	struct kw_err err = { 0 };
	struct kw_tx tx = { .run = test_add_one, .landed = has_landed, .ctx = &l.w };

	(void)state;
	lost_commit_open(&l, NOWHERE);
	at_commit(l.pg, "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
			"$$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'KW003'; END $$");
	assert_int_equal(kw_pg_tx_run(l.pg, &tx, &err), KW_CONFLICT);
	assert_string_equal(err.code, "KW003");
	assert_int_equal(l.w.runs, 1);
	assert_int_equal(l.w.landed_calls, 0);
	assert_int_equal(test_row(1), 0);
	OK(kw_pg_script(l.pg, "DROP TRIGGER refuse ON rows; DROP FUNCTION refuse", &why));
	lost_commit_close(&l);
}

/* The same for one that is to be tried again: a sequence remembers that the first was refused. */
static void commit_refused_once(void **state)
{
	struct lost_commit l;
	struct kw_tx tx = { .run = test_add_one, .landed = has_landed, .ctx = &l.w };

	(void)state;
	lost_commit_open(&l, NOWHERE);
	at_commit(l.pg, "CREATE SEQUENCE commits;"
			"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
			"$$ BEGIN IF nextval('commits') = 1 THEN RAISE EXCEPTION 'not yet' "
			"USING ERRCODE = '40001'; END IF; RETURN NULL; END $$");
	OK(kw_pg_tx_run(l.pg, &tx, &why));
	assert_int_equal(l.w.runs, 2);
	assert_int_equal(l.w.landed_calls, 0);
	assert_int_equal(test_row(1), 1);
	OK(kw_pg_script(l.pg, "DROP TRIGGER refuse ON rows; DROP FUNCTION refuse", &why));
	lost_commit_close(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(lost_in_the_middle, test_reset),
		cmocka_unit_test_setup(commit_does_not_arrive, test_reset),
		cmocka_unit_test_setup(reply_does_not_arrive, test_reset),
		cmocka_unit_test_setup(commit_takes_its_time, test_reset),
		cmocka_unit_test_setup(idempotent_runs_again, test_reset),
		cmocka_unit_test_setup(outcome_stays_unknown, test_reset),
		cmocka_unit_test_setup(commit_refused, test_reset),
		cmocka_unit_test_setup(commit_refused_once, test_reset),
	};
	test_database("kw-pg-commit");
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	kw_arena_free(test_arena);
	return failed;
}
