/* The transaction runner: begin, run, commit; run again on RETRY, with an answer for a COMMIT whose
 * reply was lost. The callback may run several times: it changes nothing outside the database that
 * a second run would not set again. */
#ifndef KW_PG_TX_H
#define KW_PG_TX_H

#include "pg/pg.h"

typedef enum kw_rc kw_tx_fn(struct kw_pg *pg, void *ctx, struct kw_err *err);

struct kw_tx {
	kw_tx_fn *run; /* not OK: rolled back; RETRY: run again, others returned */
	/* After a lost COMMIT reply, on a new session: OK it is in, NOTHING it is not (it runs
	 * again). NULL: the transaction is idempotent and is run again. */
	kw_tx_fn *landed;
	void *ctx;
	int max_tries;  /* 0: 5 */
	bool read_only; /* BEGIN READ ONLY */
};

/* OK once committed. Waits between tries with jitter (10 ms doubling to 1 s). Asserts that no
 * transaction was left open. */
enum kw_rc kw_pg_tx_run(struct kw_pg *pg, const struct kw_tx *tx, struct kw_err *err);

#endif
