/* What a courier's unknown word means, as a person says it, on a real PostgreSQL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dispatch_testing.h"
#include "svc/resolution.h"

#define MANY 1500 /* more than one round takes */

static void scan(
	const char *order, const char *courier, const char *event_id, const char *word, int64_t at)
{
	dt_scan(&(struct dt_scan) { dt_parcel(order, 1), courier, event_id, word, at, NULL, NULL },
		1);
}

static void book(const char *order)
{
	dt_ready(order, 1);
	dt_book_at(order, 1, 1);
}

/* The exception of a courier's word, as a person saw it at this version, means status. */
static struct kw_resolve_requested meaning(
	const char *courier, const char *word, int64_t version, const char *status)
{
	return (struct kw_resolve_requested) {
		.exception_id = kw_uuid_of("exception", "UNKNOWN_STATUS",
			kw_arena_printf(dt_arena, "%s %s", courier, word)),
		.version = version,
		.resolution = KW_MAP,
		.status = status,
		.reason = "they said so",
		.by = "sana",
	};
}

struct requests {
	const struct kw_resolve_requested *in;
	size_t n;
};

static enum kw_rc resolve(struct kw_batch *b, void *arg, struct kw_err *err)
{
	const struct requests *requests = arg;

	return on_resolve_requested(b, requests->in, requests->n, err);
}

static enum kw_rc try_resolve(const struct kw_resolve_requested *in, size_t n, struct kw_err *err)
{
	struct requests requests = { in, n };

	return kw_outcome_run(&dt_flow, dt_pg, dt_arena, resolve, &requests, err);
}

static void map(const char *courier, const char *word, int64_t version, const char *status)
{
	struct kw_resolve_requested in = meaning(courier, word, version, status);
	struct kw_err err = { 0 };

	dt_must(try_resolve(&in, 1, &err), &err);
}

static const char *exception_of(const char *word)
{
	return dt_text(kw_arena_printf(dt_arena,
		"SELECT concat_ws(' ', state, version, resolution, mapping, resolved_by, note) "
		"FROM exceptions WHERE word = '%s'",
		word));
}

static const char *scan_text(const char *event_id)
{
	return dt_text(kw_arena_printf(dt_arena,
		"SELECT concat_ws(' ', status, standing) FROM scans WHERE event_id = '%s'",
		event_id));
}

/* The newest word of the carrier turns out to be a physical scan: the parcel has left. */
static void test_what_waits_is_applied(void **state)
{
	(void)state;
	book("o1");
	scan("o1", "courier-a", "1", "with_rider", 200);
	assert_string_equal(dt_parcel_text("state", "o1", 1), "LABELLED");
	assert_int_equal(dt_name(), 0); /* nobody knows what it means */
	map("courier-a", "with_rider", 1, "OUT_FOR_DELIVERY");
	assert_string_equal(exception_of("with_rider"), "RESOLVED 2 MAP 1 sana they said so");
	assert_string_equal(dt_text("SELECT concat_ws(' ', courier, word, version, status, "
				    "mapped_by, reason) FROM carrier_words"),
		"courier-a with_rider 1 OUT_FOR_DELIVERY sana they said so");
	assert_string_equal(dt_text("SELECT about FROM exception_list"),
		"courier-a 1 times means OUT_FOR_DELIVERY");
	assert_int_equal(dt_name(), 1);
	assert_string_equal(dt_parcel_text("state", "o1", 1), "HANDED_OVER");
	assert_string_equal(dt_parcel_text("carrier_status", "o1", 1), "OUT_FOR_DELIVERY");
	assert_string_equal(dt_parcel_text("carrier_text", "o1", 1), "with_rider");
	assert_string_equal(dt_events("o1", 1), "created tracked handed_over");
	/* under the trace of the message that brought it */
	assert_int_equal(
		dt_count("SELECT count(*) FROM journal j, scans s WHERE j.type = "
			 "'karwan.parcel.handed_over.v1' AND strpos(j.trace, substr(s.trace, 4, "
			 "32)) > 0"),
		1);
	assert_int_equal(dt_name(), 0);
	assert_string_equal(dt_events("o1", 1), "created tracked handed_over");
}

/* Older than what is known by now: each counts by the rules of a late scan, in order of arrival. */
static void test_late_ones_in_their_order(void **state)
{
	(void)state;
	book("o1");
	scan("o1", "courier-a", "1", "nobody_home", 100);
	scan("o1", "courier-a", "2", "nobody_home", 300);
	scan("o1", "courier-a", "3", "in_transit", 400);
	scan("o1", "courier-a", "4", "nobody_home", 200);
	map("courier-a", "nobody_home", 1, "ATTEMPT_FAILED");
	assert_int_equal(dt_name(), 1);
	assert_string_equal(dt_parcel_text("attempts", "o1", 1), "3");
	assert_string_equal(dt_parcel_text("reason", "o1", 1), "ATTEMPTS_SPENT");
	assert_string_equal(dt_parcel_text("carrier_status", "o1", 1), "IN_TRANSIT");
	assert_int_equal(dt_count("SELECT count(*) FROM intents WHERE kind = 'return'"), 1);

	book("o2");
	scan("o2", "courier-a", "5", "handed_to_buyer", 500);
	scan("o2", "courier-a", "6", "in_transit", 600);
	map("courier-a", "handed_to_buyer", 1, "DELIVERED");
	assert_int_equal(dt_name(), 1);
	assert_string_equal(dt_parcel_text("state", "o2", 1), "DELIVERED");
}

/* Scans that no parcel has moved by yet only get their status; another courier's stay evidence. */
static void test_what_is_not_applied(void **state)
{
	(void)state;
	scan("o1", "courier-a", "1", "with_rider", 100); /* before its parcel */
	book("o2");
	scan("o2", "courier-b", "2", "with_rider", 100);
	dt_scan(&(struct dt_scan) { { "" }, "aftership-demo", "3", "with_rider", 100,
			"Leopards-Courier", "KA9" },
		1);
	map("courier-a", "with_rider", 1, "OUT_FOR_DELIVERY");
	map("courier-b", "with_rider", 1, "DELIVERED");
	map("aftership-demo", "with_rider", 1, "IN_TRANSIT");
	assert_int_equal(dt_name(), 1);
	assert_string_equal(scan_text("1"), "OUT_FOR_DELIVERY PENDING");
	assert_string_equal(scan_text("2"), "DELIVERED FOREIGN");
	assert_string_equal(scan_text("3"), "IN_TRANSIT PENDING");
	assert_string_equal(dt_parcel_text("state", "o2", 1), "LABELLED");
	assert_int_equal(dt_count("SELECT max(occurrences) FROM exceptions"), 1);
	/* the number's parcel comes */
	dt_exec(kw_arena_printf(dt_arena,
		"UPDATE parcels SET tracking_number = 'KA9' WHERE parcel_id = '%s'; "
		"UPDATE intents SET detail = 'ACCEPTED KA9' WHERE kind = 'book'",
		dt_parcel("o2", 1).s));
	dt_match();
	assert_string_equal(scan_text("3"), "IN_TRANSIT APPLIED");
	assert_string_equal(dt_parcel_text("state", "o2", 1), "HANDED_OVER");
}

/* Later messages have the status at once, of this courier; said again, of what comes then. */
static void test_later_messages_and_versions(void **state)
{
	struct kw_resolve_requested again = meaning("courier-a", "at_desk", 1, "LOST");
	struct kw_err err = { 0 };

	(void)state;
	book("o1");
	scan("o1", "courier-a", "1", "at_desk", 100);
	map("courier-a", "at_desk", 1, "IN_TRANSIT");
	dt_must(try_resolve(&again, 1, &err), &err); /* seen at a version that is past */
	assert_int_equal(dt_count("SELECT count(*) FROM carrier_words"), 1);
	scan("o1", "courier-a", "2", "at_desk", 200);
	assert_string_equal(scan_text("2"), "IN_TRANSIT APPLIED");
	assert_string_equal(dt_parcel_text("state", "o1", 1), "HANDED_OVER");
	scan("o1", "courier-b", "3", "at_desk", 300);
	assert_string_equal(scan_text("3"), "UNKNOWN FOREIGN");
	assert_int_equal(dt_name(), 1);
	assert_string_equal(scan_text("1"), "IN_TRANSIT APPLIED");

	map("courier-a", "at_desk", 2, "AVAILABLE_FOR_PICKUP");
	assert_string_equal(
		dt_text("SELECT string_agg(concat_ws(' ', version, status), ', ' ORDER BY version) "
			"FROM carrier_words"),
		"1 IN_TRANSIT, 2 AVAILABLE_FOR_PICKUP");
	assert_string_equal(dt_text("SELECT concat_ws(' ', state, version, mapping) FROM "
				    "exceptions WHERE courier = 'courier-a'"),
		"RESOLVED 3 2");
	assert_int_equal(dt_name(), 0);
	assert_string_equal(scan_text("2"), "IN_TRANSIT APPLIED");
	scan("o1", "courier-a", "4", "at_desk", 400);
	assert_string_equal(scan_text("4"), "AVAILABLE_FOR_PICKUP APPLIED");
	assert_int_equal(
		dt_count("SELECT count(*) FROM exceptions WHERE courier = 'courier-a' AND state = "
			 "'OPEN'"),
		0);
}

/* In one batch: of what was seen at one version the first stands, whatever it is. */
static void test_one_batch(void **state)
{
	struct kw_resolve_requested map_a = meaning("courier-a", "odd", 1, "IN_TRANSIT"),
				    keep_a = map_a, map_b = meaning("courier-a", "even", 1, "LOST"),
				    keep_b = map_b;
	struct kw_err err = { 0 };

	(void)state;
	book("o1");
	scan("o1", "courier-a", "1", "odd", 100);
	scan("o1", "courier-a", "2", "even", 200);
	keep_a.resolution = keep_b.resolution = KW_KEEP;
	keep_a.status = keep_b.status = NULL;
	struct kw_resolve_requested all[] = { map_a, keep_b, keep_a, map_b, map_a };
	dt_must(try_resolve(all, KW_LEN(all), &err), &err);
	assert_string_equal(exception_of("odd"), "RESOLVED 2 MAP 1 sana they said so");
	assert_string_equal(exception_of("even"), "CLOSED 2 KEEP sana they said so");
	dt_must(try_resolve(all, KW_LEN(all), &err), &err);
	assert_int_equal(dt_count("SELECT count(*) FROM carrier_words"), 1);
	/* what was left as it is may get its meaning later */
	map("courier-a", "even", 2, "EXCEPTION");
	assert_int_equal(dt_name(), 1);
	assert_string_equal(exception_of("even"), "RESOLVED 3 MAP 1 sana they said so");
	assert_int_equal(dt_count("SELECT count(*) FROM scans WHERE status = 'UNKNOWN'"), 0);
}

static void refused(struct kw_resolve_requested in, const char *pointer)
{
	struct kw_err err = { 0 };

	assert_int_equal(try_resolve(&in, 1, &err), KW_INVALID);
	assert_string_equal(err.pointer, pointer);
}

static void test_what_cannot_be(void **state)
{
	(void)state;
	book("o1");
	scan("o1", "courier-a", "1", "odd", 100);
	scan("o1", "courier-b", "2", "delivered", 100);
	refused(meaning("courier-a", "odd", 1, NULL), "/status");
	refused(meaning("courier-a", "odd", 1, "UNKNOWN"), "/status");
	refused(meaning("courier-a", "odd", 1, "Delivered"), "/status");
	refused(meaning("courier-a", "even", 1, "LOST"), "/exception_id");
	struct kw_resolve_requested other = meaning("courier-a", "odd", 1, "LOST");
	assert_true(kw_uuid_parse(
		dt_text("SELECT exception_id FROM exceptions WHERE kind = 'FOREIGN_COURIER'"),
		&other.exception_id));
	refused(other, "/resolution");
	assert_int_equal(dt_count("SELECT count(*) FROM carrier_words"), 0);
	assert_string_equal(exception_of("odd"), "OPEN 1");
}

/* A scan whose transaction did not see the meaning: the job sees both, and ends the exception that
 * it has opened again. */
static void test_unseen(void **state)
{
	(void)state;
	book("o1");
	scan("o1", "courier-a", "1", "odd", 100);
	map("courier-a", "odd", 1, "IN_TRANSIT");
	assert_int_equal(dt_name(), 1);
	dt_exec("INSERT INTO scans (courier, event_id, parcel_id, status, word, scanned_at, "
		"arrived_at, standing, content_hash, trace) SELECT courier, '2', parcel_id, "
		"'UNKNOWN', word, scanned_at + interval '1 s', now(), 'APPLIED', 2, trace "
		"FROM scans; UPDATE exceptions SET state = 'OPEN', occurrences = 2");
	assert_string_equal(exception_of("odd"), "OPEN 3");
	assert_int_equal(dt_name(), 1);
	assert_string_equal(scan_text("2"), "IN_TRANSIT APPLIED");
	assert_string_equal(exception_of("odd"), "RESOLVED 4 MAP 1 sana they said so");
}

static void test_many(void **state)
{
	(void)state;
	book("o1");
	scan("o1", "courier-a", "first", "odd", 100);
	dt_exec(kw_arena_printf(dt_arena,
		"INSERT INTO scans (courier, event_id, parcel_id, status, word, scanned_at, "
		"arrived_at, standing, content_hash, trace) SELECT courier, i::text, parcel_id, "
		"status, word, scanned_at + i * interval '1 s', arrived_at + i * interval '1 us', "
		"standing, i, trace FROM scans, generate_series(1, %d) i",
		MANY - 1));
	map("courier-a", "odd", 1, "IN_TRANSIT");
	assert_int_equal(dt_name(), 2);
	assert_int_equal(dt_count("SELECT count(*) FROM scans WHERE status = 'IN_TRANSIT'"), MANY);
	/* created, tracked as UNKNOWN, and one of each scan: none was late for another */
	assert_int_equal(dt_count("SELECT version FROM parcels"), 2 + MANY);
}

/* Each of ours, and none but ours: the table's check has the same list. */
static void test_every_status(void **state)
{
	(void)state;
	book("o1");
	for (int i = 0; i < mapped_statuses.n; i++) {
		const char *status = kw_strtab_name(&mapped_statuses, i), *word;

		word = kw_arena_printf(dt_arena, "word-%d", i);
		scan("o1", "courier-a", word, word, 100 + i);
		map("courier-a", word, 1, status);
	}
	assert_int_equal(dt_count("SELECT count(*) FROM carrier_words"), CARRIER_UNKNOWN);
	assert_int_equal(dt_name(), 1);
	assert_string_equal(dt_text("SELECT string_agg(DISTINCT standing, ' ') FROM scans s WHERE "
				    "status = (SELECT status FROM carrier_words WHERE word = "
				    "s.word)"),
		"APPLIED");
	assert_int_equal(dt_count("SELECT count(*) FROM scans WHERE status = 'UNKNOWN'"), 0);
	assert_string_equal(dt_parcel_text("state", "o1", 1), "RETURNED");
}

static int64_t drifts(const char *rule)
{
	return dt_count(
		kw_arena_printf(dt_arena, "SELECT count(*) FROM drift WHERE rule = '%s'", rule));
}

/* What must not be is seen by the checker. */
static void test_drift(void **state)
{
	(void)state;
	book("o1");
	scan("o1", "courier-a", "1", "odd", 100);
	map("courier-a", "odd", 1, "IN_TRANSIT");
	assert_int_equal(drifts("WORD_WAITS"), 0); /* the job has time */
	dt_exec("UPDATE carrier_words SET mapped_at = mapped_at - interval '1 hour'; "
		"UPDATE scans SET arrived_at = arrived_at - interval '1 hour'");
	assert_int_equal(drifts("WORD_WAITS"), 1);
	assert_int_equal(dt_name(), 1);
	assert_int_equal(dt_count("SELECT count(*) FROM drift"), 0);
	dt_exec("UPDATE carrier_words SET mapped_by = 'nobody'");
	assert_int_equal(drifts("WORD_MAPPED"), 1);
	dt_exec("UPDATE carrier_words SET version = 2");
	assert_int_equal(drifts("WORD_VERSION"), 1);
	dt_exec("DELETE FROM carrier_words");
	assert_int_equal(drifts("WORD_MAPPED"), 1);
}

#define WHOLE(f) cmocka_unit_test_setup_teardown(f, dt_begin, dt_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WHOLE(test_what_waits_is_applied),
		WHOLE(test_late_ones_in_their_order),
		WHOLE(test_what_is_not_applied),
		WHOLE(test_later_messages_and_versions),
		WHOLE(test_one_batch),
		WHOLE(test_what_cannot_be),
		WHOLE(test_unseen),
		WHOLE(test_many),
		WHOLE(test_every_status),
		cmocka_unit_test_setup_teardown(test_drift, dt_begin, NULL),
	};
	return cmocka_run_group_tests(tests, dt_set_up, dt_tear_down);
}
