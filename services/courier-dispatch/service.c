/* courier-dispatch: parcels of orders that are routed and paid, booked at couriers, followed until
 * they arrive. */
#include "adapters/adapter.h"
#include "api.h"
#include "handlers.h"
#include "jobs.h"
#include "svc/resolution.h"
#include "svc/svc.h"

struct config {
	int64_t courier_deadline_ms;
};

static const struct kw_config_key config_keys[] = {
	KW_INT_KEY(struct config, courier_deadline_ms, "KARWAN_COURIER_DEADLINE_MS", "4000", 50,
		60000, "how long a courier may take to answer, in milliseconds"),
	{ 0 },
};

#define ROW(topic, type, fields, T, handle)            \
	{                                              \
		topic, type, fields, sizeof(T), handle \
	}
#define ORDERS "karwan.orders.events"
static const struct kw_topic_row topics[] = {
	ROW(ORDERS, "karwan.order.routed.v1", routed_in_fields, struct order_routed, on_routed),
	ROW("karwan.payments.events", "karwan.expectation.settled.v1", settled_in_fields,
		struct expectation_settled, on_settled),
	ROW(ORDERS, "karwan.order.cancelled.v1", cancelled_in_fields, struct order_cancelled,
		on_cancelled),
	ROW(ORDERS, "karwan.order.expired.v1", cancelled_in_fields, struct order_cancelled,
		on_cancelled),
	ROW("karwan.dispatch.in", "karwan.parcel.cancel_requested.v1", cancel_request_in_fields,
		struct cancel_requested, on_cancel_requests),
	ROW("karwan.dispatch.in", "karwan.tracking.reported.v1", tracking_in_fields,
		struct tracking_reported, on_tracking),
	ROW("karwan.dispatch.in", KW_RESOLVE_REQUESTED, kw_resolve_requested_fields,
		struct kw_resolve_requested, on_resolve_requested),
	{ 0 },
};

static struct job_env env_of(struct kw_svc *svc)
{
	const struct config *config = kw_svc_config(svc);
	int deadline_ms = (int)config->courier_deadline_ms;

	return (struct job_env) {
		.flow = kw_svc_flow(svc),
		.partners = kw_svc_partners(svc),
		.client = kw_svc_client(svc),
		.deadline_ms = deadline_ms,
		.lease_ms = 4 * deadline_ms + 10000,
	};
}

static enum kw_rc book(struct kw_svc *svc, struct kw_pg *pg, struct kw_arena *a, struct kw_err *err)
{
	struct job_env env = env_of(svc);

	return book_round(&env, pg, a, err);
}

static enum kw_rc call_off(
	struct kw_svc *svc, struct kw_pg *pg, struct kw_arena *a, struct kw_err *err)
{
	struct job_env env = env_of(svc);

	return cancel_round(&env, pg, a, err);
}

static enum kw_rc bring_back(
	struct kw_svc *svc, struct kw_pg *pg, struct kw_arena *a, struct kw_err *err)
{
	struct job_env env = env_of(svc);

	return return_round(&env, pg, a, err);
}

static enum kw_rc match(
	struct kw_svc *svc, struct kw_pg *pg, struct kw_arena *a, struct kw_err *err)
{
	struct job_env env = env_of(svc);

	return match_round(&env, pg, a, err);
}

static enum kw_rc name(struct kw_svc *svc, struct kw_pg *pg, struct kw_arena *a, struct kw_err *err)
{
	struct job_env env = env_of(svc);

	return name_round(&env, pg, a, err);
}

static const struct kw_job jobs[] = {
	{ "book", book, 100, 20, true },
	{ "cancel", call_off, 200, 0, false },
	{ "return", bring_back, 1000, 0, false },
	{ "match", match, 2000, 0, false },
	{ "name", name, 2000, 0, false },
	{ 0 },
};

static const struct kw_service courier_dispatch = {
	.name = "courier-dispatch",
	.schema = "dispatch",
	.in_topic = "karwan.dispatch.in",
	.events_topic = "karwan.dispatch.events",
	.database_user = "karwan_dispatch",
	.config = config_keys,
	.config_size = sizeof(struct config),
	.routes = dispatch_routes,
	.topics = topics,
	.lock = lock_batch,
	.jobs = jobs,
	.metrics = dispatch_metrics,
	.adapters = dispatch_adapters,
};

int main(int argc, char **argv)
{
	return kw_svc_run(&courier_dispatch, argc, argv);
}
