/* The statements and handlers of listing-ingestion on a real PostgreSQL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/log.h"
#include "flow/schema.h"
#include "handlers.h"
#include "pg/migrate.h"
#include "store.h"
#include "support.h"
#include "svc/resolution.h"
#include "json/json.h"

extern const struct kw_migration listing_migrations[];

static struct kw_pg *pg;
static struct kw_arena *arena;
static struct kw_flow_config config;
static struct kw_topic topic = { "karwan.listings.events", 12, -1, "events" };
static struct kw_topics topics = { &topic, 1 };

static void must(enum kw_rc rc, const struct kw_err *err)
{
	if (rc != KW_OK)
		fail_msg("%s %s %s (%s:%d)", kw_rc_name(rc), err->code, err->reason, err->file,
			err->line);
}

static int set_up(void **state)
{
	static char dsn[1024];
	struct kw_err err = { 0 };
	size_t n;

	(void)state;
	kw_log_init("listing-store-test", KW_WARNING);
	kw_json_init();
	snprintf(dsn, sizeof(dsn), "%s", kt_database(kt_unique("listing")));
	arena = kw_arena_new(64 * 1024 * 1024);
	pg = kw_pg_new(&(struct kw_pg_config) {
		.dsn = dsn, .schema = "listing", .application = "listing-store-test" });
	struct kw_migrate_target target = { .schema = "listing",
		.sets = (const struct kw_migration *const[]) {
			kw_flow_migrations, listing_migrations, NULL } };
	must(kw_pg_migrate(pg, &target, &n, &err), &err);
	kw_pg_drop(pg);
	config = (struct kw_flow_config) { .service = "listing-ingestion",
		.schema = "listing",
		.in_topic = "karwan.listings.in",
		.events_topic = "karwan.listings.events",
		.topics = &topics,
		.clock = &kw_clock_system };
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	kw_pg_free(pg);
	kw_arena_free(arena);
	return 0;
}

struct call {
	kw_batch_fn *handle;
	const void *in;
	size_t n;
};

static enum kw_rc call_handler(struct kw_batch *b, void *arg, struct kw_err *err)
{
	const struct call *call = arg;

	return call->handle(b, call->in, call->n, err);
}

static void run(kw_batch_fn *handle, const void *in, size_t n)
{
	struct call call = { handle, in, n };
	struct kw_err err = { 0 };

	must(kw_outcome_run(&config, pg, arena, call_handler, &call, &err), &err);
}

struct one {
	int64_t value;
};

static int64_t count(const char *sql)
{
	static const struct kw_col cols[] = { KW_COL_I64(struct one, value), KW_COL_END };
	struct kw_stmt *stmt = kw_new(arena, struct kw_stmt, 1);
	struct kw_args args = kw_args_of(arena);
	struct kw_err err = { 0 };
	struct one row = { -1 };

	stmt->sql = sql;
	must(kw_pg_fetch_one(pg, stmt, &args, cols, sizeof(row), &row, &err), &err);
	return row.value;
}

static void statements_prepare(void **state)
{
	struct kw_err err = { 0 };

	(void)state;
	must(kw_pg_prepare_all(pg, listing_stmts, n_listing_stmts, &err), &err);
	must(kw_pg_prepare_all(pg, import_stmts, n_import_stmts, &err), &err);
}

static struct maker_put maker(const char *id, int64_t version, const char *name, int maker_state)
{
	return (struct maker_put) { .maker = { .maker_id = id,
					    .version = version,
					    .name = name,
					    .hub_id = "hub",
					    .state = maker_state } };
}

static const char *text(const char *sql)
{
	struct row {
		const char *value;
	} row = { "" };
	static const struct kw_col cols[] = { KW_COL_TEXT(struct row, value), KW_COL_END };
	struct kw_stmt *stmt = kw_new(arena, struct kw_stmt, 1);
	struct kw_args args = kw_args_of(arena);
	struct kw_err err = { 0 };

	stmt->sql = sql;
	must(kw_pg_fetch_one(pg, stmt, &args, cols, sizeof(row), &row, &err), &err);
	return row.value;
}

static void a_person_closes_one(void)
{
	struct kw_resolve_requested m = { .version = 1,
		.resolution = KW_KEEP,
		.reason = "the first one is right",
		.by = "sana" };

	assert_true(kw_uuid_parse(
		text("SELECT exception_id::text FROM exceptions WHERE kind = 'CONFLICT'"),
		&m.exception_id));
	run(kw_on_keep_requested, &m, 1);
	run(kw_on_keep_requested, &m, 1);
	assert_string_equal(
		text("SELECT concat_ws(' ', state, version, resolution, resolved_by, note) FROM "
		     "exception_list WHERE kind = 'CONFLICT'"),
		"CLOSED 2 KEEP sana the first one is right");
	assert_int_equal(count("SELECT count(*) FROM exceptions WHERE state = 'OPEN'"), 1);
}

static void a_stale_version_never_overwrites(void **state)
{
	struct maker_put first[] = { maker("m1", 5, "five", MAKER_ACTIVE),
		maker("m1", 3, "three", MAKER_ACTIVE), maker("m2", 1, "one", MAKER_INVITED),
		maker("m1", 7, "seven", MAKER_ON_LEAVE) };
	struct maker_put second[] = { maker("m1", 7, "seven", MAKER_ON_LEAVE),
		maker("m1", 7, "other", MAKER_ON_LEAVE), maker("m1", 6, "six", MAKER_ACTIVE),
		maker("m1", 8, "eight", MAKER_INVITED) };

	(void)state;
	run(on_maker_put, first, 4);
	assert_int_equal(
		count("SELECT source_version FROM records WHERE kind = 'maker' AND id = 'm1'"), 7);
	assert_int_equal(count("SELECT version FROM records WHERE id = 'm1'"), 2);
	run(on_maker_put, second, 4);
	assert_int_equal(
		count("SELECT count(*) FROM records WHERE id = 'm1' AND body LIKE '%seven%'"), 1);
	assert_int_equal(count("SELECT count(*) FROM exceptions WHERE kind = 'CONFLICT'"), 1);
	assert_int_equal(count("SELECT count(*) FROM exceptions WHERE kind = 'STATE_REFUSED'"), 1);
	assert_int_equal(count("SELECT count(*) FROM journal"), 3);
	run(on_maker_put, second, 4);
	assert_int_equal(count("SELECT count(*) FROM exceptions"), 2);
	a_person_closes_one();
	assert_int_equal(count("SELECT count(*) FROM drift"), 0);
}

static void a_national_id_belongs_to_one_maker(void **state)
{
	struct sealed_id one = { "Y2lwaGVy", "1",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"34201-*******-8" };
	struct maker_put puts[] = { maker("n1", 1, "first", MAKER_ACTIVE),
		maker("n2", 1, "second", MAKER_ACTIVE) };

	(void)state;
	puts[0].maker.national_id = puts[1].maker.national_id = &one;
	run(on_maker_put, puts, 2);
	assert_int_equal(count("SELECT count(*) FROM national_ids WHERE maker_id = 'n1'"), 1);
	assert_int_equal(count("SELECT count(*) FROM national_ids"), 1);
	assert_int_equal(
		count("SELECT count(*) FROM exceptions WHERE kind = 'NATIONAL_ID_TAKEN' AND entity_id = 'n2'"),
		1);
	assert_int_equal(count("SELECT count(*) FROM records WHERE body LIKE '%Y2lwaGVy%'"), 0);
	assert_int_equal(count("SELECT count(*) FROM journal WHERE payload LIKE '%national%'"), 0);
}

static struct listing_put shawl(
	int64_t version, int64_t quantity_version, const struct publication *publications)
{
	return (struct listing_put) { .listing = { .listing_id = "shawl",
					      .version = version,
					      .sku = "S",
					      .title = "Shawl",
					      .kind = ONE_OF_A_KIND,
					      .maker_id = "m1",
					      .hub_id = "hub",
					      .price = { 100, "PKR" },
					      .weight_g = 500,
					      .quantity = 1,
					      .quantity_version = quantity_version,
					      .state = LISTING_APPROVED,
					      .publications = publications,
					      .n_publications = 1 } };
}

#define LAST_PAUSED                                                                                   \
	"SELECT count(*) FROM journal WHERE key = 'shawl' AND payload LIKE '%PAUSED%' AND version = " \
	"(SELECT max(version) FROM journal WHERE key = 'shawl')"

static void publications_follow_the_stock(void **state)
{
	static const struct publication published = { "dibs", "S-1", PUBLICATION_PUBLISHED,
		{ 100, "PKR" }, 0 };
	struct depletion gone = { "shawl", 0, 2 }, late = { "shawl", 1, 1 },
			 back = { "shawl", 1, 3 }, unknown = { "nobody", 0, 1 };
	struct listing_put put = shawl(1, 1, &published), again = shawl(2, 1, &published),
			   counted = shawl(3, 2, &published);
	struct depleted_message out = { .depleted = &gone, .n_depleted = 1 },
				old = { .depleted = &late, .n_depleted = 1 },
				in = { .depleted = &back, .n_depleted = 1 },
				other = { .depleted = &unknown, .n_depleted = 1 };

	(void)state;
	run(on_listing_put, &put, 1);
	assert_int_equal(count(LAST_PAUSED), 0);
	run(on_depleted, &out, 1);
	assert_int_equal(count(LAST_PAUSED), 1);
	run(on_depleted, &old, 1);
	run(on_depleted, &out, 1);
	assert_int_equal(count("SELECT version FROM records WHERE id = 'shawl'"), 2);
	run(on_listing_put, &again, 1);
	assert_int_equal(count(LAST_PAUSED), 1);
	run(on_listing_put, &counted, 1);
	assert_int_equal(count(LAST_PAUSED), 0);
	run(on_depleted, &in, 1);
	run(on_depleted, &other, 1);
	assert_int_equal(count(LAST_PAUSED), 0);
	assert_int_equal(count("SELECT count(*) FROM drift"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statements_prepare),
		cmocka_unit_test(a_stale_version_never_overwrites),
		cmocka_unit_test(a_national_id_belongs_to_one_maker),
		cmocka_unit_test(publications_follow_the_stock),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
