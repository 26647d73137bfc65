/* Outbound calls: side by side, deadlines, what each failure means for the caller, and addresses
 * that are refused. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "http/address.h"
#include "http/client.h"
#include "http/server.h"
#include "json/json.h"

#define SIDE_BY_SIDE 64
#define MAX_ANSWER (64 * 1024)

static struct kw_arena *a;
static struct kw_client *client;
static struct kw_server *server;
static char base[64];

/* ---- an own server ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct kw_deferred *waiting[SIDE_BY_SIDE];
static int n_waiting, n_at_least;
static _Atomic int n_asked;

static const char *header_or(const struct kw_request *rq, const char *name)
{
	const char *value = kw_request_header(rq, name);

	return value ? value : "(none)";
}

static enum kw_rc echo(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	(void)err;
	n_asked++;
	rs->body.p = kw_arena_printf(rq->arena, "%s %s [%.*s] %s %s %s", rq->route->method,
		rq->params[0], (int)rq->body.n, (const char *)rq->body.p,
		header_or(rq, "Idempotency-Key"), header_or(rq, "Content-Type"),
		header_or(rq, "Expect"));
	rs->body.n = strlen(rs->body.p);
	rs->status = rq->params[0][0] == '5' ? 503 : 200;
	return KW_OK;
}

/* Answers when as many wait together as the test wants: only calls made side by side ever end. */
static enum kw_rc together(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	static const struct kw_response done = { .body = { "together", 8 } };

	(void)rs;
	(void)err;
	struct kw_deferred *d = kw_request_defer(rq);
	pthread_mutex_lock(&lock);
	waiting[n_waiting++] = d;
	if (n_waiting >= n_at_least) {
		for (int i = 0; i < n_waiting; i++)
			kw_deferred_answer(waiting[i], &done);
		n_waiting = 0;
		kw_server_wake(server);
	}
	pthread_mutex_unlock(&lock);
	return KW_OK;
}

static const struct kw_route routes[] = {
	{ .method = "GET", .path = "/echo/:x", .handle = echo },
	{ .method = "POST",
		.path = "/echo/:x",
		.handle = echo,
		.body = KW_RAW_BODY,
		.media = "*",
		.max_body = 4 * 1024 * 1024 },
	{ .method = "PUT", .path = "/echo/:x", .handle = echo, .body = KW_RAW_BODY, .media = "*" },
	{ .method = "DELETE", .path = "/echo/:x", .handle = echo },
	{ .method = "POST",
		.path = "/together",
		.handle = together,
		.body = KW_RAW_BODY,
		.media = "*" },
	{ 0 },
};

static int setup(void **state)
{
	struct kw_err err = { 0 };
	const struct kw_server_config config = {
		.listen = "127.0.0.1:0", .routes = routes, .per_address_max = 1024
	};

	(void)state;
	kw_json_init();
	a = kw_arena_new(64 * 1024 * 1024);
	client = kw_client_new(true);
	if (kw_server_start(&config, &server, &err) != KW_OK)
		fail_msg("%s", err.reason);
	snprintf(base, sizeof(base), "http://127.0.0.1:%d", kw_server_port(server));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kw_client_free(client);
	kw_server_stop(server);
	kw_arena_free(a);
	return 0;
}

static struct kw_call call_of(const char *method, const char *path, const char *body)
{
	return (struct kw_call) { .method = method,
		.url = kw_arena_printf(a, "%s%s", base, path),
		.body = { body, strlen(body) } };
}

/* ---- a peer that misbehaves: takes connections one by one and does what it is told ---- */

struct peer {
	int fd, port, n_accepted;
	const char *answer; /* NULL: closes at once; "": says nothing until the caller gives up */
	bool reads;         /* the request, first */
	pthread_t thread;
};

static void *peer_main(void *arg)
{
	struct peer *p = arg;
	char request[4096];

	for (;;) {
		int fd = accept(p->fd, NULL, NULL);
		if (fd < 0)
			return NULL;
		p->n_accepted++;
		if (p->reads)
			(void)!recv(fd, request, sizeof(request), 0);
		if (p->answer && *p->answer)
			(void)!send(fd, p->answer, strlen(p->answer), MSG_NOSIGNAL);
		if (p->answer && !*p->answer)
			while (recv(fd, request, sizeof(request), 0) > 0)
				;
		close(fd);
	}
}

static void peer_start(struct peer *p)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);

	p->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(p->fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(p->fd, (struct sockaddr *)&at, &n), 0);
	p->port = ntohs(at.sin_port);
	assert_int_equal(listen(p->fd, 64), 0);
	assert_int_equal(pthread_create(&p->thread, NULL, peer_main, p), 0);
}

static void peer_stop(struct peer *p)
{
	shutdown(p->fd, SHUT_RDWR);
	pthread_join(p->thread, NULL);
	close(p->fd);
}

static struct kw_call call_peer(const struct peer *p)
{
	return (struct kw_call) { .method = "POST",
		.url = kw_arena_printf(a, "http://127.0.0.1:%d/x", p->port),
		.body = { "{}", 2 } };
}

/* ---- tests ---- */

static void expect(const struct kw_call *call, enum kw_rc rc, const char *code)
{
	if (call->rc != rc || strcmp(call->err.code, code) != 0)
		fail_msg("%s: %s %s (%s)", call->url, kw_rc_name(call->rc), call->err.code,
			call->err.reason);
}

static void test_methods(void **state)
{
	static const char *const headers[] = { "Content-Type: application/json",
		"Idempotency-Key: k-1", NULL };
	static char large[3 * 1024 * 1024];
	struct kw_call calls[] = {
		call_of("GET", "/echo/a", ""),
		call_of("POST", "/echo/b", "{\"x\":1}"),
		call_of("PUT", "/echo/c", "put"),
		call_of("DELETE", "/echo/d", ""),
		call_of("POST", "/echo/5", ""),
		call_of("POST", "/nope", "x"),
		call_of("HEAD", "/echo/e", ""),
		call_of("POST", "/echo/f", ""),
	};

	(void)state;
	calls[1].headers = headers;
	calls[7].body = (struct kw_bytes) { large, sizeof(large) };
	kw_client_run(client, a, calls, KW_LEN(calls), 10000, 4 * 1024 * 1024);
	for (size_t i = 0; i < KW_LEN(calls); i++)
		expect(&calls[i], KW_OK, "");
	assert_string_equal(calls[0].answer.p, "GET a [] (none) (none) (none)");
	assert_string_equal(calls[1].answer.p, "POST b [{\"x\":1}] k-1 application/json (none)");
	assert_int_equal(strncmp(calls[2].answer.p, "PUT c [put] ", 12), 0);
	assert_string_equal(calls[3].answer.p, "DELETE d [] (none) (none) (none)");
	assert_int_equal(calls[4].status, 503);
	assert_int_equal(strncmp(calls[4].answer.p, "POST 5 [] ", 10), 0);
	assert_int_equal(calls[5].status, 404);
	assert_int_equal(calls[6].status, 405);
	assert_int_equal(calls[6].answer.n, 0);
	assert_int_equal(calls[7].status, 200);
}

static void test_side_by_side(void **state)
{
	struct kw_call calls[SIDE_BY_SIDE];

	(void)state;
	n_at_least = SIDE_BY_SIDE;
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < KW_LEN(calls); i++)
			calls[i] = call_of("POST", "/together", "x");
		kw_client_run(client, a, calls, KW_LEN(calls), 20000, MAX_ANSWER);
		for (size_t i = 0; i < KW_LEN(calls); i++) {
			expect(&calls[i], KW_OK, "");
			assert_string_equal(calls[i].answer.p, "together");
		}
	}
}

/* More than fit side by side, each gets its own answer. */
static void test_many(void **state)
{
	static struct kw_call calls[500];
	char expected[32];

	(void)state;
	for (size_t i = 0; i < KW_LEN(calls); i++)
		calls[i] = call_of("GET", kw_arena_printf(a, "/echo/n%zu", i), "");
	kw_client_run(client, a, calls, KW_LEN(calls), 20000, MAX_ANSWER);
	for (size_t i = 0; i < KW_LEN(calls); i++) {
		expect(&calls[i], KW_OK, "");
		int n = snprintf(expected, sizeof(expected), "GET n%zu ", i);
		assert_int_equal(strncmp(calls[i].answer.p, expected, (size_t)n), 0);
	}
}

static void test_time_out(void **state)
{
	struct peer silent = { .answer = "", .reads = true };
	struct kw_call calls[3];
	int64_t begin;

	(void)state;
	peer_start(&silent);
	calls[0] = call_peer(&silent);
	calls[1] = call_of("GET", "/echo/quick", "");
	calls[2] = call_of("GET", "/echo/quick", "");
	begin = kw_monotonic_us();
	kw_client_run(client, a, calls, KW_LEN(calls), 300, MAX_ANSWER);
	int64_t ms = (kw_monotonic_us() - begin) / 1000;
	assert_in_range(ms, 290, 3000);
	expect(&calls[0], KW_RETRY, "TIMEOUT");
	expect(&calls[1], KW_OK, "");
	expect(&calls[2], KW_OK, "");
	/* No time at all: it did not leave. */
	n_asked = 0;
	kw_client_run(client, a, &calls[1], 1, 0, MAX_ANSWER);
	expect(&calls[1], KW_NOTHING, "NOT_SENT");
	assert_int_equal(n_asked, 0);
	peer_stop(&silent);
}

static void test_connect_fails(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	/* Bound, but nobody listens. */
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
	struct kw_call call = { .method = "POST",
		.url = kw_arena_printf(a, "http://127.0.0.1:%d/", ntohs(at.sin_port)) };
	kw_client_run(client, a, &call, 1, 5000, MAX_ANSWER);
	expect(&call, KW_NOTHING, "NOT_SENT");
	close(fd);
	call.url = "http://name.invalid/";
	kw_client_run(client, a, &call, 1, 5000, MAX_ANSWER);
	expect(&call, KW_NOTHING, "NOT_SENT");
}

static void test_lost_answers(void **state)
{
	static const char *const answers[] = {
		NULL,
		"HTTP/1.1 200 OK\r\nContent-Le",
		"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha",
	};

	(void)state;
	for (size_t i = 0; i < KW_LEN(answers); i++) {
		struct peer p = { .answer = answers[i], .reads = true };
		peer_start(&p);
		struct kw_call call = call_peer(&p);
		kw_client_run(client, a, &call, 1, 5000, MAX_ANSWER);
		expect(&call, KW_RETRY, "LOST");
		peer_stop(&p);
		assert_int_equal(p.n_accepted, 1); /* not tried again by itself */
	}
}

static void test_redirect(void **state)
{
	struct peer target = { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		.reads = true };

	(void)state;
	peer_start(&target);
	struct peer p = { .answer = kw_arena_printf(a,
				  "HTTP/1.1 307 Temporary Redirect\r\nContent-Length: 0\r\n"
				  "Location: http://127.0.0.1:%d/\r\nConnection: close\r\n\r\n",
				  target.port),
		.reads = true };
	peer_start(&p);
	struct kw_call call = call_peer(&p);
	kw_client_run(client, a, &call, 1, 5000, MAX_ANSWER);
	expect(&call, KW_OK, "");
	assert_int_equal(call.status, 307);
	peer_stop(&p);
	peer_stop(&target);
	assert_int_equal(p.n_accepted, 1);
	assert_int_equal(target.n_accepted, 0);
}

static void test_too_large(void **state)
{
	struct kw_call call = call_of("GET", "/echo/12345", "");

	(void)state;
	kw_client_run(client, a, &call, 1, 5000, 10);
	expect(&call, KW_INVALID, "ANSWER_TOO_LARGE");
	assert_int_equal(call.answer.n, 0);
	kw_client_run(client, a, &call, 1, 5000, 100);
	expect(&call, KW_OK, "");
}

static void test_bad_urls(void **state)
{
	static const char *const bad[] = { "", "127.0.0.1", "//127.0.0.1/", "file:///etc/passwd",
		"ftp://127.0.0.1/", "gopher://127.0.0.1/", "http://", "http://a b/",
		"http://127.0.0.1:99999/" };

	(void)state;
	for (size_t i = 0; i < KW_LEN(bad); i++) {
		struct kw_call call = { .method = "GET", .url = bad[i] };
		kw_client_run(client, a, &call, 1, 5000, MAX_ANSWER);
		expect(&call, KW_INVALID, "URL");
	}
}

/* With a listener behind them, which must never see a connection. */
static void test_private_addresses(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", "127.1", "2130706433", "0x7f000001",
		"localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[::]", "10.0.0.1",
		"172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "[fe80::1]",
		"[fc00::1]", "224.0.0.1" };
	struct peer p = { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", .reads = true };
	struct kw_client *careful = kw_client_new(false);
	struct kw_call calls[KW_LEN(hosts)] = { 0 };

	(void)state;
	peer_start(&p);
	for (size_t i = 0; i < KW_LEN(hosts); i++) {
		calls[i].method = "POST";
		calls[i].url = kw_arena_printf(a, "http://%s:%d/", hosts[i], p.port);
	}
	kw_client_run(careful, a, calls, KW_LEN(calls), 5000, MAX_ANSWER);
	for (size_t i = 0; i < KW_LEN(hosts); i++)
		expect(&calls[i], KW_INVALID, "ADDRESS");
	/* The same listener answers when it is allowed. */
	kw_client_run(client, a, calls, 1, 5000, MAX_ANSWER);
	expect(&calls[0], KW_OK, "");
	kw_client_free(careful);
	peer_stop(&p);
	assert_int_equal(p.n_accepted, 1);
}

static const struct {
	const char *text;
	bool public;
} addresses[] = {
	{ "8.8.8.8", true },
	{ "1.1.1.1", true },
	{ "9.255.255.255", true },
	{ "11.0.0.0", true },
	{ "100.63.255.255", true },
	{ "100.128.0.0", true },
	{ "172.15.255.255", true },
	{ "172.32.0.0", true },
	{ "192.167.255.255", true },
	{ "192.169.0.0", true },
	{ "198.17.255.255", true },
	{ "198.20.0.0", true },
	{ "223.255.255.255", true },
	{ "2606:4700::1111", true },
	{ "2a00:1450::1", true },
	{ "0.0.0.0", false },
	{ "0.255.255.255", false },
	{ "10.0.0.0", false },
	{ "10.255.255.255", false },
	{ "100.64.0.0", false },
	{ "100.127.255.255", false },
	{ "127.0.0.1", false },
	{ "127.255.255.255", false },
	{ "169.254.0.1", false },
	{ "172.16.0.0", false },
	{ "172.31.255.255", false },
	{ "192.0.0.8", false },
	{ "192.0.2.1", false },
	{ "192.168.0.0", false },
	{ "192.168.255.255", false },
	{ "198.18.0.0", false },
	{ "198.19.255.255", false },
	{ "198.51.100.1", false },
	{ "203.0.113.1", false },
	{ "224.0.0.0", false },
	{ "239.255.255.255", false },
	{ "240.0.0.0", false },
	{ "255.255.255.255", false },
	{ "::", false },
	{ "::1", false },
	{ "::8.8.8.8", false },
	{ "::ffff:127.0.0.1", false },
	{ "::ffff:8.8.8.8", true },
	{ "64:ff9b::8.8.8.8", false },
	{ "100::1", false },
	{ "2001::1", false },
	{ "2001:db8::1", false },
	{ "2002:7f00:1::1", false },
	{ "fc00::1", false },
	{ "fdff::1", false },
	{ "fe80::1", false },
	{ "febf::1", false },
	{ "fec0::1", false },
	{ "ff02::1", false },
};

static void test_public_addresses(void **state)
{
	(void)state;
	for (size_t i = 0; i < KW_LEN(addresses); i++) {
		struct sockaddr_in v4 = { .sin_family = AF_INET };
		struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
		bool found;
		if (inet_pton(AF_INET, addresses[i].text, &v4.sin_addr) == 1) {
			found = kw_address_public((struct sockaddr *)&v4);
		} else {
			assert_int_equal(inet_pton(AF_INET6, addresses[i].text, &v6.sin6_addr), 1);
			found = kw_address_public((struct sockaddr *)&v6);
		}
		if (found != addresses[i].public)
			fail_msg("%s is %s", addresses[i].text, found ? "public" : "not public");
	}
	struct sockaddr other = { .sa_family = AF_UNIX };
	assert_false(kw_address_public(&other));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_methods),
		cmocka_unit_test(test_side_by_side),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_time_out),
		cmocka_unit_test(test_connect_fails),
		cmocka_unit_test(test_lost_answers),
		cmocka_unit_test(test_redirect),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_bad_urls),
		cmocka_unit_test(test_private_addresses),
		cmocka_unit_test(test_public_addresses),
	};
	return cmocka_run_group_tests_name("http_client", tests, setup, teardown);
}
