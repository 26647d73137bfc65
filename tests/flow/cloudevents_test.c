/* CloudEvents in Kafka's binary mode, case by case (tests/vectors/cloudevents.tsv), through a real
 * broker: what is taken takes effect, and what is not is a dead letter that says why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "toy.h"
#include "vectors.h"

#define HEADERS_MAX 12

static struct toy toy;
static size_t taken, refused;

/* "\\xNN" is a byte. */
static const char *bytes_of(const char *text)
{
	char *out = kw_arena_str(toy.arena, text), *to = out;

	for (const char *p = text; *p; p++) {
		char hex[3] = "";
		if (p[0] == '\\' && p[1] == 'x') {
			memcpy(hex, p + 2, 2);
			*to++ = (char)strtol(hex, NULL, 16);
			p += 3;
		} else {
			*to++ = *p;
		}
	}
	*to = '\0';
	return out;
}

static void send_case(const char *const column[VECTOR_COLUMNS], int line)
{
	struct kt_header headers[HEADERS_MAX] = {
		{ "ce_specversion", "1.0" },
		{ "ce_id", NULL },
		{ "ce_source", "/karwan/test" },
		{ "ce_type", "karwan.toy.asked.v1" },
		{ "ce_subject", "6f1d3c52-0b7e-4e0e-9a55-2b1f6a7c9d10" },
		{ "ce_time", "2026-01-31T10:00:00.123456Z" },
		{ "content-type", "application/json" },
		{ "traceparent", "00-a1b2c3d4e5f60718293a4b5c6d7e8f90-0f1e2d3c4b5a6978-01" },
	};
	size_t n = 8, at = 0;
	char key[32], value[80];

	struct kw_uuid id = kw_uuid_random();
	headers[1].value = id.s;
	while (at < n && strcmp(headers[at].name, column[0]) != 0)
		at++;
	if (strcmp(column[1], "(none)") == 0) {
		assert_true(at < n);
		headers[at] = headers[--n];
	} else if (strcmp(column[0], "-") != 0) {
		headers[at] = (struct kt_header) { column[0], bytes_of(column[1]) };
		n += at == n;
	}
	snprintf(key, sizeof(key), "case-%d", line);
	snprintf(value, sizeof(value), "{\"name\":\"%s\",\"number\":1}", key);
	kt_send_headers(toy.brokers, toy.in,
		kw_partition_of((struct kw_bytes) { key, strlen(key) }, TOY_PARTITIONS), key,
		headers, n, value);
}

static void judge_case(const char *const column[VECTOR_COLUMNS], int line)
{
	bool good = strcmp(column[2], "taken") == 0;
	int64_t done =
		toy_count(&toy, kw_arena_printf(toy.arena,
					"SELECT count(*) FROM deeds WHERE name = 'case-%d'", line));
	int64_t dead =
		toy_count(&toy, kw_arena_printf(toy.arena,
					"SELECT count(*) FROM dead_letters WHERE key = 'case-%d' "
					"AND reason LIKE '%%%s%%'",
					line, good ? "" : column[2]));

	if (done != good || dead != !good)
		fail_msg("line %d, %s %s: %lld done, %lld dead letters of that reason", line,
			column[0], column[1], (long long)done, (long long)dead);
	taken += good;
	refused += !good;
}

static void each_case(void **state)
{
	(void)state;
	toy_make(&toy, "cloudevents", NULL, NULL);
	each_vector("cloudevents.tsv", 45, send_case);
	toy_consume(&toy);
	each_vector("cloudevents.tsv", 45, judge_case);
	assert_int_equal(toy_count(&toy, "SELECT count(*) FROM deeds"), taken);
	assert_int_equal(toy_count(&toy, "SELECT count(*) FROM dead_letters"), refused);
	/* nothing of what came is lost with it: an extension is in the letter */
	static const struct kt_header headers[] = { { "ce_specversion", "1.0" },
		{ "ce_comexampleextension", "kept" } };
	kt_send_headers(toy.brokers, toy.in, 0, "k", headers, 2, "{}");
	toy_consume(&toy);
	assert_int_equal(toy_count(&toy, "SELECT count(*) FROM dead_letters WHERE headers LIKE "
					 "'%comexampleextension%kept%'"),
		1);
	toy_done(&toy);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(each_case) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
