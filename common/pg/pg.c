/* Running statements: prepared once a session under a name that belongs to the address of their
 * descriptor, binary both ways. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg/impl.h"

#define ROWS_MAX 1000000

static enum kw_rc run(struct kw_pg *pg, const struct kw_stmt *stmt, const struct kw_args *args,
	PGresult **ret, struct kw_err *err);
static enum kw_rc prepare(
	struct kw_pg *pg, const struct kw_stmt *stmt, const char **ret_name, struct kw_err *err);
static struct kw_prepared *find_prepared(struct kw_pg *pg, const struct kw_stmt *stmt);
static enum kw_rc await_readable(struct kw_pg *pg, int64_t until_us, struct kw_err *err);
static enum kw_rc lost(struct kw_pg *pg, struct kw_err *err);
static int deadline_of(const struct kw_pg *pg);

enum kw_rc kw_pg_exec(struct kw_pg *pg, const struct kw_stmt *stmt, const struct kw_args *args,
	size_t *ret_affected, struct kw_err *err)
{
	KW_CLEANUP(kw_result_clear) PGresult *result = NULL;

	KW_TRY(run(pg, stmt, args, &result, err));
	if (ret_affected)
		*ret_affected = (size_t)strtoull(PQcmdTuples(result), NULL, 10);
	return KW_OK;
}

enum kw_rc kw_pg_fetch(struct kw_pg *pg, const struct kw_stmt *stmt, const struct kw_args *args,
	const struct kw_col *cols, size_t row_size, void *ret_rows, size_t *ret_n,
	struct kw_err *err)
{
	KW_CLEANUP(kw_result_clear) PGresult *result = NULL;
	char *rows;

	KW_TRY(run(pg, stmt, args, &result, err));
	KW_TRY(kw_rows_check(result, cols, err));
	int n = PQntuples(result);
	if (n > ROWS_MAX)
		return kw_fail(err, KW_FATAL, "PostgreSQL: %d rows are more than %d", n, ROWS_MAX);
	rows = kw_arena_alloc(args->arena, (size_t)n, row_size);
	for (int i = 0; i < n; i++)
		KW_TRY(kw_rows_read(
			result, i, cols, args->arena, rows + (size_t)i * row_size, err));
	/* the caller's pointer has its own type: it is written as bytes */
	memcpy(ret_rows, &rows, sizeof(rows));
	*ret_n = (size_t)n;
	return KW_OK;
}

enum kw_rc kw_pg_fetch_one(struct kw_pg *pg, const struct kw_stmt *stmt, const struct kw_args *args,
	const struct kw_col *cols, size_t row_size, void *ret_row, struct kw_err *err)
{
	KW_CLEANUP(kw_result_clear) PGresult *result = NULL;
	void *row;

	KW_TRY(run(pg, stmt, args, &result, err));
	KW_TRY(kw_rows_check(result, cols, err));
	if (PQntuples(result) == 0)
		return KW_NOTHING;
	if (PQntuples(result) > 1)
		return kw_fail(err, KW_FATAL, "PostgreSQL: %d rows where one was expected",
			PQntuples(result));
	row = kw_arena_alloc(args->arena, 1, row_size);
	KW_TRY(kw_rows_read(result, 0, cols, args->arena, row, err));
	memcpy(ret_row, row, row_size);
	return KW_OK;
}

enum kw_rc kw_pg_script(struct kw_pg *pg, const char *text, struct kw_err *err)
{
	KW_CLEANUP(kw_result_clear) PGresult *result = NULL;
	enum kw_rc rc = kw_command(pg, text, KW_NO_DEADLINE, &result, err);

	/* a transaction belongs to the runner; one that a failed script began ends with its session
	 */
	if (!pg->in_tx && !kw_session_idle(pg)) {
		kw_assert(rc != KW_OK);
		kw_session_lose(pg);
	}
	return rc;
}

enum kw_rc kw_pg_prepare_all(
	struct kw_pg *pg, const struct kw_stmt *stmts, size_t n, struct kw_err *err)
{
	for (size_t i = 0; i < n; i++) {
		const char *name;

		KW_TRY(kw_session_need(pg, err));
		KW_TRY(prepare(pg, &stmts[i], &name, err));
	}
	return KW_OK;
}

void kw_result_clear(PGresult **result)
{
	PQclear(*result);
	*result = NULL;
}

enum kw_rc kw_result_await(struct kw_pg *pg, int deadline_ms, PGresult **ret, struct kw_err *err)
{
	int64_t until = deadline_ms == KW_NO_DEADLINE ? INT64_MAX
						      : kw_monotonic_us() + deadline_ms * 1000LL;
	PGresult *kept = NULL;

	for (;;) {
		enum kw_rc rc = await_readable(pg, until, err);
		PGresult *next = rc == KW_OK ? PQgetResult(pg->conn) : NULL;

		if (rc != KW_OK) {
			PQclear(kept);
			return rc;
		}
		if (!next)
			break;
		/* of several statements the one that failed, which is the last */
		PQclear(kept);
		kept = next;
		if (PQresultStatus(kept) == PGRES_COPY_IN ||
			PQresultStatus(kept) == PGRES_COPY_OUT) {
			PQclear(kept);
			kw_session_lose(pg);
			return kw_fail(err, KW_FATAL, "PostgreSQL: COPY is not for statements");
		}
	}
	if (!kept || PQstatus(pg->conn) != CONNECTION_OK) {
		PQclear(kept);
		return lost(pg, err);
	}
	*ret = kept;
	return KW_OK;
}

enum kw_rc kw_command(
	struct kw_pg *pg, const char *text, int deadline_ms, PGresult **ret, struct kw_err *err)
{
	KW_TRY(kw_session_need(pg, err));
	if (!PQsendQuery(pg->conn, text))
		return lost(pg, err);
	KW_TRY(kw_result_await(pg, deadline_ms, ret, err));
	switch (PQresultStatus(*ret)) {
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
	case PGRES_EMPTY_QUERY:
		return KW_OK;
	default:
		return kw_sqlstate_fail(*ret, text, err);
	}
}

static enum kw_rc run(struct kw_pg *pg, const struct kw_stmt *stmt, const struct kw_args *args,
	PGresult **ret, struct kw_err *err)
{
	const char *name;
	int n = args ? args->n : 0;

	KW_TRY(kw_session_need(pg, err));
	KW_TRY(prepare(pg, stmt, &name, err));
	if (!PQsendQueryPrepared(pg->conn, name, n, args ? args->values : NULL,
		    args ? args->lengths : NULL, pg->binary, 1))
		return lost(pg, err);
	KW_TRY(kw_result_await(pg, deadline_of(pg), ret, err));
	ExecStatusType status = PQresultStatus(*ret);
	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
		return KW_OK;
	return kw_sqlstate_fail(*ret, stmt->sql, err);
}

static enum kw_rc prepare(
	struct kw_pg *pg, const struct kw_stmt *stmt, const char **ret_name, struct kw_err *err)
{
	struct kw_prepared *p = find_prepared(pg, stmt);
	KW_CLEANUP(kw_result_clear) PGresult *result = NULL;

	*ret_name = p->name;
	if (p->session == pg->sessions)
		return KW_OK;
	if (!PQsendPrepare(pg->conn, p->name, stmt->sql, 0, NULL))
		return lost(pg, err);
	KW_TRY(kw_result_await(pg, deadline_of(pg), &result, err));
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		return kw_sqlstate_fail(result, stmt->sql, err);
	p->session = pg->sessions;
	return KW_OK;
}

static size_t slot_of(const struct kw_pg *pg, const struct kw_stmt *stmt)
{
	/* neighbours of one table are 8 bytes apart */
	size_t i = (size_t)(((uintptr_t)stmt >> 3) * 0x9E3779B97F4A7C15ULL >> 32);

	for (i &= pg->cap_prepared - 1; pg->prepared[i].stmt && pg->prepared[i].stmt != stmt;)
		i = (i + 1) & (pg->cap_prepared - 1);
	return i;
}

static struct kw_prepared *find_prepared(struct kw_pg *pg, const struct kw_stmt *stmt)
{
	kw_assert(stmt && stmt->sql);
	if (pg->n_prepared * 2 >= pg->cap_prepared) {
		struct kw_prepared *old = pg->prepared;
		size_t n = pg->cap_prepared;

		pg->cap_prepared = n ? n * 2 : 64;
		pg->prepared = calloc(pg->cap_prepared, sizeof(*pg->prepared));
		kw_assert(pg->prepared);
		for (size_t i = 0; i < n; i++)
			if (old[i].stmt)
				pg->prepared[slot_of(pg, old[i].stmt)] = old[i];
		free(old);
	}
	struct kw_prepared *p = &pg->prepared[slot_of(pg, stmt)];
	if (!p->stmt) {
		p->stmt = stmt;
		snprintf(p->name, sizeof(p->name), "s%zu", ++pg->n_prepared);
	}
	return p;
}

/* Until PQgetResult does not block. */
static enum kw_rc await_readable(struct kw_pg *pg, int64_t until_us, struct kw_err *err)
{
	while (PQisBusy(pg->conn)) {
		struct pollfd fd = { .fd = PQsocket(pg->conn), .events = POLLIN };
		int wait_ms = -1;

		if (until_us != INT64_MAX) {
			int64_t left = until_us - kw_monotonic_us();
			wait_ms = left <= 0 ? 0 : (int)((left + 999) / 1000);
		}
		int ready = poll(&fd, 1, wait_ms);
		if (ready == 0) {
			kw_session_lose(pg);
			return kw_fail_code(
				err, KW_RETRY, "SESSION_LOST", "PostgreSQL: no answer in time");
		}
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready < 0 || !PQconsumeInput(pg->conn))
			return lost(pg, err);
	}
	return KW_OK;
}

static enum kw_rc lost(struct kw_pg *pg, struct kw_err *err)
{
	char why[200];

	kw_one_line(PQerrorMessage(pg->conn), why, sizeof(why));
	kw_session_lose(pg);
	return kw_fail_code(err, KW_RETRY, "SESSION_LOST", "PostgreSQL: %s",
		why[0] ? why : "the session is lost");
}

static int deadline_of(const struct kw_pg *pg)
{
	return pg->config.patient     ? KW_NO_DEADLINE
	       : pg->config.read_only ? KW_READ_DEADLINE_MS
				      : KW_WRITE_DEADLINE_MS;
}
