/* What must not hold the server: slow and idle senders, slow readers,
 * too many connections; drain and stop. Deadlines are set small, and all waits are for something to
 * happen. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "http/server.h"
#include "http_peer.h"
#include "json/json.h"

#define H "Host: x\r\n"
#define DEADLINE_MS 400
#define BIG (8 * 1024 * 1024)

static _Atomic int n_small;
static _Atomic int last_status;
static char big[BIG];

static enum kw_rc small(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	(void)err;
	n_small++;
	rs->body = (struct kw_bytes) { kw_arena_printf(rq->arena, "%zu", rq->body.n), 1 };
	return KW_OK;
}

static enum kw_rc send_big(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	(void)rq;
	(void)err;
	rs->body = (struct kw_bytes) { big, sizeof(big) };
	return KW_OK;
}

/* ---- a handler that waits for the test ---- */

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_changed = PTHREAD_COND_INITIALIZER;
static bool gate_open;
static int gate_waiting;

static enum kw_rc gate(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	(void)rq;
	(void)err;
	pthread_mutex_lock(&gate_lock);
	gate_waiting++;
	pthread_cond_broadcast(&gate_changed);
	while (!gate_open)
		pthread_cond_wait(&gate_changed, &gate_lock);
	gate_waiting--;
	pthread_mutex_unlock(&gate_lock);
	rs->body = (struct kw_bytes) { "passed", 6 };
	return KW_OK;
}

static struct kw_deferred *_Atomic deferred;

static enum kw_rc later(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	(void)rs;
	(void)err;
	deferred = kw_request_defer(rq);
	return KW_OK;
}

static void gate_await(int n)
{
	pthread_mutex_lock(&gate_lock);
	while (gate_waiting < n)
		pthread_cond_wait(&gate_changed, &gate_lock);
	pthread_mutex_unlock(&gate_lock);
}

static void gate_set(bool open)
{
	pthread_mutex_lock(&gate_lock);
	gate_open = open;
	pthread_cond_broadcast(&gate_changed);
	pthread_mutex_unlock(&gate_lock);
}

static void observe(void *ctx, const struct kw_route *route, int status, int64_t duration_us)
{
	(void)ctx;
	(void)route;
	(void)duration_us;
	last_status = status;
}

static const struct kw_route routes[] = {
	{ .method = "POST", .path = "/small", .handle = small, .body = KW_RAW_BODY, .media = "*" },
	{ .method = "GET", .path = "/small", .handle = small },
	{ .method = "GET", .path = "/big", .handle = send_big },
	{ .method = "GET", .path = "/gate", .handle = gate },
	{ .method = "GET", .path = "/later", .handle = later },
	{ 0 },
};

static struct kw_server *start(struct kw_server_config config)
{
	struct kw_server *s;
	struct kw_err err = { 0 };

	config.listen = "127.0.0.1:0";
	config.routes = routes;
	config.observe = observe;
	if (kw_server_start(&config, &s, &err) != KW_OK)
		fail_msg("%s", err.reason);
	return s;
}

/* ---- deadlines ---- */

static const struct {
	const char *name, *begin, *trickle;
	int status; /* 0: closed without a word; -1: in any way (libmicrohttpd 1.0 is quicker) */
} slow[] = {
	{ "nothing at all", "", NULL, 0 },
	{ "half a request line", "GET /sm", NULL, 408 },
	{ "half a header", "GET /small HTTP/1.1\r\nHost: x\r\nX-A", NULL, 408 },
	{ "half a body", "POST /small HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\nhalf", NULL, 408 },
	{ "half a chunk",
		"POST /small HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\na\r\nhalf", NULL,
		408 },
	{ "no last chunk",
		"POST /small HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
		NULL, 408 },
	{ "half a refused body", "POST /nope HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\nhalf", NULL,
		408 },
	{ "half a second request", "GET /small HTTP/1.1\r\n" H "\r\nGET /sm", NULL, 408 },
	{ "half a second body",
		"GET /small HTTP/1.1\r\n" H "\r\nPOST /small HTTP/1.1\r\n" H
		"Content-Length: 10\r\n\r\nhalf",
		NULL, 408 },
	{ "a request line byte by byte", "GET /small?", "x", 408 },
	{ "headers byte by byte", "GET /small HTTP/1.1\r\nHost: x\r\nX-A: ", "x", 408 },
	{ "a body byte by byte", "POST /small HTTP/1.1\r\n" H "Content-Length: 100000\r\n\r\n", "x",
		408 },
	{ "chunks byte by byte", "POST /small HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n",
		"1\r\nx\r\n", 408 },
	{ "empty lines", "", "\r\n", -1 },
};

/* Sends the trickle whenever nothing came for 10 ms. */
static void trickle_until_heard(int fd, const char *trickle, int64_t until)
{
	while (peer_silent(fd, 10)) {
		if (kw_monotonic_us() > until)
			fail_msg("the connection was held");
		peer_push(fd, trickle, strlen(trickle));
	}
}

static void test_slow_senders(void **state)
{
	struct kw_server *s = start((struct kw_server_config) { .deadline_ms = DEADLINE_MS });

	(void)state;
	for (size_t i = 0; i < KW_LEN(slow); i++) {
		struct peer_answer answer = { 0 };
		int64_t begin = kw_monotonic_us();
		int fd = peer_dial(kw_server_port(s));
		peer_say(fd, slow[i].begin);
		if (strstr(slow[i].begin, "\r\n\r\nGET") || strstr(slow[i].begin, "\r\n\r\nPOST")) {
			peer_hear(fd, &answer);
			assert_int_equal(answer.status, 200);
			/* A piece that came along with the first request is not seen as a
			 * beginning; more of it is. */
			if (!strstr(slow[i].begin, "10\r\n\r\n"))
				trickle_until_heard(fd, "x", begin + 10 * DEADLINE_MS * 1000);
		}
		if (slow[i].trickle)
			trickle_until_heard(fd, slow[i].trickle, begin + 10 * DEADLINE_MS * 1000);
		if (slow[i].status > 0) {
			peer_hear(fd, &answer);
			if (answer.status != slow[i].status)
				fail_msg("%s: %s", slow[i].name, answer.head);
			assert_string_equal(peer_header(&answer, "Connection"), "close");
			assert_non_null(strstr(answer.body, "\"status\":408"));
		}
		if (!peer_closed(fd) && slow[i].status >= 0)
			fail_msg("%s: more came before the end", slow[i].name);
		int64_t ms = (kw_monotonic_us() - begin) / 1000;
		if ((ms < DEADLINE_MS && slow[i].status >= 0) || ms > 10 * DEADLINE_MS)
			fail_msg("%s: closed after %lld ms", slow[i].name, (long long)ms);
		peer_close(fd);
	}
	/* They are seen by the metrics, too. */
	int fd = peer_dial(kw_server_port(s));
	last_status = 0;
	peer_say(fd, "POST /small HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\nhalf");
	assert_false(peer_silent(fd, 10000));
	kw_server_stop(s);
	assert_int_equal(last_status, 408);
	peer_close(fd);
}

/* Between two requests a connection may rest longer than a request may take. */
static void test_rest_between_requests(void **state)
{
	struct kw_server *s = start((struct kw_server_config) { .deadline_ms = 1000 });
	struct peer_answer answer;
	int fd = peer_dial(kw_server_port(s));

	(void)state;
	for (int i = 0; i < 2; i++) {
		peer_say(fd, "GET /small HTTP/1.1\r\n" H "\r\n");
		peer_hear(fd, &answer);
		assert_int_equal(answer.status, 200);
		assert_true(peer_silent(fd, 1500));
	}
	peer_close(fd);
	kw_server_stop(s);
}

/* A connection that was opened ahead of its first request takes nothing of that one's time. */
static void test_opened_ahead(void **state)
{
	struct kw_server *s = start((struct kw_server_config) { .deadline_ms = 5000 });
	struct peer_answer answer;
	int fd = peer_dial(kw_server_port(s));

	(void)state;
	assert_true(peer_silent(fd, 3000));
	peer_say(fd, "GET /sm");
	assert_true(peer_silent(fd, 3000));
	peer_say(fd, "all HTTP/1.1\r\n" H "\r\n");
	peer_hear(fd, &answer);
	assert_int_equal(answer.status, 200);
	peer_close(fd);
	kw_server_stop(s);
}

/* The end of what a client sends comes with its last request: it is answered, and the connection
 * does not wait for another. */
static void test_end_with_request(void **state)
{
	struct kw_server *s = start((struct kw_server_config) { .threads = 1 });
	struct peer_answer answer;

	(void)state;
	for (int i = 0; i < 3; i++) {
		int fd = peer_dial(kw_server_port(s));
		peer_say(fd, "GET /small HTTP/1.1\r\n" H "\r\n");
		assert_int_equal(shutdown(fd, SHUT_WR), 0);
		peer_hear(fd, &answer);
		assert_int_equal(answer.status, 200);
		assert_true(peer_closed(fd));
		peer_close(fd);
	}
	kw_server_stop(s);
}

/* Who does not read his answer is cut as well. */
static void test_slow_reader(void **state)
{
	struct kw_server *s = start((struct kw_server_config) { .deadline_ms = DEADLINE_MS });
	static char got[BIG];
	size_t n = 0;
	int fd = peer_dial(kw_server_port(s));

	(void)state;
	peer_say(fd, "GET /big HTTP/1.1\r\n" H "\r\n");
	assert_false(peer_silent(fd, 10000));
	/* Stop waits for answers on their way: it returns because the guard cuts this one. */
	kw_server_stop(s);
	for (ssize_t more; (more = recv(fd, got, sizeof(got), 0)) > 0;)
		n += (size_t)more;
	assert_true(n > 0 && n < BIG);
	peer_close(fd);
}

static void test_big_answer(void **state)
{
	struct kw_server *s = start((struct kw_server_config) { .deadline_ms = 5000 });
	static char got[64 * 1024];
	size_t n = 0;
	int fd = peer_dial(kw_server_port(s));

	(void)state;
	peer_say(fd, "GET /big HTTP/1.1\r\n" H "Connection: close\r\n\r\n");
	for (ssize_t more; (more = recv(fd, got, sizeof(got), 0)) > 0;)
		n += (size_t)more;
	assert_true(n > BIG && n < BIG + 1000);
	peer_close(fd);
	kw_server_stop(s);
}

/* A handler at work is not cut, however long it takes. */
static void test_slow_handler(void **state)
{
	struct kw_server *s = start((struct kw_server_config) { .deadline_ms = 1000 });
	struct peer_answer answer;
	int fd = peer_dial(kw_server_port(s));

	(void)state;
	gate_set(false);
	peer_say(fd, "GET /gate HTTP/1.1\r\n" H "\r\n");
	gate_await(1);
	assert_true(peer_silent(fd, 1500));
	gate_set(true);
	peer_hear(fd, &answer);
	assert_string_equal(answer.body, "passed");
	peer_close(fd);
	kw_server_stop(s);
}

/* ---- connections ---- */

static void expect_over(int port, int status)
{
	struct peer_answer answer;
	int fd = peer_dial(port);

	peer_say(fd, "GET /small HTTP/1.1\r\n" H "\r\n");
	peer_hear(fd, &answer);
	assert_int_equal(answer.status, status);
	assert_string_equal(peer_header(&answer, "Connection"), "close");
	assert_string_equal(peer_header(&answer, "Retry-After"), "1");
	assert_true(peer_closed(fd));
	peer_close(fd);
}

static void check_connection_limit(struct kw_server_config config, int status)
{
	struct kw_server *s = start(config);
	struct peer_answer answer;
	int fds[2], port = kw_server_port(s);

	for (int i = 0; i < 2; i++) {
		fds[i] = peer_dial(port);
		peer_say(fds[i], "GET /small HTTP/1.1\r\n" H "\r\n");
		peer_hear(fds[i], &answer);
		assert_int_equal(answer.status, 200);
	}
	n_small = 0;
	for (int i = 0; i < 5; i++)
		expect_over(port, status);
	assert_int_equal(n_small, 0);
	/* Those within the limit go on, and a place that is left can be taken. */
	peer_say(fds[0], "GET /small HTTP/1.1\r\n" H "\r\n");
	peer_hear(fds[0], &answer);
	assert_int_equal(answer.status, 200);
	peer_close(fds[1]);
	do
		peer_ask(port, "GET /small HTTP/1.1\r\n" H "\r\n", &answer);
	while (answer.status == status); /* until the server has noticed */
	assert_int_equal(answer.status, 200);
	peer_close(fds[0]);
	kw_server_stop(s);
}

static void test_connection_limits(void **state)
{
	(void)state;
	check_connection_limit((struct kw_server_config) { .per_address_max = 2 }, 429);
	check_connection_limit((struct kw_server_config) { .connections_max = 2 }, 503);
	check_connection_limit(
		(struct kw_server_config) { .per_address_max = 2, .threads = 1 }, 429);
}

/* Beyond the limit and those who are told so, connections are closed at once. */
static void test_connection_flood(void **state)
{
	struct kw_server *s = start((struct kw_server_config) { .per_address_max = 20 });
	int fds[400], n_open = 0, port = kw_server_port(s);

	(void)state;
	for (size_t i = 0; i < KW_LEN(fds); i++)
		fds[i] = peer_dial(port);
	/* The kernel accepts in order: when the last is settled, all are. */
	assert_true(peer_closed(fds[KW_LEN(fds) - 1]));
	for (size_t i = 0; i < KW_LEN(fds); i++)
		n_open += peer_silent(fds[i], 0);
	assert_int_equal(n_open, 20 + 64);
	for (size_t i = 0; i < KW_LEN(fds); i++)
		peer_close(fds[i]);
	kw_server_stop(s);
}

/* Without file descriptors nothing is lost but time: connections wait in the kernel's queue. In a
 * process of its own. */
static void test_no_descriptors(void **state)
{
	int to_child[2], from_child[2], fds[60], port = 0, status;
	struct peer_answer answer;

	(void)state;
	assert_int_equal(pipe(to_child) | pipe(from_child), 0);
	pid_t child = fork();
	if (child == 0) {
		struct rlimit few = { 40, 40 };
		close(to_child[1]);
		if (setrlimit(RLIMIT_NOFILE, &few) != 0)
			_exit(1);
		struct kw_server *s = start((struct kw_server_config) { .deadline_ms = 60000 });
		port = kw_server_port(s);
		if (write(from_child[1], &port, sizeof(port)) != sizeof(port))
			_exit(2);
		(void)!read(to_child[0], &port, 1); /* until the test is over */
		kw_server_stop(s);
		_exit(0);
	}
	close(to_child[0]);
	assert_int_equal(read(from_child[0], &port, sizeof(port)), sizeof(port));
	for (size_t i = 0; i < KW_LEN(fds); i++)
		fds[i] = peer_dial(port);
	peer_say(fds[KW_LEN(fds) - 1], "GET /small HTTP/1.1\r\n" H "\r\n");
	assert_true(peer_silent(fds[KW_LEN(fds) - 1], 100));
	for (size_t i = 0; i < KW_LEN(fds) - 1; i++)
		peer_close(fds[i]);
	peer_hear(fds[KW_LEN(fds) - 1], &answer);
	assert_int_equal(answer.status, 200);
	peer_close(fds[KW_LEN(fds) - 1]);
	close(to_child[1]);
	close(from_child[0]);
	close(from_child[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* Idle connections take no thread; others are served meanwhile. */
static void test_many_idle(void **state)
{
	struct kw_server *s = start((struct kw_server_config) {
		.connections_max = 900, .per_address_max = 900, .deadline_ms = 60000 });
	int fds[800], port = kw_server_port(s);
	struct peer_answer answer;

	(void)state;
	for (size_t i = 0; i < KW_LEN(fds); i++) {
		fds[i] = peer_dial(port);
		if (i % 2)
			peer_say(fds[i],
				"POST /small HTTP/1.1\r\n" H "Content-Length: 100\r\n\r\nx");
	}
	for (int i = 0; i < 50; i++) {
		peer_ask(port, "POST /small HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\nx", &answer);
		assert_int_equal(answer.status, 200);
	}
	for (size_t i = 0; i < KW_LEN(fds); i++) {
		assert_true(peer_silent(fds[i], 0));
		peer_close(fds[i]);
	}
	kw_server_stop(s);
}

/* ---- drain and stop ---- */

static void *stop_in_thread(void *s)
{
	kw_server_stop(s);
	return NULL;
}

static void test_stop_waits_for_handlers(void **state)
{
	struct kw_server *s = start((struct kw_server_config) { 0 });
	struct peer_answer answer;
	pthread_t stopper;
	int fd = peer_dial(kw_server_port(s));

	(void)state;
	gate_set(false);
	peer_say(fd, "GET /gate HTTP/1.1\r\n" H "\r\n");
	gate_await(1);
	assert_int_equal(pthread_create(&stopper, NULL, stop_in_thread, s), 0);
	assert_true(peer_silent(fd, 50));
	gate_set(true);
	peer_hear(fd, &answer);
	assert_int_equal(answer.status, 200);
	assert_string_equal(answer.body, "passed");
	assert_string_equal(peer_header(&answer, "Connection"), "close");
	pthread_join(stopper, NULL);
	assert_true(peer_closed(fd));
	peer_close(fd);
}

static void test_drain(void **state)
{
	struct kw_server *s = start((struct kw_server_config) { 0 });
	const struct kw_response done = { .body = { "done", 4 } };
	struct peer_answer answer;
	int port = kw_server_port(s), put_off = peer_dial(port), resting = peer_dial(port);

	(void)state;
	deferred = NULL;
	peer_say(resting, "GET /small HTTP/1.1\r\n" H "\r\n");
	peer_hear(resting, &answer);
	peer_say(put_off, "GET /later HTTP/1.1\r\n" H "\r\n");
	while (!deferred)
		assert_true(peer_silent(put_off, 1));
	kw_server_drain(s);
	n_small = 0;
	expect_over(port, 503);
	peer_say(resting, "GET /small HTTP/1.1\r\n" H "\r\n");
	peer_hear(resting, &answer);
	assert_int_equal(answer.status, 503);
	assert_true(peer_closed(resting));
	assert_int_equal(n_small, 0);
	/* Answered, not yet woken up: stop does that. */
	kw_deferred_answer(deferred, &done);
	kw_server_stop(s);
	peer_hear(put_off, &answer);
	assert_int_equal(answer.status, 200);
	assert_string_equal(answer.body, "done");
	assert_true(peer_closed(put_off));
	peer_close(resting);
	peer_close(put_off);
}

/* Half of a request is no reason to wait. */
static void test_stop_with_half_requests(void **state)
{
	struct kw_server *s = start((struct kw_server_config) { .deadline_ms = 600000 });
	int port = kw_server_port(s), fds[3];
	static const char *const begins[] = { "", "GET /small HT",
		"POST /small HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\nhalf" };

	(void)state;
	for (int i = 0; i < 3; i++) {
		fds[i] = peer_dial(port);
		peer_say(fds[i], begins[i]);
	}
	struct peer_answer answer;
	peer_ask(port, "GET /small HTTP/1.1\r\n" H "\r\n", &answer);
	kw_server_stop(s);
	for (int i = 0; i < 3; i++) {
		assert_true(peer_closed(fds[i]));
		peer_close(fds[i]);
	}
}

static int setup(void **state)
{
	(void)state;
	kw_json_init();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slow_senders),
		cmocka_unit_test(test_rest_between_requests),
		cmocka_unit_test(test_opened_ahead),
		cmocka_unit_test(test_end_with_request),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_big_answer),
		cmocka_unit_test(test_slow_handler),
		cmocka_unit_test(test_connection_limits),
		cmocka_unit_test(test_connection_flood),
		cmocka_unit_test(test_no_descriptors),
		cmocka_unit_test(test_many_idle),
		cmocka_unit_test(test_stop_waits_for_handlers),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_stop_with_half_requests),
	};
	return cmocka_run_group_tests_name("http_limits", tests, setup, NULL);
}
