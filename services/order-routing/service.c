/* order-routing: orders of marketplaces become work for makers and hubs. */
#include "adapters/adapter.h"
#include "api.h"
#include "asking.h"
#include "figures.h"
#include "handlers.h"
#include "jobs.h"
#include "svc/svc.h"

static const struct kw_job jobs[] = {
	{ "stock", stock_job, 100, 0, false },
	{ "expire", expire_job, 5000, 0, false },
	{ 0 },
};

static const struct kw_job apart[] = {
	{ "poll", poll_job, 500, 0, false },
	{ "fetch", fetch_job, 500, 0, true },
	{ 0 },
};

static const struct kw_service order_routing = {
	.name = "order-routing",
	.schema = "routing",
	.in_topic = "karwan.orders.in",
	.events_topic = "karwan.orders.events",
	.database_user = "karwan_routing",
	.routes = routing_routes,
	.topics = routing_topics,
	.config = channels_config,
	.config_size = sizeof(struct channels_config),
	.jobs = jobs,
	.apart = apart,
	.samples = routing_samples,
	.metrics = routing_metrics,
	.check_partner = order_partner_check,
	.adapters = routing_adapters,
};

int main(int argc, char **argv)
{
	return kw_svc_run(&order_routing, argc, argv);
}
