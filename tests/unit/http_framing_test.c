/* Requests whose end two readers may see in different places, and heads that are too large:
 * refused, closed, and nothing that is hidden in them is handled. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "http/server.h"
#include "http_peer.h"
#include "json/json.h"

#define H "Host: x\r\n"

static _Atomic int n_small, n_secret;

static enum kw_rc small(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	(void)rq;
	(void)rs;
	(void)err;
	n_small++;
	return KW_OK;
}

static enum kw_rc secret(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	(void)rq;
	(void)rs;
	(void)err;
	n_secret++;
	return KW_OK;
}

static const struct kw_route routes[] = {
	{ .method = "POST", .path = "/small", .handle = small, .body = KW_RAW_BODY, .media = "*" },
	{ .method = "GET", .path = "/small", .handle = small },
	{ .method = "GET", .path = "/secret", .handle = secret },
	{ .method = "POST",
		.path = "/secret",
		.handle = secret,
		.body = KW_RAW_BODY,
		.media = "*" },
	{ 0 },
};

static struct kw_server *start(void)
{
	const struct kw_server_config config = { .listen = "127.0.0.1:0", .routes = routes };
	struct kw_server *s;
	struct kw_err err = { 0 };

	if (kw_server_start(&config, &s, &err) != KW_OK)
		fail_msg("%s", err.reason);
	return s;
}

#define INNER "GET /secret HTTP/1.1\r\nHost: x\r\n\r\n"

/* Each hides a request to /secret where two readers may disagree about the end of the first. */
static const struct {
	const char *name, *request;
} smuggled[] = {
	{ "two lengths", "POST /small HTTP/1.1\r\n" H
			 "Content-Length: 0\r\nContent-Length: 33\r\n\r\n" INNER },
	{ "two lengths, the other way round",
		"POST /small HTTP/1.1\r\n" H
		"Content-Length: 33\r\nContent-Length: 0\r\n\r\n" INNER },
	{ "two equal lengths", "POST /small HTTP/1.1\r\n" H
			       "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx" INNER },
	{ "a list of lengths", "POST /small HTTP/1.1\r\n" H "Content-Length: 0, 35\r\n\r\n" INNER },
	{ "a length with a sign", "POST /small HTTP/1.1\r\n" H "Content-Length: +0\r\n\r\n" INNER },
	{ "a negative length", "POST /small HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n" INNER },
	{ "a hexadecimal length",
		"POST /small HTTP/1.1\r\n" H "Content-Length: 0x0\r\n\r\n" INNER },
	{ "an empty length", "POST /small HTTP/1.1\r\n" H "Content-Length: \r\n\r\n" INNER },
	{ "a length and chunks",
		"POST /small HTTP/1.1\r\n" H
		"Content-Length: 33\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" INNER },
	{ "chunks and a length",
		"POST /small HTTP/1.1\r\n" H
		"Transfer-Encoding: chunked\r\nContent-Length: 33\r\n\r\n0\r\n\r\n" INNER },
	{ "chunked twice",
		"POST /small HTTP/1.1\r\n" H
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" INNER },
	{ "chunked and identity", "POST /small HTTP/1.1\r\n" H
				  "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" INNER },
	{ "gzip and chunked", "POST /small HTTP/1.1\r\n" H
			      "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" INNER },
	{ "identity", "POST /small HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n" INNER },
	{ "an unknown encoding",
		"POST /small HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n" INNER },
	{ "chunked with a vertical tab", "POST /small HTTP/1.1\r\n" H
					 "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n" INNER },
	{ "a blank before the colon",
		"POST /small HTTP/1.1\r\n" H "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" INNER },
	{ "a blank before the colon of a length",
		"POST /small HTTP/1.1\r\n" H "Content-Length : 35\r\n\r\n" INNER },
	{ "a tab before the colon",
		"POST /small HTTP/1.1\r\n" H "Content-Length\t: 35\r\n\r\n" INNER },
	{ "a folded encoding", "POST /small HTTP/1.1\r\n" H
			       "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" INNER },
	{ "a folded length", "POST /small HTTP/1.1\r\n" H "Content-Length:\r\n 35\r\n\r\n" INNER },
	{ "a length folded on",
		"POST /small HTTP/1.1\r\n" H "Content-Length: 3\r\n 5\r\n\r\n" INNER },
	{ "a bare CR in a value",
		"POST /small HTTP/1.1\r\n" H "X-A: b\rContent-Length: 33\r\n\r\n" INNER },
	{ "chunked in HTTP/1.0",
		"POST /small HTTP/1.0\r\n" H
		"Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" INNER },
	{ "a chunk that is no number",
		"POST /small HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nxyz\r\n" INNER },
	{ "a negative chunk",
		"POST /small HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n" INNER },
	{ "a chunk size beyond all numbers",
		"POST /small HTTP/1.1\r\n" H
		"Transfer-Encoding: chunked\r\n\r\n1000000000000000000000000\r\n" INNER },
	{ "a chunk longer than its size",
		"POST /small HTTP/1.1\r\n" H
		"Transfer-Encoding: chunked\r\n\r\n1\r\nxx0\r\n\r\n" INNER },
	{ "two hosts", "POST /small HTTP/1.1\r\n" H "Host: y\r\nContent-Length: 0\r\n\r\n" INNER },
	{ "no host", "POST /small HTTP/1.1\r\nContent-Length: 0\r\n\r\n" INNER },
	{ "a header without colon", "POST /small HTTP/1.1\r\n" H "Nonsense\r\n\r\n" INNER },
	/* Not here: a header without a name. libmicrohttpd 0.9.75 takes it for the end of the head
	 * and hides what follows; 1.0 refuses it, and so does a gateway. */
	{ "a blank in the target", "GET /small /secret HTTP/1.1\r\n" H "\r\n" INNER },
	{ "no version", "GET /small\r\n" H "\r\n" INNER },
	{ "a version of the future", "GET /small HTTP/9.9\r\n" H "\r\n" INNER },
};

static void test_smuggling(void **state)
{
	struct kw_server *s = start();

	(void)state;
	for (size_t i = 0; i < KW_LEN(smuggled); i++) {
		char got[8192] = "";
		size_t n = 0;
		int fd = peer_dial(kw_server_port(s));
		n_small = n_secret = 0;
		peer_say(fd, smuggled[i].request);
		for (ssize_t more = 1; more > 0 && n < sizeof(got) - 1;
			n += (size_t)(more > 0 ? more : 0)) {
			struct pollfd p = { .fd = fd, .events = POLLIN };
			if (poll(&p, 1, 10000) != 1)
				fail_msg("%s: still open after \"%s\"", smuggled[i].name, got);
			more = recv(fd, got + n, sizeof(got) - 1 - n, 0);
		}
		peer_close(fd);
		if (n_small || n_secret)
			fail_msg("%s: %d and %d requests were handled", smuggled[i].name, n_small,
				n_secret);
		/* libmicrohttpd closes some without a word. */
		if (*got && strncmp(got, "HTTP/1.1 400 ", 13) &&
			strncmp(got, "HTTP/1.1 413 ", 13) && strncmp(got, "HTTP/1.1 505 ", 13) &&
			strncmp(got, "HTTP/1.0 400 ", 13))
			fail_msg("%s: %s", smuggled[i].name, got);
		/* libmicrohttpd 0.9.75 writes the head of its own refusal twice; never may
		 * another answer follow. */
		for (const char *p = got; (p = strstr(p, "HTTP/1.1 ")); p++)
			if (p[9] >= '1' && p[9] <= '5' && strncmp(p, got, 13) != 0)
				fail_msg("%s: two answers: %s", smuggled[i].name, got);
	}
	kw_server_stop(s);
}

/* No reader agrees on what stands behind one: the route refuses it, and the connection ends. */
static void test_odd_request_lines(void **state)
{
	static const char *const lines[] = { "\b /small HTTP/1.1\r\n", "GE\"T /small HTTP/1.1\r\n",
		"GET /sm\vall HTTP/1.1\r\n", "GET /sm\xff\rall HTTP/1.1\r\n" };
	struct kw_server *s = start();
	char request[256];

	(void)state;
	n_small = n_secret = 0;
	for (size_t i = 0; i < KW_LEN(lines); i++) {
		char got[4096] = "";
		int fd = peer_dial(kw_server_port(s));
		snprintf(request, sizeof(request), "%s" H "\r\n" INNER, lines[i]);
		peer_say(fd, request);
		for (size_t n = 0, more = 1; more > 0; n += more)
			more = peer_read(fd, got + n, sizeof(got) - 1 - n);
		peer_close(fd);
		if (strncmp(got, "HTTP/1.1 40", 11) != 0 || strstr(got + 1, "HTTP/1.1 200"))
			fail_msg("%s: %s", lines[i], got);
	}
	assert_int_equal(n_small + n_secret, 0);
	kw_server_stop(s);
}

static void test_header_size(void **state)
{
	struct kw_server *s = start();
	static char request[64 * 1024];
	struct peer_answer answer;

	(void)state;
	n_small = 0;
	int n = snprintf(request, sizeof(request), "GET /small HTTP/1.1\r\n" H "X-Long: ");
	memset(request + n, 'x', 40000);
	memcpy(request + n + 40000, "\r\n\r\n", 5);
	int fd = peer_dial(kw_server_port(s));
	peer_push(fd, request, (size_t)n + 40004);
	peer_hear(fd, &answer);
	assert_int_equal(answer.status, 431);
	peer_close(fd);
	n = snprintf(request, sizeof(request), "GET /small?");
	memset(request + n, 'x', 40000);
	fd = peer_dial(kw_server_port(s));
	peer_push(fd, request, (size_t)n + 40000);
	peer_hear(fd, &answer);
	assert_int_equal(answer.status, 414);
	peer_close(fd);
	assert_int_equal(n_small, 0);
	kw_server_stop(s);
}

/* The same hidden request is handled when it stands where nobody can doubt it. */
static void test_plain(void **state)
{
	struct kw_server *s = start();
	struct peer_answer answer;
	int fd = peer_dial(kw_server_port(s));

	(void)state;
	n_small = n_secret = 0;
	peer_say(fd, "POST /small HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n" INNER);
	peer_hear(fd, &answer);
	assert_int_equal(answer.status, 200);
	peer_hear(fd, &answer);
	assert_int_equal(answer.status, 200);
	assert_int_equal(n_small, 1);
	assert_int_equal(n_secret, 1);
	peer_say(fd, "POST /small HTTP/1.1\r\n" H "Content-Length: 33\r\n\r\n" INNER);
	peer_hear(fd, &answer);
	assert_int_equal(answer.status, 200);
	peer_close(fd);
	kw_server_stop(s);
	assert_int_equal(n_small, 2);
	assert_int_equal(n_secret, 1);
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
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_smuggling),
		cmocka_unit_test(test_odd_request_lines),
		cmocka_unit_test(test_header_size),
	};
	return cmocka_run_group_tests_name("http_framing", tests, setup, NULL);
}
