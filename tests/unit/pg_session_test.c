/* Sessions with the server: how they are set up, refused, lost and replaced; prepared statements;
 * what each SQLSTATE means to the caller. */
#include <stdio.h>

#include "pg_testing.h"

static const struct kw_stmt one = { "SELECT 1::int8" };

static void refused(struct kw_pg *pg, enum kw_rc rc, const char *code)
{
	struct kw_err err = { 0 };

	assert_int_equal(kw_pg_connect(pg, &err), rc);
	assert_string_equal(err.code, code);
	assert_int_equal(err.rc, rc);
}

/* ---- SQLSTATE ---- */

static void states(void **state)
{
	static const struct {
		const char *state;
		enum kw_rc rc;
	} rows[] = {
		{ "40001", KW_RETRY },
		{ "40P01", KW_RETRY },
		{ "55P03", KW_RETRY },
		{ "57014", KW_RETRY },
		{ "57P03", KW_RETRY },
		{ "53100", KW_RETRY },
		{ "53300", KW_RETRY },
		{ "08006", KW_RETRY },
		{ "KW001", KW_CONFLICT },
		{ "KW002", KW_CONFLICT },
		{ "KW099", KW_CONFLICT },
		{ "22001", KW_INVALID },
		{ "22003", KW_INVALID },
		{ "22007", KW_INVALID },
		{ "22P02", KW_INVALID },
		{ "23514", KW_FATAL }, /* no constraint named */
		{ "23505", KW_FATAL },
		{ "23503", KW_FATAL },
		{ "23502", KW_FATAL },
		{ "22012", KW_FATAL },
		{ "42501", KW_FATAL },
		{ "P0001", KW_FATAL },
		{ "XX000", KW_FATAL },
		{ "KX001", KW_FATAL },
		{ "KW100", KW_FATAL },
	};
	static const struct kw_stmt raise = { "SELECT raise($1::text)::int8" };
	struct kw_pg *pg = test_pg();

	(void)state;
	OK(kw_pg_script(pg,
		"CREATE FUNCTION raise(state text) RETURNS int LANGUAGE plpgsql AS "
		"$$ BEGIN RAISE EXCEPTION 'on purpose' USING ERRCODE = state; END $$",
		&why));
	for (size_t i = 0; i < KW_LEN(rows); i++) {
		struct kw_args args = kw_args_of(test_arena);
		struct kw_err err = { 0 };

		kw_args_text(&args, rows[i].state);
		enum kw_rc rc = kw_pg_exec(pg, &raise, &args, NULL, &err);
		if (rc != rows[i].rc)
			fail_msg("%s is %s", rows[i].state, kw_rc_name(rc));
		assert_string_equal(err.code, rows[i].state);
		assert_non_null(strstr(err.reason, "on purpose"));
	}
	assert_int_equal(kw_pg_sessions(pg), 1);
	kw_pg_free(pg);
}

static void checks_and_partitions(void **state)
{
	struct kw_pg *pg = test_pg();
	struct kw_err err = { 0 };

	(void)state;
	OK(kw_pg_script(pg,
		"CREATE TABLE checked (n int CHECK (n > 0));"
		"CREATE TABLE ranged (n int CHECK (n > 0)) PARTITION BY RANGE (n);"
		"CREATE TABLE ranged_1 PARTITION OF ranged FOR VALUES FROM (0) TO (10)",
		&why));
	assert_int_equal(kw_pg_script(pg, "INSERT INTO checked VALUES (0)", &err), KW_INVALID);
	assert_string_equal(err.code, "23514");
	assert_int_equal(kw_pg_script(pg, "INSERT INTO ranged VALUES (0)", &err), KW_INVALID);
	/* the partition that is not there looks like bad data, and is not */
	assert_int_equal(kw_pg_script(pg, "INSERT INTO ranged VALUES (10)", &err), KW_FATAL);
	assert_string_equal(err.code, "23514");
	kw_pg_free(pg);
}

static void bad_texts(void **state)
{
	static const struct kw_stmt cast = { "SELECT $1::text::int8" },
				    echo = { "SELECT $1::text" };
	struct kw_pg *pg = test_pg();
	struct kw_args args = kw_args_of(test_arena);
	struct kw_err err = { 0 };

	(void)state;
	kw_args_text(&args, "3520112345671-secret");
	assert_int_equal(kw_pg_exec(pg, &cast, &args, NULL, &err), KW_INVALID);
	assert_string_equal(err.code, "22P02");
	assert_null(strstr(err.reason, "35201"));
	args = kw_args_of(test_arena);
	kw_args_text(&args, "\xff\xfe");
	assert_int_equal(kw_pg_exec(pg, &echo, &args, NULL, &err), KW_INVALID);
	assert_string_equal(err.code, "22021");
	kw_pg_free(pg);
}

/* ---- set-up ---- */

static const char *setting(struct kw_pg *pg, const char *name)
{
	static const struct kw_stmt find = { "SELECT current_setting($1::text)" };
	struct row {
		const char *value;
	} row;
	static const struct kw_col cols[] = { KW_COL_TEXT(struct row, value), KW_COL_END };
	struct kw_args args = kw_args_of(test_arena);

	kw_args_text(&args, name);
	OK(kw_pg_fetch_one(pg, &find, &args, cols, sizeof(row), &row, &why));
	return row.value;
}

static void settings(void **state)
{
	static const struct {
		const char *name, *value;
	} rows[] = {
		{ "search_path", "\"odd \"\"schema\"" },
		{ "application_name", "test/settings" },
		{ "synchronous_commit", "on" },
		{ "idle_in_transaction_session_timeout", "10s" },
		{ "lock_timeout", "5s" },
		{ "tcp_user_timeout", "10000" },
		{ "client_encoding", "UTF8" },
		{ "TimeZone", "UTC" },
		{ "default_transaction_read_only", "off" },
		{ "statement_timeout", "0" },
	};
	struct kw_pg *pg = kw_pg_new(&(struct kw_pg_config) {
		.dsn = test_dsn, .schema = "odd \"schema", .application = "test/settings" });

	(void)state;
	for (size_t i = 0; i < KW_LEN(rows); i++)
		assert_string_equal(setting(pg, rows[i].name), rows[i].value);
	OK(kw_pg_script(pg, "CREATE SCHEMA \"odd \"\"schema\"; CREATE TABLE here (n int8)", &why));
	kw_pg_free(pg);
	pg = test_pg();
	OK(kw_pg_script(pg, "INSERT INTO \"odd \"\"schema\".here VALUES (1)", &why));
	kw_pg_free(pg);
}

static void read_only(void **state)
{
	struct kw_pg *pg = kw_pg_new(&(struct kw_pg_config) { .dsn = test_dsn, .read_only = true });
	struct kw_err err = { 0 };

	(void)state;
	assert_int_equal(kw_pg_script(pg, "UPDATE rows SET n = 5", &err), KW_FATAL);
	assert_string_equal(err.code, "25006");
	assert_int_equal(test_row(1), 0);
	assert_int_equal(test_number(pg, &one), 1);
	assert_string_equal(setting(pg, "statement_timeout"), "5s");
	assert_int_equal(
		kw_pg_script(pg, "SET statement_timeout = '50ms'; SELECT pg_sleep(5)", &err),
		KW_RETRY);
	assert_string_equal(err.code, "57014");
	kw_pg_free(pg);
}

static void server_without_fsync(void **state)
{
	struct kt_server server;

	(void)state;
	kt_server_new(&server, "postgres-server", "kw-pg-trial");
	kt_server(&server, "init");
	kt_server(&server, "start");
	const char *dsn = kt_server_dsn(&server);
	struct kw_pg *pg = test_pg_at(dsn);
	OK(kw_pg_connect(pg, &why));
	for (int i = 0; i < 2; i++) {
		OK(kw_pg_script(pg,
			i == 0 ? "ALTER SYSTEM SET fsync = off"
			       : "ALTER SYSTEM SET full_page_writes = off",
			&why));
		/* takes effect in new sessions once the postmaster has read it: a restart is
		 * certain */
		kt_server(&server, "stop");
		kt_server(&server, "start");
		refused(pg, KW_FATAL, "FSYNC");
		struct kw_pg *trial =
			kw_pg_new(&(struct kw_pg_config) { .dsn = dsn, .trial = true });
		OK(kw_pg_connect(trial, &why));
		OK(kw_pg_script(trial,
			i == 0 ? "ALTER SYSTEM RESET fsync" : "ALTER SYSTEM RESET full_page_writes",
			&why));
		kw_pg_free(trial);
		kt_server(&server, "stop");
		kt_server(&server, "start");
		OK(kw_pg_connect(pg, &why));
	}
	kw_pg_free(pg);
	kt_server_end(&server);
}

static void nobody_there(void **state)
{
	char dsn[200];
	struct kw_pg *pg;
	struct kw_err err = { 0 };

	(void)state;
	snprintf(dsn, sizeof(dsn), "postgresql://someone:pa55word@127.0.0.1:%d/x", kt_free_port());
	pg = test_pg_at(dsn);
	refused(pg, KW_RETRY, "CONNECT");
	assert_int_equal(kw_pg_exec(pg, &one, NULL, NULL, &err), KW_RETRY);
	assert_null(strstr(err.reason, "pa55word"));
	assert_int_equal(kw_pg_sessions(pg), 0);
	kw_pg_free(pg);
	pg = test_pg_at("postgresql://someone:pa55word@[::1/x");
	assert_int_equal(kw_pg_connect(pg, &err), KW_FATAL);
	assert_null(strstr(err.reason, "pa55word"));
	kw_pg_free(pg);
}

/* ---- on_session ---- */

struct hook {
	int calls;
	enum kw_rc rc;
	bool lose;
};

static enum kw_rc on_session(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	struct hook *h = ctx;

	h->calls++;
	if (h->lose) {
		kw_pg_drop(pg);
		assert_int_equal(kw_pg_connect(pg, err), KW_RETRY);
		return KW_OK;
	}
	if (h->rc != KW_OK)
		return kw_fail_code(err, h->rc, "EPOCH", "not this one");
	return kw_pg_script(pg, "SET karwan.mark = 'marked'", err);
}

static void session_hook(void **state)
{
	struct hook h = { 0 };
	struct kw_pg *pg = kw_pg_new(
		&(struct kw_pg_config) { .dsn = test_dsn, .on_session = on_session, .ctx = &h });

	(void)state;
	assert_string_equal(setting(pg, "karwan.mark"), "marked");
	assert_string_equal(setting(pg, "karwan.mark"), "marked");
	assert_int_equal(h.calls, 1);
	kw_pg_drop(pg);
	assert_string_equal(setting(pg, "karwan.mark"), "marked");
	assert_int_equal(h.calls, 2);
	kw_pg_drop(pg);
	h.rc = KW_RETRY;
	refused(pg, KW_RETRY, "EPOCH");
	refused(pg, KW_RETRY, "EPOCH");
	assert_int_equal(h.calls, 4); /* the session was closed: each use asks again */
	h = (struct hook) { .lose = true };
	refused(pg, KW_RETRY, "SESSION_LOST");
	assert_int_equal(h.calls, 1);
	h = (struct hook) { 0 };
	assert_string_equal(setting(pg, "karwan.mark"), "marked");
	kw_pg_free(pg);
}

/* ---- lost sessions ---- */

static void ended_while_idle(void **state)
{
	struct kw_pg *pg = test_pg();

	(void)state;
	assert_int_equal(test_number(pg, &one), 1);
	for (unsigned i = 1; i <= 3; i++) {
		test_terminate(pg);
		/* noticed before the statement is sent, prepared again */
		assert_int_equal(test_number(pg, &one), 1);
		assert_int_equal(kw_pg_sessions(pg), i + 1);
	}
	kw_pg_free(pg);
}

static enum kt_verdict cut_sleep(
	void *ctx, int connection, bool to_server, const void *bytes, size_t n)
{
	(void)ctx;
	(void)connection;
	return to_server && kt_bytes_contain(bytes, n, "pg_sleep") ? KT_PASS_THEN_CUT : KT_PASS;
}

static void ended_in_a_statement(void **state)
{
	const char *dsn;
	struct kt_proxy *proxy = test_proxy(cut_sleep, NULL, &dsn);
	struct kw_pg *pg = test_pg_at(dsn);
	struct kw_err err = { 0 };

	(void)state;
	assert_int_equal(test_number(pg, &one), 1);
	assert_int_equal(kw_pg_script(pg, "SELECT pg_sleep(0.01)", &err), KW_RETRY);
	assert_string_equal(err.code, "SESSION_LOST");
	assert_int_equal(test_number(pg, &one), 1);
	assert_int_equal(kw_pg_sessions(pg), 2);
	kw_pg_free(pg);
	kt_proxy_close(proxy);
}

/* A link that is dead and stays open: a read gives up by itself. */
static void nothing_comes_back(void **state)
{
	const char *dsn;
	struct kt_proxy *proxy = test_proxy(NULL, NULL, &dsn);
	struct kw_pg *pg = kw_pg_new(&(struct kw_pg_config) { .dsn = dsn, .read_only = true });
	struct kw_err err = { 0 };

	(void)state;
	assert_int_equal(test_number(pg, &one), 1);
	kt_proxy_stall(proxy, true);
	int64_t begun = kw_monotonic_us();
	assert_int_equal(kw_pg_exec(pg, &one, NULL, NULL, &err), KW_RETRY);
	assert_string_equal(err.code, "SESSION_LOST");
	assert_true(kw_monotonic_us() - begun < 12 * KW_US_PER_S);
	/* nor does it wait for ever for a new one */
	begun = kw_monotonic_us();
	assert_int_equal(kw_pg_connect(pg, &err), KW_RETRY);
	assert_true(kw_monotonic_us() - begun < 12 * KW_US_PER_S);
	kt_proxy_stall(proxy, false);
	assert_int_equal(test_number(pg, &one), 1);
	kw_pg_free(pg);
	kt_proxy_close(proxy);
}

/* ---- prepared statements ---- */

static void many_statements(void **state)
{
	static struct kw_stmt many[500];
	static char texts[500][40];
	struct kw_pg *pg = test_pg();
	static const struct kw_stmt prepared = { "SELECT count(*) FROM pg_prepared_statements" };

	(void)state;
	for (int i = 0; i < 500; i++) {
		snprintf(texts[i], sizeof(texts[i]), "SELECT %d::int8", i);
		many[i].sql = texts[i];
	}
	for (int round = 0; round < 3; round++) {
		for (int i = 499; i >= 0; i--)
			assert_int_equal(test_number(pg, &many[i]), i);
		/* each once, and this one */
		assert_int_equal(test_number(pg, &prepared), 501);
		if (round == 1)
			kw_pg_drop(pg);
	}
	kw_pg_free(pg);
}

static void prepare_all(void **state)
{
	static const struct kw_stmt good[] = { { "SELECT n FROM rows WHERE id = $1::int8" },
		{ "DELETE FROM rows" } };
	static const struct kw_stmt bad[] = { { "SELECT 1" }, { "SELECT n FROM no_such_table" } };
	struct kw_pg *pg = test_pg();
	struct kw_err err = { 0 };

	(void)state;
	OK(kw_pg_prepare_all(pg, good, KW_LEN(good), &why));
	OK(kw_pg_prepare_all(pg, good, KW_LEN(good), &why));
	assert_int_equal(kw_pg_prepare_all(pg, bad, KW_LEN(bad), &err), KW_FATAL);
	assert_string_equal(err.code, "42P01");
	assert_non_null(strstr(err.reason, "no_such_table"));
	assert_int_equal(test_row(1), 0);
	kw_pg_free(pg);
}

static void affected_rows(void **state)
{
	static const struct kw_stmt stmts[] = {
		{ "UPDATE rows SET n = n" },
		{ "DELETE FROM rows WHERE false" },
		{ "SELECT FROM generate_series(1, 12345)" },
	};
	static const size_t expected[] = { 2, 0, 12345 };
	struct kw_pg *pg = test_pg();

	(void)state;
	for (size_t i = 0; i < KW_LEN(stmts); i++) {
		size_t affected = 99;

		OK(kw_pg_exec(pg, &stmts[i], NULL, &affected, &why));
		assert_int_equal(affected, expected[i]);
	}
	kw_pg_free(pg);
}

/* Neither a NOTICE nor COPY disturbs the session for good. */
static void odd_answers(void **state)
{
	static const struct kw_stmt copy = { "COPY rows TO STDOUT" };
	struct kw_pg *pg = test_pg();

	(void)state;
	OK(kw_pg_script(
		pg, "DO $$ BEGIN RAISE NOTICE 'heard by nobody'; END $$; SELECT 1; ;", &why));
	OK(kw_pg_script(pg, "", &why));
	assert_int_equal(kw_pg_sessions(pg), 1);
	assert_int_equal(kw_pg_script(pg, "COPY rows TO STDOUT", NULL), KW_FATAL);
	assert_int_equal(kw_pg_script(pg, "COPY rows FROM STDIN", NULL), KW_FATAL);
	assert_int_equal(kw_pg_exec(pg, &copy, NULL, NULL, NULL), KW_FATAL);
	assert_int_equal(test_number(pg, &one), 1);
	kw_pg_free(pg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states),
		cmocka_unit_test(checks_and_partitions),
		cmocka_unit_test(bad_texts),
		cmocka_unit_test(settings),
		cmocka_unit_test(read_only),
		cmocka_unit_test(server_without_fsync),
		cmocka_unit_test(nobody_there),
		cmocka_unit_test(session_hook),
		cmocka_unit_test(ended_while_idle),
		cmocka_unit_test(ended_in_a_statement),
		cmocka_unit_test(nothing_comes_back),
		cmocka_unit_test(many_statements),
		cmocka_unit_test(prepare_all),
		cmocka_unit_test(affected_rows),
		cmocka_unit_test(odd_answers),
	};
	test_database("kw-pg-session");
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	kw_arena_free(test_arena);
	return failed;
}
