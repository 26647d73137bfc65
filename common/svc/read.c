/* A few read-only connections for API reads. While PostgreSQL is away one request at a time tries,
 * the others fail at once. Handlers' threads. */
#include <stdlib.h>
#include <string.h>

#include "svc/impl.h"

#define WAIT_US (2 * KW_US_PER_S) /* for a free connection */
#define AWAY_US (KW_US_PER_S / 2) /* pause after a failure */

struct kw_readers {
	pthread_mutex_t lock;
	pthread_cond_t returned; /* monotonic clock */
	struct kw_pg **idle;
	size_t n, n_idle;
	int64_t away_until_us; /* 0: PostgreSQL answered last time */
	bool trying;           /* somebody finds out whether it is back */
	char application[80];
};

struct kw_readers *kw_readers_new(const struct kw_svc *svc)
{
	struct kw_readers *r = calloc(1, sizeof(*r));
	pthread_condattr_t attr;

	kw_assert(r != NULL);
	r->n = (size_t)svc->common.read_connections;
	r->idle = calloc(r->n, sizeof(*r->idle));
	kw_assert(r->idle != NULL);
	snprintf(r->application, sizeof(r->application), "%s/read", svc->service->name);
	for (; r->n_idle < r->n; r->n_idle++)
		r->idle[r->n_idle] = kw_pg_new(&(struct kw_pg_config) {
			.dsn = svc->common.dsn,
			.schema = svc->service->schema,
			.application = r->application,
			.read_only = true,
		});
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->returned, &attr);
	pthread_condattr_destroy(&attr);
	return r;
}

void kw_readers_free(struct kw_readers *r)
{
	if (!r)
		return;
	kw_assert(r->n_idle == r->n); /* the server has stopped before */
	for (size_t i = 0; i < r->n; i++)
		kw_pg_free(r->idle[i]);
	pthread_cond_destroy(&r->returned);
	pthread_mutex_destroy(&r->lock);
	free(r->idle);
	free(r);
}

static enum kw_rc take(struct kw_readers *r, struct kw_pg **ret, struct kw_err *err)
{
	int64_t until = kw_monotonic_us() + WAIT_US;
	struct timespec ts = { until / KW_US_PER_S, until % KW_US_PER_S * 1000 };
	enum kw_rc rc = KW_OK;

	pthread_mutex_lock(&r->lock);
	for (;;) {
		if (r->away_until_us && (r->trying || kw_monotonic_us() < r->away_until_us)) {
			rc = kw_fail(err, KW_RETRY, "PostgreSQL is away");
			break;
		}
		if (r->n_idle > 0)
			break;
		if (pthread_cond_timedwait(&r->returned, &r->lock, &ts) != 0) {
			rc = kw_fail(err, KW_RETRY, "no connection to PostgreSQL is free");
			break;
		}
	}
	if (rc == KW_OK) {
		*ret = r->idle[--r->n_idle];
		r->trying = r->away_until_us != 0;
	}
	pthread_mutex_unlock(&r->lock);
	return rc;
}

static void give_back(struct kw_readers *r, struct kw_pg *pg, bool away)
{
	pthread_mutex_lock(&r->lock);
	r->idle[r->n_idle++] = pg;
	r->trying = false;
	r->away_until_us = away ? kw_monotonic_us() + AWAY_US : 0;
	/* all: those who wait need not, when it is away */
	pthread_cond_broadcast(&r->returned);
	pthread_mutex_unlock(&r->lock);
}

enum kw_rc kw_svc_read(struct kw_request *rq, kw_tx_fn *fn, void *ctx, struct kw_err *err)
{
	const struct kw_svc *svc = rq->ctx;
	/* a session that ended meanwhile costs one try */
	struct kw_tx tx = { .run = fn, .ctx = ctx, .max_tries = 2, .read_only = true };
	struct kw_pg *pg;

	KW_TRY(take(svc->readers, &pg, err));
	enum kw_rc rc = kw_pg_tx_run(pg, &tx, err);
	give_back(svc->readers, pg,
		rc == KW_RETRY && (strcmp(err->code, "CONNECT") == 0 ||
					  strcmp(err->code, "SESSION_LOST") == 0));
	return rc;
}
