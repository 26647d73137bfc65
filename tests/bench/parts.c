/* The parts of the path that are not PostgreSQL's, each alone at full load: the edges, Kafka, JSON.
 * Same libraries and flags as the services. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "bus/consumer.h"
#include "bus/envelope.h"
#include "bus/producer.h"
#include "core/clock.h"
#include "fields.h"
#include "json/json.h"

#define CONNECTIONS 96
#define SAMPLE 20000 /* records of each topic */
#define READ_ROUNDS 5
#define PUBLISH_N 400000
#define JSON_ROUNDS 10
#define SAMPLE_BYTES ((size_t)512 * 1024 * 1024)
#define SCRATCH "bench.events"
#define IN_FLIGHT 20000
#define BROKER_PAUSE_US (2 * KW_US_PER_S)

/* ---- the edges, without what is behind them ---- */

void run_accept(struct place *p, int64_t n)
{
	char tag[TAG_LENGTH + 1];

	make_tag(tag);
	struct load *l = load_new(p, NULL, tag, CONNECTIONS);
	struct load_plan warm = { .orders = n / 10 }, plan = { .orders = n };
	(void)load_run(l, &warm);
	struct usage before = usage_now(p);
	struct load_result r = load_run(l, &plan);
	struct usage u = usage_since(p, &before);
	if (r.refused > 0)
		die("%lld requests were refused", (long long)r.refused);
	double us = usage_sum(&u) / (double)r.n;
	tell("accepted alone: %.0f orders and as many events a second, %.1f us each pair (edges %.1f,"
	     " broker %.1f, generator %.1f)",
		(double)r.n / r.seconds, us, (u.us[ROUTING] + u.us[PAYMENT]) / (double)r.n,
		u.us[KAFKA] / (double)r.n, u.us[GENERATOR] / (double)r.n);
	place_keep(p, "us.accept", us);
	place_keep(p, "accepted", (double)(warm.orders + plan.orders));
	load_free(l);
}

/* ---- what is on the topics, by type, and who decodes it ---- */

static const struct reader {
	const char *type;
	int decoded_by; /* services */
} readers[] = {
	{ "karwan.order.submitted.v1", 1 },
	{ "karwan.payment.reported.v1", 1 },
	{ "karwan.order.received.v1", 1 },
	{ "karwan.order.routed.v1", 3 },
	{ "karwan.expectation.settled.v1", 1 },
};

static const char *const topics[] = { "karwan.orders.in", "karwan.payments.in",
	"karwan.orders.events", "karwan.payments.events", "karwan.dispatch.events" };
#define N_IN 2 /* the first so many are not published by a journal */

struct sample {
	struct kw_arena *arena;
	struct kw_consumer *consumer;
	struct kw_message *ms;
	size_t n, n_read;
	bool keep;
	double decoded_bytes, published_bytes;
	size_t n_submitted;
};

static enum kw_rc from_start(void *ctx, struct kw_position *positions, size_t n, struct kw_err *err)
{
	struct sample *s = ctx;
	int64_t high;

	for (size_t i = 0; i < n; i++)
		KW_TRY(kw_consumer_watermarks(s->consumer, positions[i].topic,
			positions[i].partition, 10000, &positions[i].offset, &high, err));
	return KW_OK;
}

static void no_revoke(void *ctx)
{
	(void)ctx;
}

static void keep(struct sample *s, const struct kw_message *m)
{
	struct kw_message *copy = &s->ms[s->n++];

	*copy = *m;
	copy->topic = kw_arena_str(s->arena, m->topic);
	copy->key.p = kw_arena_copy(s->arena, m->key.p, m->key.n);
	copy->value.p = kw_arena_copy(s->arena, m->value.p, m->value.n);
	for (size_t i = 0; i < m->n_headers; i++) {
		copy->headers[i].name = kw_arena_str(s->arena, m->headers[i].name);
		copy->headers[i].value.p =
			kw_arena_copy(s->arena, m->headers[i].value.p, m->headers[i].value.n);
	}
}

/* Reads n records with a group of its own; returns how many there were. */
static size_t read_topic(struct place *p, struct sample *s, const char *topic, size_t n)
{
	static int round;
	struct kw_arena *a = kw_arena_new((size_t)64 << 20);
	struct kw_consumer_config config = { .brokers = p->brokers,
		.client_id = "bench",
		.topics = &topic,
		.n_topics = 1,
		.on_assign = from_start,
		.on_revoke = no_revoke,
		.ctx = s };
	struct kw_err err = { 0 };
	size_t got = 0;
	int silent = 0;

	config.group = kw_arena_printf(p->arena, "bench.%d.%d", (int)getpid(), round++);
	need(kw_consumer_open(&config, &s->consumer, &err), &err, "a reader");
	while (got < n && silent < 20) {
		const struct kw_message *ms;
		struct kw_position fault;
		size_t k = 0;
		enum kw_rc rc = kw_consumer_poll(
			s->consumer, 100, 1000, 1024 * 1024, &ms, &k, &fault, &err);

		if (rc == KW_FATAL || rc == KW_CONFLICT)
			die("%s: %s", topic, err.reason);
		silent = rc == KW_OK ? 0 : silent + 1;
		for (size_t i = 0; rc == KW_OK && i < k && got < n; i++, got++) {
			struct kw_envelope e;

			need(kw_envelope_parse(&ms[i], a, &e, &err), &err, topic);
			if (s->keep)
				keep(s, &ms[i]);
		}
		kw_arena_reset(a);
	}
	kw_consumer_close(s->consumer, 3000);
	kw_arena_free(a);
	return got;
}

static void weigh(struct place *p, struct sample *s)
{
	double decoded[KW_LEN(readers)] = { 0 }, n[KW_LEN(readers)] = { 0 };

	for (size_t i = 0; i < s->n; i++) {
		struct kw_bytes type = kw_message_header(&s->ms[i], "ce_type");

		for (size_t k = 0; k < KW_LEN(readers); k++)
			if (type.n == strlen(readers[k].type) &&
				memcmp(type.p, readers[k].type, type.n) == 0) {
				decoded[k] += (double)s->ms[i].value.n * readers[k].decoded_by;
				n[k]++;
			}
	}
	double kb = 0;
	for (size_t k = 0; k < KW_LEN(readers); k++) {
		if (n[k] == 0)
			die("no %s was seen", readers[k].type);
		kb += decoded[k] / n[k] / 1024;
	}
	place_keep(p, "units.decode", kb);
}

/* Bytes of the journals' events, an order. */
static double published_kb(const struct sample *s, double events)
{
	double bytes = 0, n = 0;

	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->ms[i].topic + strlen(s->ms[i].topic) - 3, ".in") != 0) {
			bytes += (double)s->ms[i].value.n;
			n++;
		}
	return n > 0 ? bytes / n * events / 1024 : 0;
}

static struct sample take_sample(struct place *p)
{
	struct sample s = { .arena = kw_arena_new(SAMPLE_BYTES), .keep = true };

	s.ms = calloc(SAMPLE * KW_LEN(topics), sizeof(*s.ms));
	kw_assert(s.ms != NULL);
	for (size_t i = 0; i < KW_LEN(topics); i++)
		if (read_topic(p, &s, topics[i], SAMPLE) == 0)
			die("%s is empty", topics[i]);
	s.keep = false;
	return s;
}

static void measure_json(struct place *p, const struct sample *s)
{
	struct kw_arena *a = kw_arena_new((size_t)64 << 20);
	KW_CLEANUP(kw_buf_done) struct kw_buf out;
	struct kw_err err = { 0 };
	double bytes_in = 0, bytes_out = 0;
	double decode_us = 0, encode_us = 0;

	kw_buf_init(&out, 1024 * 1024);
	for (size_t i = 0; i < s->n * JSON_ROUNDS; i++) {
		const struct kw_message *m = &s->ms[i % s->n];
		struct submitted order = { 0 };

		if (strcmp(m->topic, "karwan.orders.in") != 0)
			continue;
		int64_t t0 = kw_monotonic_us();
		for (int k = 0; k < 10; k++)
			need(kw_json_decode(
				     submitted_fields, m->value.p, m->value.n, a, &order, &err),
				&err, "an order");
		int64_t t1 = kw_monotonic_us();
		for (int k = 0; k < 10; k++) {
			kw_buf_clear(&out);
			kw_json_encode(submitted_fields, &order, &out);
		}
		encode_us += (double)(kw_monotonic_us() - t1);
		decode_us += (double)(t1 - t0);
		bytes_in += 10 * (double)m->value.n;
		bytes_out += 10 * (double)out.n;
		kw_arena_reset(a);
	}
	kw_arena_free(a);
	place_keep(p, "us.decode", decode_us * 1024 / bytes_in);
	place_keep(p, "us.encode", encode_us * 1024 / bytes_out);
	tell("JSON alone: %.1f us to decode, %.1f us to encode a KB", decode_us * 1024 / bytes_in,
		encode_us * 1024 / bytes_out);
}

void run_read(struct place *p)
{
	struct sample s = take_sample(p);
	size_t n = 0;

	weigh(p, &s);
	place_keep(p, "units.encode", published_kb(&s, place_figure(p, "units.publish")));
	measure_json(p, &s);
	struct usage before = usage_now(p);
	int64_t began = kw_monotonic_us();
	for (int round = 0; round < READ_ROUNDS; round++)
		n += read_topic(p, &s, "karwan.orders.events", SAMPLE * 5);
	double seconds = (double)(kw_monotonic_us() - began) / 1e6;
	struct usage u = usage_since(p, &before);
	double us = (u.us[KAFKA] + u.us[GENERATOR]) / (double)n;
	tell("read alone: %.0f records/s, %.2f us each (broker %.2f)", (double)n / seconds, us,
		u.us[KAFKA] / (double)n);
	place_keep(p, "us.read", us);
	kw_arena_free(s.arena);
	free(s.ms);
}

/* ---- published ---- */

struct publishing {
	int64_t done, failed;
};

static void delivered(void *ctx, void *opaque, enum kw_delivery outcome, struct kw_landing at)
{
	struct publishing *s = ctx;

	(void)opaque;
	(void)at;
	s->done++;
	s->failed += outcome != KW_PERSISTED;
}

void run_publish(struct place *p)
{
	const struct kw_topic scratch = { SCRATCH, 12, 3600000, "events" };
	const struct kw_topics all = { &scratch, 1 };
	struct publishing s = { 0 };
	struct kw_producer_config config = { .brokers = p->brokers,
		.client_id = "bench",
		.publisher = true,
		.delivered = delivered,
		.ctx = &s };
	struct kw_producer *producer;
	struct kw_err err = { 0 };
	size_t created;
	int64_t sent = 0;

	need(kw_topics_apply(p->brokers, &all, &created, &err), &err, SCRATCH);
	struct sample sample = take_sample(p);
	need(kw_producer_open(&config, &producer, &err), &err, "a producer");
	struct usage before = usage_now(p);
	int64_t began = kw_monotonic_us();
	for (size_t i = 0; sent < PUBLISH_N; i = (i + 1) % sample.n) {
		const struct kw_message *m = &sample.ms[i];

		if (strcmp(m->topic + strlen(m->topic) - 3, ".in") == 0)
			continue;
		while (sent - s.done >= IN_FLIGHT)
			kw_producer_poll(producer, 1);
		enum kw_rc rc = kw_producer_send(producer, SCRATCH, kw_partition_of(m->key, 12),
			m->key, m->value, m->headers, m->n_headers, NULL, &err);
		if (rc == KW_RETRY) {
			kw_producer_poll(producer, 1);
			continue;
		}
		need(rc, &err, SCRATCH);
		if (++sent % 1000 == 0)
			kw_producer_poll(producer, 0);
	}
	while (s.done < sent)
		kw_producer_poll(producer, 10);
	double seconds = (double)(kw_monotonic_us() - began) / 1e6;
	struct usage u = usage_since(p, &before);
	kw_producer_close(producer, 5000);
	if (s.failed > 0)
		die("%lld events were not acknowledged", (long long)s.failed);
	double us = (u.us[KAFKA] + u.us[GENERATOR]) / (double)sent;
	tell("published alone: %.0f events/s, %.2f us each (broker %.2f)", (double)sent / seconds,
		us, u.us[KAFKA] / (double)sent);
	place_keep(p, "us.publish", us);
	kw_arena_free(sample.arena);
	free(sample.ms);
}
