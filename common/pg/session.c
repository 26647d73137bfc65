/* One session with the server: opened lazily, set up the same way each time, closed when anything
 * is odd. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "pg/impl.h"

/* A stopped zombie must block its successor for seconds, not hours: hence the time-outs of
 * transactions, locks and of TCP on both ends. The connection check ends a statement whose client
 * is gone. */
static const char setup[] =
	"SELECT set_config('search_path', coalesce(quote_ident($1::text), "
	"current_setting('search_path')), false), "
	"set_config('default_transaction_read_only', $2::text, false), "
	"set_config('statement_timeout', $3::text, false), "
	"set_config('synchronous_commit', 'on', false), "
	"set_config('idle_in_transaction_session_timeout', '10s', false), "
	"set_config('lock_timeout', '5s', false), "
	"set_config('client_connection_check_interval', '2s', false), "
	"set_config('tcp_user_timeout', '10s', false), "
	"set_config('tcp_keepalives_idle', '10', false), "
	"set_config('tcp_keepalives_interval', '3', false), "
	"set_config('tcp_keepalives_count', '3', false), "
	"set_config('timezone', 'UTC', false), "
	"set_config('jit', 'off', false), " /* estimates of unnest() start it in vain */
	/* arrays of any length are read by index all the same: a plan for each is made in vain */
	"set_config('plan_cache_mode', 'force_generic_plan', false), "
	"current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on' AS "
	"durable, "
	"pg_is_in_recovery() AS standby";

static enum kw_rc open_session(struct kw_pg *pg, struct kw_err *err);
static enum kw_rc connect_server(struct kw_pg *pg, struct kw_err *err);
static enum kw_rc set_up(struct kw_pg *pg, struct kw_err *err);
static bool column_true(const PGresult *result, const char *name);
static void check_idle_session(struct kw_pg *pg);

struct kw_pg *kw_pg_new(const struct kw_pg_config *config)
{
	struct kw_pg *pg = calloc(1, sizeof(*pg));

	kw_assert(pg && config->dsn && !(config->read_only && config->patient));
	pg->config = *config;
	for (size_t i = 0; i < KW_LEN(pg->binary); i++)
		pg->binary[i] = 1;
	return pg;
}

void kw_pg_free(struct kw_pg *pg)
{
	if (!pg)
		return;
	kw_assert(!pg->in_tx);
	kw_session_lose(pg);
	free(pg->prepared);
	free(pg);
}

enum kw_rc kw_pg_connect(struct kw_pg *pg, struct kw_err *err)
{
	return kw_session_need(pg, err);
}

void kw_pg_drop(struct kw_pg *pg)
{
	kw_session_lose(pg);
}

unsigned kw_pg_sessions(const struct kw_pg *pg)
{
	return pg->sessions;
}

enum kw_rc kw_session_need(struct kw_pg *pg, struct kw_err *err)
{
	if (pg->in_tx && pg->tx_lost)
		return kw_fail_code(err, KW_RETRY, "SESSION_LOST",
			"PostgreSQL: the session of this transaction is lost");
	if (!pg->in_tx && !pg->opening)
		check_idle_session(pg);
	if (pg->conn)
		return KW_OK;
	if (pg->opening)
		return kw_fail_code(
			err, KW_RETRY, "SESSION_LOST", "PostgreSQL: the new session is lost");
	return open_session(pg, err);
}

void kw_session_lose(struct kw_pg *pg)
{
	PQfinish(pg->conn);
	pg->conn = NULL;
	if (pg->in_tx)
		pg->tx_lost = true;
}

bool kw_session_idle(const struct kw_pg *pg)
{
	return !pg->conn || PQtransactionStatus(pg->conn) == PQTRANS_IDLE;
}

static enum kw_rc open_session(struct kw_pg *pg, struct kw_err *err)
{
	enum kw_rc rc = connect_server(pg, err);

	if (rc == KW_OK)
		rc = set_up(pg, err);
	if (rc == KW_OK) {
		if (++pg->sessions == 0)
			pg->sessions = 1;
		if (pg->config.on_session) {
			pg->opening = true;
			rc = pg->config.on_session(pg, pg->config.ctx, err);
			pg->opening = false;
			kw_assert(kw_session_idle(pg));
			if (rc == KW_OK && !pg->conn)
				rc = kw_fail_code(err, KW_RETRY, "SESSION_LOST",
					"PostgreSQL: the new session is lost");
		}
	}
	if (rc != KW_OK)
		kw_session_lose(pg);
	return rc;
}

/* NOTICEs are for people at a prompt. */
static void ignore_notice(void *ctx, const PGresult *result)
{
	(void)ctx;
	(void)result;
}

static enum kw_rc connect_server(struct kw_pg *pg, struct kw_err *err)
{
	const char *names[] = { "dbname", "application_name", "connect_timeout", "tcp_user_timeout",
		"keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count",
		"client_encoding", NULL };
	const char *values[] = { pg->config.dsn,
		pg->config.application ? pg->config.application : "karwan", "5", "10000", "1", "10",
		"3", "3", "UTF8", NULL };
	PQconninfoOption *parsed = PQconninfoParse(pg->config.dsn, NULL);

	/* libpq's message would repeat the DSN and what is secret in it */
	if (!parsed)
		return kw_fail(err, KW_FATAL, "the PostgreSQL DSN is not a valid URI");
	PQconninfoFree(parsed);
	pg->conn = PQconnectdbParams(names, values, 1);
	kw_assert(pg->conn);
	PQsetNoticeReceiver(pg->conn, ignore_notice, NULL);
	if (PQstatus(pg->conn) == CONNECTION_OK)
		return KW_OK;
	/* a server that is away, starting or full does not differ reliably from one that refuses us
	 */
	char why[240];
	kw_one_line(PQerrorMessage(pg->conn), why, sizeof(why));
	return kw_fail_code(err, KW_RETRY, "CONNECT", "PostgreSQL: %s", why);
}

static enum kw_rc set_up(struct kw_pg *pg, struct kw_err *err)
{
	const char *values[] = { pg->config.schema, pg->config.read_only ? "on" : "off",
		pg->config.read_only ? "5s" : "0" };
	KW_CLEANUP(kw_result_clear) PGresult *result = NULL;

	if (!PQsendQueryParams(pg->conn, setup, 3, NULL, values, NULL, NULL, 0))
		return kw_fail_code(
			err, KW_RETRY, "SESSION_LOST", "PostgreSQL: the new session is lost");
	KW_TRY(kw_result_await(pg, KW_READ_DEADLINE_MS, &result, err));
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		return kw_sqlstate_fail(result, "the set-up of a session", err);
	if (!column_true(result, "durable") && !pg->config.trial)
		return kw_fail_code(err, KW_FATAL, "FSYNC",
			"PostgreSQL runs with fsync or full_page_writes off: a crash would lose "
			"what was confirmed");
	if (column_true(result, "standby") && !pg->config.read_only)
		return kw_fail_code(
			err, KW_RETRY, "STANDBY", "PostgreSQL is a standby: it takes no writes");
	return KW_OK;
}

static bool column_true(const PGresult *result, const char *name)
{
	return strcmp(PQgetvalue(result, 0, PQfnumber(result, name)), "t") == 0;
}

/* Between transactions the server has nothing to say but goodbye: a session that ended meanwhile is
 * replaced before it costs a statement. */
static void check_idle_session(struct kw_pg *pg)
{
	for (int i = 0; pg->conn && i < 4; i++) {
		struct pollfd fd = { .fd = PQsocket(pg->conn), .events = POLLIN };

		if (poll(&fd, 1, 0) <= 0)
			break;
		if (!PQconsumeInput(pg->conn) || PQstatus(pg->conn) != CONNECTION_OK)
			kw_session_lose(pg);
	}
}
