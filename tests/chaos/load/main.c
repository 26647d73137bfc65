/* karwan-chaos-load SEED RATE ATTEMPTS_FILE: the world outside, for a run that is broken on
 * purpose. The catalogue first; then RATE messages a second, whatever comes of them, until SIGUSR1;
 * then what was not taken is sent again, round after round, until it is; then one line of totals.
 * SIGTERM ends it at once. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "engine.h"
#include "plan.h"
#include "record.h"

#define CONNECTIONS 64 /* to a replica */
#define AT_ONCE 24     /* of the catalogue, and in the closing rounds */
#define DEADLINE_US (5 * KW_US_PER_S)
#define PAUSE_US (KW_US_PER_S / 2) /* between two rounds */
#define ARENA_MAX ((size_t)16 * 1024 * 1024)
#define CATALOGUE_MAX LISTINGS

static volatile sig_atomic_t close_now, end_now;

struct load {
	struct run run;
	struct world world;
	struct engine *engine;
	struct record_file record;
	struct plan *plan;
	struct kw_arena *arena; /* of one request */
	double rate;
	struct sending *all; /* of the whole run, the newest first */
	kw_time refreshed;
};

/* A message that was sent, and its last attempt. */
struct sending {
	struct sending *next;
	struct load *load;
	struct message message;
	kw_time at;
	int64_t at_us;
	size_t target;
	bool telling; /* the marketplace's API first learns of it */
};

static void on_signal(int sig)
{
	if (sig == SIGUSR1)
		close_now = 1;
	else
		end_now = 1;
}

/* ---- one message ---- */

static void send_letter(struct load *l, struct sending *s, const struct letter *letter)
{
	struct message *m = &s->message;
	unsigned lane = m->lane + (unsigned)m->tries;

	s->at_us = kw_monotonic_us(); /* first: "us" is never shorter than it was */
	s->at = kw_now(&kw_clock_system);
	s->target = world_target(&l->world, letter->edge, lane);
	engine_send(l->engine, s->target, request_of(&l->world, m, letter, s->at, lane, l->arena),
		m->slow, s);
}

static void send_one(struct load *l, struct sending *s)
{
	struct letter letter;

	kw_arena_reset(l->arena);
	letter_of(&l->run, &s->message, l->arena, &letter);
	s->message.tries++;
	if (!letter.record_path || s->message.forgery) {
		send_letter(l, s, &letter);
		return;
	}
	s->at_us = kw_monotonic_us(); /* first: "us" is never shorter than it was */
	s->at = kw_now(&kw_clock_system);
	s->target = l->world.shops;
	s->telling = true;
	engine_send(l->engine, s->target, record_request_of(&letter, l->arena), false, s);
}

static void on_answer(void *ctx, void *request, int status, struct kw_bytes body)
{
	struct load *l = ctx;
	struct sending *s = request;
	struct letter letter;

	kw_arena_reset(l->arena);
	letter_of(&l->run, &s->message, l->arena, &letter);
	if (s->telling) {
		s->telling = false;
		if (status == 204) {
			send_letter(l, s, &letter);
			return;
		}
		status = 0; /* it never got as far as Karwan */
	}
	s->message.status = status;
	record_attempt(&l->record, &s->message, &letter,
		&(struct attempt) { s->at, kw_monotonic_us() - s->at_us,
			l->world.targets[s->target].name, status, body });
}

static struct sending *add(struct load *l, const struct message *m)
{
	struct sending *s = calloc(1, sizeof(*s));

	kw_assert(s);
	*s = (struct sending) { .next = l->all, .load = l, .message = *m };
	l->all = s;
	return s;
}

/* Its sender needs not send it again. A genuine one that is not believed is one whose secret is
 * just being changed. */
static bool is_settled(const struct message *m)
{
	int status = m->status;

	if (status == 401)
		return m->forgery != GENUINE;
	return status >= 200 && status < 500 && status != 408 && status != 429;
}

/* ---- phases ---- */

static void look_around(struct load *l)
{
	kw_time now = kw_monotonic_us();

	if (now - l->refreshed < KW_US_PER_S)
		return;
	l->refreshed = now;
	world_refresh(&l->world);
}

static void wait_for(struct load *l, size_t open)
{
	while (engine_open(l->engine) > open && !end_now) {
		look_around(l);
		engine_turn(l->engine, 20);
	}
}

static void wait_until(struct load *l, int64_t until_us)
{
	for (int64_t left; (left = until_us - kw_monotonic_us()) > 0 && !end_now;)
		engine_turn(l->engine, left > 20000 ? 20 : (int)(left / 1000) + 1);
}

/* What is not settled, in the order in which it was first sent; again until all is. */
static void settle(struct load *l)
{
	struct sending **list = NULL;
	size_t n = 0, cap = 0;

	wait_for(l, 0);
	for (struct sending *s = l->all; s; s = s->next) {
		if (is_settled(&s->message))
			continue;
		if (n == cap) {
			cap = cap ? cap * 2 : 1024;
			list = realloc(list, cap * sizeof(*list));
			kw_assert(list);
		}
		list[n++] = s;
	}
	while (n > 0 && !end_now) {
		size_t left = 0;

		for (size_t i = n; i > 0 && !end_now; i--) {
			wait_for(l, AT_ONCE - 1);
			send_one(l, list[i - 1]);
		}
		wait_for(l, 0);
		for (size_t i = 0; i < n; i++)
			if (!is_settled(&list[i]->message))
				list[left++] = list[i];
		n = left;
		if (n > 0)
			wait_until(l, kw_monotonic_us() + PAUSE_US);
	}
	free(list);
}

static void put_catalogue(struct load *l)
{
	struct message messages[CATALOGUE_MAX];
	size_t n;

	for (int round = 0; !end_now && (n = plan_catalogue(l->plan, round, messages)) > 0;
		round++) {
		for (size_t i = 0; i < n; i++) {
			wait_for(l, AT_ONCE - 1);
			send_one(l, add(l, &messages[i]));
		}
		settle(l);
	}
}

static void send_by_plan(struct load *l)
{
	int64_t began = kw_monotonic_us();

	for (int64_t tick = -1; !close_now && !end_now;) {
		struct message m;

		plan_next(l->plan, &m);
		tick += !m.at_once;
		int64_t due = began + (int64_t)((double)tick * 1e6 / l->rate);
		do {
			int64_t left = due - kw_monotonic_us();

			look_around(l);
			engine_turn(l->engine, left <= 0      ? 0
					       : left > 20000 ? 20
							      : (int)(left / 1000));
		} while (kw_monotonic_us() < due && !close_now && !end_now);
		if (!close_now && !end_now)
			send_one(l, add(l, &m));
	}
}

/* ---- totals ---- */

static int by_order(const void *left, const void *right)
{
	const struct message *l = left, *r = right;

	return (l->n > r->n) - (l->n < r->n);
}

/* Distinct orders: accepted where any of its messages was, unknown where one has no answer. */
static struct record_sums sum_orders(const struct load *l)
{
	struct record_sums sums = { 0 };
	struct message *orders;
	size_t n = 0;

	for (const struct sending *s = l->all; s; s = s->next)
		n += s->message.kind == ORDER && !s->message.forgery;
	orders = calloc(n + 1, sizeof(*orders));
	kw_assert(orders);
	n = 0;
	for (const struct sending *s = l->all; s; s = s->next)
		if (s->message.kind == ORDER && !s->message.forgery)
			orders[n++] = s->message;
	qsort(orders, n, sizeof(*orders), by_order);
	for (size_t i = 0, k; i < n; i = k) {
		bool accepted = false, unknown = false;

		for (k = i; k < n && orders[k].n == orders[i].n; k++) {
			accepted |= orders[k].status == 202;
			unknown |= !is_settled(&orders[k]);
		}
		sums.attempts++;
		sums.accepted += accepted;
		sums.unknown += !accepted && unknown;
		sums.refused += !accepted && !unknown;
	}
	free(orders);
	return sums;
}

/* ---- */

static struct engine *open_engine(struct load *l)
{
	int ports[TARGETS_MAX];

	for (size_t i = 0; i < l->world.n_targets; i++)
		ports[i] = l->world.targets[i].port;
	return engine_new(ports, l->world.n_targets, CONNECTIONS, DEADLINE_US, on_answer, l);
}

static void done(struct load *l)
{
	engine_free(l->engine);
	plan_free(l->plan);
	record_close(&l->record);
	world_close(&l->world);
	kw_arena_free(l->arena);
	for (struct sending *s = l->all, *next; s; s = next) {
		next = s->next;
		free(s);
	}
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	char *end_seed, *end_rate;

	if (argc != 4) {
		fputs("usage: karwan-chaos-load SEED RATE ATTEMPTS_FILE\n", stderr);
		return 64;
	}
	struct load l = { .run = { .seed = strtoull(argv[1], &end_seed, 10),
				  .start = kw_now(&kw_clock_system) },
		.arena = kw_arena_new(ARENA_MAX),
		.rate = (double)strtol(argv[2], &end_rate, 10) };
	if (*end_seed || *end_rate || l.rate <= 0)
		die("SEED and RATE are whole numbers");
	kw_log_init("chaos-load", KW_WARNING);
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	world_open(&l.world);
	record_open(&l.record, argv[3]);
	l.engine = open_engine(&l);
	l.plan = plan_new(l.run.seed, l.rate, l.run.start);
	put_catalogue(&l);
	send_by_plan(&l);
	settle(&l);
	struct record_sums orders = sum_orders(&l);
	if (!end_now)
		record_totals(&l.record, l.run.seed, &orders, stdout);
	done(&l);
	return end_now ? 143 : 0;
}
