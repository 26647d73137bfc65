/* Answers that are put off and given later from other threads, in batches. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/server.h"
#include "http_peer.h"
#include "json/json.h"

#define H "Host: x\r\n"
#define MAX 4096

static struct kw_server *server;
static int port;

/* What the handler hands over, as a producer's queue would. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct kw_deferred *queue[MAX];
static int n_queue;
static bool leave;

static enum kw_rc put_off(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	(void)err;
	*rs = (struct kw_response) { .status = 418 }; /* ignored */
	struct kw_deferred *d = kw_request_defer(rq);
	/* As the producer copies: what is needed later is in the request's arena. */
	*kw_new(kw_deferred_arena(d), int, 1) = 1;
	pthread_mutex_lock(&lock);
	assert_true(n_queue < MAX);
	queue[n_queue++] = d;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	return KW_OK;
}

static void answer_with(struct kw_deferred *d, const char *text)
{
	struct kw_response rs = { .status = 202 };

	rs.body.p = kw_arena_str(kw_deferred_arena(d), text);
	rs.body.n = strlen(text);
	kw_deferred_answer(d, &rs);
}

/* The broker refused it at once: answered before the handler returns, and nobody wakes. */
static enum kw_rc at_once(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	(void)rs;
	struct kw_deferred *d = kw_request_defer(rq);
	kw_fail(err, KW_RETRY, "the queue is full");
	if (strcmp(rq->params[0], "fail") == 0)
		kw_deferred_fail(d, err);
	else
		answer_with(d, "at once");
	return KW_OK;
}

static const struct kw_route routes[] = {
	{ .method = "POST",
		.path = "/orders",
		.handle = put_off,
		.body = KW_RAW_BODY,
		.media = "*" },
	{ .method = "GET", .path = "/orders", .handle = put_off },
	{ .method = "GET", .path = "/at-once/:how", .handle = at_once },
	{ 0 },
};

static int deadline_ms;

static void start(int threads, int deferred_max)
{
	struct kw_err err = { 0 };
	const struct kw_server_config config = { .listen = "127.0.0.1:0",
		.routes = routes,
		.threads = threads,
		.deferred_max = deferred_max,
		.deadline_ms = deadline_ms,
		.per_address_max = 1024 };

	n_queue = 0;
	leave = false;
	if (kw_server_start(&config, &server, &err) != KW_OK)
		fail_msg("%s", err.reason);
	port = kw_server_port(server);
}

static void await_queue(int n)
{
	pthread_mutex_lock(&lock);
	while (n_queue < n)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

#define POST "POST /orders HTTP/1.1\r\n" H "Content-Length: 4\r\n\r\nbody"

static void test_nothing_before_wake_up(void **state)
{
	struct peer_answer answer;
	char text[32];
	int fds[40];

	(void)state;
	start(2, 0);
	for (size_t i = 0; i < KW_LEN(fds); i++) {
		fds[i] = peer_dial(port);
		peer_say(fds[i], POST);
		await_queue((int)i + 1);
	}
	for (size_t i = 0; i < KW_LEN(fds); i++) {
		snprintf(text, sizeof(text), "answer %zu", i);
		answer_with(queue[i], text);
	}
	for (size_t i = 0; i < KW_LEN(fds); i++)
		assert_true(peer_silent(fds[i], 2));
	kw_server_wake(server);
	for (size_t i = 0; i < KW_LEN(fds); i++) {
		peer_hear(fds[i], &answer);
		snprintf(text, sizeof(text), "answer %zu", i);
		assert_int_equal(answer.status, 202);
		assert_string_equal(answer.body, text);
	}
	kw_server_wake(server); /* nothing to do */
	/* The connections go on. */
	peer_say(fds[0], POST);
	await_queue((int)KW_LEN(fds) + 1);
	struct kw_err err = { 0 };
	kw_fail(&err, KW_RETRY, "the broker is away");
	kw_deferred_fail(queue[KW_LEN(fds)], &err);
	kw_server_wake(server);
	peer_hear(fds[0], &answer);
	assert_int_equal(answer.status, 503);
	assert_string_equal(peer_header(&answer, "Retry-After"), "1");
	assert_null(strstr(answer.body, "broker"));
	for (size_t i = 0; i < KW_LEN(fds); i++)
		peer_close(fds[i]);
	kw_server_stop(server);
}

static void test_answered_at_once(void **state)
{
	struct peer_answer answer;
	int fd;

	(void)state;
	start(2, 0);
	fd = peer_dial(port);
	for (int i = 0; i < 20; i++) {
		peer_say(fd, "GET /at-once/well HTTP/1.1\r\n" H "\r\n");
		peer_hear(fd, &answer);
		assert_int_equal(answer.status, 202);
		peer_say(fd, "GET /at-once/fail HTTP/1.1\r\n" H "\r\n");
		peer_hear(fd, &answer);
		assert_int_equal(answer.status, 503);
	}
	peer_close(fd);
	kw_server_stop(server);
}

static void test_forgotten_wake_up(void **state)
{
	struct peer_answer answer;
	int fd;

	(void)state;
	deadline_ms = 1000;
	start(2, 0);
	deadline_ms = 0;
	fd = peer_dial(port);
	for (int i = 0; i < 3; i++) {
		peer_say(fd, POST);
		await_queue(i + 1);
		answer_with(queue[i], "late");
		peer_hear(fd, &answer);
		assert_string_equal(answer.body, "late");
	}
	peer_close(fd);
	kw_server_stop(server);
}

static void test_deferred_max(void **state)
{
	struct peer_answer answer;
	int fds[2], more;

	(void)state;
	start(2, 2);
	more = peer_dial(port);
	for (int i = 0; i < 2; i++) {
		fds[i] = peer_dial(port);
		peer_say(fds[i], POST);
		await_queue(i + 1);
	}
	peer_say(more, POST);
	peer_hear(more, &answer);
	assert_int_equal(answer.status, 503);
	assert_string_equal(peer_header(&answer, "Retry-After"), "1");
	answer_with(queue[0], "one");
	kw_server_wake(server);
	peer_hear(fds[0], &answer);
	assert_int_equal(answer.status, 202);
	peer_say(more, POST);
	await_queue(3);
	answer_with(queue[1], "two");
	answer_with(queue[2], "three");
	kw_server_wake(server);
	peer_hear(fds[1], &answer);
	assert_string_equal(answer.body, "two");
	peer_hear(more, &answer);
	assert_string_equal(answer.body, "three");
	for (int i = 0; i < 2; i++)
		peer_close(fds[i]);
	peer_close(more);
	kw_server_stop(server);
}

/* The sender has hung up, or sends on, before the answer is there. */
static void test_sender_gone(void **state)
{
	struct peer_answer answer;
	int gone, pipelined;

	(void)state;
	start(2, 0);
	gone = peer_dial(port);
	peer_say(gone, POST);
	await_queue(1);
	peer_close(gone);
	pipelined = peer_dial(port);
	peer_say(pipelined, POST POST POST);
	await_queue(2);
	answer_with(queue[0], "to nobody");
	answer_with(queue[1], "1");
	kw_server_wake(server);
	peer_hear(pipelined, &answer);
	assert_string_equal(answer.body, "1");
	for (int i = 2; i < 4; i++) {
		await_queue(i + 1);
		answer_with(queue[i], i == 2 ? "2" : "3");
		kw_server_wake(server);
		peer_hear(pipelined, &answer);
		assert_string_equal(answer.body, i == 2 ? "2" : "3");
	}
	peer_close(pipelined);
	kw_server_stop(server);
}

/* ---- many at once ---- */

#define CLIENTS 16
#define ROUNDS 150

static void *answer_all(void *arg)
{
	struct kw_deferred *batch[MAX];
	int n;

	(void)arg;
	for (;;) {
		pthread_mutex_lock(&lock);
		while (n_queue == 0 && !leave)
			pthread_cond_wait(&changed, &lock);
		n = n_queue;
		memcpy(batch, queue, (size_t)n * sizeof(*batch));
		n_queue = 0;
		pthread_mutex_unlock(&lock);
		if (n == 0)
			return NULL;
		for (int i = 0; i < n; i++)
			answer_with(batch[i], "{\"order_id\":\"x\"}");
		kw_server_wake(server);
	}
}

static void *ask_often(void *arg)
{
	int fd = peer_dial(port), *n = arg;
	char got[65536];
	size_t have = 0;

	/* Four requests at a time on one connection. */
	for (int i = 0; i < ROUNDS; i++)
		peer_push(fd, POST POST POST POST, 4 * strlen(POST));
	while (*n < 4 * ROUNDS) {
		size_t more = peer_read(fd, got + have, sizeof(got) - 1 - have);
		if (more == 0)
			break;
		have += more;
		got[have] = '\0';
		char *p = got, *end;
		while ((end = strstr(p, "{\"order_id\":\"x\"}"))) {
			if (strncmp(p, "HTTP/1.1 202 ", 13) != 0)
				return NULL;
			(*n)++;
			p = end + 16;
		}
		have -= (size_t)(p - got);
		memmove(got, p, have);
	}
	peer_close(fd);
	return NULL;
}

static void check_load(int threads)
{
	pthread_t clients[CLIENTS], answerers[2];
	int counts[CLIENTS] = { 0 };

	start(threads, 0);
	for (size_t i = 0; i < 2; i++)
		pthread_create(&answerers[i], NULL, answer_all, NULL);
	for (size_t i = 0; i < CLIENTS; i++)
		pthread_create(&clients[i], NULL, ask_often, &counts[i]);
	for (size_t i = 0; i < CLIENTS; i++) {
		pthread_join(clients[i], NULL);
		assert_int_equal(counts[i], 4 * ROUNDS);
	}
	pthread_mutex_lock(&lock);
	leave = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	for (size_t i = 0; i < 2; i++)
		pthread_join(answerers[i], NULL);
	kw_server_stop(server);
}

static void test_load(void **state)
{
	(void)state;
	check_load(1);
	check_load(2);
	check_load(4);
}

/* Requests come and are answered while the server drains: each has its one answer. */
static void *ask_until_closed(void *arg)
{
	int *n = arg;
	char got[65536];

	for (bool open = true; open;) {
		int fd = peer_dial(port);
		for (;;) {
			peer_push(fd, POST, strlen(POST));
			size_t have = 0, more;
			got[0] = '\0';
			while (!strstr(got, "\"x\"}") && !strstr(got, "\"status\":503")) {
				more = peer_read(fd, got + have, sizeof(got) - 1 - have);
				if (more == 0)
					break;
				have += more;
				got[have] = '\0';
			}
			if (have == 0)
				break;
			if (!strstr(got, "\"x\"}") && !strstr(got, "\"status\":503"))
				*n = -100000; /* a piece of an answer */
			(*n)++;
			if (strstr(got, "Connection: close")) {
				open = false;
				break;
			}
		}
		peer_close(fd);
	}
	return NULL;
}

static void test_stop_under_load(void **state)
{
	(void)state;
	for (int round = 0; round < 5; round++) {
		pthread_t clients[CLIENTS], answerer;
		int counts[CLIENTS] = { 0 };
		start(2, 0);
		pthread_create(&answerer, NULL, answer_all, NULL);
		for (size_t i = 0; i < CLIENTS; i++)
			pthread_create(&clients[i], NULL, ask_until_closed, &counts[i]);
		/* Some have been answered by now. */
		int fd = peer_dial(port);
		struct peer_answer answer;
		for (int i = 0; i < 20 + 10 * round; i++) {
			peer_say(fd, POST);
			peer_hear(fd, &answer);
			assert_int_equal(answer.status, 202);
		}
		peer_close(fd);
		kw_server_drain(server);
		for (size_t i = 0; i < CLIENTS; i++) {
			pthread_join(clients[i], NULL);
			assert_true(counts[i] > 0);
		}
		pthread_mutex_lock(&lock);
		leave = true;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&lock);
		pthread_join(answerer, NULL);
		kw_server_stop(server);
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
		cmocka_unit_test(test_nothing_before_wake_up),
		cmocka_unit_test(test_answered_at_once),
		cmocka_unit_test(test_forgotten_wake_up),
		cmocka_unit_test(test_deferred_max),
		cmocka_unit_test(test_sender_gone),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_stop_under_load),
	};
	return cmocka_run_group_tests_name("http_deferred", tests, setup, NULL);
}
