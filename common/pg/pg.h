/* One PostgreSQL connection: statements by const descriptor, typed binary arguments, rows into
 * plain structs. The only layer (with tx and migrate) that uses libpq. A connection belongs to one
 * thread; rows live in the arena of the arguments. Every parameter is cast in the SQL text
 * ($1::uuid[]), so types are the server's business.
 *
 * Errors: SQLSTATE to kw_rc is one allow-list in pg.c. RETRY: serialization, deadlock, lock
 * time-out, lost connection (the connection is opened again at the next use), server starting or
 * stopping, out of resources. CONFLICT: our own KW0xx states raised on purpose (err->code holds
 * them). INVALID: only the listed data exceptions (a text or number that the column refuses: 22xxx;
 * check violations 23514 on the tables of the services). Anything else is FATAL. */
#ifndef KW_PG_PG_H
#define KW_PG_PG_H

#include <stdbool.h>
#include <stddef.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/id.h"
#include "core/money.h"
#include "core/strtab.h"

struct kw_pg;

/* A row of a service's statement table. Prepared on each connection at its first use. */
struct kw_stmt {
	const char *sql;
};

struct kw_pg_config {
	const char *dsn;         /* URI */
	const char *schema;      /* search_path; NULL: the server's default */
	const char *application; /* application_name, e.g. "order-routing/consumer" */
	bool read_only; /* default_transaction_read_only and a statement_timeout for API reads */
	bool patient;   /* no deadline for an answer but a dead link's; not with read_only */
	bool trial;     /* accept fsync=off or full_page_writes=off */
	/* Runs on every new session before its first use; not OK: the session is closed and the
	 * call that wanted it fails with that code. NULL: none. */
	enum kw_rc (*on_session)(struct kw_pg *pg, void *ctx, struct kw_err *err);
	void *ctx;
};

/* Does not connect yet. The config's strings must outlive it. */
struct kw_pg *kw_pg_new(const struct kw_pg_config *config);
void kw_pg_free(struct kw_pg *pg);
/* Connects if there is no live session; sets synchronous_commit=on,
 * idle_in_transaction_session_timeout, lock_timeout, tcp_user_timeout, refuses a server without
 * fsync. Callers need it only to connect early. */
enum kw_rc kw_pg_connect(struct kw_pg *pg, struct kw_err *err);
/* Closes the session (the next use opens a new one). */
void kw_pg_drop(struct kw_pg *pg);
/* Number of sessions opened so far: changes after every lost connection. */
unsigned kw_pg_sessions(const struct kw_pg *pg);

/* ---- columns: how a plain struct lies in SQL, both ways ---- */

enum kw_col_kind {
	KW_COL_END_KIND = 0,
	KW_COL_UUID_KIND,  /* struct kw_uuid   uuid         "" <-> NULL                       */
	KW_COL_TEXT_KIND,  /* const char *     text         NULL <-> NULL                     */
	KW_COL_CHARS_KIND, /* char[size]       text         "" <-> NULL (currency)            */
	KW_COL_I64_KIND,   /* int64_t          int8         NULL -> 0                         */
	KW_COL_INT_KIND,   /* int              int4         NULL -> 0                         */
	KW_COL_BOOL_KIND,  /* bool             bool         NULL -> false                     */
	KW_COL_TIME_KIND,  /* kw_time          timestamptz  0 <-> NULL; INT64_MIN, _MAX <->
			      infinities */
	KW_COL_BYTES_KIND, /* struct kw_bytes  bytea        p NULL <-> NULL                   */
	KW_COL_ENUM_KIND,  /* int              text         through the name table; -1 <-> NULL */
};

struct kw_col {
	enum kw_col_kind kind;
	size_t offset, size;
	const struct kw_strtab *names;
};

#define KW_COL_CHECK(T, m, X) (offsetof(T, m) + 0 * sizeof(char[_Generic(((T *)0)->m, X : 1)]))
#define KW_COL_UUID(T, m)                                                     \
	{                                                                     \
		KW_COL_UUID_KIND, KW_COL_CHECK(T, m, struct kw_uuid), 0, NULL \
	}
#define KW_COL_TEXT(T, m)                                                                          \
	{                                                                                          \
		KW_COL_TEXT_KIND,                                                                  \
			offsetof(T, m) + 0 * sizeof(char[_Generic(                                 \
						     ((T *)0)->m, const char * : 1, char * : 1)]), \
			0, NULL                                                                    \
	}
#define KW_COL_CHARS(T, m)                                                   \
	{                                                                    \
		KW_COL_CHARS_KIND, offsetof(T, m), sizeof(((T *)0)->m), NULL \
	}
#define KW_COL_I64(T, m)                                              \
	{                                                             \
		KW_COL_I64_KIND, KW_COL_CHECK(T, m, int64_t), 0, NULL \
	}
#define KW_COL_INT(T, m)                                          \
	{                                                         \
		KW_COL_INT_KIND, KW_COL_CHECK(T, m, int), 0, NULL \
	}
#define KW_COL_BOOL(T, m)                                           \
	{                                                           \
		KW_COL_BOOL_KIND, KW_COL_CHECK(T, m, bool), 0, NULL \
	}
#define KW_COL_TIME(T, m)                                              \
	{                                                              \
		KW_COL_TIME_KIND, KW_COL_CHECK(T, m, kw_time), 0, NULL \
	}
#define KW_COL_BYTES(T, m)                                                      \
	{                                                                       \
		KW_COL_BYTES_KIND, KW_COL_CHECK(T, m, struct kw_bytes), 0, NULL \
	}
#define KW_COL_ENUM(T, m, tab)                                      \
	{                                                           \
		KW_COL_ENUM_KIND, KW_COL_CHECK(T, m, int), 0, (tab) \
	}
/* Two columns: minor units int8 and currency text. */
#define KW_COL_MONEY(T, m) KW_COL_I64(T, m.minor), KW_COL_CHARS(T, m.currency)
#define KW_COL_END                          \
	{                                   \
		KW_COL_END_KIND, 0, 0, NULL \
	}

/* ---- arguments: $1, $2, … in the order in which they are added ---- */

#define KW_ARGS_MAX 48

struct kw_args {
	struct kw_arena *arena;
	int n;
	const char *values[KW_ARGS_MAX];
	int lengths[KW_ARGS_MAX];
};

/* struct kw_args args = kw_args_of(b->arena); */
struct kw_args kw_args_of(struct kw_arena *a);
void kw_args_i64(struct kw_args *args, int64_t v);                /* int8 */
void kw_args_int(struct kw_args *args, int v);                    /* int4 */
void kw_args_bool(struct kw_args *args, bool v);                  /* bool */
void kw_args_text(struct kw_args *args, const char *v);           /* text, NULL -> NULL */
void kw_args_uuid(struct kw_args *args, const struct kw_uuid *v); /* uuid, NULL or "" -> NULL */
void kw_args_time(struct kw_args *args, kw_time v);               /* timestamptz, 0 -> NULL */
void kw_args_bytes(struct kw_args *args, struct kw_bytes v);      /* bytea */
/* One array argument per column: UNNEST($1::uuid[], $2::text[], …). n may be 0. */
void kw_args_rows(struct kw_args *args, const struct kw_col *cols, const void *rows, size_t n,
	size_t row_size);
/* Scalars from one struct, one argument per column. */
void kw_args_row(struct kw_args *args, const struct kw_col *cols, const void *row);

/* ---- running ---- */

/* ret_affected may be NULL. */
enum kw_rc kw_pg_exec(struct kw_pg *pg, const struct kw_stmt *stmt, const struct kw_args *args,
	size_t *ret_affected, struct kw_err *err);
/* All rows as an array of structs in the arguments' arena; the statement must return exactly these
 * columns. At most 1,000,000 rows. *ret_rows is a T ** passed as void *. */
enum kw_rc kw_pg_fetch(struct kw_pg *pg, const struct kw_stmt *stmt, const struct kw_args *args,
	const struct kw_col *cols, size_t row_size, void *ret_rows, size_t *ret_n,
	struct kw_err *err);
/* Exactly one row into ret_row (a struct), NOTHING when there is none. */
enum kw_rc kw_pg_fetch_one(struct kw_pg *pg, const struct kw_stmt *stmt, const struct kw_args *args,
	const struct kw_col *cols, size_t row_size, void *ret_row, struct kw_err *err);
/* Statements without arguments or rows (SET, a whole migration). text is one of our constants. */
enum kw_rc kw_pg_script(struct kw_pg *pg, const char *text, struct kw_err *err);
/* Prepares all n statements: the test of a service's statement table. */
enum kw_rc kw_pg_prepare_all(
	struct kw_pg *pg, const struct kw_stmt *stmts, size_t n, struct kw_err *err);

#endif
