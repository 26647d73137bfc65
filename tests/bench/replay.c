/* A service's SQL bare: what record.c wrote down, statement by statement in the order of the
 * answers, each session as a session, on a copy of the database as it was before. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "bench.h"
#include "core/clock.h"
#include "recorded.h"

#define SESSIONS_MAX 64
#define ARGS_MAX 64
/* A statement that waits for another session's lock is left alone, and what follows it in its
 * session is put off: its answer was read before that of the other session's COMMIT was. */
#define PATIENCE_MS 50
#define NEXT_LOOK_MS 5
#define HANGS_MS 30000
#define PUT_OFF_MAX 1000
#define OTHERWISE_SHARE 0.01 /* of the statements may touch another number of rows */

struct session {
	uint32_t id;
	PGconn *conn;
	bool waits;           /* a statement has no answer yet */
	struct recorded head; /* that one's */
	const char *put_off[PUT_OFF_MAX];
	size_t n_put_off;
};

struct replay {
	const char *dsn, *schema;
	struct session sessions[SESSIONS_MAX];
	size_t n_sessions;
	int64_t statements, otherwise;
	bool any_put_off;
	struct kw_arena *arena;
};

static PGconn *open_session(const struct replay *r)
{
	PGconn *conn = PQconnectdb(r->dsn);
	char set[200];

	if (PQstatus(conn) != CONNECTION_OK)
		die("%s", PQerrorMessage(conn));
	snprintf(set, sizeof(set), "SET search_path TO %s; SET jit TO off", r->schema);
	PGresult *result = PQexec(conn, set);
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		die("%s", PQerrorMessage(conn));
	PQclear(result);
	return conn;
}

static struct session *session_of(struct replay *r, uint32_t id)
{
	for (size_t i = 0; i < r->n_sessions; i++)
		if (r->sessions[i].id == id)
			return &r->sessions[i];
	if (r->n_sessions == SESSIONS_MAX)
		die("more than %d sessions were recorded", SESSIONS_MAX);
	struct session *session = &r->sessions[r->n_sessions++];
	*session = (struct session) { .id = id, .conn = open_session(r) };
	return session;
}

/* false: there is no answer within wait_ms. */
static bool finish(struct replay *r, struct session *session, int wait_ms)
{
	if (!session->waits)
		return true;
	while (PQisBusy(session->conn)) {
		struct pollfd fd = { .fd = PQsocket(session->conn), .events = POLLIN };

		if (poll(&fd, 1, wait_ms) == 0)
			return false;
		if (!PQconsumeInput(session->conn))
			die("%s: %s", r->schema, PQerrorMessage(session->conn));
	}
	for (PGresult *result; (result = PQgetResult(session->conn)) != NULL; PQclear(result)) {
		ExecStatusType status = PQresultStatus(result);
		bool rows = status == PGRES_TUPLES_OK;

		if (!rows && status != PGRES_COMMAND_OK && !session->head.failed)
			die("%s: %s", r->schema, PQerrorMessage(session->conn));
		uint32_t n = rows ? (uint32_t)PQntuples(result)
				  : (uint32_t)strtoul(PQcmdTuples(result), NULL, 10);
		r->otherwise += n != session->head.rows;
	}
	session->waits = false;
	r->statements++;
	return true;
}

/* The next text of the record, NUL-terminated in the arena where it must be. */
static const char *take(const char **at, uint32_t *ret_n)
{
	const char *value;

	memcpy(ret_n, *at, sizeof(*ret_n));
	value = *at + sizeof(*ret_n);
	*at = value + (*ret_n == RECORD_NULL ? 0 : *ret_n);
	return *ret_n == RECORD_NULL ? NULL : value;
}

static const char *take_text(const char **at, struct kw_arena *a)
{
	uint32_t n;
	const char *value = take(at, &n);

	return kw_arena_strn(a, value, n);
}

/* at: the head of a record */
static void send(struct replay *r, struct session *session, const char *at)
{
	const char *values[ARGS_MAX];
	int lengths[ARGS_MAX], formats[ARGS_MAX], sent;
	struct recorded *head = &session->head;

	memcpy(head, at, sizeof(*head));
	at += sizeof(*head);
	kw_arena_reset(r->arena);
	const char *first = take_text(&at, r->arena);
	if (head->n_args > ARGS_MAX)
		die("a statement with %u arguments", head->n_args);
	if (head->kind == RECORD_QUERY) {
		sent = PQsendQuery(session->conn, first);
	} else if (head->kind == RECORD_PREPARE) {
		sent = PQsendPrepare(session->conn, first, take_text(&at, r->arena), 0, NULL);
	} else {
		for (uint32_t i = 0; i < head->n_args; i++) {
			uint32_t n;
			values[i] = take(&at, &n);
			lengths[i] = values[i] ? (int)n : 0;
			formats[i] = 1;
		}
		sent = PQsendQueryPrepared(
			session->conn, first, (int)head->n_args, values, lengths, formats, 1);
	}
	if (!sent)
		die("%s: %s", r->schema, PQerrorMessage(session->conn));
	session->waits = true;
}

/* What was put off, as far as its sessions have answered; true: something is put off still. */
static bool catch_up(struct replay *r, int wait_ms)
{
	bool more = false;

	for (size_t i = 0; i < r->n_sessions; i++) {
		struct session *session = &r->sessions[i];
		size_t k = 0;

		while (finish(r, session, wait_ms) && k < session->n_put_off)
			send(r, session, session->put_off[k++]);
		session->n_put_off -= k;
		memmove(session->put_off, session->put_off + k,
			session->n_put_off * sizeof(*session->put_off));
		more |= session->n_put_off > 0 || session->waits;
	}
	return more;
}

static void run(struct replay *r, const char *at)
{
	struct recorded head;

	memcpy(&head, at, sizeof(head));
	struct session *session = session_of(r, head.session);
	if (r->any_put_off)
		r->any_put_off = catch_up(r, NEXT_LOOK_MS);
	if (session->n_put_off == 0 && finish(r, session, PATIENCE_MS)) {
		send(r, session, at);
		if (!finish(r, session, PATIENCE_MS))
			r->any_put_off = true;
		return;
	}
	if (session->n_put_off == PUT_OFF_MAX)
		die("%s: a statement has no answer", r->schema);
	session->put_off[session->n_put_off++] = at;
	r->any_put_off = true;
}

static void end(struct replay *r)
{
	int64_t until = kw_monotonic_us() + HANGS_MS * 1000LL;

	while (catch_up(r, PATIENCE_MS))
		if (kw_monotonic_us() > until)
			die("%s: a statement has no answer after %d s", r->schema, HANGS_MS / 1000);
	for (size_t i = 0; i < r->n_sessions; i++)
		PQfinish(r->sessions[i].conn);
}

void run_replay(struct place *p, const char *service, const char *schema, const char *dsn)
{
	static struct replay r;

	r = (struct replay) { .dsn = dsn, .schema = schema };
	char *path = kw_arena_printf(p->arena, "%s/recorded.%s", p->dir, service);
	r.arena = kw_arena_new((size_t)1 << 20);
	double orders = place_figure(p, "recorded");
	struct stat st;
	int fd = open(path, O_RDONLY);

	if (fd < 0 || fstat(fd, &st) != 0 || st.st_size == 0)
		die("%s cannot be read", path);
	const char *file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file == MAP_FAILED)
		die("%s cannot be mapped", path);
	struct usage before = usage_now(p);
	int64_t began = kw_monotonic_us();
	for (off_t at = 0; at + (off_t)sizeof(struct recorded) <= st.st_size;) {
		struct recorded head;

		memcpy(&head, file + at, sizeof(head));
		if (at + (off_t)(sizeof(head) + head.size) > st.st_size)
			break;
		run(&r, file + at);
		at += (off_t)(sizeof(head) + head.size);
	}
	end(&r);
	double seconds = (double)(kw_monotonic_us() - began) / 1e6;
	struct usage u = usage_since(p, &before);
	double us = (u.us[POSTGRES] + u.us[GENERATOR]) / orders;
	tell("%s, its SQL alone: %.0f orders/s, %.1f us an order (PostgreSQL %.1f); %lld statements",
		service, orders / seconds, us, u.us[POSTGRES] / orders, (long long)r.statements);
	if ((double)r.otherwise > OTHERWISE_SHARE * (double)r.statements)
		die("%lld of %lld statements touched other rows than when they were recorded",
			(long long)r.otherwise, (long long)r.statements);
	place_keep(p, kw_arena_printf(p->arena, "us.sql.%s", service), us);
	place_keep(p, kw_arena_printf(p->arena, "sql_per_s.%s", service), orders / seconds);
	munmap((void *)(uintptr_t)file, (size_t)st.st_size);
	close(fd);
	kw_arena_free(r.arena);
}
