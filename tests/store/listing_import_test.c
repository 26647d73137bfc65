/* Rows of files on a real PostgreSQL: with and without versions, again, too late, and what is known
 * of them. */
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
	kw_log_init("listing-import-test", KW_WARNING);
	kw_json_init();
	snprintf(dsn, sizeof(dsn), "%s", kt_database(kt_unique("import")));
	arena = kw_arena_new(64 * 1024 * 1024);
	pg = kw_pg_new(&(struct kw_pg_config) {
		.dsn = dsn, .schema = "listing", .application = "listing-import-test" });
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

/* ---- files ---- */

static struct origin *origin(const char *file, const char *request, int64_t line)
{
	struct origin *o = kw_new(arena, struct origin, 1);

	*o = (struct origin) { kw_uuid_of("import", file), kw_uuid_of("request", request), line };
	return o;
}

static struct maker_put row(const char *file, const char *request, int64_t line, kw_time as_of,
	const char *id, const char *name)
{
	return (struct maker_put) {
		.maker = { .maker_id = id, .name = name, .hub_id = "hub", .state = MAKER_ACTIVE },
		.as_of = as_of,
		.import = origin(file, request, line)
	};
}

static struct import_view view(const char *file, const char *cursor)
{
	struct kw_uuid id = kw_uuid_of("import", file);
	struct import_view v = { 0 };
	struct kw_err err = { 0 };

	must(store_find_import(pg, arena, id.s, cursor, 2, &v, &err), &err);
	return v;
}

static void start(const char *file, const char *run_name, kw_time at)
{
	struct import_started message = { .import_id = kw_uuid_of("import", file),
		.run_id = kw_uuid_of("run", run_name),
		.by = "office",
		.as_of = at,
		.started_at = at };

	run(on_import_started, &message, 1);
}

static struct import_reported report(const char *file, const char *run_name, const char *request,
	int64_t part, bool last, int64_t rows)
{
	return (struct import_reported) { .import_id = kw_uuid_of("import", file),
		.run_id = kw_uuid_of("run", run_name),
		.request_id = kw_uuid_of("request", request),
		.part = part,
		.last = last,
		.bytes = 10,
		.rows = rows,
		.appended = rows };
}

#define NAME(id, name) \
	"SELECT count(*) FROM records WHERE id = '" id "' AND body LIKE '%\"" name "\"%'"

static void the_same_rows_twice_change_nothing(void **state)
{
	struct maker_put rows[] = { row("f1", "r1", 2, 100, "a", "first"),
		row("f1", "r1", 3, 100, "b", "other"), row("f1", "r1", 4, 100, "a", "second") };
	struct maker_put again[3];

	(void)state;
	run(on_maker_put, rows, 3);
	assert_int_equal(count(NAME("a", "second")), 1);
	assert_int_equal(count("SELECT source_version FROM records WHERE id = 'a'"), 2);
	assert_int_equal(count("SELECT count(*) FROM journal"), 3);
	/* in another order, as of another time, in another request: still the same file */
	again[0] = row("f1", "r2", 4, 900, "a", "second");
	again[1] = row("f1", "r2", 2, 900, "a", "first");
	again[2] = row("f1", "r2", 3, 900, "b", "other");
	run(on_maker_put, again, 3);
	assert_int_equal(count(NAME("a", "second")), 1);
	assert_int_equal(count("SELECT count(*) FROM journal"), 3);
	assert_int_equal(
		count("SELECT changed FROM import_outcomes ORDER BY changed DESC LIMIT 1"), 3);
	assert_int_equal(count("SELECT same FROM import_outcomes ORDER BY same DESC LIMIT 1"), 2);
	assert_int_equal(count("SELECT stale FROM import_outcomes ORDER BY stale DESC LIMIT 1"), 1);
	assert_int_equal(count("SELECT count(*) FROM exceptions"), 0);
	assert_int_equal(count("SELECT count(*) FROM drift"), 0);
}

static void an_older_file_never_overwrites(void **state)
{
	struct maker_put newer = row("new", "r3", 2, 2000, "c", "newer"),
			 older = row("old", "r4", 2, 1000, "c", "older"),
			 newest = row("newest", "r5", 2, 3000, "c", "newest");
	struct maker_put put = { .maker = { .maker_id = "c",
					 .version = 7,
					 .name = "put",
					 .hub_id = "hub",
					 .state = MAKER_ACTIVE },
		.meta = { .time = 5000 } };
	struct maker_put late = row("late", "r6", 2, 4000, "c", "late"),
			 after = row("after", "r7", 2, 6000, "c", "after");

	(void)state;
	run(on_maker_put, &newer, 1);
	run(on_maker_put, &older, 1);
	assert_int_equal(count(NAME("c", "newer")), 1);
	run(on_maker_put, &newest, 1);
	assert_int_equal(count(NAME("c", "newest")), 1);
	/* an operator's put is as of its arrival, and its version decides among versions */
	run(on_maker_put, &put, 1);
	assert_int_equal(count("SELECT source_version FROM records WHERE id = 'c'"), 7);
	run(on_maker_put, &late, 1);
	assert_int_equal(count(NAME("c", "put")), 1);
	run(on_maker_put, &after, 1);
	assert_int_equal(count("SELECT source_version FROM records WHERE id = 'c'"), 8);
	assert_int_equal(count(NAME("c", "after")), 1);
}

static void versions_in_a_file_decide(void **state)
{
	struct maker_put rows[] = { row("v", "r8", 2, 0, "d", "five"),
		row("v", "r8", 3, 0, "d", "four"), row("v", "r8", 4, 0, "d", "five again"),
		row("v", "r8", 5, 0, "d", "gone") };

	(void)state;
	rows[0].maker.version = rows[2].maker.version = 5;
	rows[1].maker.version = 4;
	rows[3].maker.version = 6;
	rows[3].maker.state = MAKER_INVITED;
	run(on_maker_put, rows, 4);
	run(on_maker_put, rows, 4);
	assert_int_equal(count(NAME("d", "five")), 1);
	assert_int_equal(
		count("SELECT count(*) FROM exceptions WHERE entity_id = 'd' AND kind = 'CONFLICT'"),
		1);
	assert_int_equal(
		count("SELECT count(*) FROM exceptions WHERE entity_id = 'd' AND kind = 'STATE_REFUSED'"),
		1);
	assert_int_equal(
		count("SELECT count(*) FROM import_problems WHERE line IN (4, 5) AND reason <> ''"),
		2);
}

static struct listing_put shawl(
	const char *request, int64_t line, int64_t quantity, const char *title)
{
	return (struct listing_put) { .listing = { .listing_id = "shawl",
					      .sku = "S",
					      .title = title,
					      .kind = STOCKED,
					      .maker_id = "a",
					      .hub_id = "hub",
					      .price = { 100, "PKR" },
					      .weight_g = 500,
					      .quantity = quantity,
					      .state = LISTING_APPROVED },
		.as_of = 100,
		.import = origin(title, request, line) };
}

#define COUNT_VERSION \
	"SELECT (body::json ->> 'quantity_version')::bigint FROM records WHERE id = 'shawl'"

static void another_quantity_is_a_new_count(void **state)
{
	struct listing_put first = shawl("q1", 2, 5, "one"), title = shawl("q2", 2, 5, "two"),
			   sold = shawl("q3", 2, 4, "three");

	(void)state;
	run(on_listing_put, &first, 1);
	assert_int_equal(count(COUNT_VERSION), 1);
	run(on_listing_put, &title, 1);
	assert_int_equal(count(COUNT_VERSION), 1);
	run(on_listing_put, &sold, 1);
	assert_int_equal(count(COUNT_VERSION), 2);
	assert_int_equal(count("SELECT source_version FROM records WHERE id = 'shawl'"), 3);
	run(on_listing_put, &sold, 1);
	assert_int_equal(count("SELECT source_version FROM records WHERE id = 'shawl'"), 3);
}

static void a_view_follows_the_newest_run(void **state)
{
	struct problem bad[] = { { 2, "/state", "is none" }, { 4, "", "has 1 cells" },
		{ 6, "/name", "is required" } };
	struct import_reported one = report("w", "run1", "w1", 1, false, 2),
			       two = report("w", "run1", "w2", 2, true, 1);
	struct maker_put rows[] = { row("w", "w1", 3, 50, "w-a", "A"),
		row("w", "w1", 5, 50, "w-b", "B"), row("w", "w2", 7, 50, "w-c", "C") };
	struct import_view v;

	(void)state;
	one.rows = 5;
	one.refused = 3;
	one.problems = bad;
	one.n_problems = 3;
	run(on_maker_put, rows, 1);
	start("w", "run1", 50);
	run(on_import_reported, &two, 1);
	v = view("w", NULL);
	assert_int_equal(v.state, IMPORT_RECEIVING);
	assert_string_equal(v.by, "office");
	run(on_import_reported, &one, 1);
	v = view("w", NULL);
	assert_int_equal(v.state, IMPORT_APPLYING);
	assert_int_equal(v.rows, 6);
	assert_int_equal(v.refused, 3);
	run(on_maker_put, &rows[1], 2);
	v = view("w", NULL);
	assert_int_equal(v.state, IMPORT_DONE);
	assert_int_equal(v.changed, 3);
	assert_int_equal(v.n_problems, 2);
	assert_int_equal(v.problems[1].line, 4);
	assert_string_equal(v.next_cursor, "4");
	v = view("w", "4");
	assert_int_equal(v.n_problems, 1);
	assert_string_equal(v.problems[0].reason, "is required");
	assert_null(v.next_cursor);
	/* the report of a request whose answer was lost, and its repeat: one part */
	struct import_reported repeat = report("w", "run1", "w3", 2, true, 1);
	struct maker_put same = row("w", "w3", 7, 50, "w-c", "C");
	run(on_import_reported, &repeat, 1);
	assert_int_equal(view("w", NULL).state, IMPORT_APPLYING);
	run(on_maker_put, &same, 1);
	v = view("w", NULL);
	assert_int_equal(v.state, IMPORT_DONE);
	assert_int_equal(v.rows, 6);
	assert_int_equal(v.changed, 2);
	assert_int_equal(v.same, 1);
	/* a later run begins anew; the header of an earlier one that comes late changes nothing */
	start("w", "run2", 60);
	assert_int_equal(view("w", NULL).state, IMPORT_RECEIVING);
	assert_int_equal(view("w", NULL).rows, 0);
	start("w", "run1", 50);
	assert_int_equal(
		count("SELECT count(*) FROM imports WHERE started_at > 'epoch'::timestamptz + '55 us'"),
		1);
	assert_int_equal(count("SELECT count(*) FROM import_problems WHERE line = 6"), 0);
	struct import_reported cut = report("w", "run2", "w4", 1, true, 0);
	cut.cut = true;
	run(on_import_reported, &cut, 1);
	assert_int_equal(view("w", NULL).state, IMPORT_CUT_SHORT);
	assert_int_equal(count("SELECT count(*) FROM drift"), 0);
}

static void problems_are_bounded(void **state)
{
	static struct problem bad[PROBLEMS_MAX];
	struct import_view v;

	(void)state;
	start("many", "many1", 10);
	for (int64_t part = 1; part <= 12; part++) {
		struct import_reported r = report("many", "many1",
			kw_arena_printf(arena, "m%d", (int)part), part, part == 12, 0);
		for (int64_t i = 0; i < PROBLEMS_MAX; i++)
			bad[i] = (struct problem) { part * 10000 + i, NULL, "bad" };
		r.rows = r.refused = 5000;
		r.problems = bad;
		r.n_problems = PROBLEMS_MAX;
		run(on_import_reported, &r, 1);
	}
	v = view("many", NULL);
	assert_int_equal(v.refused, 60000);
	assert_int_equal(v.state, IMPORT_DONE);
	assert_int_equal(count("SELECT count(*) FROM import_problems WHERE reason = 'bad'"),
		IMPORT_PROBLEMS_MAX);
}

static void cursors_and_ids_are_checked(void **state)
{
	struct import_view v;
	struct kw_err err = { 0 };

	(void)state;
	assert_int_equal(store_find_import(pg, arena, "nothing", NULL, 2, &v, &err), KW_NOTHING);
	assert_int_equal(
		store_find_import(pg, arena, kw_uuid_of("import", "none").s, NULL, 2, &v, &err),
		KW_NOTHING);
	assert_int_equal(
		store_find_import(pg, arena, kw_uuid_of("import", "w").s, "4x", 2, &v, &err),
		KW_INVALID);
	assert_string_equal(err.pointer, "/cursor");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_rows_twice_change_nothing),
		cmocka_unit_test(an_older_file_never_overwrites),
		cmocka_unit_test(versions_in_a_file_decide),
		cmocka_unit_test(another_quantity_is_a_new_count),
		cmocka_unit_test(a_view_follows_the_newest_run),
		cmocka_unit_test(problems_are_bounded),
		cmocka_unit_test(cursors_and_ids_are_checked),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
