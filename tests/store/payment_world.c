#include "payment_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/log.h"
#include "flow/schema.h"
#include "pg/migrate.h"
#include "pg/tx.h"
#include "support.h"

extern const struct kw_migration payment_migrations[];

static void must(enum kw_rc rc, const struct kw_err *err)
{
	if (rc != KW_OK)
		fail_msg("%s: %s %s %s (%s:%d)", kw_rc_name(rc), err->code, err->pointer,
			err->reason, err->file, err->line);
}

static enum kw_rc become_service(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	(void)ctx;
	return kw_pg_script(pg, "SET ROLE karwan_payment", err);
}

struct kw_pg *world_connect(const struct world *w)
{
	return kw_pg_new(&(struct kw_pg_config) { .dsn = w->dsn,
		.schema = "payment",
		.application = "payment-test",
		.trial = true,
		.on_session = become_service });
}

void world_make(struct world *w, const char *name)
{
	static const struct kw_topic topic = { "karwan.payments.events", 12, -1, "events" };
	static const struct kw_topics topics = { &topic, 1 };
	struct kw_err err;
	size_t n;

	*w = (struct world) { .arena = kw_arena_new(64 << 20), .batch = kw_arena_new(256 << 20) };
	kw_log_init("payment-test", KW_WARNING);
	w->dsn = kw_arena_str(w->arena, kt_database(kt_unique(name)));
	w->admin = kw_pg_new(&(struct kw_pg_config) { .dsn = w->dsn,
		.schema = "payment",
		.application = "payment-admin",
		.trial = true });
	/* the roles belong to the server: other tests make them too */
	must(kw_pg_script(w->admin,
		     "SELECT pg_advisory_lock(7411); DO $$ BEGIN "
		     "IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'karwan_payment') THEN CREATE ROLE karwan_payment; END IF; "
		     "IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'karwan_operator') THEN CREATE ROLE karwan_operator; END IF; "
		     "END $$; SELECT pg_advisory_unlock(7411)",
		     &err),
		&err);
	struct kw_migrate_target target = { .schema = "payment",
		.sets = (const struct kw_migration *const[]) {
			kw_flow_migrations, payment_migrations, NULL } };
	must(kw_pg_migrate(w->admin, &target, &n, &err), &err);
	w->pg = world_connect(w);
	w->config = (struct kw_flow_config) {
		.service = "payment-reconciliation",
		.schema = "payment",
		.in_topic = "karwan.payments.in",
		.events_topic = "karwan.payments.events",
		.rows = payment_topics,
		.dsn = w->dsn,
		.topics = &topics,
		.clock = &kw_clock_system,
	};
}

void world_done(struct world *w)
{
	kw_pg_free(w->pg);
	kw_pg_free(w->admin);
	kw_arena_free(w->batch);
	kw_arena_free(w->arena);
}

struct run {
	kw_batch_fn *handler;
	const void *messages;
	size_t n;
};

static enum kw_rc run_batch(struct kw_batch *b, void *arg, struct kw_err *err)
{
	const struct run *run = arg;
	return run->handler(b, run->messages, run->n, err);
}

enum kw_rc world_run_on(const struct world *w, struct kw_pg *pg, struct kw_arena *a,
	kw_batch_fn *handler, const void *messages, size_t n, struct kw_err *err)
{
	struct run run = { handler, messages, n };
	enum kw_rc rc = kw_outcome_run(&w->config, pg, a, run_batch, &run, err);
	kw_arena_reset(a);
	return rc;
}

enum kw_rc world_try(
	struct world *w, kw_batch_fn *handler, const void *messages, size_t n, struct kw_err *err)
{
	return world_run_on(w, w->pg, w->batch, handler, messages, n, err);
}

void world_run(struct world *w, kw_batch_fn *handler, const void *messages, size_t n)
{
	struct kw_err err = { 0 };
	must(world_try(w, handler, messages, n, &err), &err);
}

/* ---- questions ---- */

struct answer {
	const char *text;
};
static const struct kw_col answer_cols[] = { KW_COL_TEXT(struct answer, text), KW_COL_END };

const char *world_text(struct world *w, const char *sql, const char *argument)
{
	struct kw_stmt stmt = { sql };
	struct kw_args args = kw_args_of(w->arena);
	struct answer *rows;
	struct kw_err err = { 0 };
	size_t n;

	if (argument)
		kw_args_text(&args, argument);
	must(kw_pg_fetch(w->admin, &stmt, &args, answer_cols, sizeof(*rows), &rows, &n, &err),
		&err);
	/* another text under the same statement name must not meet it */
	kw_pg_drop(w->admin);
	assert_int_equal(n, 1);
	return rows[0].text;
}

int64_t world_number(struct world *w, const char *sql, const char *argument)
{
	const char *text =
		world_text(w, kw_arena_printf(w->arena, "SELECT (%s)::text", sql), argument);
	return text ? strtoll(text, NULL, 10) : -1;
}

void world_script(struct world *w, const char *sql)
{
	struct kw_err err = { 0 };
	must(kw_pg_script(w->admin, sql, &err), &err);
}

void world_no_drift(struct world *w)
{
	const char *what = world_text(w,
		"SELECT string_agg(format('%s %s %s should %s is %s', d.rule, d.entity, d.part, d.should, d.is), E'\\n') FROM "
		"(SELECT * FROM payment.drift LIMIT 20) d",
		NULL);
	if (what)
		fail_msg("drift:\n%s", what);
	assert_true(world_number(w, "SELECT count(*) FROM payment.expectations", NULL) > 0);
}

void world_versions_grow(struct world *w)
{
	assert_int_equal(
		world_number(w,
			"SELECT count(*) FROM (SELECT entity FROM payment.journal GROUP BY entity "
			"HAVING max(version) <> count(*) OR min(version) <> 1 OR count(DISTINCT version) <> count(*)) e",
			NULL),
		0);
	/* the row of each entity stands at its last event */
	assert_int_equal(
		world_number(w,
			"SELECT count(*) FROM (SELECT order_id AS entity, version FROM payment.expectations UNION ALL "
			"SELECT payment_id, version FROM payment.payments UNION ALL SELECT exception_id, version FROM payment.exceptions) r "
			"LEFT JOIN (SELECT entity, max(version) AS last FROM payment.journal GROUP BY entity) j USING (entity) "
			"WHERE r.version <> coalesce(j.last, 0)",
			NULL),
		0);
}

/* ---- messages ---- */

struct kw_meta meta_of(const char *what, const char *key)
{
	return (struct kw_meta) { .topic = "test",
		.key = key,
		.type = what,
		.id = kw_uuid_random(),
		.trace = kw_trace_from(NULL) };
}

struct kw_uuid order_id_of(const char *external_id)
{
	return kw_uuid_of("order", "dibs", external_id);
}

struct kw_uuid fulfilment_id_of(const char *external_id, int n)
{
	return kw_uuid_of("fulfilment", order_id_of(external_id).s, n == 1 ? "amina" : "bano",
		"hub", n == 1 ? "1" : "2");
}

struct order_received shawls(const char *external_id)
{
	static struct received_line lines[] = {
		{ "b", "Stole", 1, { 5000, "PKR" }, { 0, "PKR" } },
		{ "a", "Shawl", 3, { 3335, "PKR" }, { 1001, "PKR" } },
	};
	return (struct order_received) {
		.meta = meta_of("karwan.order.received.v1", external_id),
		.order_id = order_id_of(external_id),
		.channel = "dibs",
		.external_id = external_id,
		.currency = "PKR",
		.total = PKR(15334),
		.shipping = PKR(999),
		.tax = PKR(331),
		.discount = PKR(1001),
		.fee_bps = 250,
		.lines = lines,
		.n_lines = 2,
	};
}

static struct line_quantity two_shawls[] = { { "a", 2 } },
			    shawl_and_stole[] = { { "a", 1 }, { "b", 1 } },
			    everything[] = { { "a", 3 }, { "b", 1 } };

struct order_routed by_two(const char *external_id)
{
	static struct routed_fulfilment slots[2048][2];
	static size_t next;
	struct routed_fulfilment *f = slots[next++ % 2048];

	f[0] = (struct routed_fulfilment) { fulfilment_id_of(external_id, 1), 1, "amina",
		two_shawls, 1 };
	f[1] = (struct routed_fulfilment) { fulfilment_id_of(external_id, 2), 2, "bano",
		shawl_and_stole, 2 };
	return (struct order_routed) {
		.meta = meta_of("karwan.order.routed.v1", external_id),
		.order_id = order_id_of(external_id),
		.fulfilments = f,
		.n_fulfilments = 2,
	};
}

struct parcel_delivered parcel(const char *external_id, int n)
{
	return (struct parcel_delivered) {
		.meta = meta_of("karwan.parcel.delivered.v1", external_id),
		.parcel_id = kw_uuid_of("parcel", order_id_of(external_id).s, n == 1 ? "1" : "2"),
		.order_id = order_id_of(external_id),
		.fulfilment_id = fulfilment_id_of(external_id, n),
		.n = n,
		.maker_id = n == 1 ? "amina" : "bano",
		.lines = n == 1 ? two_shawls : shawl_and_stole,
		.n_lines = n == 1 ? 1 : 2,
		.changed_at = 1793610927000000,
	};
}

struct payment_reported word_of(const char *external_id, int kind, struct kw_money amount,
	const char *event, const char *payment)
{
	struct payment_reported m = {
		.meta = meta_of("karwan.payment.reported.v1", external_id),
		.payment_id = kw_uuid_of("payment", "stripe-demo", payment),
		.provider = "stripe-demo",
		.provider_event_id = event,
		.kind = kind,
		.provider_payment_id = payment,
		.amount = amount,
		.channel = external_id ? "dibs" : NULL,
		.external_id = external_id,
		.occurred_at = 1793610927000000,
	};
	static struct kw_arena *hashes;
	if (external_id)
		m.order_id = order_id_of(external_id);
	if (!hashes)
		hashes = kw_arena_new(64 << 20);
	m.content_hash = payment_content_hash(hashes, &m);
	return m;
}

struct order_cancelled cancel_all(const char *external_id)
{
	static struct cancelled_fulfilment slots[256][2];
	static size_t next;
	struct cancelled_fulfilment *f = slots[next++ % 256];

	f[0].fulfilment_id = fulfilment_id_of(external_id, 1);
	f[1].fulfilment_id = fulfilment_id_of(external_id, 2);
	return (struct order_cancelled) {
		.meta = meta_of("karwan.order.cancelled.v1", external_id),
		.order_id = order_id_of(external_id),
		.lines = everything,
		.n_lines = 2,
		.fulfilments = f,
		.n_fulfilments = 2,
	};
}

struct order_cancelled cancel_second(const char *external_id)
{
	struct order_cancelled m = cancel_all(external_id);
	m.fulfilments++;
	m.n_fulfilments = 1;
	m.lines = shawl_and_stole;
	return m;
}
