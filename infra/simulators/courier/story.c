/* What the courier tells: the story of each booked parcel, scan by scan, doubled, late and out of
 * order as the switches say. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http/signature.h"
#include "impl.h"
#include "json/json.h"

#define TELL_AT_ONCE 64
#define TELL_DEADLINE_MS 5000

/* ---- planning; under the lock ---- */

static void add(struct courier *c, struct booking *b, const char *status, kw_time *at)
{
	kw_assert(b->n_story < STORY_MAX);
	*at += c->options.step_ms * 1000LL;
	b->story[b->n_story++] = (struct scan_plan) { .status = status, .at = *at };
}

void courier_plan_story(struct courier *c, struct booking *b, kw_time now)
{
	const struct courier_options *o = &c->options;
	kw_time at = now;

	add(c, b, "picked_up", &at);
	b->left_at = at;
	add(c, b, "in_transit", &at);
	if (courier_rolls(c, b->reference, "odd", o->odd))
		add(c, b, "moved_to_mars", &at);
	if (courier_rolls(c, b->reference, "lost", o->lost)) {
		add(c, b, "lost", &at);
	} else {
		add(c, b, "out_for_delivery", &at);
		if (courier_rolls(c, b->reference, "attempt", o->attempt))
			add(c, b, "attempt_failed", &at);
		if (courier_rolls(c, b->reference, "undeliverable", o->undeliverable))
			for (int i = 0; i < 3; i++)
				add(c, b, "attempt_failed", &at);
		if (courier_rolls(c, b->reference, "returned", o->returned)) {
			add(c, b, "returning", &at);
			add(c, b, "returned", &at);
		} else {
			add(c, b, "delivered", &at);
		}
	}
	for (int i = 0; i < b->n_story; i++) {
		struct telling t = { .due = b->story[i].at, .booking = b, .index = i };
		char what[32];

		snprintf(what, sizeof(what), "reorder %d", i);
		if (courier_rolls(c, b->reference, what, o->reorder))
			t.due += o->step_ms * 1500LL;
		snprintf(what, sizeof(what), "delay %d", i);
		if (courier_rolls(c, b->reference, what, o->delay))
			t.due += o->delay_ms * 1000LL;
		courier_schedule(c, t);
		snprintf(what, sizeof(what), "duplicate %d", i);
		if (courier_rolls(c, b->reference, what, o->duplicate)) {
			t.due += o->step_ms * 700LL;
			courier_schedule(c, t);
		}
	}
}

bool courier_recall(struct courier *c, struct booking *b, kw_time now)
{
	kw_time at = now;

	if (b->recalled)
		return true;
	for (int i = 0; i < b->n_story; i++) {
		const char *status = b->story[i].status;

		if (b->story[i].at <= now &&
			(strcmp(status, "delivered") == 0 || strcmp(status, "returned") == 0))
			return false;
	}
	for (int i = 0; i < b->n_story; i++)
		b->story[i].dropped = b->story[i].at > now;
	b->recalled = true;
	for (int i = 0; i < 2; i++) {
		add(c, b, i == 0 ? "returning" : "returned", &at);
		courier_schedule(
			c, (struct telling) { .due = at, .booking = b, .index = b->n_story - 1 });
	}
	return true;
}

/* A binary heap, the earliest on top. */
void courier_schedule(struct courier *c, struct telling t)
{
	if (c->n_heap == c->cap_heap) {
		c->cap_heap = c->cap_heap ? c->cap_heap * 2 : 1024;
		c->heap = realloc(c->heap, c->cap_heap * sizeof(*c->heap));
		kw_assert(c->heap != NULL);
	}
	size_t i = c->n_heap++;
	for (; i > 0 && c->heap[(i - 1) / 2].due > t.due; i = (i - 1) / 2)
		c->heap[i] = c->heap[(i - 1) / 2];
	c->heap[i] = t;
	pthread_cond_signal(&c->wake);
}

static struct telling take_first(struct courier *c)
{
	struct telling first = c->heap[0], last = c->heap[--c->n_heap];
	size_t i = 0;

	for (size_t child; (child = 2 * i + 1) < c->n_heap; i = child) {
		if (child + 1 < c->n_heap && c->heap[child + 1].due < c->heap[child].due)
			child++;
		if (last.due <= c->heap[child].due)
			break;
		c->heap[i] = c->heap[child];
	}
	c->heap[i] = last;
	return first;
}

/* ---- telling ---- */

struct data {
	const char *event_id, *reference, *tracking_number, *status, *place;
	kw_time scanned_at;
};
static const struct kw_field data_fields[] = {
	KW_STR(struct data, event_id, KW_REQUIRED, 1, 128),
	KW_STR(struct data, reference, KW_REQUIRED, 1, 64),
	KW_STR(struct data, tracking_number, KW_REQUIRED, 1, 64),
	KW_STR(struct data, status, KW_REQUIRED, 1, 64),
	KW_TIME(struct data, scanned_at, KW_REQUIRED),
	KW_STR(struct data, place, KW_OPTIONAL, 1, 200),
	KW_END,
};

struct webhook {
	const char *type;
	kw_time timestamp;
	struct data *data;
};
static const struct kw_field webhook_fields[] = {
	KW_STR(struct webhook, type, KW_REQUIRED, 1, 64),
	KW_TIME(struct webhook, timestamp, KW_REQUIRED),
	KW_OBJECT(struct webhook, data, KW_REQUIRED, struct data, data_fields),
	KW_END,
};

static struct kw_call make_call(
	const struct courier *c, struct kw_arena *a, const struct telling *t, kw_time now)
{
	static const char *const places[] = { "Islamabad", "Lahore", "Karachi", "Peshawar" };
	const struct booking *b = t->booking;
	const struct scan_plan *plan = &b->story[t->index];
	struct data data = {
		.event_id = kw_arena_printf(a, "%s-%d", b->reference, t->index + 1),
		.reference = b->reference,
		.tracking_number = b->tracking_number,
		.status = plan->status,
		.place = places[t->index % 4],
		.scanned_at = plan->at,
	};
	struct webhook webhook = { "tracking.updated", now, &data };
	struct kw_buf text;
	const char **headers = kw_new(a, const char *, 5);
	char *signature;
	struct kw_err err;

	kw_buf_init(&text, 16 * 1024);
	kw_json_encode(webhook_fields, &webhook, &text);
	struct kw_bytes body = { kw_arena_strn(a, text.p, text.n), text.n };
	kw_buf_done(&text);
	kw_assert(kw_sign_standard_webhook(a, c->options.secret, data.event_id, now, body,
			  &signature, &err) == KW_OK);
	headers[0] = "Content-Type: application/json";
	headers[1] = kw_arena_printf(a, "webhook-id: %s", data.event_id);
	headers[2] = kw_arena_printf(a, "webhook-timestamp: %lld", (long long)(now / KW_US_PER_S));
	headers[3] = kw_arena_printf(a, "webhook-signature: %s", signature);
	return (struct kw_call) {
		.method = "POST", .url = c->options.tracking_url, .headers = headers, .body = body
	};
}

static void tell(struct courier *c, struct kw_arena *a, struct telling *tellings, size_t n)
{
	struct kw_call *calls = kw_new(a, struct kw_call, n);
	kw_time now = kw_now(&kw_clock_system);

	for (size_t i = 0; i < n; i++)
		calls[i] = make_call(c, a, &tellings[i], now);
	kw_client_run(c->client, a, calls, n, TELL_DEADLINE_MS, 64 * 1024);
	now = kw_now(&kw_clock_system);
	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < n; i++) {
		struct telling *t = &tellings[i];
		struct scan_plan *plan = &t->booking->story[t->index];

		if (calls[i].rc == KW_OK && calls[i].status == 202) {
			c->stats.scans += !plan->told;
			plan->told = true;
		} else if (calls[i].rc == KW_OK && calls[i].status >= 400 &&
			   calls[i].status < 500 && calls[i].status != 429) {
			c->stats.rejected++;
		} else {
			/* not taken: again, later each time */
			int64_t pause = 200000LL << (t->tries < 4 ? t->tries : 4);
			t->tries++;
			t->due = now + pause;
			courier_schedule(c, *t);
		}
	}
	pthread_mutex_unlock(&c->lock);
}

/* ---- the thread ---- */

/* Lets answers go that were kept long enough, or all. Under the lock. */
static bool release_hanging(struct courier *c, bool all)
{
	int64_t now = kw_monotonic_us();
	bool any = false;

	for (struct hanging **h = &c->hanging; *h;) {
		struct hanging *at = *h;

		if (!all && at->due > now) {
			h = &at->next;
			continue;
		}
		kw_deferred_answer(at->deferred, &(struct kw_response) { .body = at->body });
		*h = at->next;
		free(at);
		any = true;
	}
	return any;
}

static size_t take_due(struct courier *c, struct telling *out)
{
	kw_time now = kw_now(&kw_clock_system);
	size_t n = 0;

	while (n < TELL_AT_ONCE && c->n_heap > 0 && c->heap[0].due <= now) {
		struct telling t = take_first(c);

		if (!t.booking->cancelled && !t.booking->story[t.index].dropped)
			out[n++] = t;
	}
	return n;
}

/* At most 10 ms: what is due next may lie on either of two clocks. */
static void nap(struct courier *c)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += 10 * 1000 * 1000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_cond_timedwait(&c->wake, &c->lock, &until);
}

void *courier_tell(void *arg)
{
	struct courier *c = arg;
	KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new(64 * 1024 * 1024);
	struct telling tellings[TELL_AT_ONCE];
	bool stop = false;

	while (!stop) {
		pthread_mutex_lock(&c->lock);
		size_t n = take_due(c, tellings);
		if (n == 0 && !c->stop)
			nap(c);
		stop = c->stop;
		bool any = release_hanging(c, stop);
		pthread_mutex_unlock(&c->lock);
		if (any)
			kw_server_wake(c->server);
		if (n > 0 && !stop)
			tell(c, a, tellings, n);
		kw_arena_reset(a);
	}
	return NULL;
}
