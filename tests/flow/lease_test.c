/* Intents that many replicas take, on a real PostgreSQL: nobody meets, an expired lease is
 * inquired, an old token changes nothing. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/log.h"
#include "flow/lease.h"
#include "flow/schema.h"
#include "pg/migrate.h"
#include "support.h"

#define MANY 500
#define REPLICAS 4
#define LONG_MS 600000

static char dsn[1024];
static struct kw_pg *pg;
static struct kw_arena *arena;
static struct kw_topic topic = { "karwan.lease.events", 12, -1, "events" };
static struct kw_topics topics = { &topic, 1 };
static struct kw_flow_config config = { .service = "lease",
	.schema = "lease",
	.in_topic = "karwan.lease.in",
	.events_topic = "karwan.lease.events",
	.topics = &topics,
	.clock = &kw_clock_system };

static void must(enum kw_rc rc, const struct kw_err *err)
{
	if (rc != KW_OK)
		fail_msg("%s: %s %s (%s:%d)", kw_rc_name(rc), err->code, err->reason, err->file,
			err->line);
}

static struct kw_pg *connect_pg(void)
{
	return kw_pg_new(&(struct kw_pg_config) {
		.dsn = dsn, .schema = "lease", .application = "lease-test" });
}

static int set_up(void **state)
{
	struct kw_migrate_target target = { .schema = "lease",
		.sets = (const struct kw_migration *const[]) { kw_flow_migrations, NULL } };
	struct kw_err err = { 0 };
	size_t n;

	(void)state;
	kw_log_init("lease-test", KW_WARNING);
	snprintf(dsn, sizeof(dsn), "%s", kt_database(kt_unique("lease")));
	arena = kw_arena_new(64 * 1024 * 1024);
	pg = connect_pg();
	must(kw_pg_migrate(pg, &target, &n, &err), &err);
	kw_pg_drop(pg);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	kw_pg_free(pg);
	kw_arena_free(arena);
	return 0;
}

/* ---- rows ---- */

struct note {
	const char *text;
};

static const struct kw_field note_fields[] = {
	KW_STR(struct note, text, KW_REQUIRED, 1, 20),
	KW_END,
};

static struct kw_uuid intent_id(int i)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", i);
	return kw_uuid_of("intent", text);
}

static enum kw_rc intend(struct kw_batch *b, void *arg, struct kw_err *err)
{
	int n = *(int *)arg;

	(void)err;
	for (int i = 0; i < n; i++) {
		struct kw_uuid id = intent_id(i), entity = kw_uuid_of("entity", id.s);

		kw_intend(b, i % 2 ? "odd" : "even", &id, &entity, b->now, NULL, note_fields,
			&(struct note) { "note" });
	}
	return KW_OK;
}

/* n intents that are due, and no others. */
static void begin(int n)
{
	struct kw_err err = { 0 };

	kw_arena_reset(arena);
	must(kw_pg_script(pg, "TRUNCATE intents", &err), &err);
	must(kw_outcome_run(&config, pg, arena, intend, &n, &err), &err);
}

static int64_t count(const char *where)
{
	struct one {
		int64_t n;
	} row;
	static const struct kw_col cols[] = { KW_COL_I64(struct one, n), KW_COL_END };
	struct kw_pg *other = connect_pg();
	struct kw_args args = kw_args_of(arena);
	struct kw_stmt stmt = { kw_arena_printf(
		arena, "SELECT count(*) FROM intents WHERE %s", where) };
	struct kw_err err = { 0 };

	must(kw_pg_fetch_one(other, &stmt, &args, cols, sizeof(row), &row, &err), &err);
	kw_pg_free(other);
	return row.n;
}

static void expire(void)
{
	struct kw_err err = { 0 };

	must(kw_pg_script(
		     pg, "UPDATE intents SET due = clock_timestamp() - interval '1 second'", &err),
		&err);
}

static struct kw_intent take_one(int lease_ms)
{
	struct kw_intent *taken;
	struct kw_err err = { 0 };
	size_t n;

	must(kw_lease_take(pg, arena, "even", 1, lease_ms, &taken, &n, &err), &err);
	assert_int_equal(n, 1);
	return taken[0];
}

static enum kw_rc take_nothing(void)
{
	struct kw_intent *taken;
	struct kw_err err = { 0 };
	size_t n;

	return kw_lease_take(pg, arena, "even", 10, LONG_MS, &taken, &n, &err);
}

struct finish {
	struct kw_intent_outcome *outcomes;
	size_t n;
};

static enum kw_rc finish_tx(struct kw_batch *b, void *arg, struct kw_err *err)
{
	struct finish *f = arg;

	return kw_lease_finish(b, f->outcomes, f->n, err);
}

static bool finish(const struct kw_intent *i, int result, kw_time due)
{
	struct kw_intent_outcome outcome = { i->id, i->token, result, due, "because", false };
	struct finish f = { &outcome, 1 };
	struct kw_err err = { 0 };

	must(kw_outcome_run(&config, pg, arena, finish_tx, &f, &err), &err);
	return outcome.held;
}

/* ---- the tests ---- */

struct replica {
	pthread_t thread;
	int taken[MANY / 2]; /* by number of the intent / 2 */
	enum kw_rc rc;
	struct kw_err err;
};

static int number_of(const struct kw_uuid *id)
{
	for (int i = 0; i < MANY; i++)
		if (strcmp(intent_id(i).s, id->s) == 0)
			return i;
	return -1;
}

static void *replica_main(void *arg)
{
	struct replica *r = arg;
	struct kw_pg *own = connect_pg();
	struct kw_arena *a = kw_arena_new(16 * 1024 * 1024);
	struct kw_intent *taken;
	size_t n;

	while ((r->rc = kw_lease_take(own, a, "even", 7, LONG_MS, &taken, &n, &r->err)) == KW_OK) {
		for (size_t i = 0; i < n; i++) {
			int number = number_of(&taken[i].id);

			if (number < 0 || number % 2 || taken[i].inquire || taken[i].attempts != 1)
				r->rc = KW_FATAL;
			else
				r->taken[number / 2]++;
		}
		if (r->rc != KW_OK)
			break;
		kw_arena_reset(a);
	}
	kw_pg_free(own);
	kw_arena_free(a);
	return NULL;
}

static void many_replicas_never_meet(void **state)
{
	static struct replica replicas[REPLICAS];

	(void)state;
	begin(MANY);
	for (int i = 0; i < REPLICAS; i++)
		assert_int_equal(
			pthread_create(&replicas[i].thread, NULL, replica_main, &replicas[i]), 0);
	for (int i = 0; i < REPLICAS; i++)
		pthread_join(replicas[i].thread, NULL);
	for (int i = 0; i < REPLICAS; i++)
		assert_int_equal(replicas[i].rc, KW_NOTHING);
	for (int k = 0; k < MANY / 2; k++) {
		int takers = 0;

		for (int i = 0; i < REPLICAS; i++)
			takers += replicas[i].taken[k];
		assert_int_equal(takers, 1);
	}
	assert_int_equal(count("leased"), MANY / 2);
	assert_int_equal(count("kind = 'odd' AND token = 0"), MANY / 2);
	assert_int_equal(count("token IN (SELECT token FROM intents WHERE leased GROUP BY token "
			       "HAVING count(*) > 1)"),
		0);
}

/* Before the call is made everybody else knows of it; a crash in the call leaves it behind. */
static void a_lease_is_committed_when_it_is_given(void **state)
{
	(void)state;
	begin(1);
	struct kw_intent i = take_one(LONG_MS);
	assert_int_equal(i.attempts, 1);
	assert_false(i.inquire);
	assert_int_equal(count(kw_arena_printf(arena,
				 "leased AND token = %lld AND attempts = 1 AND "
				 "due > clock_timestamp() + interval '9 minutes'",
				 (long long)i.token)),
		1);
	assert_int_equal(take_nothing(), KW_NOTHING);
	kw_pg_drop(pg);
	assert_int_equal(count("leased"), 1);
}

static void an_expired_lease_is_inquired(void **state)
{
	struct kw_intent *again;
	struct kw_err err = { 0 };
	size_t n;
	enum kw_rc rc;
	int64_t until = kw_monotonic_us() + 30 * KW_US_PER_S;

	(void)state;
	begin(1);
	struct kw_intent old = take_one(50);
	/* by the server's clock, without anybody's help */
	while ((rc = kw_lease_take(pg, arena, "even", 1, LONG_MS, &again, &n, &err)) == KW_NOTHING)
		assert_true(kw_monotonic_us() < until);
	must(rc, &err);
	assert_string_equal(again->id.s, old.id.s);
	assert_true(again->inquire);
	assert_int_equal(again->attempts, 2);
	assert_true(again->token > old.token);
	/* the first one's answer comes late: evidence, not an outcome */
	assert_false(finish(&old, KW_INTENT_DONE, 0));
	assert_int_equal(count("state = 'PENDING' AND detail IS NULL AND ended_at IS NULL"), 1);
	assert_true(finish(again, KW_INTENT_DONE, 0));
	assert_int_equal(
		count("state = 'DONE' AND detail = 'because' AND ended_at IS NOT NULL"), 1);
	/* nor does any answer change what has ended */
	assert_false(finish(again, KW_INTENT_FAILED, 0));
	assert_int_equal(count("state = 'DONE'"), 1);
	expire();
	assert_int_equal(take_nothing(), KW_NOTHING);
}

static void again_and_unknown_come_when_they_are_due(void **state)
{
	static const struct {
		int result;
		bool inquire;
	} rows[] = { { KW_INTENT_AGAIN, false }, { KW_INTENT_UNKNOWN, true } };

	(void)state;
	for (size_t k = 0; k < KW_LEN(rows); k++) {
		begin(1);
		struct kw_intent i = take_one(LONG_MS);
		kw_time due = kw_now(&kw_clock_system) + 3600 * KW_US_PER_S;

		assert_true(finish(&i, rows[k].result, due));
		assert_int_equal(take_nothing(), KW_NOTHING);
		assert_int_equal(
			count(kw_arena_printf(arena,
				"state = 'PENDING' AND extract(epoch FROM due) * 1000000 = %lld",
				(long long)due)),
			1);
		expire();
		struct kw_intent next = take_one(LONG_MS);
		assert_int_equal(next.attempts, 2);
		assert_int_equal(next.inquire, rows[k].inquire);
		/* without a time of its own it stays away as long as the lease */
		assert_true(finish(&next, rows[k].result, 0));
		assert_int_equal(take_nothing(), KW_NOTHING);
		expire();
		next = take_one(LONG_MS);
		assert_int_equal(next.inquire, rows[k].inquire);
		assert_true(finish(&next, KW_INTENT_FAILED, 0));
		assert_int_equal(count("state = 'FAILED'"), 1);
	}
}

/* Of many outcomes in one statement each is told by itself. */
static void each_outcome_has_its_own_token(void **state)
{
	struct kw_intent_outcome outcomes[10];
	struct finish f = { outcomes, KW_LEN(outcomes) };
	struct kw_intent *taken, *others;
	struct kw_err err = { 0 };
	size_t n;

	(void)state;
	begin(20);
	must(kw_lease_take(pg, arena, "even", 10, LONG_MS, &taken, &n, &err), &err);
	assert_int_equal(n, 10);
	expire();
	must(kw_lease_take(pg, arena, "even", 5, LONG_MS, &others, &n, &err), &err);
	assert_int_equal(n, 5);
	for (size_t i = 0; i < KW_LEN(outcomes); i++)
		outcomes[i] = (struct kw_intent_outcome) { taken[i].id, taken[i].token,
			KW_INTENT_DONE, 0, "mine", true };
	must(kw_outcome_run(&config, pg, arena, finish_tx, &f, &err), &err);
	for (size_t i = 0; i < KW_LEN(outcomes); i++) {
		bool lost = false;

		for (size_t k = 0; k < n; k++)
			lost = lost || strcmp(others[k].id.s, outcomes[i].id.s) == 0;
		assert_int_equal(outcomes[i].held, !lost);
	}
	assert_int_equal(count("state = 'DONE' AND detail = 'mine'"), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_replicas_never_meet),
		cmocka_unit_test(a_lease_is_committed_when_it_is_given),
		cmocka_unit_test(an_expired_lease_is_inquired),
		cmocka_unit_test(again_and_unknown_come_when_they_are_due),
		cmocka_unit_test(each_outcome_has_its_own_token),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
