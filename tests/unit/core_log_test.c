/* The log: each line is one write(2) and one JSON object, whatever the texts hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/log.h"
#include "json/json.h"

struct line {
	kw_time time;
	const char *level, *service, *message, *topic, *rc, *reason, *pointer, *code, *file, *cut;
	int64_t messages, line;
};

static const struct kw_field line_fields[] = {
	KW_TIME(struct line, time, KW_REQUIRED),
	KW_STR(struct line, level, KW_REQUIRED, 1, 10),
	KW_STR(struct line, service, KW_REQUIRED, 1, 40),
	KW_STR(struct line, message, KW_REQUIRED, 1, 2000),
	KW_STR(struct line, topic, KW_OPTIONAL, 1, 2000),
	KW_I64(struct line, messages, KW_OPTIONAL, INT64_MIN, INT64_MAX),
	KW_STR(struct line, rc, KW_OPTIONAL, 1, 10),
	KW_STR(struct line, reason, KW_OPTIONAL, 1, 400),
	KW_STR(struct line, pointer, KW_OPTIONAL, 1, 400),
	KW_STR(struct line, code, KW_OPTIONAL, 1, 40),
	KW_STR(struct line, file, KW_OPTIONAL, 1, 400),
	KW_I64(struct line, line, KW_OPTIONAL, 1, 100000),
	KW_STR(struct line, cut, KW_OPTIONAL, 1, 40),
	KW_END,
};

static struct kw_arena *arena;
static int read_end, old_stderr;

/* Each write to a socket of packets is a packet of its own. */
static int catch_stderr(void **state)
{
	(void)state;
	int pair[2];
	arena = kw_arena_new(1000000);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0)
		return -1;
	read_end = pair[0];
	old_stderr = dup(STDERR_FILENO);
	dup2(pair[1], STDERR_FILENO);
	close(pair[1]);
	return 0;
}

static int release_stderr(void **state)
{
	(void)state;
	dup2(old_stderr, STDERR_FILENO);
	close(old_stderr);
	close(read_end);
	kw_arena_free(arena);
	return 0;
}

static struct line next_line(void)
{
	static char packet[65536];
	ssize_t n = recv(read_end, packet, sizeof(packet), MSG_DONTWAIT);
	assert_true(n > 0);
	assert_int_equal(packet[n - 1], '\n');
	assert_null(memchr(packet, '\n', (size_t)n - 1));
	struct line line = { 0 };
	struct kw_err err = { 0 };
	if (kw_json_decode(line_fields, packet, (size_t)n - 1, arena, &line, &err) != KW_OK)
		fail_msg("%s: %s in %.*s", err.pointer, err.reason, (int)n, packet);
	return line;
}

static void assert_silent(void)
{
	char packet[10];
	assert_true(recv(read_end, packet, sizeof(packet), MSG_DONTWAIT) < 0);
}

static void test_a_line(void **state)
{
	(void)state;
	kw_log_init("order-routing", KW_INFO);
	kw_log(KW_INFO, "batch committed", KW_LI("messages", -500),
		KW_LS("topic", "karwan.orders.in"));
	struct line line = next_line();
	assert_true(llabs(line.time - kw_now(&kw_clock_system)) < 60 * KW_US_PER_S);
	assert_string_equal(line.level, "info");
	assert_string_equal(line.service, "order-routing");
	assert_string_equal(line.message, "batch committed");
	assert_string_equal(line.topic, "karwan.orders.in");
	assert_int_equal(line.messages, -500);
	assert_null(line.rc);
	kw_log(KW_WARNING, "nothing to say", KW_NO_FIELDS);
	assert_string_equal(next_line().level, "warning");
	kw_log(KW_ERROR, "no text", KW_LS("topic", NULL));
	line = next_line();
	assert_string_equal(line.level, "error");
	assert_null(line.topic);
}

static void test_errors_tell_their_place(void **state)
{
	(void)state;
	struct kw_err err;
	kw_fail_at(&err, KW_INVALID, "/lines/0", "0 is below 1");
	kw_log_err(KW_ERROR, "refused", &err, KW_NO_FIELDS);
	struct line line = next_line();
	assert_string_equal(line.rc, "INVALID");
	assert_string_equal(line.reason, "0 is below 1");
	assert_string_equal(line.pointer, "/lines/0");
	assert_null(line.code);
	assert_non_null(strstr(line.file, "core_log_test.c"));
	assert_int_equal(line.line, err.line);
	kw_fail_code(&err, KW_RETRY, "40001", "serialization");
	kw_log_err(KW_ERROR, "refused", &err, KW_NO_FIELDS);
	line = next_line();
	assert_string_equal(line.code, "40001");
	assert_null(line.pointer);
}

static void test_levels(void **state)
{
	(void)state;
	kw_log(KW_DEBUG, "not now", KW_NO_FIELDS);
	assert_silent();
	kw_log_init("order-routing", KW_DEBUG);
	kw_log(KW_DEBUG, "now", KW_NO_FIELDS);
	assert_string_equal(next_line().level, "debug");
	kw_log_init("order-routing", KW_ERROR);
	kw_log(KW_WARNING, "not now", KW_NO_FIELDS);
	assert_silent();
	kw_log_init("order-routing", KW_INFO);
}

static void test_any_bytes_make_a_valid_line(void **state)
{
	(void)state;
	static const struct {
		const char *text, *logged;
	} rows[] = {
		{ "quote \" and \\", "quote \" and \\" },
		{ "two\nlines\t", "two\nlines\t" },
		{ "شال \xf0\x9f\xa7\xa3", "شال \xf0\x9f\xa7\xa3" },
		{ "lone \xff and \x80", "lone ? and ?" },
		{ "short \xe2\x82", "short ??" },
		{ "overlong \xc0\xaf", "overlong ??" },
		{ "overlong \xe0\x80\xaf", "overlong ???" },
		{ "surrogate \xed\xa0\x80", "surrogate ???" },
		{ "beyond \xf4\x90\x80\x80", "beyond ????" },
	};
	for (size_t i = 0; i < KW_LEN(rows); i++) {
		kw_log(KW_INFO, "bytes", KW_LS("topic", rows[i].text));
		assert_string_equal(next_line().topic, rows[i].logged);
	}
}

static void test_long_texts_are_cut(void **state)
{
	(void)state;
	char text[5001];
	memset(text, 'a', sizeof(text) - 1);
	text[5000] = '\0';
	memcpy(text + 1023, "ش", 2); /* across the cut */
	kw_log(KW_INFO, "long", KW_LS("topic", text));
	struct line line = next_line();
	assert_true(strlen(line.topic) >= 1023 && strlen(line.topic) <= 1025);
	assert_memory_equal(line.topic, text, strlen(line.topic));
	struct kw_log_field fields[40] = { 0 };
	char names[39][8];
	for (size_t i = 0; i < KW_LEN(names); i++) {
		snprintf(names[i], sizeof(names[i]), "f%zu", i);
		fields[i] = (struct kw_log_field) { names[i], text, 0 };
	}
	kw_log_write(KW_INFO, "many", NULL, fields);
	line = next_line();
	assert_string_equal(line.message, "many");
	assert_string_equal(line.cut, "too many fields");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_line, catch_stderr, release_stderr),
		cmocka_unit_test_setup_teardown(
			test_errors_tell_their_place, catch_stderr, release_stderr),
		cmocka_unit_test_setup_teardown(test_levels, catch_stderr, release_stderr),
		cmocka_unit_test_setup_teardown(
			test_any_bytes_make_a_valid_line, catch_stderr, release_stderr),
		cmocka_unit_test_setup_teardown(
			test_long_texts_are_cut, catch_stderr, release_stderr),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
