/* What edges and jobs of order-routing count, and what waits in its tables. */
#include "figures.h"

struct kw_metric figure_not_processed = {
	.name = "karwan_webhooks_not_processed_total",
	.help = "Authenticated messages of channels that are answered 200 and kept nowhere: other "
		"topics, test notifications",
	.kind = KW_COUNTER,
	.labels = { "channel" },
};

struct kw_metric figure_flagged = {
	.name = "karwan_orders_flagged_total",
	.help = "Accepted orders whose totals do not add up",
	.kind = KW_COUNTER,
	.labels = { "channel" },
};

struct kw_metric figure_polls = {
	.name = "karwan_channel_polls_total",
	.help = "Pages of changed orders that channels were asked for: good, or why not",
	.kind = KW_COUNTER,
	.labels = { "channel", "outcome" },
};

struct kw_metric figure_failing = {
	.name = "karwan_channel_failing",
	.help = "1 where the last page that a channel was asked for was not good",
	.kind = KW_GAUGE,
	.labels = { "channel" },
};

struct kw_metric figure_fetches = {
	.name = "karwan_channel_fetches_total",
	.help = "Orders that channels were asked for: good, or why not",
	.kind = KW_COUNTER,
	.labels = { "channel", "outcome" },
};

struct kw_metric *const routing_metrics[] = { &figure_not_processed, &figure_flagged, &figure_polls,
	&figure_failing, &figure_fetches, NULL };

static struct kw_metric parked = {
	.name = "karwan_parked_lines",
	.help = "Lines of orders that wait for somebody who can make them, by reason",
	.kind = KW_GAUGE,
	.labels = { "reason" },
};

static struct kw_metric parked_oldest = {
	.name = "karwan_parked_oldest_seconds",
	.help = "How long the oldest of them has waited",
	.kind = KW_GAUGE,
	.labels = { "reason" },
};

const struct kw_sample routing_samples[] = {
	{ { &parked, &parked_oldest },
		{ "SELECT reason, NULL::text, count(*), "
		  "extract(epoch FROM now() - min(since))::bigint, 0::bigint "
		  "FROM parked GROUP BY reason" } },
	{ { 0 }, { 0 } },
};
