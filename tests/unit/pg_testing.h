/* What the tests of pg share: a scratch database with one table, connections to it, straight or by
 * a proxy. */
#ifndef KW_TESTS_UNIT_PG_TESTING_H
#define KW_TESTS_UNIT_PG_TESTING_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pg/tx.h"
#include "proxy.h"
#include "support.h"

/* The call writes its error to why. */
#define OK(call)                                                            \
	do {                                                                \
		struct kw_err why = { 0 };                                  \
		if ((call) != KW_OK)                                        \
			fail_msg("%s: %s %s", #call, why.code, why.reason); \
	} while (0)

struct number {
	int64_t n;
};
extern const struct kw_col number_cols[];

/* Makes the database anew: rows (id int8 primary key, n int8), with (1, 0), (2, 0). */
void test_database(const char *name);
extern char test_dsn[512];
struct kw_pg *test_pg(void);
struct kw_pg *test_pg_at(const char *dsn);
/* A proxy of the server of test_dsn, and the DSN that leads through it (static storage). */
struct kt_proxy *test_proxy(kt_proxy_hook *hook, void *ctx, const char **ret_dsn);
/* The statement takes nothing and returns one int8. */
int64_t test_number(struct kw_pg *pg, const struct kw_stmt *stmt);
/* n of row id, by a connection of its own. */
int64_t test_row(int64_t id);
/* Ends the session of pg in the server, by another connection; returns when it is gone. */
void test_terminate(struct kw_pg *pg);
extern struct kw_arena *test_arena;

/* ---- work in transactions ---- */

/* What a callback is to do and what became of it; each test takes what it needs. */
struct test_work {
	int runs, landed_calls;
	int64_t id;
	enum kw_rc result; /* of the callback, after its statement */
	struct kw_pg *other;
	const char *set; /* a script first, or NULL */
	pthread_barrier_t *both;
	struct kt_proxy *proxy;
};

enum kw_rc test_add(struct kw_pg *pg, int64_t id, int64_t by, struct kw_err *err);
/* SELECT FOR UPDATE. */
enum kw_rc test_find_locked(struct kw_pg *pg, int64_t id, int64_t *ret, struct kw_err *err);
/* A transaction: counts the run, adds 1 to row id, returns the result. ctx: struct test_work. */
enum kw_rc test_add_one(struct kw_pg *pg, void *ctx, struct kw_err *err);
/* Set-up of a test: all n are 0. */
int test_reset(void **state);

#endif
