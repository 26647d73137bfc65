/* What the tests of courier-dispatch on PostgreSQL share. */
#include "dispatch_testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/log.h"
#include "flow/schema.h"
#include "support.h"
#include "json/json.h"

extern const struct kw_migration dispatch_migrations[];

struct kw_pg *dt_pg, *dt_admin;
struct kw_arena *dt_arena;
struct kw_flow_config dt_flow;

static char dsn[1024], service_dsn[1024];
static struct kw_topic topic = { "karwan.dispatch.events", 12, -1, "events" };
static struct kw_topics topics = { &topic, 1 };

static const struct kw_rate rates_a[] = { { "PK", 30000, { 25000, "PKR" }, true } };
static const struct kw_rate rates_b[] = { { "PK", 30000, { 40000, "PKR" }, false } };
/* the last two are one name */
static const char *names_a[] = { "TCS-OLD", "Leopards-Courier", "LEOPARDS-COURIER" };
static struct kw_partner couriers[] = {
	{ .name = "courier-a",
		.adapter = "karwan",
		.known_as = names_a,
		.n_known_as = KW_LEN(names_a),
		.rates = rates_a,
		.n_rates = 1,
		.kind = KW_COURIER,
		.secrets = { { { DT_SECRET, sizeof(DT_SECRET) - 1 } }, 1 } },
	{ .name = "courier-b",
		.adapter = "karwan",
		.rates = rates_b,
		.n_rates = 1,
		.kind = KW_COURIER,
		.secrets = { { { DT_SECRET, sizeof(DT_SECRET) - 1 } }, 1 } },
	{ .name = "aftership-demo", .adapter = "aftership", .kind = KW_COURIER },
};
struct kw_partners dt_partners = {
	.couriers = couriers, .n_couriers = 3, .allow_private_urls = true
};

void dt_must(enum kw_rc rc, const struct kw_err *err)
{
	if (rc != KW_OK)
		fail_msg("%s %s %s (%s:%d)", kw_rc_name(rc), err->code, err->reason, err->file,
			err->line);
}

/* The same server and database with the service's login. */
static void make_service_dsn(void)
{
	const char *at = strchr(dsn, '@'), *query = strchr(dsn, '?');

	assert_non_null(at);
	snprintf(service_dsn, sizeof(service_dsn), "postgresql://karwan_dispatch%.*s?passfile=%s",
		(int)(query ? query - at : (int)strlen(at)), at, kt_need("TEST_PGPASSFILE"));
}

const char *dt_service_dsn(void)
{
	return service_dsn;
}

struct kw_pg *dt_connect(void)
{
	return kw_pg_new(&(struct kw_pg_config) {
		.dsn = service_dsn, .schema = "dispatch", .application = "dispatch-test" });
}

int dt_set_up(void **state)
{
	struct kw_err err = { 0 };
	size_t n;

	(void)state;
	kw_log_init("dispatch-test", KW_WARNING);
	kw_json_init();
	snprintf(dsn, sizeof(dsn), "%s", kt_database(kt_unique("dispatch")));
	make_service_dsn();
	dt_arena = kw_arena_new(256 * 1024 * 1024);
	dt_admin = kw_pg_new(&(struct kw_pg_config) {
		.dsn = dsn, .schema = "dispatch", .application = "dispatch-test-admin" });
	struct kw_migrate_target target = { .schema = "dispatch",
		.sets = (const struct kw_migration *const[]) {
			kw_flow_migrations, dispatch_migrations, NULL } };
	dt_must(kw_pg_migrate(dt_admin, &target, &n, &err), &err);
	kw_pg_drop(dt_admin);
	dt_pg = dt_connect();
	dt_flow = (struct kw_flow_config) { .service = "courier-dispatch",
		.schema = "dispatch",
		.in_topic = "karwan.dispatch.in",
		.events_topic = "karwan.dispatch.events",
		.topics = &topics,
		.clock = &kw_clock_system };
	return 0;
}

int dt_tear_down(void **state)
{
	(void)state;
	kw_pg_free(dt_pg);
	kw_pg_free(dt_admin);
	kw_arena_free(dt_arena);
	return 0;
}

int dt_begin(void **state)
{
	(void)state;
	kw_arena_reset(dt_arena);
	dt_exec("TRUNCATE orders, parcels, scans, refusals, requests, exceptions, "
		"cancelled_fulfilments, "
		"intents, journal, carrier_words");
	dt_exec("UPDATE head SET number = 0");
	return 0;
}

int dt_end(void **state)
{
	(void)state;
	const char *drift = dt_text(
		"SELECT coalesce(string_agg(format('%s %s %s: should be %s, is %s', rule, entity,"
		" part, "
		"should, \"is\"), '; '), '') FROM drift");
	if (drift[0])
		fail_msg("drift: %s", drift);
	return 0;
}

/* ---- looking ---- */

struct text_row {
	const char *text;
};

const char *dt_text(const char *sql)
{
	static const struct kw_col cols[] = { KW_COL_TEXT(struct text_row, text), KW_COL_END };
	struct kw_stmt *stmt = kw_new(dt_arena, struct kw_stmt, 1);
	struct kw_args args = kw_args_of(dt_arena);
	struct text_row row = { NULL };
	struct kw_err err = { 0 };

	stmt->sql = kw_arena_printf(dt_arena, "SELECT q.v::text FROM (%s) q(v)", sql);
	dt_must(kw_pg_fetch_one(dt_admin, stmt, &args, cols, sizeof(row), &row, &err), &err);
	kw_pg_drop(dt_admin); /* statements are prepared by address */
	return row.text ? row.text : "";
}

int64_t dt_count(const char *sql)
{
	return strtoll(dt_text(sql), NULL, 10);
}

void dt_exec(const char *sql)
{
	struct kw_err err = { 0 };

	dt_must(kw_pg_script(dt_admin, sql, &err), &err);
}

const char *dt_parcel_text(const char *column, const char *order, int n)
{
	return dt_text(kw_arena_printf(dt_arena, "SELECT %s FROM parcels WHERE parcel_id = '%s'",
		column, dt_parcel(order, n).s));
}

const char *dt_events(const char *order, int n)
{
	return dt_text(kw_arena_printf(dt_arena,
		"SELECT coalesce(string_agg(replace(replace(type, 'karwan.parcel.', ''), '.v1', "
		"''), ' ' "
		"ORDER BY version), '') FROM journal WHERE key = '%s'",
		dt_parcel(order, n).s));
}

/* ---- messages ---- */

struct kw_uuid dt_order(const char *external_id)
{
	return kw_uuid_of("order", "test", external_id);
}

struct kw_uuid dt_parcel(const char *external_id, int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", n);
	return kw_uuid_of("parcel", dt_order(external_id).s, text);
}

struct kw_uuid dt_fulfilment(const char *external_id, int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", n);
	return kw_uuid_of("fulfilment", dt_order(external_id).s, text);
}

static struct kw_meta meta_of(const char *what)
{
	struct kw_meta meta = { .topic = "test", .time = kw_now(&kw_clock_system) };

	meta.id = kw_uuid_of("message", what);
	meta.trace = kw_trace_from(NULL);
	return meta;
}

struct call {
	enum { ROUTED, SETTLED, CANCELLED, CANCEL_REQUESTED, TRACKING } kind;
	const void *in;
	size_t n;
};

static enum kw_rc handle(struct kw_batch *b, void *arg, struct kw_err *err)
{
	const struct call *call = arg;
	struct desk d = desk_open(b, &dt_partners);

	switch (call->kind) {
	case ROUTED:
		return take_routed(&d, call->in, call->n, err);
	case SETTLED:
		return take_settled(&d, call->in, call->n, err);
	case CANCELLED:
		return take_cancelled(&d, call->in, call->n, err);
	case CANCEL_REQUESTED:
		return take_cancel_requests(&d, call->in, call->n, err);
	default:
		return take_tracking(&d, call->in, call->n, err);
	}
}

static enum kw_rc run_on(struct kw_pg *pg, struct kw_arena *a, struct call call, struct kw_err *err)
{
	return kw_outcome_run(&dt_flow, pg, a, handle, &call, err);
}

static void run(int kind, const void *in, size_t n)
{
	struct kw_err err = { 0 };

	dt_must(run_on(dt_pg, dt_arena, (struct call) { kind, in, n }, &err), &err);
}

static struct address hub = {
	.name = "Hub", .line1 = "Bank Road 3", .city = "Muzaffarabad", .country = "PK"
};

static struct routed_fulfilment *fulfilments_of(const struct dt_routed *order)
{
	static struct parcel_line line = {
		.line_id = "1", .sku = "SHAWL-1", .title = "Shawl", .quantity = 1
	};
	struct routed_fulfilment *f = kw_new(dt_arena, struct routed_fulfilment, (size_t)order->n);

	for (int i = 0; i < order->n; i++) {
		int n = (order->first_n ? order->first_n : 1) + i;
		f[i] = (struct routed_fulfilment) { .n = n,
			.fulfilment_id = dt_fulfilment(order->order, n),
			.maker_id = "maker-1",
			.hub_id = "hub-1",
			.ship_from = &hub,
			.weight_g = order->weight_g ? order->weight_g : 500,
			.declared_value = { 100000, "PKR" },
			.lines = &line,
			.n_lines = 1 };
	}
	return f;
}

void dt_route(const struct dt_routed *orders, size_t n)
{
	struct order_routed *in = kw_new(dt_arena, struct order_routed, n);

	for (size_t i = 0; i < n; i++) {
		struct address *to = kw_new(dt_arena, struct address, 1);
		*to = (struct address) { .name = "Buyer",
			.line1 = "Street 1",
			.city = "Lahore",
			.country = orders[i].country ? orders[i].country : "PK" };
		in[i] = (struct order_routed) { .meta = meta_of(orders[i].order),
			.order_id = dt_order(orders[i].order),
			.channel = "test",
			.external_id = orders[i].order,
			.state = orders[i].state ? orders[i].state : ORDER_ROUTED,
			.total = { orders[i].total ? orders[i].total : 100000 * orders[i].n,
				"PKR" },
			.cod = orders[i].cod,
			.ship_to = to,
			.fulfilments = fulfilments_of(&orders[i]),
			.n_fulfilments = (size_t)orders[i].n };
	}
	run(ROUTED, in, n);
}

void dt_settle(const char *order, bool cleared, int64_t number)
{
	struct expectation_settled in = {
		.meta = meta_of(order), .order_id = dt_order(order), .cleared = cleared
	};

	in.meta.place = (struct kw_place) { 1, number };
	run(SETTLED, &in, 1);
}

void dt_ready(const char *order, int n)
{
	struct dt_routed routed = { .order = order, .n = n };

	dt_route(&routed, 1);
	dt_settle(order, true, 1);
}

enum kw_rc dt_cancel(struct kw_pg *pg, struct kw_arena *a, const char *order, int first_n, int n,
	struct kw_err *err)
{
	struct fulfilment_ref *refs = kw_new(a, struct fulfilment_ref, (size_t)n);
	struct order_cancelled in = { .meta = meta_of(order),
		.order_id = dt_order(order),
		.reason = "CUSTOMER",
		.by = "operator",
		.fulfilments = refs,
		.n_fulfilments = (size_t)n };

	for (int i = 0; i < n; i++)
		refs[i].fulfilment_id = dt_fulfilment(order, first_n + i);
	return run_on(pg, a, (struct call) { CANCELLED, &in, 1 }, err);
}

enum kw_rc dt_request_cancel(const struct kw_uuid *parcel_id, struct kw_err *err)
{
	struct cancel_requested in = { .meta = meta_of("request"),
		.parcel_id = *parcel_id,
		.reason = "DAMAGED",
		.by = "operator" };

	return run_on(dt_pg, dt_arena, (struct call) { CANCEL_REQUESTED, &in, 1 }, err);
}

void dt_scan(const struct dt_scan *scans, size_t n)
{
	struct tracking_reported *in = kw_new(dt_arena, struct tracking_reported, n);

	for (size_t i = 0; i < n; i++)
		in[i] = (struct tracking_reported) { .meta = meta_of(scans[i].event_id),
			.parcel_id = scans[i].parcel_id,
			.carrier = scans[i].carrier,
			.tracking_number = scans[i].number,
			.courier = scans[i].courier,
			.event_id = scans[i].event_id,
			.status = scans[i].status,
			.scanned_at = scans[i].at * KW_US_PER_S };
	run(TRACKING, in, n);
}

void dt_match(void)
{
	struct job_env env = { .flow = &dt_flow, .partners = &dt_partners };
	struct kw_err err = { 0 };
	enum kw_rc rc = match_round(&env, dt_pg, dt_arena, &err);

	if (rc != KW_NOTHING)
		dt_must(rc, &err);
}

void dt_book_at(const char *order, int n, int64_t at)
{
	dt_exec(kw_arena_printf(dt_arena,
		"UPDATE intents SET state = 'DONE', attempts = 1, detail = 'ACCEPTED KA1' WHERE "
		"entity = '%s' AND kind = 'book'",
		dt_parcel(order, n).s));
	dt_exec(kw_arena_printf(dt_arena,
		"UPDATE parcels SET state = 'LABELLED', tracking_number = 'KA1', label_url = "
		"'/v1/parcels/x/label', booked_at = to_timestamp(%lld) "
		"WHERE parcel_id = '%s'",
		(long long)at, dt_parcel(order, n).s));
}

int dt_name(void)
{
	struct job_env env = { .flow = &dt_flow, .partners = &dt_partners };
	struct kw_err err = { 0 };
	enum kw_rc rc;
	int rounds = 0;

	while ((rc = name_round(&env, dt_pg, dt_arena, &err)) == KW_OK)
		rounds++;
	if (rc != KW_NOTHING)
		dt_must(rc, &err);
	return rounds;
}

static enum kw_rc run_mixed(struct kw_batch *b, void *arg, struct kw_err *err)
{
	static const struct kw_topic_row rows[] = {
		{ .size = sizeof(struct order_cancelled), .handle = on_cancelled },
		{ .size = sizeof(struct tracking_reported), .handle = on_tracking },
	};
	struct dt_mixed *mixed = arg;
	struct fulfilment_ref ref = { .fulfilment_id = dt_fulfilment(mixed->cancelled, 1) };
	struct order_cancelled cancelled = { .meta = meta_of(mixed->cancelled),
		.order_id = dt_order(mixed->cancelled),
		.reason = "CUSTOMER",
		.by = "operator",
		.fulfilments = &ref,
		.n_fulfilments = 1 };
	struct tracking_reported reported = { .meta = meta_of(mixed->scan.event_id),
		.parcel_id = mixed->scan.parcel_id,
		.carrier = mixed->scan.carrier,
		.tracking_number = mixed->scan.number,
		.courier = mixed->scan.courier,
		.event_id = mixed->scan.event_id,
		.status = mixed->scan.status,
		.scanned_at = mixed->scan.at * KW_US_PER_S };
	struct kw_inputs inputs[] = { { &rows[0], &cancelled, 1 }, { &rows[1], &reported, 1 } };
	struct desk first = desk_open(b, &dt_partners), second = desk_open(b, &dt_partners);

	mixed->runs++;
	KW_TRY(lock_for_all(&first, inputs, KW_LEN(inputs), err));
	KW_TRY(take_cancelled(&first, &cancelled, 1, err));
	if (mixed->between)
		mixed->between(mixed->ctx);
	return take_tracking(&second, &reported, 1, err);
}

enum kw_rc dt_mixed(
	struct kw_pg *pg, struct kw_arena *a, struct dt_mixed *mixed, struct kw_err *err)
{
	return kw_outcome_run(&dt_flow, pg, a, run_mixed, mixed, err);
}
