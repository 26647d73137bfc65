/* The money as gauges, in minor units of each currency (cents, paisa). Orders that are tests count
 * nowhere. */
#include "figures.h"

#define GAUGE_BY(n, h, ...)                                                           \
	{                                                                             \
		.name = (n), .help = (h), .kind = KW_GAUGE, .labels = { __VA_ARGS__ } \
	}

struct kw_metric figure_ignored_events = {
	.name = "karwan_provider_events_ignored_total",
	.help = "Authenticated provider events of a type that is not used.",
	.kind = KW_COUNTER,
	.labels = { "provider" },
};

struct kw_metric *const payment_metrics[] = { &figure_ignored_events, NULL };

static struct kw_metric expectations = GAUGE_BY("karwan_expectations",
	"Orders by the state of their money; without a currency: money waits for the order.",
	"state", "currency");
static struct kw_metric expected =
	GAUGE_BY("karwan_expected_minor", "What these orders are to bring.", "state", "currency");
static struct kw_metric received =
	GAUGE_BY("karwan_received_minor", "What of it is there.", "state", "currency");
static struct kw_metric accounts = GAUGE_BY("karwan_account_minor",
	"Balance of an account of the ledger, debit above zero; all of a currency sum to zero.",
	"account", "currency");
static struct kw_metric suspense = GAUGE_BY("karwan_suspense_minor",
	"Money of no order, by age (day, week, older).", "age", "currency");
static struct kw_metric suspense_payments =
	GAUGE_BY("karwan_suspense_payments", "Payments that it is from.", "age", "currency");
static struct kw_metric suspense_oldest =
	GAUGE_BY("karwan_suspense_oldest_seconds", "Age of the oldest of them.", "age", "currency");

const struct kw_sample payment_samples[] = {
	{ { &expectations, &expected, &received },
		{ "SELECT state, coalesce(currency, ''), count(*), sum(expected)::bigint, "
		  "sum(received)::bigint FROM expectations WHERE NOT coalesce(test, false) "
		  "GROUP BY 1, 2" } },
	{ { &accounts }, { "SELECT account, currency, sum(minor)::bigint, 0::bigint, 0::bigint "
			   "FROM postings GROUP BY 1, 2" } },
	{ { &suspense, &suspense_payments, &suspense_oldest },
		{ "SELECT CASE WHEN opened_at > now() - interval '1 day' THEN 'day' "
		  "WHEN opened_at > now() - interval '7 days' THEN 'week' ELSE 'older' END, "
		  "currency, sum(net)::bigint, count(*), "
		  "extract(epoch FROM now() - min(opened_at))::bigint "
		  "FROM suspense GROUP BY 1, 2" } },
	{ { 0 }, { 0 } },
};
