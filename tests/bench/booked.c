#include "booked.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "bus/consumer.h"
#include "core/clock.h"

#define TOPIC "karwan.dispatch.events"
#define TYPE "karwan.parcel.booked.v1"
#define MEMBER "\"external_id\":\""
#define POLL_MAX 5000

struct booked {
	const struct place *place;
	char tag[TAG_LENGTH + 1];
	struct kw_consumer *consumer;
	pthread_t thread;
	atomic_bool assigned, stop;
	_Atomic int64_t n;
	_Atomic int64_t *us;
};

static const char *const topics[] = { TOPIC };

static enum kw_rc assign(void *ctx, struct kw_position *positions, size_t n, struct kw_err *err)
{
	struct booked *b = ctx;
	int64_t low;

	for (size_t i = 0; i < n; i++)
		KW_TRY(kw_consumer_watermarks(b->consumer, positions[i].topic,
			positions[i].partition, 10000, &low, &positions[i].offset, err));
	if (n > 0)
		atomic_store(&b->assigned, true);
	return KW_OK;
}

static void revoke(void *ctx)
{
	(void)ctx;
}

static void take(struct booked *b, const struct kw_message *m, int64_t now)
{
	struct kw_bytes type = kw_message_header(m, "ce_type");

	if (type.n != sizeof(TYPE) - 1 || memcmp(type.p, TYPE, type.n) != 0)
		return;
	const char *end = (const char *)m->value.p + m->value.n;
	const char *at = memmem(m->value.p, m->value.n, MEMBER, sizeof(MEMBER) - 1);
	if (!at || end - at < (ptrdiff_t)(sizeof(MEMBER) - 1 + EXTERNAL_ID_LENGTH))
		return;
	int64_t i = orders_number(b->tag, at + sizeof(MEMBER) - 1);
	if (i < 0 || i >= ORDERS_MAX || atomic_load_explicit(&b->us[i], memory_order_relaxed))
		return;
	atomic_store_explicit(&b->us[i], now, memory_order_relaxed);
	atomic_fetch_add(&b->n, 1);
}

static void *follow(void *arg)
{
	struct booked *b = arg;

	while (!atomic_load(&b->stop)) {
		const struct kw_message *ms;
		struct kw_position fault;
		struct kw_err err = { 0 };
		size_t n;
		enum kw_rc rc = kw_consumer_poll(
			b->consumer, 50, POLL_MAX, (size_t)8 << 20, &ms, &n, &fault, &err);

		if (rc == KW_FATAL || rc == KW_CONFLICT)
			die("the reader of events: %s", err.reason);
		int64_t now = kw_monotonic_us();
		for (size_t i = 0; rc == KW_OK && i < n; i++)
			take(b, &ms[i], now);
	}
	return NULL;
}

struct booked *booked_start(const struct place *p, const char tag[TAG_LENGTH + 1])
{
	struct booked *b = calloc(1, sizeof(*b));
	struct kw_err err = { 0 };

	kw_assert(b != NULL);
	b->place = p;
	memcpy(b->tag, tag, sizeof(b->tag));
	b->us = calloc(ORDERS_MAX, sizeof(*b->us)); /* pages that are not used are not there */
	kw_assert(b->us != NULL);
	struct kw_consumer_config config = {
		.brokers = p->brokers,
		.group = kw_arena_printf(p->arena, "bench.%s", tag),
		.client_id = "bench",
		.topics = topics,
		.n_topics = KW_LEN(topics),
		.on_assign = assign,
		.on_revoke = revoke,
		.ctx = b,
	};
	need(kw_consumer_open(&config, &b->consumer, &err), &err, "the reader of events");
	kw_assert(pthread_create(&b->thread, NULL, follow, b) == 0);
	for (int i = 0; i < 3000 && !atomic_load(&b->assigned); i++)
		pause_us(10000);
	if (!atomic_load(&b->assigned))
		die("the reader of events gets no partitions");
	return b;
}

void booked_stop(struct booked *b)
{
	atomic_store(&b->stop, true);
	pthread_join(b->thread, NULL);
	kw_consumer_close(b->consumer, 3000);
	free((void *)(uintptr_t)b->us);
	free(b);
}

int64_t booked_count(struct booked *b)
{
	return atomic_load(&b->n);
}

int64_t booked_us(struct booked *b, int64_t i)
{
	return atomic_load_explicit(&b->us[i], memory_order_relaxed);
}
