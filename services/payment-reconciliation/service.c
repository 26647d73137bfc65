/* payment-reconciliation: providers' words become expectations that are met, a ledger, and what
 * makers earned. */
#include "adapters/adapter.h"
#include "api.h"
#include "figures.h"
#include "handlers.h"
#include "jobs.h"

static const struct kw_service payment_reconciliation = {
	.name = "payment-reconciliation",
	.schema = "payment",
	.in_topic = "karwan.payments.in",
	.events_topic = "karwan.payments.events",
	.database_user = "karwan_payment",
	.config = payment_config_keys,
	.config_size = sizeof(struct payment_config),
	.routes = payment_routes,
	.topics = payment_topics,
	.jobs = payment_jobs,
	.samples = payment_samples,
	.metrics = payment_metrics,
	.adapters = payment_adapters,
};

int main(int argc, char **argv)
{
	return kw_svc_run(&payment_reconciliation, argc, argv);
}
