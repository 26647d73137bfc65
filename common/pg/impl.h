/* What the files of pg share and nobody else sees. */
#ifndef KW_PG_IMPL_H
#define KW_PG_IMPL_H

#include <libpq-fe.h>

#include "pg/pg.h"

#define KW_WRITE_DEADLINE_MS 60000
#define KW_READ_DEADLINE_MS 8000 /* above the statement_timeout of read-only sessions */
#define KW_NO_DEADLINE (-1)

/* A statement as this connection knows it. The name stays; session tells where it was prepared. */
struct kw_prepared {
	const struct kw_stmt *stmt; /* NULL: free slot */
	unsigned session;           /* 0: not prepared */
	char name[16];
};

struct kw_pg {
	struct kw_pg_config config;
	PGconn *conn; /* NULL: no session */
	unsigned sessions;
	bool opening;                 /* inside on_session: a loss there opens no other session */
	bool in_tx;                   /* inside kw_pg_tx_run's transaction */
	bool tx_lost;                 /* its session is gone: RETRY until it ends */
	int binary[KW_ARGS_MAX];      /* the format of every argument: 1 */
	struct kw_prepared *prepared; /* open addressing by address of the statement */
	size_t n_prepared, cap_prepared; /* capacity: a power of two, at most half full */
};

/* ---- session.c ---- */

/* A live session, opened if there is none; RETRY inside a transaction whose session was lost. */
enum kw_rc kw_session_need(struct kw_pg *pg, struct kw_err *err);
/* Closes; inside a transaction it is lost. */
void kw_session_lose(struct kw_pg *pg);
/* Is the server outside a transaction? True without a session. */
bool kw_session_idle(const struct kw_pg *pg);

/* ---- pg.c ---- */

void kw_result_clear(PGresult **result);
/* After a PQsend…: the last result, or RETRY when the session is gone or silent (it is closed
 * then). deadline_ms from now. */
enum kw_rc kw_result_await(struct kw_pg *pg, int deadline_ms, PGresult **ret, struct kw_err *err);
/* Several statements, simple protocol. */
enum kw_rc kw_command(
	struct kw_pg *pg, const char *text, int deadline_ms, PGresult **ret, struct kw_err *err);

/* ---- sqlstate.c ---- */

/* Fills err from a failed result; what names the statement in the reason ("" = nothing). */
enum kw_rc kw_sqlstate_fail(const PGresult *result, const char *what, struct kw_err *err);
/* Text without line ends, cut to size. */
void kw_one_line(const char *text, char *out, size_t size);

/* ---- rows.c ---- */

/* Are the result's columns these, in binary? FATAL otherwise. */
enum kw_rc kw_rows_check(const PGresult *result, const struct kw_col *cols, struct kw_err *err);
/* Row number i into a zeroed struct; texts in the arena. */
enum kw_rc kw_rows_read(const PGresult *result, int i, const struct kw_col *cols,
	struct kw_arena *a, void *row, struct kw_err *err);

/* Type of the column in the server's catalog (pg_type.dat; these never change). */
enum {
	KW_OID_BOOL = 16,
	KW_OID_BYTEA = 17,
	KW_OID_NAME = 19,
	KW_OID_INT8 = 20,
	KW_OID_INT4 = 23,
	KW_OID_TEXT = 25,
	KW_OID_JSON = 114,
	KW_OID_BPCHAR = 1042,
	KW_OID_VARCHAR = 1043,
	KW_OID_TIMESTAMPTZ = 1184,
	KW_OID_UUID = 2950
};
/* Microseconds from 1970 to 2000, where timestamptz begins. */
#define KW_PG_EPOCH_US 946684800000000LL

#endif
