/* The timer that opens an exception where money waits too long for an order that does not come. */
#include "jobs.h"

#include "handlers.h"
#include "store.h"

const struct kw_config_key payment_config_keys[] = {
	KW_INT_KEY(struct payment_config, order_wait_s, "KARWAN_ORDER_WAIT_S", "900", 1, 2592000,
		"how long money may wait for its order before that is an exception, in seconds"),
	{ 0 },
};

struct search {
	struct kw_arena *arena;
	kw_time before;
	struct missing_order *orders;
	size_t n;
};

static enum kw_rc find(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	struct search *search = ctx;
	return store_find_missing(
		pg, search->arena, search->before, &search->orders, &search->n, err);
}

static enum kw_rc find_missing_orders(
	struct kw_svc *svc, struct kw_pg *pg, struct kw_arena *a, struct kw_err *err)
{
	const struct payment_config *config = kw_svc_config(svc);
	const struct kw_flow_config *flow = kw_svc_flow(svc);
	struct search search = { .arena = a,
		.before = kw_now(flow->clock) - config->order_wait_s * KW_US_PER_S };
	struct kw_tx tx = { .run = find, .ctx = &search, .read_only = true };

	KW_TRY(kw_pg_tx_run(pg, &tx, err));
	if (search.n == 0)
		return KW_NOTHING;
	struct missing_orders missing = { search.orders, search.n };
	return kw_outcome_run(flow, pg, a, mark_missing_orders, &missing, err);
}

const struct kw_job payment_jobs[] = {
	{ "missing-orders", find_missing_orders, 10000, 0, false },
	{ 0 },
};
