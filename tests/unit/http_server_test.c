/* The server's answers to whole requests: routes, the order of checks, problem+json, what handlers
 * get and return. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "http/server.h"
#include "http_peer.h"
#include "json/json.h"

#define NOW 1700000000000000LL

struct line {
	const char *sku;
	int64_t quantity;
};

struct order {
	const char *name;
	struct line *lines;
	size_t n_lines;
};

static const struct kw_field line_fields[] = {
	KW_STR(struct line, sku, KW_REQUIRED, 1, 10),
	KW_I64(struct line, quantity, KW_REQUIRED, 1, 100),
	KW_END,
};

static const struct kw_field order_fields[] = {
	KW_STR(struct order, name, KW_REQUIRED, 1, 20),
	KW_ARRAY(struct order, lines, KW_OPTIONAL, struct line, line_fields, 0, 10),
	KW_END,
};

static struct kw_server *server;
static int port;
static _Atomic int n_handled;

/* What the metrics were told, oldest first. */
static pthread_mutex_t seen_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	const struct kw_route *route;
	int status;
} seen[16];
static size_t n_seen;

static void say(struct kw_request *rq, struct kw_response *rs, const char *text)
{
	rs->body = (struct kw_bytes) { kw_arena_str(rq->arena, text), strlen(text) };
}

static enum kw_rc echo(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	const char *query = kw_request_query(rq, "q");

	(void)err;
	n_handled++;
	say(rq, rs,
		kw_arena_printf(rq->arena, "%s|%s|%s|%s|%.*s|%s|%lld|%s", rq->route->path,
			rq->params[0] ? rq->params[0] : "", rq->params[1] ? rq->params[1] : "",
			query ? query : "(none)", (int)rq->body.n, (const char *)rq->body.p,
			rq->trace.s, (long long)rq->now, (const char *)rq->ctx));
	rs->content_type = "text/plain";
	return KW_OK;
}

static enum kw_rc take_order(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	const struct order *in = rq->in;

	(void)err;
	n_handled++;
	rs->status = 202;
	say(rq, rs,
		kw_arena_printf(rq->arena, "%s %zu %s", in->name, in->n_lines,
			rq->caller ? (const char *)rq->caller : "nobody"));
	return KW_OK;
}

/* The last part of the path says what to return. */
static enum kw_rc returns(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	const char *what = rq->params[0];

	n_handled++;
	if (strcmp(what, "nothing") == 0)
		return kw_fail(err, KW_NOTHING, "no such order");
	if (strcmp(what, "bare") == 0)
		return KW_NOTHING;
	if (strcmp(what, "invalid") == 0)
		return kw_fail_at(err, KW_INVALID, "/lines/3/quantity", "0 is below 1");
	if (strcmp(what, "syntax") == 0)
		return kw_fail_code(err, KW_INVALID, "SYNTAX", "no JSON");
	if (strcmp(what, "conflict") == 0)
		return kw_fail(err, KW_CONFLICT, "the same id with other content");
	if (strcmp(what, "retry") == 0)
		return kw_fail(err, KW_RETRY, "broker-7.internal is away");
	if (strcmp(what, "fatal") == 0)
		return kw_fail(err, KW_FATAL, "secret internals");
	if (strcmp(what, "busy") == 0) {
		*rs = (struct kw_response) { .status = 429, .retry_after_s = 7 };
		return KW_OK;
	}
	if (strcmp(what, "tagged") == 0) {
		rs->etag = "\"v1\"";
		say(rq, rs, "{}");
		return KW_OK;
	}
	say(rq, rs, "{\"again\":true}");
	return KW_DUPLICATE;
}

static enum kw_rc large(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	(void)err;
	n_handled++;
	say(rq, rs, kw_arena_printf(rq->arena, "%zu", rq->body.n));
	return KW_OK;
}

/* Channel "dibs" signs with the header "X-Sign: good"; "away" is one that cannot be judged now. */
static enum kw_rc authenticate(struct kw_request *rq, struct kw_err *err)
{
	const char *sign = kw_request_header(rq, "x-sign");

	if (strcmp(rq->params[0], "away") == 0)
		return kw_fail(err, KW_RETRY, "the partners file is being read");
	if (strcmp(rq->params[0], "dibs") != 0)
		return kw_fail(err, KW_NOTHING, "there is no such channel");
	if (!sign || strcmp(sign, "good") != 0)
		return kw_fail(err, KW_INVALID, "the signature is wrong in its third byte");
	rq->caller = "dibs itself";
	return KW_OK;
}

static void observe(void *ctx_, const struct kw_route *route, int status, int64_t duration_us)
{
	(void)ctx_;
	assert_true(duration_us >= 0);
	pthread_mutex_lock(&seen_lock);
	if (n_seen < KW_LEN(seen)) {
		seen[n_seen].route = route;
		seen[n_seen].status = status;
	}
	n_seen++;
	pthread_mutex_unlock(&seen_lock);
}

static const struct kw_route routes[] = {
	{ .method = "GET", .path = "/echo/:a/:b", .handle = echo },
	{ .method = "POST", .path = "/echo", .handle = echo, .body = KW_RAW_BODY, .media = "*" },
	{ .method = "POST",
		.path = "/csv",
		.handle = echo,
		.body = KW_RAW_BODY,
		.media = "text/csv" },
	{ .method = "POST",
		.path = "/orders",
		.handle = take_order,
		.body = KW_JSON_BODY,
		.fields = order_fields,
		.in_size = sizeof(struct order) },
	{ .method = "POST",
		.path = "/channels/:channel/orders",
		.handle = take_order,
		.auth = 1,
		.body = KW_JSON_BODY,
		.fields = order_fields,
		.in_size = sizeof(struct order) },
	{ .method = "GET", .path = "/returns/:what", .handle = returns },
	{ .method = "POST",
		.path = "/small",
		.handle = large,
		.body = KW_RAW_BODY,
		.media = "*",
		.max_body = 100 },
	{ .method = "POST",
		.path = "/large",
		.handle = large,
		.body = KW_RAW_BODY,
		.media = "*",
		.max_body = 16 * 1024 * 1024 },
	{ .method = "POST",
		.path = "/default",
		.handle = large,
		.body = KW_RAW_BODY,
		.media = "*" },
	{ 0 },
};

static struct kw_clock clock_;
static char ctx[] = "context";

static int setup(void **state)
{
	struct kw_err err = { 0 };
	clock_ = kw_clock_fixed(NOW);
	const struct kw_server_config config = { .listen = "127.0.0.1:0",
		.routes = routes,
		.authenticate = authenticate,
		.clock = &clock_,
		.ctx = ctx };

	(void)state;
	kw_json_init();
	if (kw_server_start(&config, &server, &err) != KW_OK)
		fail_msg("%s", err.reason);
	port = kw_server_port(server);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kw_server_stop(server);
	return 0;
}

#define H "Host: x\r\n"
#define JSON "Content-Type: application/json\r\n"
#define GOOD "X-Sign: good\r\n"
#define ORDER "Content-Length: 12\r\n\r\n{\"name\":\"a\"}"
#define CHANNEL "POST /channels/dibs/orders HTTP/1.1\r\n" H

static const struct {
	const char *name, *request;
	int status;
	const char *has;    /* in the body */
	const char *header; /* that the answer has */
	bool handled;
} rows[] = {
	{ "a plain GET", "GET /echo/1/2?q=x HTTP/1.1\r\n" H "\r\n", 200, "/echo/:a/:b|1|2|x||00-",
		"Content-Type", true },
	{ "HTTP/1.0", "GET /echo/1/2 HTTP/1.0\r\n\r\n", 200, "(none)", NULL, true },
	{ "absolute form", "GET http://x/echo/1/2 HTTP/1.1\r\n" H "\r\n", 200, "|1|2|", NULL,
		true },
	{ "no such path", "GET /nope HTTP/1.1\r\n" H "\r\n", 404, "\"status\":404", NULL, false },
	{ "wrong method", "PUT /orders HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", 405,
		"\"title\":\"Method Not Allowed\"", "Allow", false },
	{ "OPTIONS", "OPTIONS /orders HTTP/1.1\r\n" H "\r\n", 405, "405", "Allow", false },
	{ "TRACE", "TRACE /orders HTTP/1.1\r\n" H "\r\n", 405, "405", "Allow", false },
	{ "a method of their own", "BREW /orders HTTP/1.1\r\n" H "\r\n", 405, "405", "Allow",
		false },
	{ "method in lower case", "get /echo/1/2 HTTP/1.1\r\n" H "\r\n", 405, "405", "Allow",
		false },
	{ "a malformed argument", "GET /echo/1/2?q=%zz HTTP/1.1\r\n" H "\r\n", 400, "query", NULL,
		false },
	{ "a NUL in an argument", "GET /echo/1/2?q=a%00b HTTP/1.1\r\n" H "\r\n", 400, "query", NULL,
		false },
	{ "body over the limit",
		"POST /small HTTP/1.1\r\n" H "Content-Length: 101\r\n\r\n"
		"1234567890123456789012345678901234567890123456789012345678901234567890"
		"1234567890123456789012345678901",
		413, "\"status\":413", NULL, false },
	{ "body at the limit",
		"POST /small HTTP/1.1\r\n" H "Content-Length: 100\r\n\r\n"
		"1234567890123456789012345678901234567890123456789012345678901234567890"
		"123456789012345678901234567890",
		200, "100", NULL, true },
	{ "chunked over the limit",
		"POST /small HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
		"32\r\n12345678901234567890123456789012345678901234567890\r\n"
		"33\r\n123456789012345678901234567890123456789012345678901\r\n0\r\n\r\n",
		413, "413", NULL, false },
	{ "chunked at the limit",
		"POST /small HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
		"32\r\n12345678901234567890123456789012345678901234567890\r\n"
		"32\r\n12345678901234567890123456789012345678901234567890\r\n0\r\n\r\n",
		200, "100", NULL, true },
	{ "a body where none belongs",
		"GET /echo/1/2 HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc", 413, "No body", NULL,
		false },
	{ "JSON", "POST /orders HTTP/1.1\r\n" H JSON ORDER, 202, "a 0 nobody", NULL, true },
	{ "JSON with a charset",
		"POST /orders HTTP/1.1\r\n" H
		"Content-Type: Application/JSON ; charset=\"UTF-8\"\r\n" ORDER,
		202, "a 0", NULL, true },
	{ "JSON in chunks",
		"POST /orders HTTP/1.1\r\n" H JSON "Transfer-Encoding: Chunked\r\n\r\n"
		"5\r\n{\"nam\r\n7\r\ne\":\"a\"}\r\n0\r\nTrailer-X: y\r\n\r\n",
		202, "a 0", NULL, true },
	{ "no media type", "POST /orders HTTP/1.1\r\n" H ORDER, 415, "415", NULL, false },
	{ "a form",
		"POST /orders HTTP/1.1\r\n" H
		"Content-Type: application/x-www-form-urlencoded\r\n" ORDER,
		415, "415", NULL, false },
	{ "almost JSON", "POST /orders HTTP/1.1\r\n" H "Content-Type: application/jsonp\r\n" ORDER,
		415, "415", NULL, false },
	{ "JSON in Latin-1",
		"POST /orders HTTP/1.1\r\n" H
		"Content-Type: application/json; charset=iso-8859-1\r\n" ORDER,
		415, "415", NULL, false },
	{ "JSON in UTF-16",
		"POST /orders HTTP/1.1\r\n" H
		"Content-Type: application/json; charset=utf-16\r\n" ORDER,
		415, "415", NULL, false },
	{ "compressed", "POST /orders HTTP/1.1\r\n" H JSON "Content-Encoding: gzip\r\n" ORDER, 415,
		"415", NULL, false },
	{ "another media type", "POST /csv HTTP/1.1\r\n" H "Content-Type: text/csv\r\n" ORDER, 200,
		"{\"name\":\"a\"}", NULL, true },
	{ "JSON where CSV belongs", "POST /csv HTTP/1.1\r\n" H JSON ORDER, 415, "415", NULL,
		false },
	{ "any media type", "POST /echo HTTP/1.1\r\n" H "Content-Type: x/y\r\n" ORDER, 200,
		"{\"name\":\"a\"}", NULL, true },
	{ "no JSON", "POST /orders HTTP/1.1\r\n" H JSON "Content-Length: 5\r\n\r\n{\"a\":", 400,
		"\"title\":\"Bad Request\"", NULL, false },
	{ "an empty body", "POST /orders HTTP/1.1\r\n" H JSON "Content-Length: 0\r\n\r\n", 400,
		"\"status\":400", NULL, false },
	{ "a member at fault",
		"POST /orders HTTP/1.1\r\n" H JSON "Content-Length: 47\r\n\r\n"
		"{\"name\":\"a\",\"lines\":[{\"sku\":\"s\",\"quantity\":0}]}",
		422,
		"\"errors\":[{\"detail\":\"0 is below 1\",\"pointer\":\"#/lines/0/quantity\"}]",
		NULL, false },
	{ "signed", CHANNEL GOOD JSON ORDER, 202, "a 0 dibs itself", NULL, true },
	{ "unsigned", CHANNEL JSON ORDER, 401, "Not authenticated.", "WWW-Authenticate", false },
	{ "wrongly signed", CHANNEL "X-Sign: bad\r\n" JSON ORDER, 401, "401", "WWW-Authenticate",
		false },
	{ "signed twice", CHANNEL GOOD GOOD JSON ORDER, 400, "twice", NULL, false },
	{ "signed well and badly", CHANNEL GOOD "X-SIGN: bad\r\n" JSON ORDER, 400, "twice", NULL,
		false },
	{ "signed badly and well", CHANNEL "X-Sign: bad\r\n" GOOD JSON ORDER, 400, "twice", NULL,
		false },
	{ "no such channel", "POST /channels/x/orders HTTP/1.1\r\n" H GOOD JSON ORDER, 404,
		"no such channel", NULL, false },
	{ "not to be judged now", "POST /channels/away/orders HTTP/1.1\r\n" H GOOD JSON ORDER, 503,
		"503", "Retry-After", false },
	{ "path before size", "POST /nope HTTP/1.1\r\n" H "Content-Length: 99999999999\r\n\r\n",
		404, "404", NULL, false },
	{ "method before arguments", "PUT /orders?q=%zz HTTP/1.1\r\n" H "\r\n", 405, "405", NULL,
		false },
	{ "size before authentication", CHANNEL JSON "Content-Length: 99999999\r\n\r\n", 413, "413",
		NULL, false },
	{ "arguments before authentication",
		"POST /channels/dibs/orders?q=%zz HTTP/1.1\r\n" H JSON ORDER, 400, "query", NULL,
		false },
	{ "authentication before media type", CHANNEL ORDER, 401, "401", NULL, false },
	{ "media type before parsing", CHANNEL GOOD "Content-Length: 1\r\n\r\n{", 415, "415", NULL,
		false },
	{ "nothing", "GET /returns/nothing HTTP/1.1\r\n" H "\r\n", 404,
		"\"detail\":\"no such order\"", NULL, true },
	{ "nothing and no reason", "GET /returns/bare HTTP/1.1\r\n" H "\r\n", 404, "404", NULL,
		true },
	{ "invalid", "GET /returns/invalid HTTP/1.1\r\n" H "\r\n", 422,
		"\"errors\":[{\"detail\":\"0 is below 1\",\"pointer\":\"#/lines/3/quantity\"}]",
		NULL, true },
	{ "syntax", "GET /returns/syntax HTTP/1.1\r\n" H "\r\n", 400, "no JSON", NULL, true },
	{ "conflict", "GET /returns/conflict HTTP/1.1\r\n" H "\r\n", 409, "other content", NULL,
		true },
	{ "retry", "GET /returns/retry HTTP/1.1\r\n" H "\r\n", 503, "\"status\":503", "Retry-After",
		true },
	{ "fatal", "GET /returns/fatal HTTP/1.1\r\n" H "\r\n", 500, "\"status\":500", NULL, true },
	{ "busy", "GET /returns/busy HTTP/1.1\r\n" H "\r\n", 429, "", "Retry-After", true },
	{ "tagged", "GET /returns/tagged HTTP/1.1\r\n" H "\r\n", 200, "{}", "ETag", true },
	{ "duplicate", "GET /returns/again HTTP/1.1\r\n" H "\r\n", 200, "{\"again\":true}", NULL,
		true },
};

static void check_problem(const char *name, const struct peer_answer *answer)
{
	char status[32];

	if (strcmp(peer_header(answer, "Content-Type"), "application/problem+json") != 0)
		fail_msg("%s: %s", name, answer->head);
	snprintf(status, sizeof(status), "\"status\":%d", answer->status);
	if (!strstr(answer->body, "{\"type\":\"about:blank\",\"title\":\"") ||
		!strstr(answer->body, status))
		fail_msg("%s: %s", name, answer->body);
	assert_null(strstr(answer->body, "internal"));
	assert_null(strstr(answer->body, "third byte"));
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < KW_LEN(rows); i++) {
		struct peer_answer answer;
		int before = n_handled;
		peer_ask(port, rows[i].request, &answer);
		if (answer.status != rows[i].status || !strstr(answer.body, rows[i].has))
			fail_msg("%s: %s%s", rows[i].name, answer.head, answer.body);
		if (rows[i].header && !peer_header(&answer, rows[i].header))
			fail_msg("%s has no %s: %s", rows[i].name, rows[i].header, answer.head);
		if ((n_handled > before) != rows[i].handled)
			fail_msg("%s: the handler was %scalled", rows[i].name,
				rows[i].handled ? "not " : "");
		if (answer.status >= 400 && answer.n_body)
			check_problem(rows[i].name, &answer);
		assert_null(peer_header(&answer, "Server"));
		assert_string_equal(peer_header(&answer, "Cache-Control"), "no-store");
	}
}

static void test_allow(void **state)
{
	struct peer_answer answer;
	int fd = peer_dial(port);

	(void)state;
	/* HEAD has no body, so the connection must still be in step afterwards. */
	peer_say(fd, "HEAD /echo/1/2 HTTP/1.1\r\n" H "\r\n");
	assert_false(peer_silent(fd, 10000));
	char head[2048] = "";
	size_t n = 0;
	while (!strstr(head, "\r\n\r\n"))
		n += (size_t)read(fd, head + n, 1);
	assert_non_null(strstr(head, "HTTP/1.1 405 "));
	assert_non_null(strstr(head, "Allow: GET\r\n"));
	peer_say(fd, "GET /echo/1/2 HTTP/1.1\r\n" H "\r\n");
	peer_hear(fd, &answer);
	assert_int_equal(answer.status, 200);
	peer_close(fd);
}

/* What a handler is given: time, context, trace. */
static void test_request(void **state)
{
	struct peer_answer answer;

	(void)state;
	peer_ask(port,
		"GET /echo/%D8%B4/b%20c?q=1%2B1&r=2 HTTP/1.1\r\n" H
		"TraceParent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n",
		&answer);
	assert_non_null(strstr(answer.body, "|ش|b c|1+1||00-0af7651916cd43dd8448eb211c80319c-"));
	assert_null(strstr(answer.body, "b7ad6b7169203331")); /* our own span */
	assert_non_null(strstr(answer.body, "|1700000000000000|context"));
}

/* Each answer is told once, with its route, libmicrohttpd's own refusals too. */
static void test_observe(void **state)
{
	static const struct {
		const char *request;
		size_t route; /* 99: none */
		int status;
	} asked[] = {
		{ "GET /returns/conflict HTTP/1.1\r\n" H "\r\n", 5, 409 },
		{ "GET /nope HTTP/1.1\r\n" H "\r\n", 99, 404 },
		{ "PUT /orders HTTP/1.1\r\n" H "\r\n", 3, 405 },
		{ "POST /orders HTTP/1.1\r\n" H JSON ORDER, 3, 202 },
		{ "GET /echo/1/2 HTTP/1.1\r\n\r\n", 99, 400 }, /* no Host */
	};
	const struct kw_server_config config = { .listen = "127.0.0.1:0",
		.routes = routes,
		.authenticate = authenticate,
		.observe = observe };
	struct kw_server *own;
	struct peer_answer answer;

	(void)state;
	n_seen = 0;
	assert_int_equal(kw_server_start(&config, &own, NULL), KW_OK);
	int fd = peer_dial(kw_server_port(own));
	for (size_t i = 0; i < KW_LEN(asked); i++) {
		peer_say(fd, asked[i].request);
		peer_hear(fd, &answer);
		assert_int_equal(answer.status, asked[i].status);
	}
	peer_close(fd);
	kw_server_stop(own);
	assert_int_equal(n_seen, KW_LEN(asked));
	for (size_t i = 0; i < KW_LEN(asked); i++) {
		assert_int_equal(seen[i].status, asked[i].status);
		if (asked[i].route == 99)
			assert_null(seen[i].route);
		else
			assert_ptr_equal(seen[i].route, &routes[asked[i].route]);
	}
}

static void test_expect_continue(void **state)
{
	struct peer_answer answer;
	int fd = peer_dial(port);

	(void)state;
	peer_say(fd, "POST /orders HTTP/1.1\r\n" H JSON
		     "Expect: 100-continue\r\nContent-Length: 12\r\n\r\n");
	peer_hear(fd, &answer);
	assert_int_equal(answer.status, 100);
	peer_say(fd, "{\"name\":\"a\"}");
	peer_hear(fd, &answer);
	assert_int_equal(answer.status, 202);
	/* Refused without asking for the body. */
	peer_say(fd, "POST /orders HTTP/1.1\r\n" H JSON
		     "Expect: 100-continue\r\nContent-Length: 1048577\r\n\r\n");
	peer_hear(fd, &answer);
	assert_int_equal(answer.status, 413);
	assert_string_equal(peer_header(&answer, "Connection"), "close");
	assert_true(peer_closed(fd));
	peer_close(fd);
}

static void test_pipelining(void **state)
{
	struct peer_answer answer;
	char expected[16];
	int fd = peer_dial(port);

	(void)state;
	peer_say(fd, "GET /echo/1/x HTTP/1.1\r\n" H "\r\n"
		     "POST /orders HTTP/1.1\r\n" H JSON ORDER "GET /nope HTTP/1.1\r\n" H "\r\n"
		     "POST /small HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
		     "3\r\nabc\r\n0\r\n\r\n"
		     "GET /echo/5/x HTTP/1.1\r\n" H "\r\n");
	static const int statuses[] = { 200, 202, 404, 200, 200 };
	for (size_t i = 0; i < KW_LEN(statuses); i++) {
		peer_hear(fd, &answer);
		assert_int_equal(answer.status, statuses[i]);
		snprintf(expected, sizeof(expected), "|%zu|x|", i + 1);
		if (i == 0 || i == 4)
			assert_non_null(strstr(answer.body, expected));
	}
	peer_close(fd);
}

/* A refused body of moderate size is read, and the connection goes on. */
static void test_refused_body_keeps_connection(void **state)
{
	static char body[2 * 1024 * 1024];
	struct peer_answer answer;
	int fd = peer_dial(port);

	(void)state;
	memset(body, 'x', sizeof(body));
	for (int i = 0; i < 3; i++) {
		peer_say(fd, "POST /default HTTP/1.1\r\n" H "Content-Length: 2097152\r\n\r\n");
		peer_push(fd, body, sizeof(body));
		peer_hear(fd, &answer);
		assert_int_equal(answer.status, 413);
		assert_null(peer_header(&answer, "Connection"));
	}
	/* One beyond all patience is told so, and cut. */
	peer_say(fd, "POST /default HTTP/1.1\r\n" H "Content-Length: 20971520\r\n\r\n");
	peer_hear(fd, &answer);
	assert_int_equal(answer.status, 413);
	assert_true(peer_closed(fd));
	peer_close(fd);
	fd = peer_dial(port);
	peer_say(
		fd, "POST /default HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1400000\r\n");
	for (int i = 0; i < 3; i++)
		peer_push(fd, body, sizeof(body));
	peer_hear(fd, &answer);
	assert_int_equal(answer.status, 413);
	assert_true(peer_closed(fd));
	peer_close(fd);
}

static void test_large_bodies(void **state)
{
	static char body[16 * 1024 * 1024];
	struct peer_answer answer;
	int fd = peer_dial(port);

	(void)state;
	peer_say(fd, "POST /default HTTP/1.1\r\n" H "Content-Length: 1048576\r\n\r\n");
	peer_push(fd, body, 1048576);
	peer_hear(fd, &answer);
	assert_string_equal(answer.body, "1048576");
	peer_say(fd, "POST /large HTTP/1.1\r\n" H "Content-Length: 16777216\r\n\r\n");
	peer_push(fd, body, sizeof(body));
	peer_hear(fd, &answer);
	assert_string_equal(answer.body, "16777216");
	peer_close(fd);
}

static void test_access_log(void **state)
{
	struct kw_err err = { 0 };
	struct kw_server *logging;
	struct peer_answer answer;
	char path[] = "/tmp/kw-http-log-XXXXXX", log[4096] = "";
	const struct kw_server_config config = { .listen = "127.0.0.1:0",
		.routes = routes,
		.authenticate = authenticate,
		.access_log = true };
	int file = mkstemp(path), keep = dup(STDERR_FILENO);

	(void)state;
	assert_true(file >= 0);
	unlink(path);
	dup2(file, STDERR_FILENO);
	enum kw_rc rc = kw_server_start(&config, &logging, &err);
	if (rc == KW_OK) {
		peer_ask(kw_server_port(logging),
			"POST /channels/dibs/orders?q=personal HTTP/1.1\r\n" H
			"X-Sign: badsecret\r\n"
			"X-Forwarded-For: 203.0.113.7\r\n"
			"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n" JSON
				ORDER,
			&answer);
		kw_server_stop(logging);
	}
	dup2(keep, STDERR_FILENO);
	close(keep);
	assert_int_equal(rc, KW_OK);
	assert_true(pread(file, log, sizeof(log) - 1, 0) > 0);
	close(file);
	assert_non_null(strstr(log, "\"route\":\"/channels/:channel/orders\",\"status\":401"));
	assert_non_null(strstr(log, "\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\""));
	assert_non_null(strstr(log, "\"client\":\"203.0.113.7\""));
	assert_non_null(strstr(log, "third byte")); /* the reason is for us */
	assert_null(strstr(log, "dibs"));
	assert_null(strstr(log, "personal"));
	assert_null(strstr(log, "badsecret"));
}

static void test_listen_errors(void **state)
{
	struct kw_server *s = NULL;
	struct kw_err err = { 0 };
	char taken[32];
	struct kw_server_config config = { .routes = routes, .authenticate = authenticate };
	static const char *const bad[] = { "", "8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x",
		"300.1.1.1.invalid:80" };

	(void)state;
	for (size_t i = 0; i < KW_LEN(bad); i++) {
		config.listen = bad[i];
		assert_int_equal(kw_server_start(&config, &s, &err), KW_INVALID);
		assert_null(s);
	}
	snprintf(taken, sizeof(taken), "127.0.0.1:%d", port);
	config.listen = taken;
	assert_int_equal(kw_server_start(&config, &s, &err), KW_FATAL);
	assert_non_null(strstr(err.reason, "Address already in use"));
	config.listen = "[::1]:0";
	if (kw_server_start(&config, &s, &err) == KW_OK)
		kw_server_stop(s);
	else /* a machine without IPv6 */
		assert_non_null(strstr(err.reason, "[::1]:0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_allow),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_observe),
		cmocka_unit_test(test_expect_continue),
		cmocka_unit_test(test_pipelining),
		cmocka_unit_test(test_refused_body_keeps_connection),
		cmocka_unit_test(test_large_bodies),
		cmocka_unit_test(test_access_log),
		cmocka_unit_test(test_listen_errors),
	};
	return cmocka_run_group_tests_name("http_server", tests, setup, teardown);
}
