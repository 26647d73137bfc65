#include "routing_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/log.h"
#include "flow/schema.h"
#include "pg/migrate.h"
#include "pg/tx.h"
#include "support.h"
#include "json/json.h"

extern const struct kw_migration routing_migrations[];

static void must(enum kw_rc rc, const struct kw_err *err)
{
	if (rc != KW_OK)
		fail_msg("%s: %s %s %s (%s:%d)", kw_rc_name(rc), err->code, err->pointer,
			err->reason, err->file, err->line);
}

static enum kw_rc become_service(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	(void)ctx;
	return kw_pg_script(pg, "SET ROLE karwan_routing", err);
}

static void connect_service(struct stage *w)
{
	w->pg = kw_pg_new(&(struct kw_pg_config) { .dsn = w->dsn,
		.schema = "routing",
		.application = "routing-test",
		.trial = true,
		.on_session = become_service });
}

void stage_make(struct stage *w, const char *name)
{
	static const struct kw_topic topic = { "karwan.orders.events", 12, -1, "events" };
	static const struct kw_topics topics = { &topic, 1 };
	struct kw_err err;
	size_t n;

	*w = (struct stage) { .arena = kw_arena_new(64 << 20), .batch = kw_arena_new(256 << 20) };
	kw_log_init("routing-test", KW_WARNING);
	w->dsn = kw_arena_str(w->arena, kt_database(kt_unique(name)));
	w->admin = kw_pg_new(&(struct kw_pg_config) { .dsn = w->dsn,
		.schema = "routing",
		.application = "routing-admin",
		.trial = true });
	/* the roles belong to the server: other tests make them too */
	must(kw_pg_script(w->admin,
		     "SELECT pg_advisory_lock(7411); DO $$ BEGIN "
		     "IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'karwan_routing') THEN "
		     "CREATE ROLE karwan_routing; END IF; "
		     "IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'karwan_operator') THEN "
		     "CREATE ROLE karwan_operator; END IF; "
		     "END $$; SELECT pg_advisory_unlock(7411)",
		     &err),
		&err);
	struct kw_migrate_target target = { .schema = "routing",
		.sets = (const struct kw_migration *const[]) {
			kw_flow_migrations, routing_migrations, NULL } };
	must(kw_pg_migrate(w->admin, &target, &n, &err), &err);
	connect_service(w);
	must(kw_time_parse("2026-03-02T10:00:00Z", &w->clock.fixed, &err), &err);
	w->clock = kw_clock_fixed(w->clock.fixed);
	w->config = (struct kw_flow_config) {
		.service = "order-routing",
		.schema = "routing",
		.in_topic = "karwan.orders.in",
		.events_topic = "karwan.orders.events",
		.rows = routing_topics,
		.dsn = w->dsn,
		.topics = &topics,
		.clock = &w->clock,
	};
}

void stage_join(struct stage *w, const struct stage *first)
{
	*w = (struct stage) {
		.dsn = first->dsn,
		.arena = kw_arena_new(64 << 20),
		.batch = kw_arena_new(256 << 20),
		.config = first->config,
		.clock = first->clock,
	};
	w->config.clock = &w->clock;
	connect_service(w);
}

void stage_leave(struct stage *w)
{
	kw_pg_free(w->pg);
	kw_arena_free(w->batch);
	kw_arena_free(w->arena);
}

void stage_done(struct stage *w)
{
	kw_pg_free(w->pg);
	kw_pg_free(w->admin);
	kw_arena_free(w->batch);
	kw_arena_free(w->arena);
}

/* ---- batches ---- */

struct run {
	struct stage *w;
	const struct said *said;
	size_t n;
};

static enum kw_rc run_row(
	struct run *run, struct kw_batch *b, const struct kw_topic_row *row, struct kw_err *err)
{
	char *in = kw_arena_alloc(b->arena, run->n, row->size);
	size_t n = 0;

	for (size_t i = 0; i < run->n; i++) {
		struct kw_meta *meta = (void *)(in + n * row->size);

		if (strcmp(run->said[i].type, row->type) != 0)
			continue;
		KW_TRY(kw_json_decode(row->fields, run->said[i].json, strlen(run->said[i].json),
			b->arena, meta, err));
		meta->topic = row->topic;
		meta->type = row->type;
		meta->time = run->w->clock.fixed + ++run->w->offset;
		meta->trace = kw_trace_from(NULL);
		n++;
	}
	return n > 0 ? row->handle(b, in, n, err) : KW_OK;
}

static enum kw_rc run_batch(struct kw_batch *b, void *arg, struct kw_err *err)
{
	struct run *run = arg;

	for (const struct kw_topic_row *row = routing_topics; row->topic; row++)
		KW_TRY(run_row(run, b, row, err));
	return KW_OK;
}

enum kw_rc stage_try(struct stage *w, const struct said *said, size_t n)
{
	struct run run = { w, said, n };
	enum kw_rc rc;

	for (size_t i = 0; i < n; i++) {
		const struct kw_topic_row *row = routing_topics;
		while (row->topic && strcmp(row->type, said[i].type) != 0)
			row++;
		assert_non_null(row->topic);
	}
	rc = kw_outcome_run(&w->config, w->pg, w->batch, run_batch, &run, &w->err);
	kw_arena_reset(w->batch);
	return rc;
}

void stage_say(struct stage *w, const struct said *said, size_t n)
{
	must(stage_try(w, said, n), &w->err);
}

enum kw_rc stage_job(struct stage *w, kw_outcome_fn *fn)
{
	enum kw_rc rc = kw_outcome_run(&w->config, w->pg, w->batch, fn, NULL, &w->err);

	kw_arena_reset(w->batch);
	return rc;
}

static void run_job(struct stage *w, kw_outcome_fn *fn, const char *left)
{
	for (int i = 0; i < 100; i++) {
		enum kw_rc rc = stage_job(w, fn);
		if (rc == KW_NOTHING)
			return;
		must(rc, &w->err);
		if (stage_number(w, left, NULL) == 0)
			return;
	}
	fail_msg("the job does not come to an end");
}

void stage_stock(struct stage *w)
{
	const char *now = kw_arena_printf(w->arena,
		"SELECT (SELECT count(*) FROM wakes) + (SELECT count(*) FROM sales) + "
		"(SELECT count(*) FROM parked WHERE retry_at <= to_timestamp(%lld))",
		(long long)(w->clock.fixed / KW_US_PER_S));

	run_job(w, stock_round, now);
}

void stage_expire(struct stage *w)
{
	run_job(w, expire_round, "SELECT 1");
}

void stage_later(struct stage *w, int64_t seconds)
{
	w->clock = kw_clock_fixed(w->clock.fixed + seconds * KW_US_PER_S);
}

/* ---- questions ---- */

struct answer {
	const char *text;
};

const char *stage_text(struct stage *w, const char *sql, const char *argument)
{
	static const struct kw_col cols[] = { KW_COL_TEXT(struct answer, text), KW_COL_END };
	/* a statement is prepared under its address: each has its own */
	struct kw_stmt *stmt = kw_new(w->arena, struct kw_stmt, 1);
	struct kw_args args = kw_args_of(w->arena);
	struct answer *rows;
	size_t n;

	stmt->sql = kw_arena_printf(w->arena, "SELECT (%s)::text", sql);
	if (argument)
		kw_args_text(&args, argument);
	must(kw_pg_fetch(w->admin, stmt, &args, cols, sizeof(*rows), &rows, &n, &w->err), &w->err);
	assert_int_equal(n, 1);
	return rows[0].text ? rows[0].text : "";
}

int64_t stage_number(struct stage *w, const char *sql, const char *argument)
{
	return strtoll(stage_text(w, sql, argument), NULL, 10);
}

void stage_script(struct stage *w, const char *sql)
{
	must(kw_pg_script(w->admin, sql, &w->err), &w->err);
}

void stage_is_clean(struct stage *w)
{
	const char *drift = stage_text(w,
		"SELECT string_agg(rule || ' ' || entity || ': ' || \"is\", E'\n') FROM "
		"drift",
		NULL);

	if (*drift)
		fail_msg("drift:\n%s", drift);
	assert_true(stage_number(w, "SELECT count(*) FROM orders", NULL) > 0);
	/* versions of each order's events are 1, 2, 3 … and end with the order's */
	assert_int_equal(
		stage_number(w,
			"SELECT count(*) FROM (SELECT entity, array_agg(version ORDER BY "
			"version) AS v FROM "
			"journal GROUP BY entity) j FULL JOIN orders o ON o.order_id = j.entity "
			"WHERE v IS DISTINCT FROM (SELECT array_agg(g) FROM generate_series(1, "
			"o.version) g)",
			NULL),
		0);
}

const char *stage_events(struct stage *w, const char *id)
{
	return stage_text(w,
		"SELECT string_agg(split_part(type, '.', 3) || ':' || version, ' ' ORDER BY "
		"version) "
		"FROM journal WHERE key = $1::text",
		id);
}

const char *stage_state(struct stage *w, const char *id)
{
	return stage_text(w, "SELECT state FROM orders WHERE order_id = $1::text::uuid", id);
}

/* ---- messages ---- */

#define ADDRESS \
	"{\"name\":\"%s\",\"line1\":\"Road 1\",\"city\":\"Muzaffarabad\",\"country\":\"PK\"}"

const char *hub_json(struct stage *w, const char *id, int version)
{
	return kw_arena_printf(w->arena,
		"{\"hub_id\":\"%s\",\"version\":%d,\"name\":\"%s\",\"region\":\"AJK\",\"address\":" ADDRESS
		"}",
		id, version, id, id);
}

const char *maker_json(struct stage *w, const char *id, const char *hub, const char *skill,
	int capacity, const char *state, int version)
{
	return kw_arena_printf(w->arena,
		"{\"maker_id\":\"%s\",\"version\":%d,\"name\":\"%s\",\"hub_id\":\"%s\",\"skills\":[\"%s\"],"
		"\"weekly_capacity\":%d,\"state\":\"%s\"}",
		id, version, id, hub, skill, capacity, state);
}

const char *listing_json(struct stage *w, const char *id, const char *kind, const char *maker,
	const char *hub, const char *skill, int quantity, const char *state, int version)
{
	return kw_arena_printf(w->arena,
		"{\"listing_id\":\"%s\",\"version\":%d,\"sku\":\"SKU-%s\",\"title\":\"Piece "
		"%s\",\"kind\":\"%s\","
		"\"maker_id\":\"%s\",\"hub_id\":\"%s\",\"skill\":\"%s\",\"price\":{\"amount\":\"100.00\",\"currency\":"
		"\"PKR\"},\"weight_g\":500,\"quantity\":%d,\"quantity_version\":%d,\"lead_days\":10,\"state\":\"%s\","
		"\"publications\":[{\"channel\":\"shop\",\"channel_sku\":\"%s\",\"state\":\"PUBLISHED\",\"price\":"
		"{\"amount\":\"100.00\",\"currency\":\"PKR\"}}]}",
		id, version, id, id, kind, maker, hub, skill, quantity, version, state, id);
}

const char *order_id(struct stage *w, const char *external_id)
{
	return kw_arena_str(w->arena, kw_uuid_of("order", "shop", external_id).s);
}

static const char *lines_json(struct stage *w, const char *lines, long *ret_sum)
{
	const char *out = "";
	int n = 0;

	*ret_sum = 0;
	while (*lines) {
		size_t sku = strcspn(lines, ":");
		char *end;
		long quantity = strtol(lines + sku + 1, &end, 10);

		*ret_sum += quantity * 100;
		n++;
		out = kw_arena_printf(w->arena,
			"%s%s{\"line_id\":\"L%d\",\"sku\":\"%.*s\",\"quantity\":%ld,\"price\":{\"amount\":\"100.00\","
			"\"currency\":\"PKR\"},\"discount\":{\"amount\":\"0.00\",\"currency\":\"PKR\"}}",
			out, n > 1 ? "," : "", n, (int)sku, lines, quantity);
		lines = *end ? end + 1 : end;
	}
	return out;
}

const char *order_json(struct stage *w, struct order_said o)
{
	static const char zeros[] =
		"0000000000000000000000000000000000000000000000000000000000000000";
	const char *hash = o.hash ? o.hash : "1";
	long sum;
	const char *lines = lines_json(w, o.lines, &sum);
	const char *total = o.total ? o.total : kw_arena_printf(w->arena, "%ld.00", sum);

	return kw_arena_printf(w->arena,
		"{\"order_id\":\"%s\",\"channel\":\"shop\",\"external_id\":\"%s\",\"kind\":\"%s\",\"source_time\":\"%s\","
		"\"placed_at\":\"2026-03-02T09:00:00Z\",\"content_hash\":\"%.*s%s\",\"currency\":\"PKR\",\"test\":%s,"
		"\"total\":{\"amount\":\"%s\",\"currency\":\"PKR\"},\"lines_total\":{\"amount\":\"%ld.00\",\"currency\":"
		"\"PKR\"},\"shipping\":{\"amount\":\"0.00\",\"currency\":\"PKR\"},\"tax\":{\"amount\":\"0.00\","
		"\"currency\":\"PKR\"},\"discount\":{\"amount\":\"0.00\",\"currency\":\"PKR\"},\"fee_bps\":300,"
		"\"park_days\":7,%s%s\"lines\":[%s]%s}",
		order_id(w, o.external_id), o.external_id, o.kind ? o.kind : "CREATED",
		o.source_time ? o.source_time : "2026-03-02T09:00:00Z", 64 - (int)strlen(hash),
		zeros, hash, o.test ? "true" : "false", total, sum,
		o.no_address ? "" : "\"ship_to\":",
		o.no_address ? ""
			     : "{\"name\":\"Asma\",\"line1\":\"House "
			       "1\",\"city\":\"Lahore\",\"country\":\"PK\"},",
		lines, o.more ? o.more : "");
}

const char *parcel_json(struct stage *w, const char *external_id, int n)
{
	const char *id = order_id(w, external_id);
	const char *fulfilment = stage_text(w,
		kw_arena_printf(w->arena,
			"SELECT fulfilment_id FROM fulfilments WHERE order_id = '%s' AND n = %d",
			id, n),
		NULL);
	char text[16];

	snprintf(text, sizeof(text), "%d", n);
	return kw_arena_printf(w->arena,
		"{\"parcel_id\":\"%s\",\"order_id\":\"%s\",\"fulfilment_id\":\"%s\",\"version\":3}",
		kw_uuid_of("parcel", id, text).s, id, fulfilment);
}
