/* Preloaded into a service: writes down each statement that it sends to PostgreSQL, with its
 * arguments, in the order in which the answers came, to BENCH_RECORD.<program>. The service knows
 * nothing of it. */
#include "recorded.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#define SESSIONS_MAX 64

struct pending {
	const PGconn *conn; /* NULL: free */
	struct recorded head;
	char *body;
	size_t cap;
	int waits;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct pending pendings[SESSIONS_MAX];
static FILE *out;

/* libpq's own function of that name; POSIX lets dlsym's result be one. */
static void next_of(const char *name, void *ret)
{
	void *found = dlsym(RTLD_NEXT, name);

	if (!found)
		abort();
	memcpy(ret, &found, sizeof(found));
}

static void open_file(void)
{
	const char *to = getenv("BENCH_RECORD");
	char path[1000];

	if (out || !to)
		return;
	snprintf(path, sizeof(path), "%s.%s", to, program_invocation_short_name);
	out = fopen(path, "wb");
}

__attribute__((destructor)) static void close_file(void)
{
	if (out)
		fclose(out);
}

/* Under the lock. */
static struct pending *of(const PGconn *conn)
{
	struct pending *free_one = NULL;

	for (int i = 0; i < SESSIONS_MAX; i++) {
		if (pendings[i].conn == conn)
			return &pendings[i];
		if (!pendings[i].conn && !free_one)
			free_one = &pendings[i];
	}
	if (!free_one)
		abort();
	free_one->conn = conn;
	return free_one;
}

static void add(struct pending *p, const char *value, uint32_t n)
{
	uint32_t bytes = n == RECORD_NULL ? 0 : n;
	size_t need = p->head.size + sizeof(n) + bytes;

	if (need > p->cap) {
		p->cap = need * 2;
		p->body = realloc(p->body, p->cap);
		if (!p->body)
			abort();
	}
	memcpy(p->body + p->head.size, &n, sizeof(n));
	if (bytes > 0)
		memcpy(p->body + p->head.size + sizeof(n), value, bytes);
	p->head.size += (uint32_t)(sizeof(n) + bytes);
}

static struct pending *begin(PGconn *conn, uint32_t kind)
{
	struct pending *p;

	pthread_mutex_lock(&lock);
	p = of(conn);
	pthread_mutex_unlock(&lock);
	p->head = (struct recorded) { .session = (uint32_t)PQbackendPID(conn), .kind = kind };
	p->waits = 1;
	return p;
}

int PQsendQuery(PGconn *conn, const char *query)
{
	__typeof__(PQsendQuery) *next;
	struct pending *p = begin(conn, RECORD_QUERY);

	add(p, query, (uint32_t)strlen(query));
	next_of("PQsendQuery", &next);
	return next(conn, query);
}

int PQsendPrepare(PGconn *conn, const char *name, const char *query, int n_params, const Oid *types)
{
	__typeof__(PQsendPrepare) *next;
	struct pending *p = begin(conn, RECORD_PREPARE);

	add(p, name, (uint32_t)strlen(name));
	add(p, query, (uint32_t)strlen(query));
	next_of("PQsendPrepare", &next);
	return next(conn, name, query, n_params, types);
}

int PQsendQueryPrepared(PGconn *conn, const char *name, int n_params, const char *const *values,
	const int *lengths, const int *formats, int result_format)
{
	__typeof__(PQsendQueryPrepared) *next;
	struct pending *p = begin(conn, RECORD_EXECUTE);

	add(p, name, (uint32_t)strlen(name));
	p->head.n_args = (uint32_t)n_params;
	for (int i = 0; i < n_params; i++)
		add(p, values[i], values[i] ? (uint32_t)lengths[i] : RECORD_NULL);
	next_of("PQsendQueryPrepared", &next);
	return next(conn, name, n_params, values, lengths, formats, result_format);
}

PGresult *PQgetResult(PGconn *conn)
{
	__typeof__(PQgetResult) *next;
	struct pending *p;

	next_of("PQgetResult", &next);
	PGresult *result = next(conn);

	pthread_mutex_lock(&lock);
	p = of(conn);
	if (result && p->waits) {
		ExecStatusType status = PQresultStatus(result);

		p->head.rows = status == PGRES_TUPLES_OK
				       ? (uint32_t)PQntuples(result)
				       : (uint32_t)strtoul(PQcmdTuples(result), NULL, 10);
		p->head.failed = status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK;
	} else if (!result && p->waits) {
		open_file();
		p->waits = 0;
		if (out) {
			fwrite(&p->head, sizeof(p->head), 1, out);
			fwrite(p->body, 1, p->head.size, out);
		}
	}
	pthread_mutex_unlock(&lock);
	return result;
}
