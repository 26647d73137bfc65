/* Records, their headers and places, the partition of a key, topics.json: all of bus that needs no
 * broker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "bus/envelope.h"
#include "dies.h"
#include "vectors.h"

static struct kw_arena *arena;

static int make_arena(void **state)
{
	(void)state;
	arena = kw_arena_new(16 * 1024 * 1024);
	return 0;
}

static int free_arena(void **state)
{
	(void)state;
	kw_arena_free(arena);
	return 0;
}

static struct kw_bytes text(const char *s)
{
	return (struct kw_bytes) { s, strlen(s) };
}

static void check_partition(const char *const column[VECTOR_COLUMNS], int line)
{
	int32_t partition = kw_partition_of(text(column[0]), 12);

	if (partition != (int32_t)strtol(column[1], NULL, 10))
		fail_msg("line %d: %s is in %d", line, column[0], partition);
}

static void partition_is_that_of_the_java_client(void **state)
{
	(void)state;
	each_vector("partitions.tsv", 11, check_partition);
	assert_int_equal(kw_partition_of(text("anything"), 1), 0);
	/* bytes above 127 are bytes, not characters with a sign (computed from the definition, in
	 * Python) */
	assert_int_equal(kw_partition_of(text("\xff\xfe\xfd\xfc\xfb\xfa\xf9"), 1000), 301);
	assert_dies(kw_partition_of(text(""), 12));
	assert_dies(kw_partition_of(text("a"), 0));
}

static void partition_is_spread_and_in_range(void **state)
{
	(void)state;
	int seen[12] = { 0 };

	for (int i = 0; i < 12000; i++) {
		char key[32];

		snprintf(key, sizeof(key), "order-%d", i);
		int32_t partition = kw_partition_of(text(key), 12);
		assert_in_range(partition, 0, 11);
		seen[partition]++;
	}
	for (int i = 0; i < 12; i++)
		assert_in_range(seen[i], 800, 1200);
}

/* ---- records ---- */

static struct kw_message record(void)
{
	return (struct kw_message) {
		.topic = "t",
		.key = text("key"),
		.value = text("value"),
		.headers = { { "a", text("1") }, { "b", text("2") }, { "a", text("3") } },
		.n_headers = 3,
	};
}

static void header_is_the_last_of_its_name(void **state)
{
	(void)state;
	struct kw_message m = record();

	struct kw_bytes a = kw_message_header(&m, "a");
	assert_int_equal(a.n, 1);
	assert_memory_equal(a.p, "3", 1);
	assert_null(kw_message_header(&m, "A").p);
	assert_null(kw_message_header(&m, "").p);
	m.n_headers = 0;
	assert_null(kw_message_header(&m, "a").p);
	/* only the first KW_HEADERS_MAX are kept, whatever the count says */
	for (int i = 0; i < KW_HEADERS_MAX; i++)
		m.headers[i] = (struct kw_header) { "x", text("y") };
	m.n_headers = KW_HEADERS_MAX + 5;
	assert_null(kw_message_header(&m, "a").p);
	assert_non_null(kw_message_header(&m, "x").p);
}

static void hash_tells_records_apart(void **state)
{
	(void)state;
	struct kw_message base = record(), others[9];
	uint64_t h = kw_message_hash(&base);

	for (size_t i = 0; i < KW_LEN(others); i++)
		others[i] = record();
	others[0].key = text("keY");
	others[1].value = text("valuE");
	others[2].headers[1].value = text("x");
	others[3].headers[1].name = "x";
	others[4].n_headers = 2;
	others[5].key = (struct kw_bytes) { NULL, 0 };
	others[6].value = text("");
	/* the same bytes, cut elsewhere */
	others[7].key = text("keyv");
	others[7].value = text("alue");
	others[8].value = (struct kw_bytes) { NULL, 0 };
	for (size_t i = 0; i < KW_LEN(others); i++) {
		assert_int_not_equal(kw_message_hash(&others[i]), h);
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(
				kw_message_hash(&others[i]), kw_message_hash(&others[k]));
	}
	/* where it lies says nothing of what it is */
	struct kw_message same = record();
	same.topic = "u";
	same.partition = 3;
	same.offset = 99;
	same.time = 1;
	assert_int_equal(kw_message_hash(&same), h);
	/* kept in offset rows: it must not change between versions of this code */
	assert_int_equal(h, 0xaef77fb7e44af1a6);
}

/* ---- places ---- */

static void place_is_two_numbers_of_fixed_width(void **state)
{
	(void)state;
	char out[KW_SEQUENCE_TEXT];
	struct kw_place place;

	kw_place_format((struct kw_place) { 1, 42 }, out);
	assert_string_equal(out, "000001-0000000000000000042");
	kw_place_format((struct kw_place) { 999999, INT64_MAX }, out);
	assert_string_equal(out, "999999-9223372036854775807");
	assert_true(kw_place_parse(text(out), &place));
	assert_int_equal(place.epoch, 999999);
	assert_int_equal(place.number, INT64_MAX);
	assert_dies(kw_place_format((struct kw_place) { 1000000, 1 }, out));
	assert_dies(kw_place_format((struct kw_place) { 1, -1 }, out));
}

static void place_that_is_none(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"1-42",
		"000001-000000000000000042",
		"000001-00000000000000000042",
		"000001_0000000000000000042",
		"000001-000000000000000004x",
		"-00001-0000000000000000042",
		"000001-000000000000000-042",
		"+00001-0000000000000000042",
		" 00001-0000000000000000042",
		"000000-0000000000000000042",
		"000001-0000000000000000000",
		"000001-9223372036854775808",
		"000001-9999999999999999999",
	};
	struct kw_place place = { 7, 7 };

	for (size_t i = 0; i < KW_LEN(bad); i++)
		if (kw_place_parse(text(bad[i]), &place))
			fail_msg("%s is taken for a place", bad[i]);
	assert_false(kw_place_parse((struct kw_bytes) { NULL, 0 }, &place));
	assert_int_equal(place.epoch, 7);
}

/* The order of texts is the order of places: partners may compare either. */
static void places_compare_as_their_texts(void **state)
{
	(void)state;
	static const struct kw_place order[] = { { 1, 1 }, { 1, 2 }, { 1, 9 }, { 1, 10 },
		{ 1, 1000000000000 }, { 2, 1 }, { 2, 11 }, { 10, 1 }, { 999999, 1 } };
	char before[KW_SEQUENCE_TEXT], after[KW_SEQUENCE_TEXT];

	for (size_t i = 1; i < KW_LEN(order); i++) {
		kw_place_format(order[i - 1], before);
		kw_place_format(order[i], after);
		assert_true(strcmp(before, after) < 0);
	}
}

/* ---- envelopes ---- */

static const struct kw_envelope sample = {
	.id = { "6f1d3c52-0b7e-4e0e-9a55-2b1f6a7c9d10" },
	.type = "karwan.order.received.v1",
	.source = "/karwan/order-routing",
	.subject = "0d5a2c86-28a6-5f0c-9c3c-4d8f0c1d2e3f",
	.time = 1769853600123456,
	.place = { 3, 77 },
	.trace = { "00-a1b2c3d4e5f60718293a4b5c6d7e8f90-0f1e2d3c4b5a6978-01" },
};

static struct kw_message message_of(const struct kw_envelope *e)
{
	struct kw_message m = { .topic = "t", .value = text("{}") };

	m.n_headers = kw_envelope_headers(e, arena, m.headers);
	return m;
}

static void set_header(struct kw_message *m, const char *name, struct kw_bytes value)
{
	for (size_t i = 0; i < m->n_headers; i++) {
		if (strcmp(m->headers[i].name, name) == 0) {
			m->headers[i].value = value;
			return;
		}
	}
	m->headers[m->n_headers++] = (struct kw_header) { name, value };
}

static void remove_header(struct kw_message *m, const char *name)
{
	for (size_t i = 0; i < m->n_headers; i++)
		if (strcmp(m->headers[i].name, name) == 0)
			m->headers[i--] = m->headers[--m->n_headers];
}

static void assert_header(const struct kw_message *m, const char *name, const char *value)
{
	struct kw_bytes found = kw_message_header(m, name);

	if (!found.p || found.n != strlen(value) || memcmp(found.p, value, found.n) != 0)
		fail_msg("header %s is %.*s, not %s", name, (int)found.n, (const char *)found.p,
			value);
}

static void envelope_is_cloudevents_in_binary_mode(void **state)
{
	(void)state;
	struct kw_message m = message_of(&sample);

	assert_int_equal(m.n_headers, 9);
	assert_header(&m, "ce_specversion", "1.0");
	assert_header(&m, "ce_id", sample.id.s);
	assert_header(&m, "ce_source", "/karwan/order-routing");
	assert_header(&m, "ce_type", "karwan.order.received.v1");
	assert_header(&m, "ce_subject", sample.subject);
	assert_header(&m, "ce_time", "2026-01-31T10:00:00.123456Z");
	assert_header(&m, "ce_sequence", "000003-0000000000000000077");
	assert_header(&m, "content-type", "application/json");
	assert_header(&m, "traceparent", sample.trace.s);
}

static void envelope_comes_back_as_it_went(void **state)
{
	(void)state;
	struct kw_message m = message_of(&sample);
	struct kw_envelope e;
	struct kw_err err;

	assert_int_equal(kw_envelope_parse(&m, arena, &e, &err), KW_OK);
	assert_string_equal(e.id.s, sample.id.s);
	assert_string_equal(e.type, sample.type);
	assert_string_equal(e.source, sample.source);
	assert_string_equal(e.subject, sample.subject);
	assert_int_equal(e.time, sample.time);
	assert_int_equal(e.place.epoch, 3);
	assert_int_equal(e.place.number, 77);
	assert_string_equal(e.trace.s, sample.trace.s);
}

static void optional_attributes_may_be_absent(void **state)
{
	(void)state;
	struct kw_envelope least = {
		.id = sample.id, .type = sample.type, .source = sample.source
	};
	struct kw_message m = message_of(&least);
	struct kw_envelope e;
	struct kw_err err;

	assert_int_equal(m.n_headers, 5);
	assert_int_equal(kw_envelope_parse(&m, arena, &e, &err), KW_OK);
	assert_string_equal(e.subject, "");
	assert_string_equal(e.trace.s, "");
	assert_int_equal(e.time, 0);
	assert_int_equal(e.place.epoch, 0);
	/* an event without data is an event (section 3.2.2 of the binding) */
	m.value = (struct kw_bytes) { NULL, 0 };
	remove_header(&m, "content-type");
	assert_int_equal(kw_envelope_parse(&m, arena, &e, &err), KW_OK);
	/* what somebody else adds is not ours to judge */
	set_header(&m, "ce_correlationid", text("x"));
	assert_int_equal(kw_envelope_parse(&m, arena, &e, &err), KW_OK);
	assert_dies(message_of(&(struct kw_envelope) { .id = sample.id, .type = sample.type }));
}

static void assert_refused(struct kw_message *m, const char *what)
{
	struct kw_envelope e = { .time = 5 };
	struct kw_err err = { 0 };

	if (kw_envelope_parse(m, arena, &e, &err) != KW_INVALID)
		fail_msg("taken: %s", what);
	assert_string_equal(err.code, "ENVELOPE");
	assert_int_equal(e.time, 5);
}

static void required_attributes(void **state)
{
	(void)state;
	static const char *const names[] = { "ce_specversion", "ce_id", "ce_source", "ce_type" };

	for (size_t i = 0; i < KW_LEN(names); i++) {
		struct kw_message m = message_of(&sample);

		set_header(&m, names[i], text(""));
		assert_refused(&m, names[i]);
		set_header(&m, names[i], (struct kw_bytes) { NULL, 0 });
		assert_refused(&m, names[i]);
		remove_header(&m, names[i]);
		assert_refused(&m, names[i]);
	}
	struct kw_message none = { .topic = "t" };
	assert_refused(&none, "no headers");
}

static void attributes_that_are_wrong(void **state)
{
	(void)state;
	static char long_text[300];
	memset(long_text, 'a', sizeof(long_text) - 1);
	const struct {
		const char *name, *value;
	} bad[] = {
		{ "ce_specversion", "0.3" },
		{ "ce_specversion", "1.00" },
		{ "ce_id", "1" },
		{ "ce_id", "6f1d3c52-0b7e-4e0e-9a55-2b1f6a7c9d1g" },
		{ "ce_source", "/karwan\n/x" },
		{ "ce_type", "karwan.order.received.v1\x7f" },
		{ "ce_type", long_text },
		{ "ce_subject", long_text },
		{ "ce_subject", "a\tb" },
		{ "ce_time", "yesterday" },
		{ "ce_time", "2026-01-31 10:00:00" },
		{ "ce_sequence", "" },
		{ "ce_sequence", "42" },
		{ "ce_sequence", "000000-0000000000000000001" },
		{ "content-type", "application/cloudevents+json" },
		{ "content-type", "application/cloudevents+json; charset=utf-8" },
		{ "content-type", "APPLICATION/CloudEvents+JSON" },
		{ "content-type", "application/cloudevents-batch+json" },
	};

	for (size_t i = 0; i < KW_LEN(bad); i++) {
		struct kw_message m = message_of(&sample);

		set_header(&m, bad[i].name, text(bad[i].value));
		assert_refused(&m, bad[i].value);
	}
	struct kw_message m = message_of(&sample);
	set_header(&m, "ce_type", (struct kw_bytes) { "karwan\0order", 12 });
	assert_refused(&m, "NUL inside");
}

/* A trace is a courtesy: a bad one never refuses an event. */
static void bad_trace_is_no_trace(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "x",
		"00-A1B2C3D4e5f60718293a4b5c6d7e8f90-0f1e2d3c4b5a6978-01",
		"00-a1b2c3d4e5f60718293a4b5c6d7e8f90-0f1e2d3c4b5a6978-01-more" };

	for (size_t i = 0; i < KW_LEN(bad); i++) {
		struct kw_message m = message_of(&sample);
		struct kw_envelope e;
		struct kw_err err;

		set_header(&m, "traceparent", text(bad[i]));
		assert_int_equal(kw_envelope_parse(&m, arena, &e, &err), KW_OK);
		assert_string_equal(e.trace.s, "");
	}
}

/* ---- topics.json ---- */

static enum kw_rc load(const char *json, struct kw_topics *ret, struct kw_err *err)
{
	char path[] = "/tmp/karwan-topics-XXXXXX";
	int fd = mkstemp(path);
	enum kw_rc rc;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, json, strlen(json)), (ssize_t)strlen(json));
	close(fd);
	rc = kw_topics_load(path, arena, ret, err);
	unlink(path);
	return rc;
}

static void topics_of_the_system(void **state)
{
	(void)state;
	struct kw_topics topics = { 0 };
	struct kw_err err = { 0 };

	if (kw_topics_load(KW_SOURCE_DIR "/schemas/topics.json", arena, &topics, &err) != KW_OK)
		fail_msg("%s", err.reason);
	assert_true(topics.n_topics >= 8);
	const struct kw_topic *topic = kw_topics_find(&topics, "karwan.orders.in");
	assert_non_null(topic);
	assert_int_equal(topic->partitions, 12);
	assert_int_equal(topic->retention_ms, -1);
	assert_string_equal(topic->kind, "in");
	assert_null(kw_topics_find(&topics, "karwan.orders"));
	assert_null(kw_topics_find(&topics, ""));
}

/* What the machine lacks is not the file's fault: a supervisor starts the program again. */
static void topics_without_descriptors(void **state)
{
	const char *file = KW_SOURCE_DIR "/schemas/topics.json";
	struct kw_topics topics = { 0 };
	struct kw_err err = { 0 };
	struct rlimit before, none;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit) { 0, before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	enum kw_rc rc = kw_topics_load(file, arena, &topics, &err);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(rc, KW_RETRY);
	assert_int_equal(kw_topics_load("/nowhere", arena, &topics, &err), KW_INVALID);
	assert_int_equal(kw_topics_load(file, arena, &topics, &err), KW_OK);
}

static void topics_that_are_wrong(void **state)
{
	(void)state;
	static const struct {
		const char *json, *pointer;
	} bad[] = {
		{ "", "" },
		{ "{}", "/topics" },
		{ "{\"topics\": []}", "/topics" },
		{ "{\"topics\": [{\"name\": \"a\", \"partitions\": 0, \"retention_ms\": -1, \"kind\": \"in\"}]}",
			"/topics/0/partitions" },
		{ "{\"topics\": [{\"name\": \"a\", \"partitions\": 1, \"retention_ms\": -2, \"kind\": \"in\"}]}",
			"/topics/0/retention_ms" },
		{ "{\"topics\": [{\"name\": \"a\", \"partitions\": 1, \"kind\": \"in\"}]}",
			"/topics/0/retention_ms" },
		{ "{\"topics\": [{\"name\": \"a\", \"partitions\": 1, \"retention_ms\": -1, \"kind\": \"out\"}]}",
			"" },
		{ "{\"topics\": [{\"name\": \"a b\", \"partitions\": 1, \"retention_ms\": -1, \"kind\": \"in\"}]}",
			"" },
		{ "{\"topics\": [{\"name\": \"a\", \"partitions\": 1, \"retention_ms\": -1, \"kind\": \"in\"},"
		  "{\"name\": \"a\", \"partitions\": 2, \"retention_ms\": -1, \"kind\": \"in\"}]}",
			"" },
	};

	for (size_t i = 0; i < KW_LEN(bad); i++) {
		struct kw_topics topics = { 0 };
		struct kw_err err = { 0 };

		if (load(bad[i].json, &topics, &err) != KW_INVALID)
			fail_msg("taken: %s", bad[i].json);
		assert_string_equal(err.pointer, bad[i].pointer);
		assert_int_equal(topics.n_topics, 0);
	}
	struct kw_topics topics;
	struct kw_err err;
	assert_int_equal(
		kw_topics_load("/nonexistent/topics.json", arena, &topics, &err), KW_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(partition_is_that_of_the_java_client),
		cmocka_unit_test(partition_is_spread_and_in_range),
		cmocka_unit_test(header_is_the_last_of_its_name),
		cmocka_unit_test(hash_tells_records_apart),
		cmocka_unit_test(place_is_two_numbers_of_fixed_width),
		cmocka_unit_test(place_that_is_none),
		cmocka_unit_test(places_compare_as_their_texts),
		cmocka_unit_test(envelope_is_cloudevents_in_binary_mode),
		cmocka_unit_test(envelope_comes_back_as_it_went),
		cmocka_unit_test(optional_attributes_may_be_absent),
		cmocka_unit_test(required_attributes),
		cmocka_unit_test(attributes_that_are_wrong),
		cmocka_unit_test(bad_trace_is_no_trace),
		cmocka_unit_test(topics_of_the_system),
		cmocka_unit_test(topics_without_descriptors),
		cmocka_unit_test(topics_that_are_wrong),
	};

	return cmocka_run_group_tests(tests, make_arena, free_arena);
}
