/* The engine against a server that is a script: whole answers, late ones, none, refusals. */
#include <netinet/in.h>
#include <pthread.h>
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

#include "core/clock.h"
#include "core/rc.h"
#include "engine.h"

#define DEADLINE_US 400000
#define WAIT_US (20 * KW_US_PER_S)
#define LARGE ((size_t)8 * 1024 * 1024)

/* What the server does with one request on a connection. */
enum deed { ANSWER, ANSWER_IN_PARTS, CONTINUE_FIRST, HANG_UP, SAY_NOTHING, REFUSE_EARLY };

struct server {
	pthread_t thread;
	int fd, port;
	const enum deed *deeds;
	size_t n_deeds;
	size_t n_connections;
};

static void say(int fd, const char *text)
{
	kw_assert(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

/* Until the end of the head; no request here has a body that is read. */
static bool read_head(int fd)
{
	char text[4096];
	size_t n = 0;

	for (;;) {
		ssize_t more = recv(fd, text + n, sizeof(text) - 1 - n, 0);
		if (more <= 0)
			return false;
		n += (size_t)more;
		text[n] = '\0';
		if (strstr(text, "\r\n\r\n"))
			return true;
	}
}

/* false: the connection is over. */
static bool do_one(int fd, enum deed deed)
{
	static const char answer[] = "HTTP/1.1 202 Accepted\r\nContent-Length: 4\r\n\r\nbody";
	char byte;

	switch (deed) {
	case ANSWER:
		say(fd, answer);
		return true;
	case ANSWER_IN_PARTS:
		for (size_t i = 0; answer[i]; i++)
			say(fd, (char[]) { answer[i], '\0' });
		return true;
	case CONTINUE_FIRST:
		say(fd, "HTTP/1.1 100 Continue\r\n\r\n");
		say(fd, answer);
		return true;
	case REFUSE_EARLY: /* with most of the request unread */
		say(fd, "HTTP/1.1 413 Too Large\r\nConnection: close\r\n\r\n");
		return false;
	case SAY_NOTHING: /* until the other side has enough */
		(void)recv(fd, &byte, 1, 0);
		return false;
	default:
		return false;
	}
}

static void *serve(void *arg)
{
	struct server *s = arg;
	size_t done = 0;

	while (done < s->n_deeds) {
		int fd = accept(s->fd, NULL, NULL);

		s->n_connections++;
		while (done < s->n_deeds && read_head(fd) && do_one(fd, s->deeds[done++]))
			;
		close(fd);
	}
	return NULL;
}

/* A port that is ours, and where nobody listens yet. */
static int bound_socket(int *ret_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	*ret_port = ntohs(at.sin_port);
	return fd;
}

static void server_start(struct server *s, const enum deed *deeds, size_t n)
{
	*s = (struct server) { .deeds = deeds, .n_deeds = n };
	s->fd = bound_socket(&s->port);
	assert_int_equal(listen(s->fd, 16), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_end(struct server *s)
{
	pthread_join(s->thread, NULL);
	close(s->fd);
}

/* ---- */

static int status_of_last;
static char body_of_last[64];

static void answered(void *ctx, void *request, int status, struct kw_bytes body)
{
	size_t n = body.n < sizeof(body_of_last) ? body.n : sizeof(body_of_last) - 1;

	assert_null(request);
	assert_null(ctx);
	memcpy(body_of_last, body.p, n);
	body_of_last[n] = '\0';
	status_of_last = status;
}

static void ask(struct engine *e, size_t body, bool slow, int status)
{
	static const char head[] = "POST / HTTP/1.1\r\n\r\n";
	int64_t until = kw_monotonic_us() + WAIT_US;
	size_t n = sizeof(head) - 1 + body;
	char *bytes = calloc(n, 1);

	assert_non_null(bytes);
	memcpy(bytes, head, sizeof(head) - 1);
	status_of_last = -1;
	engine_send(e, 0, (struct kw_bytes) { bytes, n }, slow, NULL);
	free(bytes);
	assert_int_equal(engine_open(e), 1);
	while (engine_open(e) > 0 && kw_monotonic_us() < until)
		engine_turn(e, 5);
	assert_int_equal(status_of_last, status);
}

static struct engine *engine_of(int port, int64_t deadline_us)
{
	return engine_new(&port, 1, 4, deadline_us, answered, NULL);
}

static void test_answers(void **state)
{
	static const enum deed deeds[] = { ANSWER, ANSWER_IN_PARTS, CONTINUE_FIRST, ANSWER };
	struct server s;

	(void)state;
	server_start(&s, deeds, KW_LEN(deeds));
	struct engine *e = engine_of(s.port, WAIT_US);
	for (size_t i = 0; i < KW_LEN(deeds); i++) {
		ask(e, 0, false, 202);
		assert_string_equal(body_of_last, "body");
	}
	engine_free(e);
	server_end(&s);
	assert_int_equal(s.n_connections, 1);
}

static void test_no_answer(void **state)
{
	static const enum deed deeds[] = { HANG_UP, SAY_NOTHING, ANSWER };
	struct server s;

	(void)state;
	server_start(&s, deeds, KW_LEN(deeds));
	struct engine *e = engine_of(s.port, DEADLINE_US);
	ask(e, 0, false, 0);
	int64_t began = kw_monotonic_us();
	ask(e, 0, false, 0);
	assert_true(kw_monotonic_us() - began >= DEADLINE_US);
	engine_free(e);
	/* after that, another connection */
	e = engine_of(s.port, WAIT_US);
	ask(e, 0, false, 202);
	engine_free(e);
	server_end(&s);
	assert_int_equal(s.n_connections, 3);
}

static void test_refused_early(void **state)
{
	static const enum deed deeds[] = { REFUSE_EARLY, ANSWER };
	struct server s;

	(void)state;
	server_start(&s, deeds, KW_LEN(deeds));
	struct engine *e = engine_of(s.port, WAIT_US);
	ask(e, LARGE, false, 413);
	ask(e, 0, false, 202);
	engine_free(e);
	server_end(&s);
	assert_int_equal(s.n_connections, 2);
}

static void test_slow(void **state)
{
	static const enum deed deeds[] = { ANSWER };
	struct server s;

	(void)state;
	server_start(&s, deeds, KW_LEN(deeds));
	struct engine *e = engine_of(s.port, WAIT_US);
	int64_t began = kw_monotonic_us();
	ask(e, 0, true, 202);
	assert_true(kw_monotonic_us() - began > 500000);
	engine_free(e);
	server_end(&s);
}

static void test_nobody(void **state)
{
	int port, fd = bound_socket(&port);

	(void)state;
	struct engine *e = engine_of(port, WAIT_US);
	ask(e, 0, false, 0);
	engine_free(e);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_no_answer),
		cmocka_unit_test(test_refused_early),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
