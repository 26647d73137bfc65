/* What couriers say of parcels, on a real PostgreSQL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dispatch_testing.h"
#include "svc/resolution.h"

static void book(const char *order, int n)
{
	dt_book_at(order, n, 1);
}

static void scan(const char *order, const char *event_id, const char *status, int64_t at)
{
	dt_scan(&(struct dt_scan) { dt_parcel(order, 1), "courier-a", event_id, status, at, NULL,
			NULL },
		1);
}

/* Late, repeated and unknown scans, through the database. */
static void test_story(void **state)
{
	(void)state;
	dt_ready("o1", 1);
	book("o1", 1);
	scan("o1", "1", "created", 100);
	scan("o1", "2", "picked_up", 900);
	scan("o1", "3", "attempt_failed", 950);
	scan("o1", "3", "attempt_failed", 950);
	scan("o1", "4", "attempt_failed", 960);
	assert_string_equal(dt_parcel_text("attempts", "o1", 1), "2");
	scan("o1", "5", "delivered", 1000);
	scan("o1", "6", "in_transit", 930);
	assert_string_equal(dt_parcel_text("state", "o1", 1), "DELIVERED");
	assert_string_equal(
		dt_events("o1", 1), "created tracked handed_over tracked tracked delivered");
	assert_int_equal(dt_count("SELECT count(*) FROM scans WHERE standing = 'APPLIED'"), 6);
	scan("o1", "7", "returning", 1100);
	assert_string_equal(dt_parcel_text("state", "o1", 1), "RETURNING");
	scan("o1", "8", "delivered", 1150);
	assert_string_equal(dt_parcel_text("state", "o1", 1), "RETURNING");
	assert_int_equal(
		dt_count("SELECT count(*) FROM exceptions WHERE kind = 'DELIVERED_ON_RETURN'"), 1);
	scan("o1", "9", "returned", 1200);
	assert_string_equal(dt_parcel_text("state", "o1", 1), "RETURNED");
	assert_int_equal(
		dt_count("SELECT count(*) FROM journal WHERE type = 'karwan.parcel.delivered.v1' "
			 "AND "
			 "payload::json #>> '{carrier,status}' = 'DELIVERED' AND payload::json "
			 "#>> '{carrier,attempts}' = '2'"),
		1);
}

/* One batch with everything in it, in any order. */
static void test_batch(void **state)
{
	struct kw_uuid one = dt_parcel("o1", 1), two = dt_parcel("o1", 2);
	struct dt_scan in[] = {
		{ two, "courier-a", "b1", "picked_up", 100, NULL, NULL },
		{ one, "courier-a", "a3", "delivered", 300, NULL, NULL },
		{ one, "courier-a", "a1", "picked_up", 100, NULL, NULL },
		{ two, "courier-a", "b1", "picked_up", 100, NULL, NULL },
		{ one, "courier-a", "a2", "in_transit", 200, NULL, NULL },
		{ two, "courier-a", "b2", "out_for_delivery", 200, NULL, NULL },
		{ one, "courier-a", "a3", "delivered", 301, NULL,
			NULL }, /* same id, other content */
	};

	(void)state;
	dt_ready("o1", 2);
	book("o1", 1);
	book("o1", 2);
	dt_scan(in, KW_LEN(in));
	assert_string_equal(dt_events("o1", 1), "created delivered");
	assert_string_equal(dt_events("o1", 2), "created handed_over tracked");
	assert_int_equal(dt_count("SELECT count(*) FROM scans"), 5);
	assert_int_equal(
		dt_count("SELECT count(*) FROM exceptions WHERE kind = 'SCAN_CONFLICT'"), 1);
	dt_scan(in, KW_LEN(in) - 1);
	assert_int_equal(dt_count("SELECT count(*) FROM journal"), 5);
	assert_int_equal(
		dt_count("SELECT occurrences FROM exceptions WHERE kind = 'SCAN_CONFLICT'"), 1);
}

static void test_unknown_word(void **state)
{
	(void)state;
	dt_ready("o1", 1);
	book("o1", 1);
	scan("o1", "1", "moved_to_mars", 100);
	scan("o1", "2", "moved_to_mars", 200);
	scan("o1", "2", "moved_to_mars", 200);
	scan("o1", "3", "moved_to_venus", 300);
	assert_string_equal(dt_parcel_text("carrier_status", "o1", 1), "UNKNOWN");
	assert_string_equal(dt_parcel_text("carrier_text", "o1", 1), "moved_to_venus");
	assert_string_equal(dt_parcel_text("state", "o1", 1), "LABELLED");
	assert_int_equal(
		dt_count("SELECT count(*) FROM exceptions WHERE kind = 'UNKNOWN_STATUS'"), 2);
	assert_int_equal(dt_count("SELECT sum(occurrences) FROM exceptions"), 3);
}

struct keeps {
	const struct kw_resolve_requested *in;
	size_t n;
};

static enum kw_rc keep(struct kw_batch *b, void *arg, struct kw_err *err)
{
	const struct keeps *keeps = arg;

	return kw_on_keep_requested(b, keeps->in, keeps->n, err);
}

static enum kw_rc try_keep(const struct kw_resolve_requested *in, size_t n, struct kw_err *err)
{
	struct keeps keeps = { in, n };

	return kw_outcome_run(&dt_flow, dt_pg, dt_arena, keep, &keeps, err);
}

/* A person says that it stands: once, of the version that was seen; what happens again is open
 * again. */
static void test_a_person_closes_it(void **state)
{
	static const char row[] =
		"SELECT concat_ws(' ', state, version, resolution, resolved_by, note) FROM exceptions";
	struct kw_err err = { 0 };

	(void)state;
	dt_ready("o1", 1);
	book("o1", 1);
	scan("o1", "1", "moved_to_mars", 100);
	struct kw_resolve_requested right = {
		.version = 1, .resolution = KW_KEEP, .reason = "their test", .by = "sana"
	};
	assert_true(kw_uuid_parse(
		dt_text("SELECT exception_id::text FROM exceptions"), &right.exception_id));
	struct kw_resolve_requested stale = right, later = right, foreign = right, other = right;
	stale.version = 7;
	later.reason = "said after the first";
	struct kw_resolve_requested all[] = { stale, right, later };
	dt_must(try_keep(all, 3, &err), &err);
	assert_string_equal(dt_text(row), "CLOSED 2 KEEP sana their test");
	dt_must(try_keep(&right, 1, &err), &err);
	assert_string_equal(dt_text(row), "CLOSED 2 KEEP sana their test");
	assert_int_equal(dt_count("SELECT count(*) FROM exception_list WHERE state = 'OPEN'"), 0);

	scan("o1", "2", "moved_to_mars", 200);
	assert_string_equal(dt_text(row), "OPEN 3");
	dt_must(try_keep(&right, 1, &err), &err);
	assert_string_equal(dt_text(row), "OPEN 3");

	foreign.exception_id = dt_order("nobody");
	assert_int_equal(try_keep(&foreign, 1, &err), KW_INVALID);
	assert_string_equal(err.pointer, "/exception_id");
	other.resolution = KW_CANCEL_ORDER;
	assert_int_equal(try_keep(&other, 1, &err), KW_INVALID);
	assert_string_equal(err.pointer, "/resolution");
}

static void test_foreign_courier(void **state)
{
	struct dt_scan in = { dt_parcel("o1", 1), "courier-b", "1", "delivered", 100, NULL, NULL };

	(void)state;
	dt_ready("o1", 1);
	book("o1", 1);
	dt_scan(&in, 1);
	assert_string_equal(dt_parcel_text("state", "o1", 1), "LABELLED");
	assert_string_equal(dt_text("SELECT standing FROM scans"), "FOREIGN");
	assert_int_equal(
		dt_count("SELECT count(*) FROM exceptions WHERE kind = 'FOREIGN_COURIER'"), 1);
}

/* A courier speaks first: nothing is lost, nothing is poison. */
static void test_before_the_parcel(void **state)
{
	(void)state;
	scan("o1", "1", "picked_up", 100);
	scan("o1", "2", "in_transit", 200);
	assert_string_equal(dt_parcel_text("state", "o1", 1), "EXPECTED");
	assert_int_equal(
		dt_count("SELECT count(*) FROM exceptions WHERE kind = 'UNKNOWN_PARCEL'"), 1);
	dt_ready("o1", 2);
	assert_string_equal(dt_parcel_text("state", "o1", 1), "READY");
	assert_string_equal(dt_events("o1", 1), "created");
	scan("o1", "3", "out_for_delivery", 300);
	assert_int_equal(dt_count("SELECT count(*) FROM scans WHERE standing = 'PENDING'"), 3);
	assert_int_equal(dt_count("SELECT count(*) FROM parcels"), 2);
}

/* A parcel that we cancelled moves: told, and a person must look. */
static void test_after_the_end(void **state)
{
	struct kw_err err = { 0 };

	(void)state;
	dt_ready("o1", 1);
	book("o1", 1);
	dt_must(dt_cancel(dt_pg, dt_arena, "o1", 1, 1, &err), &err);
	assert_int_equal(dt_count("SELECT count(*) FROM intents WHERE kind = 'cancel'"), 1);
	scan("o1", "1", "picked_up", 100);
	assert_string_equal(dt_parcel_text("state", "o1", 1), "CANCELLED");
	assert_string_equal(dt_events("o1", 1), "created cancelled tracked");
	assert_int_equal(
		dt_count("SELECT count(*) FROM exceptions WHERE kind = 'SCANNED_AFTER_END'"), 1);
}

static void test_too_late_to_cancel(void **state)
{
	struct kw_err err = { 0 };

	(void)state;
	dt_ready("o1", 1);
	book("o1", 1);
	scan("o1", "1", "picked_up", 100);
	dt_must(dt_cancel(dt_pg, dt_arena, "o1", 1, 1, &err), &err);
	assert_string_equal(dt_parcel_text("state", "o1", 1), "HANDED_OVER");
	assert_string_equal(dt_parcel_text("reason", "o1", 1), "");
	assert_string_equal(dt_events("o1", 1), "created handed_over");
	assert_int_equal(dt_count("SELECT count(*) FROM requests WHERE outcome = 'REJECTED'"), 1);
	assert_int_equal(dt_count("SELECT count(*) FROM intents WHERE kind = 'cancel'"), 0);
	scan("o1", "2", "cancelled", 200);
	assert_int_equal(
		dt_count("SELECT count(*) FROM exceptions WHERE kind = 'CARRIER_CANCELLED'"), 1);
}

/* Three failed deliveries: it is wanted back, once; delivered after all is delivered. */
static void test_attempts_spent(void **state)
{
	(void)state;
	dt_ready("o1", 2);
	book("o1", 1);
	scan("o1", "1", "attempt_failed", 100);
	scan("o1", "2", "attempt_failed", 200);
	scan("o1", "2", "attempt_failed", 200);
	assert_int_equal(dt_count("SELECT count(*) FROM intents WHERE kind = 'return'"), 0);
	assert_string_equal(dt_parcel_text("reason", "o1", 1), "");
	scan("o1", "3", "attempt_failed", 150); /* late, and it counts */
	assert_int_equal(dt_count("SELECT count(*) FROM intents WHERE kind = 'return'"), 1);
	assert_string_equal(dt_parcel_text("reason", "o1", 1), "ATTEMPTS_SPENT");
	assert_string_equal(dt_parcel_text("state", "o1", 1), "HANDED_OVER");
	scan("o1", "4", "attempt_failed", 400);
	assert_int_equal(dt_count("SELECT count(*) FROM intents WHERE kind = 'return'"), 1);
	scan("o1", "5", "delivered", 500);
	assert_string_equal(dt_parcel_text("state", "o1", 1), "DELIVERED");
	assert_string_equal(dt_parcel_text("reason", "o1", 1), "");
	/* a parcel that is on its way back already is not asked for */
	book("o1", 2);
	struct dt_scan back[] = {
		{ dt_parcel("o1", 2), "courier-a", "b0", "returning", 90, NULL, NULL },
		{ dt_parcel("o1", 2), "courier-a", "b1", "attempt_failed", 100, NULL, NULL },
		{ dt_parcel("o1", 2), "courier-a", "b2", "attempt_failed", 110, NULL, NULL },
		{ dt_parcel("o1", 2), "courier-a", "b3", "attempt_failed", 120, NULL, NULL },
	};
	dt_scan(back, KW_LEN(back));
	assert_string_equal(dt_parcel_text("attempts", "o1", 2), "3");
	assert_int_equal(dt_count("SELECT count(*) FROM intents WHERE kind = 'return'"), 1);
}

/* ---- by number, from an aggregator ---- */

#define DAY (24 * 3600LL)

static void report(const char *event_id, const char *status, int64_t at, const char *carrier,
	const char *number)
{
	dt_scan(&(struct dt_scan) { { "" }, "aftership-demo", event_id, status, at, carrier,
			number },
		1);
}

static int64_t unmatched(void)
{
	return dt_count("SELECT count(*) FROM scans WHERE parcel_id IS NULL");
}

/* The same by number: the story is the parcel's, whatever the carrier is called. */
static void test_by_number(void **state)
{
	(void)state;
	dt_ready("o1", 1);
	dt_book_at("o1", 1, 10 * DAY);
	report("1", "InTransit_002", 11 * DAY, "leopards-courier", "KA1");
	report("2", "AttemptFail", 12 * DAY, "Leopards-Courier", "ka 1");
	report("2", "AttemptFail", 12 * DAY, "Leopards-Courier", "ka 1");
	assert_string_equal(dt_parcel_text("attempts", "o1", 1), "1");
	report("3", "AttemptFail", 13 * DAY, "courier-a", "KA1");
	assert_string_equal(dt_parcel_text("attempts", "o1", 1), "2");
	report("4", "Delivered", 14 * DAY, "courier-a", "KA1");
	report("5", "InTransit", 13 * DAY + 5, "courier-a", "KA1");
	assert_string_equal(dt_parcel_text("state", "o1", 1), "DELIVERED");
	report("6", "moved_to_mars", 14 * DAY + 1, "courier-a", "KA1");
	report("7", "Exception_010", 15 * DAY, "courier-a", "KA1");
	assert_string_equal(dt_parcel_text("state", "o1", 1), "RETURNING");
	assert_string_equal(
		dt_events("o1", 1), "created handed_over tracked tracked delivered returning");
	assert_int_equal(dt_count("SELECT count(*) FROM scans WHERE standing = 'APPLIED' AND "
				  "subject IS NOT NULL AND tracking_number = 'KA1'"),
		7);
	assert_string_equal(
		dt_text("SELECT word FROM scans WHERE status = 'UNKNOWN'"), "moved_to_mars");
	assert_string_equal(
		dt_text("SELECT string_agg(kind, ' ') FROM exceptions"), "UNKNOWN_STATUS");
}

/* Before its number's time, of another courier, of a name that nobody knows: kept, listed, moves
 * nothing. */
static void test_other_numbers(void **state)
{
	(void)state;
	dt_ready("o1", 1);
	dt_book_at("o1", 1, 10 * DAY);
	report("1", "Delivered", 9 * DAY - 1, "courier-a", "KA1");
	report("2", "Delivered", 11 * DAY, "courier-b", "KA1");
	report("3", "Delivered", 11 * DAY, "TCS", "KA1");
	report("4", "Delivered", 11 * DAY, "courier-a", "KA2");
	assert_string_equal(dt_parcel_text("state", "o1", 1), "LABELLED");
	dt_match();
	assert_int_equal(unmatched(), 4);
	assert_int_equal(dt_count("SELECT count(*) FROM exceptions WHERE kind = 'UNKNOWN_PARCEL' "
				  "AND state = 'OPEN'"),
		4);
	assert_string_equal(dt_text("SELECT reason FROM exceptions WHERE reason LIKE '%TCS%'"),
		"no courier is declared or known as TCS (number KA1)");
	report("5", "InTransit", 9 * DAY, "courier-a", "KA1"); /* a day of grace */
	assert_string_equal(dt_parcel_text("state", "o1", 1), "HANDED_OVER");
}

/* The aggregator speaks before the parcel is booked: the job brings them together, once. */
static void test_number_first(void **state)
{
	(void)state;
	dt_ready("o1", 1);
	report("1", "InTransit", 11 * DAY, "LEOPARDS-COURIER", "KA1");
	report("2", "AttemptFail", 12 * DAY, "courier-a", "KA1");
	dt_match();
	assert_int_equal(unmatched(), 2);
	dt_book_at("o1", 1, 10 * DAY);
	dt_match();
	assert_int_equal(unmatched(), 0);
	dt_match();
	report("1", "InTransit", 11 * DAY, "LEOPARDS-COURIER", "KA1");
	assert_string_equal(dt_parcel_text("attempts", "o1", 1), "1");
	assert_string_equal(dt_events("o1", 1), "created handed_over tracked");
	assert_int_equal(dt_count("SELECT count(*) FROM exceptions WHERE state = 'OPEN'"), 0);
	assert_int_equal(dt_count("SELECT count(*) FROM exceptions"), 2);
}

/* A number is used again: each scan goes to the parcel that had the number then. */
static void test_number_again(void **state)
{
	(void)state;
	dt_ready("o1", 1);
	dt_ready("o2", 1);
	dt_book_at("o1", 1, 10 * DAY);
	dt_book_at("o2", 1, 400 * DAY);
	report("1", "InTransit", 401 * DAY, "courier-a", "KA1");
	report("2", "InTransit", 11 * DAY, "courier-a", "KA1");
	report("3", "Delivered", 20 * DAY, "courier-a", "KA1");
	assert_string_equal(dt_parcel_text("state", "o1", 1), "DELIVERED");
	assert_string_equal(dt_parcel_text("state", "o2", 1), "HANDED_OVER");
}

/* Known and unknown parcels, by reference and by number, in one batch. */
static void test_mixed_batch(void **state)
{
	struct dt_scan in[] = {
		{ { "" }, "aftership-demo", "1", "Delivered", 12 * DAY, "nobody", "X1" },
		{ dt_parcel("o2", 1), "courier-a", "2", "picked_up", 11 * DAY, NULL, NULL },
		{ { "" }, "aftership-demo", "3", "Delivered", 12 * DAY, "courier-a", "KA1" },
		{ dt_parcel("o3", 1), "courier-a", "4", "picked_up", 11 * DAY, NULL, NULL },
		{ { "" }, "aftership-demo", "5", "InTransit", 11 * DAY, "courier-a", "KA1" },
	};

	(void)state;
	dt_ready("o1", 1);
	dt_ready("o2", 1);
	dt_book_at("o1", 1, 10 * DAY);
	dt_scan(in, KW_LEN(in));
	assert_string_equal(dt_parcel_text("state", "o1", 1), "DELIVERED");
	assert_string_equal(dt_parcel_text("state", "o3", 1), "EXPECTED");
	assert_int_equal(dt_count("SELECT count(*) FROM scans WHERE standing = 'PENDING'"), 3);
	dt_scan(in, KW_LEN(in));
	assert_int_equal(dt_count("SELECT count(*) FROM scans"), 5);
}

/* An aggregator gets no parcels: no rate card is made of it. */
static void test_aggregator_books_nothing(void **state)
{
	(void)state;
	dt_ready("o1", 1);
	assert_string_equal(dt_parcel_text("courier", "o1", 1), "courier-a");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, dt_begin, NULL)
/* what these do leaves no drift */
#define WHOLE(f) cmocka_unit_test_setup_teardown(f, dt_begin, dt_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_story),
		TEST(test_batch),
		TEST(test_unknown_word),
		TEST(test_a_person_closes_it),
		TEST(test_foreign_courier),
		TEST(test_before_the_parcel),
		TEST(test_after_the_end),
		TEST(test_too_late_to_cancel),
		TEST(test_attempts_spent),
		WHOLE(test_by_number),
		WHOLE(test_other_numbers),
		WHOLE(test_number_first),
		WHOLE(test_number_again),
		WHOLE(test_mixed_batch),
		WHOLE(test_aggregator_books_nothing),
	};
	return cmocka_run_group_tests(tests, dt_set_up, dt_tear_down);
}
