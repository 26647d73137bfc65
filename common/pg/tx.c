/* The transaction runner: begin, run, commit; run again on RETRY, with an answer for a COMMIT whose
 * reply was lost. */
#include "pg/tx.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pg/impl.h"

#define TRIES 5
#define FIRST_WAIT_MS 10
#define LONGEST_WAIT_MS 1000

static enum kw_rc run_once(
	struct kw_pg *pg, const struct kw_tx *tx, bool *ret_unknown, struct kw_err *err);
static enum kw_rc commit(
	struct kw_pg *pg, const struct kw_tx *tx, bool *ret_unknown, struct kw_err *err);
static void roll_back(struct kw_pg *pg);
static void wait_before(int try);

enum kw_rc kw_pg_tx_run(struct kw_pg *pg, const struct kw_tx *tx, struct kw_err *err)
{
	int max_tries = tx->max_tries > 0 ? tx->max_tries : TRIES;
	bool unknown = false; /* a COMMIT was sent and its reply did not come */

	kw_assert(!pg->in_tx && kw_session_idle(pg));
	for (int try = 1;; try++) {
		enum kw_rc rc = unknown ? tx->landed(pg, tx->ctx, err) : KW_NOTHING;

		if (rc == KW_NOTHING) {
			unknown = false;
			rc = run_once(pg, tx, &unknown, err);
		}
		kw_assert(!pg->in_tx && kw_session_idle(pg));
		if (rc != KW_RETRY)
			return rc;
		if (try >= max_tries) {
			if (unknown)
				return kw_fail_code(err, KW_RETRY, "COMMIT_UNKNOWN",
					"the reply to COMMIT was lost and could not be found out%s%s",
					err ? ": " : "", err ? err->reason : "");
			return rc;
		}
		wait_before(try);
	}
}

static enum kw_rc run_once(
	struct kw_pg *pg, const struct kw_tx *tx, bool *ret_unknown, struct kw_err *err)
{
	KW_CLEANUP(kw_result_clear) PGresult *result = NULL;
	enum kw_rc rc;

	/* the session may be opened here, so the transaction begins for us only after it */
	KW_TRY(kw_command(pg, tx->read_only ? "BEGIN READ ONLY" : "BEGIN", KW_WRITE_DEADLINE_MS,
		&result, err));
	pg->in_tx = true;
	pg->tx_lost = false;
	rc = tx->run(pg, tx->ctx, err);
	if (rc == KW_OK && pg->tx_lost)
		rc = kw_fail_code(err, KW_RETRY, "SESSION_LOST",
			"PostgreSQL: the session of this transaction is lost");
	if (rc == KW_OK && PQtransactionStatus(pg->conn) == PQTRANS_INERROR)
		rc = kw_fail(err, KW_FATAL, "a transaction went on after a failed statement");
	if (rc == KW_OK)
		rc = commit(pg, tx, ret_unknown, err);
	else
		roll_back(pg);
	pg->in_tx = false;
	return rc;
}

static enum kw_rc commit(
	struct kw_pg *pg, const struct kw_tx *tx, bool *ret_unknown, struct kw_err *err)
{
	KW_CLEANUP(kw_result_clear) PGresult *result = NULL;
	enum kw_rc rc;

	kw_assert(PQtransactionStatus(pg->conn) == PQTRANS_INTRANS);
	rc = kw_command(pg, "COMMIT", KW_WRITE_DEADLINE_MS, &result, err);
	if (rc == KW_OK)
		kw_assert(strcmp(PQcmdStatus(result), "COMMIT") == 0);
	/* an answer, also a refusal, is certain; a lost session is not */
	*ret_unknown = pg->tx_lost && tx->landed;
	return rc;
}

static void roll_back(struct kw_pg *pg)
{
	KW_CLEANUP(kw_result_clear) PGresult *result = NULL;

	if (pg->tx_lost)
		return;
	kw_assert(PQtransactionStatus(pg->conn) != PQTRANS_IDLE);
	/* what cannot be rolled back by word is by closing; the caller has its reason already */
	if (kw_command(pg, "ROLLBACK", KW_READ_DEADLINE_MS, &result, NULL) != KW_OK)
		kw_session_lose(pg);
}

/* Doubles, and is spread over its upper half: those that met once do not meet again. */
static void wait_before(int try)
{
	uint32_t ms = LONGEST_WAIT_MS;

	if (try < 7)
		ms = FIRST_WAIT_MS << (try - 1);
	ms = ms / 2 + arc4random_uniform(ms / 2 + 1);
	nanosleep(&(struct timespec) { ms / 1000, (long)(ms % 1000) * 1000000 }, NULL);
}
