/* Metrics: what is rendered is what was counted, by many threads too, and promtool accepts it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "core/rc.h"
#include "svc/metrics.h"

static struct kw_metric requests = { .name = "test_requests_total",
	.help = "requests, with \\ and\nnewline",
	.kind = KW_COUNTER,
	.labels = { "route", "status" } };
static struct kw_metric lag = { .name = "test_lag", .help = "messages", .kind = KW_GAUGE };
static struct kw_metric sums = {
	.name = "test_sums", .help = "sums", .kind = KW_GAUGE, .labels = { "currency", "age" }
};
static struct kw_metric busy = { .name = "test_busy_seconds_total",
	.help = "time spent",
	.kind = KW_COUNTER,
	.per_unit = KW_PER_SECOND };
static struct kw_metric durations = { .name = "test_duration_seconds",
	.help = "duration",
	.kind = KW_HISTOGRAM,
	.labels = { "route" } };
static struct kw_metric unlabelled = {
	.name = "test_wait_seconds", .help = "wait", .kind = KW_HISTOGRAM
};
static struct kw_metric many = {
	.name = "test_many_total", .help = "many series", .kind = KW_COUNTER, .labels = { "key" }
};

static struct kw_buf out;

static const char *render(void)
{
	kw_buf_done(&out);
	kw_buf_init(&out, 4 * 1024 * 1024);
	kw_metrics_render(&out);
	assert_false(out.full);
	return out.p;
}

static void has_line(const char *line)
{
	const char *text = render(), *at = strstr(text, line);
	size_t n = strlen(line);

	while (at && !((at == text || at[-1] == '\n') && at[n] == '\n'))
		at = strstr(at + 1, line);
	if (!at)
		fail_msg("no line '%s' in:\n%s", line, text);
}

static void test_values(void **state)
{
	(void)state;
	kw_count(&requests, 1, KW_LABELS("/v1/orders/:id", "200"));
	kw_count(&requests, 2, KW_LABELS("/v1/orders/:id", "200"));
	kw_count(&requests, 1, KW_LABELS("/v1/orders/:id", "404"));
	has_line("# TYPE test_requests_total counter");
	has_line("# HELP test_requests_total requests, with \\\\ and\\nnewline");
	has_line("test_requests_total{route=\"/v1/orders/:id\",status=\"200\"} 3");
	has_line("test_requests_total{route=\"/v1/orders/:id\",status=\"404\"} 1");
	kw_gauge(&lag, 7, KW_NO_LABELS);
	kw_gauge(&lag, -7, KW_NO_LABELS);
	has_line("# TYPE test_lag gauge");
	has_line("test_lag -7");
	kw_gauge(&busy, 1500001, KW_NO_LABELS);
	has_line("test_busy_seconds_total 1.500001");
	/* by name, whatever was used first */
	assert_true(strstr(render(), "test_busy") < strstr(render(), "test_lag"));
	assert_true(strstr(render(), "test_lag") < strstr(render(), "test_requests"));
}

/* A round of gauges: what none of its rows names becomes 0. */
static void test_rounds_of_gauges(void **state)
{
	static const struct kw_gauge_row first[] = { { { "EUR", "day" }, 5 },
		{ { "PKR", "week" }, 7 } };
	static const struct kw_gauge_row second[] = { { { "PKR", "week" }, 8 },
		{ { "USD", "day" }, -1 } };

	(void)state;
	kw_gauge_all(&sums, first, 2);
	has_line("test_sums{currency=\"EUR\",age=\"day\"} 5");
	has_line("test_sums{currency=\"PKR\",age=\"week\"} 7");
	kw_gauge_all(&sums, second, 2);
	has_line("test_sums{currency=\"EUR\",age=\"day\"} 0");
	has_line("test_sums{currency=\"PKR\",age=\"week\"} 8");
	has_line("test_sums{currency=\"USD\",age=\"day\"} -1");
	kw_gauge_all(&sums, NULL, 0);
	has_line("test_sums{currency=\"PKR\",age=\"week\"} 0");
	has_line("test_sums{currency=\"USD\",age=\"day\"} 0");
}

static void test_histogram(void **state)
{
	(void)state;
	kw_observe_us(&durations, 0, KW_LABELS("a"));
	kw_observe_us(&durations, 5000, KW_LABELS("a"));
	kw_observe_us(&durations, 5001, KW_LABELS("a"));
	kw_observe_us(&durations, 10000000, KW_LABELS("a"));
	kw_observe_us(&durations, 10000001, KW_LABELS("a"));
	has_line("# TYPE test_duration_seconds histogram");
	has_line("test_duration_seconds_bucket{route=\"a\",le=\"0.005\"} 2");
	has_line("test_duration_seconds_bucket{route=\"a\",le=\"0.01\"} 3");
	has_line("test_duration_seconds_bucket{route=\"a\",le=\"7.5\"} 3");
	has_line("test_duration_seconds_bucket{route=\"a\",le=\"10\"} 4");
	has_line("test_duration_seconds_bucket{route=\"a\",le=\"+Inf\"} 5");
	has_line("test_duration_seconds_sum{route=\"a\"} 20.010002");
	has_line("test_duration_seconds_count{route=\"a\"} 5");
	kw_observe_us(&unlabelled, 1, KW_NO_LABELS);
	has_line("test_wait_seconds_bucket{le=\"0.005\"} 1");
	has_line("test_wait_seconds_count 1");
}

static void test_labels_are_escaped_and_cut(void **state)
{
	char longest[301], cut[101], line[300];

	(void)state;
	kw_count(&requests, 1,
		KW_LABELS("a\"b\\c\nd", "e\x1f"
					"f"));
	has_line("test_requests_total{route=\"a\\\"b\\\\c\\nd\",status=\"e?f\"} 1");
	kw_count(&requests, 1, KW_LABELS("", ""));
	has_line("test_requests_total{route=\"\",status=\"\"} 1");
	/* 100 bytes of two-byte characters after one: the cut is between characters */
	memset(longest, 'x', sizeof(longest));
	for (size_t i = 1; i + 1 < sizeof(longest); i += 2)
		memcpy(longest + i, "\xc3\xa9", 2);
	longest[300] = '\0';
	memcpy(cut, longest, 99);
	cut[99] = '\0';
	longest[299] = '\0';
	kw_count(&requests, 1, KW_LABELS("cut", longest));
	snprintf(line, sizeof(line), "test_requests_total{route=\"cut\",status=\"%s\"} 1", cut);
	has_line(line);
}

#define THREADS 8
#define ROUNDS 20000

static void *hammer(void *arg)
{
	char key[16];

	for (int i = 0; i < ROUNDS; i++) {
		snprintf(key, sizeof(key), "k%d", (i * 7 + (int)(intptr_t)arg) % 100);
		kw_count(&many, 1, KW_LABELS(key));
		kw_observe_us(&durations, 20000, KW_LABELS("threads"));
		if (i % 5000 == 0) {
			struct kw_buf mine;
			kw_buf_init(&mine, 4 * 1024 * 1024);
			kw_metrics_render(&mine);
			assert_false(mine.full);
			kw_buf_done(&mine);
		}
	}
	return NULL;
}

static int64_t sum_of(const char *prefix, size_t *ret_series)
{
	int64_t sum = 0;

	*ret_series = 0;
	for (const char *at = render(); (at = strstr(at, prefix)); at++) {
		(*ret_series)++;
		sum += strtoll(strchr(at, ' '), NULL, 10);
	}
	return sum;
}

static void test_threads_lose_nothing(void **state)
{
	pthread_t threads[THREADS];
	size_t n;

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, (void *)(intptr_t)i), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(sum_of("test_many_total{", &n), THREADS * ROUNDS);
	assert_int_equal(n, 100);
	assert_int_equal(
		sum_of("test_duration_seconds_count{route=\"threads\"}", &n), THREADS * ROUNDS);
}

static void test_series_have_a_limit(void **state)
{
	char key[16];
	size_t n;

	(void)state;
	for (int i = 0; i < 2 * KW_METRIC_SERIES_MAX; i++) {
		snprintf(key, sizeof(key), "more%d", i);
		kw_count(&many, 1, KW_LABELS(key));
	}
	/* 100 were there before */
	assert_int_equal(sum_of("test_many_total{key=\"more", &n), KW_METRIC_SERIES_MAX - 100);
	assert_int_equal(n, KW_METRIC_SERIES_MAX - 100);
	has_line("test_many_total{key=\"other\"} 356");
	kw_count(&many, 1, KW_LABELS("more0"));
	has_line("test_many_total{key=\"more0\"} 2");
	has_line("test_many_total{key=\"other\"} 356");
}

static void test_promtool_accepts(void **state)
{
	const char *text = render();
	FILE *promtool = popen("promtool check metrics", "w");

	(void)state;
	assert_non_null(promtool);
	assert_int_equal(fwrite(text, 1, out.n, promtool), out.n);
	assert_int_equal(pclose(promtool), 0);
	kw_buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_rounds_of_gauges),
		cmocka_unit_test(test_histogram),
		cmocka_unit_test(test_labels_are_escaped_and_cut),
		cmocka_unit_test(test_threads_lose_nothing),
		cmocka_unit_test(test_series_have_a_limit),
		cmocka_unit_test(test_promtool_accepts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
