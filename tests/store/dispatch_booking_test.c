/* The booking job against couriers over HTTP, on a real PostgreSQL. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "courier.h"
#include "dispatch_testing.h"
#include "store.h"

static struct kw_client *client;
static struct courier *courier_a, *courier_b;
static struct job_env env;

static void start(struct courier **ret, size_t i, struct courier_options options, int batch_max)
{
	static char urls[2][64];
	struct kw_partner *partner = (struct kw_partner *)(uintptr_t)&dt_partners.couriers[i];
	struct kw_err err = { 0 };

	options.name = partner->name;
	options.secret = partner->secrets.keys[0];
	dt_must(courier_start(&options, ret, &err), &err);
	snprintf(urls[i], sizeof(urls[i]), "http://127.0.0.1:%d", courier_port(*ret));
	partner->url = urls[i];
	partner->batch_max = batch_max;
}

static void start_both(struct courier_options a, struct courier_options b, int batch_max)
{
	start(&courier_a, 0, a, batch_max);
	start(&courier_b, 1, b, batch_max);
	client = kw_client_new(true);
	env = (struct job_env) { .flow = &dt_flow,
		.partners = &dt_partners,
		.client = client,
		.deadline_ms = 2000,
		.lease_ms = 18000 };
}

static int end(void **state)
{
	dt_flow.clock = &kw_clock_system;
	courier_stop(courier_a);
	courier_stop(courier_b);
	kw_client_free(client);
	courier_a = courier_b = NULL;
	client = NULL;
	return dt_end(state);
}

/* Intents that are put off are due now. */
static void make_due(void)
{
	dt_exec("UPDATE intents SET due = '-infinity' WHERE state = 'PENDING'");
}

static int64_t pending(void)
{
	return dt_count("SELECT count(*) FROM intents WHERE state = 'PENDING'");
}

/* Rounds until nothing is left to do. */
static void work(int max_rounds)
{
	struct kw_err err = { 0 };
	int rounds = 0;

	while (pending() > 0) {
		enum kw_rc rc;

		if (rounds++ == max_rounds)
			fail_msg("still %lld intents after %d rounds", (long long)pending(),
				max_rounds);
		make_due();
		rc = book_round(&env, dt_pg, dt_arena, &err);
		assert_true(rc == KW_OK || rc == KW_NOTHING);
		rc = cancel_round(&env, dt_pg, dt_arena, &err);
		assert_true(rc == KW_OK || rc == KW_NOTHING);
		rc = return_round(&env, dt_pg, dt_arena, &err);
		assert_true(rc == KW_OK || rc == KW_NOTHING);
	}
}

static struct courier_stats stats_of(struct courier *c)
{
	struct courier_stats stats;

	courier_stats(c, &stats);
	return stats;
}

static void test_accepted(void **state)
{
	(void)state;
	start_both(courier_defaults(), courier_defaults(), 1);
	dt_ready("o1", 2);
	work(1);
	assert_string_equal(dt_parcel_text("state", "o1", 1), "LABELLED");
	assert_string_equal(dt_events("o1", 2), "created booked labelled");
	assert_string_equal(dt_parcel_text("label_url", "o1", 1),
		kw_arena_printf(dt_arena, "/v1/parcels/%s/label", dt_parcel("o1", 1).s));
	assert_int_equal(stats_of(courier_a).bookings, 2);
	assert_int_equal(stats_of(courier_a).calls, 2);
	assert_int_equal(stats_of(courier_b).calls, 0);
	/* booked first without, then with the label */
	assert_int_equal(
		dt_count("SELECT count(*) FROM journal WHERE type = 'karwan.parcel.booked.v1' AND "
			 "payload::json -> 'label_url' IS NULL AND payload::json -> "
			 "'tracking_number' IS NOT NULL"),
		2);
	/* the trace goes on from the message that asked for it */
	assert_int_equal(
		dt_count("SELECT count(DISTINCT substr(trace, 1, 35)) FROM journal WHERE type <> "
			 "'karwan.parcel.created.v1'"),
		1);
}

static void test_batched(void **state)
{
	(void)state;
	start_both(courier_defaults(), courier_defaults(), 100);
	dt_ready("o1", 250);
	work(1);
	assert_int_equal(dt_count("SELECT count(*) FROM parcels WHERE state = 'LABELLED'"), 250);
	assert_int_equal(stats_of(courier_a).calls, 3);
	assert_int_equal(stats_of(courier_a).bookings, 250);
}

static void test_refused(void **state)
{
	struct courier_options refuses = courier_defaults();

	(void)state;
	refuses.refuse = 1;
	start_both(refuses, courier_defaults(), 10);
	dt_ready("o1", 3);
	work(2);
	assert_string_equal(dt_parcel_text("state", "o1", 1), "LABELLED");
	assert_string_equal(dt_parcel_text("courier", "o1", 1), "courier-b");
	assert_string_equal(dt_parcel_text("reason", "o1", 1), "");
	assert_string_equal(dt_events("o1", 3), "created refused booked labelled");
	assert_int_equal(stats_of(courier_b).bookings, 3);
	assert_int_equal(
		dt_count("SELECT count(*) FROM refusals WHERE reason = 'not in our area'"), 3);
}

static void test_all_refuse(void **state)
{
	struct courier_options refuses = courier_defaults();

	(void)state;
	refuses.refuse = 1;
	start_both(refuses, refuses, 10);
	dt_ready("o1", 2);
	work(2);
	assert_string_equal(dt_parcel_text("state", "o1", 1), "READY");
	assert_string_equal(dt_parcel_text("courier", "o1", 1), "");
	assert_string_equal(dt_parcel_text("reason", "o1", 1), "NO_COURIER");
	assert_string_equal(dt_events("o1", 1), "created refused refused");
	assert_int_equal(
		dt_count("SELECT count(*) FROM exceptions WHERE kind = 'NO_COURIER' AND state = "
			 "'OPEN'"),
		2);
}

/* Booked, and the answer never came: the inquiry finds it, nobody books twice. */
static void test_time_out(void **state)
{
	struct courier_options hangs = courier_defaults();

	(void)state;
	hangs.time_out = 1;
	start_both(hangs, courier_defaults(), 1);
	env.deadline_ms = 300;
	dt_ready("o1", 5);
	work(3);
	assert_int_equal(
		dt_count("SELECT count(*) FROM parcels WHERE state = 'LABELLED' AND courier = "
			 "'courier-a'"),
		5);
	assert_int_equal(stats_of(courier_a).bookings, 5);
	assert_int_equal(stats_of(courier_a).repeats, 0);
	assert_int_equal(stats_of(courier_a).inquiries, 5);
	assert_int_equal(stats_of(courier_b).calls, 0);
}

/* Not booked, and no answer: the inquiry finds nothing, it is asked again. */
static void test_dropped(void **state)
{
	struct courier_options drops = courier_defaults();

	(void)state;
	drops.drop = 1;
	start_both(drops, courier_defaults(), 2);
	env.deadline_ms = 300;
	dt_ready("o1", 4);
	work(3);
	assert_int_equal(dt_count("SELECT count(*) FROM parcels WHERE state = 'LABELLED'"), 4);
	assert_int_equal(stats_of(courier_a).bookings, 4);
	assert_int_equal(stats_of(courier_a).repeats, 0);
	assert_int_equal(stats_of(courier_a).inquiries, 4);
}

/* The program died after the call: the lease expires, the next one inquires. An answer under the
 * old token changes nothing. */
static void test_lease_expired(void **state)
{
	struct kw_arena *other = kw_arena_new(64 * 1024 * 1024);
	struct kw_intent *intents;
	struct kw_err err = { 0 };
	size_t n;

	(void)state;
	start_both(courier_defaults(), courier_defaults(), 1);
	dt_ready("o1", 1);
	dt_must(kw_lease_take(dt_pg, other, "book", 10, 60000, &intents, &n, &err), &err);
	assert_int_equal(n, 1);
	assert_false(intents[0].inquire);
	work(2);
	assert_int_equal(stats_of(courier_a).inquiries, 1);
	assert_string_equal(dt_events("o1", 1), "created booked labelled");
	/* late, with the token of the first lease */
	struct task task = { .intent = &intents[0],
		.courier = "courier-b",
		.asked = true,
		.answer = { ANSWER_ACCEPTED, "KB999", NULL } };
	struct round round = { .env = &env, .tasks = &task, .n = 1 };
	dt_must(kw_outcome_run(&dt_flow, dt_pg, other, record_bookings, &round, &err), &err);
	assert_false(round.outcomes[0].held);
	assert_string_equal(dt_parcel_text("courier", "o1", 1), "courier-a");
	assert_string_equal(dt_events("o1", 1), "created booked labelled");
	kw_arena_free(other);
}

/* Nobody listens: surely not booked, asked again, and after some time a person is told. */
static void test_courier_away(void **state)
{
	struct kw_err err = { 0 };

	(void)state;
	start_both(courier_defaults(), courier_defaults(), 1);
	courier_stop(courier_a);
	courier_a = NULL;
	dt_ready("o1", 1);
	for (int i = 0; i < 5; i++) {
		make_due();
		dt_must(book_round(&env, dt_pg, dt_arena, &err), &err);
		assert_int_equal(dt_count("SELECT count(*) FROM exceptions"), i < 4 ? 0 : 1);
	}
	assert_string_equal(dt_text("SELECT kind FROM exceptions"), "BOOKING_STUCK");
	assert_int_equal(dt_count("SELECT count(*) FROM intents WHERE leased"), 0);
	start(&courier_a, 0, courier_defaults(), 1);
	work(1);
	assert_string_equal(dt_parcel_text("state", "o1", 1), "LABELLED");
	assert_string_equal(dt_text("SELECT state FROM exceptions"), "RESOLVED");
	assert_int_equal(stats_of(courier_a).inquiries, 0);
}

/* Not declared any more: kept, and asked when it is declared again. */
static void test_undeclared(void **state)
{
	struct kw_err err = { 0 };

	(void)state;
	start_both(courier_defaults(), courier_defaults(), 1);
	dt_ready("o1", 1);
	struct kw_partners none = { 0 };
	env.partners = &none;
	dt_must(book_round(&env, dt_pg, dt_arena, &err), &err);
	assert_int_equal(pending(), 1);
	env.partners = &dt_partners;
	work(1);
	assert_string_equal(dt_parcel_text("state", "o1", 1), "LABELLED");
}

static void test_called_off(void **state)
{
	struct kw_err err = { 0 };

	(void)state;
	start_both(courier_defaults(), courier_defaults(), 1);
	dt_ready("o1", 2);
	work(1);
	dt_must(dt_cancel(dt_pg, dt_arena, "o1", 1, 1, &err), &err);
	work(1);
	assert_string_equal(dt_events("o1", 1), "created booked labelled cancelled");
	assert_int_equal(stats_of(courier_a).cancelled, 1);
	assert_string_equal(dt_parcel_text("state", "o1", 2), "LABELLED");
}

static void fail_three_times(const char *order)
{
	static const char *const ids[] = { "f1", "f2", "f3" };

	for (int i = 0; i < 3; i++)
		dt_scan(&(struct dt_scan) { dt_parcel(order, 1), "courier-a", ids[i],
				"attempt_failed", 1000 + i, NULL, NULL },
			1);
}

/* Three failed deliveries: the courier is asked to bring it back, and says that it will. */
static void test_bring_back(void **state)
{
	struct courier_options slow = courier_defaults();

	(void)state;
	slow.tracking_url = "http://127.0.0.1:1/"; /* nobody hears it */
	slow.step_ms = 3600 * 1000;
	start_both(slow, courier_defaults(), 1);
	dt_ready("o1", 1);
	work(1);
	fail_three_times("o1");
	work(1);
	assert_int_equal(stats_of(courier_a).recalled, 1);
	assert_string_equal(
		dt_text("SELECT detail FROM intents WHERE kind = 'return'"), "COMES_BACK");
	assert_string_equal(dt_parcel_text("state", "o1", 1), "HANDED_OVER");
	assert_int_equal(dt_count("SELECT count(*) FROM exceptions"), 0);
}

/* The courier has delivered it, and we do not know that yet: a person is told. */
static void test_bring_back_refused(void **state)
{
	struct courier_options quick = courier_defaults();

	(void)state;
	quick.tracking_url = "http://127.0.0.1:1/";
	quick.step_ms = 0;
	start_both(quick, courier_defaults(), 1);
	dt_ready("o1", 1);
	work(1);
	fail_three_times("o1");
	work(1);
	assert_int_equal(stats_of(courier_a).recalled, 0);
	assert_int_equal(
		dt_count("SELECT count(*) FROM exceptions WHERE kind = 'RETURN_REFUSED'"), 1);
}

/* It was delivered before we came to ask: nobody is asked. */
static void test_bring_back_not_wanted(void **state)
{
	(void)state;
	start_both(courier_defaults(), courier_defaults(), 1);
	dt_ready("o1", 1);
	work(1);
	fail_three_times("o1");
	dt_scan(&(struct dt_scan) { dt_parcel("o1", 1), "courier-a", "d", "delivered", 2000, NULL,
			NULL },
		1);
	work(1);
	assert_string_equal(
		dt_text("SELECT detail FROM intents WHERE kind = 'return'"), "NOT_WANTED");
	assert_string_equal(dt_parcel_text("state", "o1", 1), "DELIVERED");
}

/* The parcel left before our cancellation reached them. */
static void test_call_off_refused(void **state)
{
	struct courier_options quick = courier_defaults();
	struct kw_err err = { 0 };

	(void)state;
	quick.tracking_url = "http://127.0.0.1:1/"; /* nobody hears it */
	quick.step_ms = 0;
	start_both(quick, courier_defaults(), 1);
	dt_ready("o1", 1);
	work(1);
	dt_must(dt_cancel(dt_pg, dt_arena, "o1", 1, 1, &err), &err);
	work(1);
	assert_int_equal(stats_of(courier_a).cancels_refused, 1);
	assert_int_equal(
		dt_count("SELECT count(*) FROM exceptions WHERE kind = 'CANCEL_REFUSED'"), 1);
	assert_string_equal(dt_parcel_text("state", "o1", 1), "CANCELLED");
}

/* Scans came before our answer: they are applied with it. */
static void test_pending_scans(void **state)
{
	struct dt_scan early[] = {
		{ dt_parcel("o1", 1), "courier-a", "1", "picked_up", 100, NULL, NULL },
		{ dt_parcel("o1", 1), "courier-b", "1", "delivered", 150, NULL, NULL },
		{ dt_parcel("o1", 1), "courier-a", "2", "in_transit", 200, NULL, NULL },
	};

	(void)state;
	start_both(courier_defaults(), courier_defaults(), 1);
	dt_scan(early, 1);
	dt_ready("o1", 1);
	dt_scan(early, KW_LEN(early));
	work(1);
	assert_string_equal(dt_parcel_text("state", "o1", 1), "HANDED_OVER");
	assert_string_equal(dt_events("o1", 1), "created booked labelled handed_over tracked");
	assert_int_equal(dt_count("SELECT count(*) FROM scans WHERE standing = 'FOREIGN'"), 1);
	assert_int_equal(dt_count("SELECT count(*) FROM scans WHERE standing = 'PENDING'"), 0);
	/* what they do now still belongs to the webhooks that brought them */
	assert_int_equal(
		dt_count("SELECT count(*) FROM journal j JOIN scans s ON s.parcel_id = j.entity "
			 "WHERE s.trace <> '' AND j.trace = s.trace"),
		dt_count("SELECT count(*) FROM scans WHERE standing = 'APPLIED'"));
	assert_int_equal(dt_count("SELECT count(*) FROM journal WHERE trace = ''"), 0);
	assert_int_equal(
		dt_count("SELECT count(*) FROM exceptions WHERE kind = 'UNKNOWN_PARCEL' AND state "
			 "= 'RESOLVED'"),
		1);
}

/* ---- races ---- */

#define RACE_PARCELS 40

static void *book_until_done(void *arg)
{
	struct kw_pg *pg = dt_connect();
	struct kw_arena *a = kw_arena_new(64 * 1024 * 1024);
	struct kw_client *own = kw_client_new(true);
	struct job_env mine = env;
	struct kw_err err = { 0 };
	int idle = 0;

	mine.client = own;
	while (idle < 20) {
		enum kw_rc rc = book_round(&mine, pg, a, &err),
			   off = cancel_round(&mine, pg, a, &err);

		if ((rc != KW_OK && rc != KW_NOTHING) || (off != KW_OK && off != KW_NOTHING)) {
			*(bool *)arg = false;
			fprintf(stderr, "%s %s\n", err.code, err.reason);
			break;
		}
		idle = rc == KW_OK || off == KW_OK ? 0 : idle + 1;
		kw_arena_reset(a);
	}
	kw_client_free(own);
	kw_pg_free(pg);
	kw_arena_free(a);
	return NULL;
}

static void *cancel_all(void *arg)
{
	struct kw_pg *pg = dt_connect();
	struct kw_arena *a = kw_arena_new(64 * 1024 * 1024);
	struct kw_err err = { 0 };

	for (int n = 1; n <= RACE_PARCELS; n++) {
		if (n % 4 != 0 && dt_cancel(pg, a, "o1", n, 1, &err) != KW_OK) {
			*(bool *)arg = false;
			fprintf(stderr, "%s %s\n", err.code, err.reason);
		}
		kw_arena_reset(a);
	}
	kw_pg_free(pg);
	kw_arena_free(a);
	return NULL;
}

static void *book_once(void *arg)
{
	struct kw_pg *pg = dt_connect();
	struct kw_arena *a = kw_arena_new(64 * 1024 * 1024);
	struct kw_err err = { 0 };

	*(enum kw_rc *)arg = book_round(&env, pg, a, &err);
	kw_pg_free(pg);
	kw_arena_free(a);
	return NULL;
}

/* The courier has booked them and keeps its answer back; now they are cancelled. The answer calls
 * the bookings off. */
static void test_cancel_while_asked(void **state)
{
	struct courier_options slow = courier_defaults();
	enum kw_rc rc = KW_FATAL;
	struct kw_err err = { 0 };
	pthread_t thread;

	(void)state;
	slow.time_out = 1;
	slow.hang_ms = 700;
	start_both(slow, courier_defaults(), 10);
	dt_ready("o1", 6);
	assert_int_equal(pthread_create(&thread, NULL, book_once, &rc), 0);
	while (stats_of(courier_a).bookings < 6)
		sched_yield();
	dt_must(dt_cancel(dt_pg, dt_arena, "o1", 1, 4, &err), &err);
	assert_string_equal(dt_events("o1", 1), "created cancelled");
	assert_int_equal(pending(), 6); /* not dropped: somebody is asking */
	pthread_join(thread, NULL);
	assert_int_equal(rc, KW_OK);
	assert_int_equal(pending(), 4); /* to be called off */
	work(1);
	assert_int_equal(stats_of(courier_a).cancelled, 4);
	assert_int_equal(stats_of(courier_a).inquiries, 0);
	assert_string_equal(dt_events("o1", 1), "created cancelled");
	assert_string_equal(dt_events("o1", 5), "created booked labelled");
}

static void nothing_can_land_any_more(void)
{
	static struct kw_clock later;

	later = kw_clock_fixed(kw_now(&kw_clock_system) + 3 * env.lease_ms * (kw_time)1000);
	dt_flow.clock = &later;
}

/* The same, and the answer never comes: the inquiry finds the booking of a parcel that nobody
 * wants, and calls it off. */
static void test_cancel_while_unknown(void **state)
{
	struct courier_options hangs = courier_defaults(), drops = courier_defaults();
	struct kw_err err = { 0 };

	(void)state;
	hangs.time_out = 1;
	drops.drop = 1;
	for (int i = 0; i < 2; i++) {
		start_both(i == 0 ? hangs : drops, courier_defaults(), 10);
		env.deadline_ms = 300;
		dt_ready("o1", 2);
		dt_must(book_round(&env, dt_pg, dt_arena, &err), &err);
		dt_must(dt_cancel(dt_pg, dt_arena, "o1", 1, 2, &err), &err);
		if (i == 1)
			nothing_can_land_any_more();
		work(2);
		assert_int_equal(stats_of(courier_a).inquiries, 2);
		assert_int_equal(stats_of(courier_a).calls, 1);
		assert_int_equal(stats_of(courier_a).cancelled, i == 0 ? 2 : 0);
		assert_string_equal(dt_events("o1", 1), "created cancelled");
		if (i == 0) {
			end(NULL);
			dt_begin(NULL);
		}
	}
}

/* The call is under way for long: when the parcel is cancelled the courier does not know it, and
 * later it does. */
static void test_cancel_before_the_call_lands(void **state)
{
	struct courier_options drops = courier_defaults();
	struct kw_uuid id;
	struct parcel *parcel;
	const struct parcel *late[1];
	struct kw_call call;
	struct kw_err err = { 0 };
	size_t n;

	(void)state;
	drops.drop = 1;
	start_both(drops, courier_defaults(), 1);
	env.deadline_ms = 300;
	dt_ready("o1", 1);
	dt_must(book_round(&env, dt_pg, dt_arena, &err), &err);
	dt_must(dt_cancel(dt_pg, dt_arena, "o1", 1, 1, &err), &err);
	make_due();
	dt_must(book_round(&env, dt_pg, dt_arena, &err), &err);
	assert_int_equal(stats_of(courier_a).inquiries, 1);
	assert_int_equal(pending(), 1);
	courier_stop(courier_a);
	start(&courier_a, 0, courier_defaults(), 1);
	id = dt_parcel("o1", 1);
	dt_must(store_read_parcels(dt_pg, dt_arena, &id, 1, &parcel, &n, &err), &err);
	late[0] = parcel;
	const struct kw_partner *partner = &dt_partners.couriers[0];
	dt_must(courier_adapter_find(partner->adapter)
			->book(dt_arena, partner, late, 1, kw_now(&kw_clock_system), &call, &err),
		&err);
	kw_client_run(client, dt_arena, &call, 1, 2000, 100000);
	assert_int_equal(stats_of(courier_a).bookings, 1);
	nothing_can_land_any_more();
	work(2);
	assert_int_equal(stats_of(courier_a).cancelled, 1);
	assert_string_equal(dt_events("o1", 1), "created cancelled");
}

struct held {
	bool is;
};
static const struct kw_col held_cols[] = { KW_COL_BOOL(struct held, is), KW_COL_END };

static void *book_once_parcels_are_held(void *arg)
{
	static const struct kw_stmt find = {
		"SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'parcels'::regclass AND "
		"mode = 'AccessExclusiveLock' AND granted)"
	};
	struct kw_pg *pg = dt_connect();
	struct kw_args args = kw_args_of(dt_arena);
	struct held held = { false };
	struct kw_err err = { 0 };

	while (!held.is)
		dt_must(kw_pg_fetch_one(pg, &find, &args, held_cols, sizeof(held), &held, &err),
			&err);
	kw_pg_free(pg);
	return book_once(arg);
}

/* The process stands still between its lease and its call: others may have asked by then. */
static void test_stopped_before_the_call(void **state)
{
	enum kw_rc rc;
	pthread_t thread;

	(void)state;
	start_both(courier_defaults(), courier_defaults(), 1);
	env.deadline_ms = 100;
	env.lease_ms = 500;
	dt_ready("o1", 1);
	assert_int_equal(pthread_create(&thread, NULL, book_once_parcels_are_held, &rc), 0);
	dt_exec("LOCK TABLE parcels; DO $$ BEGIN "
		"WHILE NOT EXISTS (SELECT FROM intents WHERE leased AND due < clock_timestamp()) "
		"LOOP PERFORM pg_sleep(0.01); END LOOP; END $$");
	pthread_join(thread, NULL);
	assert_int_equal(rc, KW_OK);
	assert_int_equal(stats_of(courier_a).calls, 0);
	env.lease_ms = 18000;
	work(1);
	assert_int_equal(stats_of(courier_a).calls, 1);
	assert_string_equal(dt_events("o1", 1), "created booked labelled");
}

/* Two job runners and a stream of cancellations: each parcel ends cancelled with no live booking,
 * or booked exactly once. */
static void test_cancel_races_booking(void **state)
{
	pthread_t threads[3];
	bool good[3] = { true, true, true };

	(void)state;
	for (int round = 0; round < 5; round++) {
		dt_begin(NULL);
		struct courier_options slow = courier_defaults();
		slow.time_out = 0.5;
		slow.hang_ms = 20 * round;
		start_both(slow, courier_defaults(), 1 + round);
		dt_ready("o1", RACE_PARCELS);
		assert_int_equal(pthread_create(&threads[0], NULL, book_until_done, &good[0]), 0);
		assert_int_equal(pthread_create(&threads[1], NULL, cancel_all, &good[1]), 0);
		assert_int_equal(pthread_create(&threads[2], NULL, book_until_done, &good[2]), 0);
		for (size_t i = 0; i < KW_LEN(threads); i++)
			pthread_join(threads[i], NULL);
		assert_true(good[0] && good[1] && good[2]);
		work(3);
		struct courier_stats stats = stats_of(courier_a);
		print_message("%lld booked, %lld called off\n", (long long)stats.bookings,
			(long long)stats.cancelled);
		assert_int_equal(stats.repeats, 0);
		assert_int_equal(dt_count("SELECT count(*) FROM parcels WHERE state = 'CANCELLED'"),
			RACE_PARCELS - RACE_PARCELS / 4);
		assert_int_equal(dt_count("SELECT count(*) FROM parcels WHERE state = 'LABELLED'"),
			RACE_PARCELS / 4);
		assert_int_equal(stats.bookings - stats.cancelled, RACE_PARCELS / 4);
		if (round < 4)
			end(NULL);
	}
}

/* Many parcels, couriers that do everything wrong at times, decided by a printed seed: each booked
 * once, by one courier. */
static void test_bad_weather(void **state)
{
	struct courier_options a = courier_defaults(), b = courier_defaults();
	const char *seed = getenv("TEST_SEED");

	(void)state;
	a.seed = b.seed = seed ? strtoull(seed, NULL, 10) : (uint64_t)kw_now(&kw_clock_system);
	print_message("TEST_SEED=%llu\n", (unsigned long long)a.seed);
	a.refuse = 0.2;
	b.refuse = 0.1;
	a.time_out = b.time_out = 0.03;
	a.drop = b.drop = 0.03;
	start_both(a, b, 5);
	env.deadline_ms = 400;
	dt_ready("o1", 300);
	work(12);
	struct courier_stats sa = stats_of(courier_a), sb = stats_of(courier_b);
	assert_true(sa.refused > 0 && sa.inquiries > 0);
	assert_int_equal(sa.bookings,
		dt_count("SELECT count(*) FROM parcels WHERE state = 'LABELLED' AND courier = "
			 "'courier-a'"));
	assert_int_equal(sb.bookings,
		dt_count("SELECT count(*) FROM parcels WHERE state = 'LABELLED' AND courier = "
			 "'courier-b'"));
	assert_int_equal(
		300, dt_count("SELECT count(*) FROM parcels WHERE state = 'LABELLED'") +
			     dt_count("SELECT count(*) FROM parcels WHERE reason = 'NO_COURIER'"));
	assert_int_equal(sa.repeats + sb.repeats, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, dt_begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_accepted),
		TEST(test_batched),
		TEST(test_refused),
		TEST(test_all_refuse),
		TEST(test_time_out),
		TEST(test_dropped),
		TEST(test_lease_expired),
		TEST(test_courier_away),
		TEST(test_undeclared),
		TEST(test_called_off),
		TEST(test_call_off_refused),
		TEST(test_pending_scans),
		TEST(test_bring_back),
		TEST(test_bring_back_refused),
		TEST(test_bring_back_not_wanted),
		TEST(test_cancel_while_asked),
		TEST(test_cancel_while_unknown),
		TEST(test_cancel_before_the_call_lands),
		TEST(test_stopped_before_the_call),
		TEST(test_cancel_races_booking),
		TEST(test_bad_weather),
	};
	return cmocka_run_group_tests(tests, dt_set_up, dt_tear_down);
}
