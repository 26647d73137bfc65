/* Where one request ends and the next begins: the input is sent to a real server, a strict reader
 * says which requests are in it, and what was handled must be those: no request that it refuses,
 * none behind one, none with another body; every answer is well-formed. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "http/impl.h"

#define REQUESTS_MAX 64
#define ANSWERS_MAX ((size_t)1024 * 1024)
#define PATIENCE_MS 20000
#define SOURCES 64 /* loopback addresses of the client */

/* ---- the server: it writes down what it handles ---- */

struct handled {
	uint64_t body;
	size_t n_body;
	bool post;
};

static struct handled handled[REQUESTS_MAX];
static _Atomic size_t n_handled;
static struct kw_server *server;

static enum kw_rc handle(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	size_t at = atomic_fetch_add(&n_handled, 1);

	(void)err;
	kw_assert(at < REQUESTS_MAX);
	handled[at] = (struct handled) { fuzz_seed(rq->body.p, rq->body.n), rq->body.n,
		rq->route->body == KW_RAW_BODY };
	rs->body = (struct kw_bytes) { "{}", 2 };
	return KW_OK;
}

static const struct kw_route routes[] = {
	{ .method = "POST", .path = "/a", .handle = handle, .body = KW_RAW_BODY, .media = "*" },
	{ .method = "GET", .path = "/a", .handle = handle },
	{ 0 },
};

static void stop(void)
{
	kw_server_stop(server);
}

static void start(void)
{
	const struct kw_server_config config = {
		.listen = "127.0.0.1:0", .routes = routes, .threads = 1
	};
	struct kw_err err;

	kw_assert(kw_server_start(&config, &server, &err) == KW_OK);
	atexit(stop);
}

/* ---- the strict reader: RFC 9112 ---- */

struct reader {
	const char *p, *end;
};

struct head {
	bool http11, chunked;
	int n_fields, n_host, n_length, n_encoding;
	size_t length;
};

enum verdict { WHOLE, PARTIAL, BAD };

/* A line without its end, CRLF or LF alone (section 2.2 lets a reader take that). false: no whole
 * one. */
static bool next_line(struct reader *r, struct kw_bytes *ret)
{
	const char *newline = r->p < r->end ? memchr(r->p, '\n', (size_t)(r->end - r->p)) : NULL;

	if (!newline)
		return false;
	size_t n = (size_t)(newline - r->p);
	*ret = (struct kw_bytes) { r->p, n > 0 && newline[-1] == '\r' ? n - 1 : n };
	r->p = newline + 1;
	return true;
}

static bool is_token(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!memchr("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
			    p[i], 77))
			return false;
	return n > 0;
}

static bool is(struct kw_bytes text, const char *word)
{
	return text.n == strlen(word) && strncasecmp(text.p, word, text.n) == 0;
}

static bool read_field(struct kw_bytes line, struct head *h)
{
	const char *p = line.p, *colon = memchr(p, ':', line.n), *end = p + line.n;

	if ((*p == ' ' || *p == '\t') && h->n_fields > 0) /* folded, and blank: section 5.2 */
		return strspn(p, " \t") >= line.n;
	h->n_fields++;
	if (!colon || !is_token(p, (size_t)(colon - p)))
		return false;
	struct kw_bytes name = { p, (size_t)(colon - p) }, value;
	for (p = colon + 1; p < end && (*p == ' ' || *p == '\t');)
		p++;
	while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	value = (struct kw_bytes) { p, (size_t)(end - p) };
	for (; p < end; p++)
		if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f)
			return false;
	p = value.p;
	h->n_host += is(name, "Host");
	if (is(name, "Transfer-Encoding")) {
		h->n_encoding++;
		h->chunked = is(value, "chunked");
	}
	if (is(name, "Content-Length")) {
		h->n_length++;
		for (size_t i = 0; i < value.n; i++) {
			if (p[i] < '0' || p[i] > '9' || h->length > SIZE_MAX / 100)
				return false;
			h->length = h->length * 10 + (size_t)(p[i] - '0');
		}
		return value.n > 0;
	}
	return true;
}

/* Three words; section 3 lets a reader take any blanks between them. */
static bool read_request_line(struct kw_bytes line, struct head *h)
{
	static const char blanks[] = " \t\v\f\r";
	struct kw_bytes words[4];
	const char *p = line.p, *end = p + line.n;
	size_t n = 0;

	while (p < end && n < KW_LEN(words)) {
		const char *from = p;
		while (p < end && !memchr(blanks, *p, sizeof(blanks) - 1))
			p++;
		words[n++] = (struct kw_bytes) { from, (size_t)(p - from) };
		while (p < end && memchr(blanks, *p, sizeof(blanks) - 1))
			p++;
	}
	h->http11 = n == 3 && is(words[2], "HTTP/1.1");
	return n == 3 && is_token(words[0].p, words[0].n) && words[1].n > 0;
}

static enum verdict read_head(struct reader *r, struct head *h)
{
	struct kw_bytes line;

	do
		if (!next_line(r, &line))
			return PARTIAL;
	while (line.n == 0); /* section 2.2: empty lines before it */
	if (!read_request_line(line, h))
		return BAD;
	for (;;) {
		if (!next_line(r, &line))
			return PARTIAL;
		if (line.n == 0)
			break;
		if (!read_field(line, h))
			return BAD;
	}
	return h->n_length > 1 || h->n_encoding > 1 || (h->n_length && h->n_encoding) ||
			       (h->n_encoding && (!h->chunked || !h->http11)) || h->n_host > 1 ||
			       (h->http11 && h->n_host == 0)
		       ? BAD
		       : WHOLE;
}

static enum verdict read_chunks(struct reader *r, struct kw_buf *body)
{
	struct kw_bytes line;

	for (;;) {
		size_t n = 0, i = 0;
		if (!next_line(r, &line))
			return PARTIAL;
		const char *p = line.p;
		for (; i < line.n && strchr("0123456789abcdefABCDEF", p[i]) && p[i]; i++) {
			if (n > SIZE_MAX / 32)
				return BAD;
			n = n * 16 + (size_t)(p[i] <= '9' ? p[i] - '0' : (p[i] | 32) - 'a' + 10);
		}
		if (i == 0 || (i < line.n && !strchr("; \t", p[i])))
			return BAD;
		if (n == 0)
			break;
		if ((size_t)(r->end - r->p) < n)
			return PARTIAL;
		kw_buf_add(body, r->p, n);
		r->p += n;
		if (!next_line(r, &line))
			return PARTIAL;
		if (line.n > 0)
			return BAD;
	}
	do
		if (!next_line(r, &line))
			return PARTIAL;
	while (line.n > 0);
	return WHOLE;
}

/* The next request: its verdict, and what a handler would see of its body. */
static enum verdict read_request(struct reader *r, struct handled *ret)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf body;
	struct head h = { .n_fields = 0 };
	enum verdict verdict = read_head(r, &h);

	kw_buf_init(&body, ANSWERS_MAX);
	if (verdict == WHOLE && h.chunked) {
		verdict = read_chunks(r, &body);
	} else if (verdict == WHOLE) {
		if ((size_t)(r->end - r->p) < h.length)
			return PARTIAL;
		kw_buf_add(&body, r->p, h.length);
		r->p += h.length;
	}
	*ret = (struct handled) { fuzz_seed(body.p, body.n), body.n, false };
	return verdict;
}

/* Each handled request is one of those, in their order; the others were refused for what they ask
 * for. */
static void check_handled(const char *p, size_t n)
{
	struct reader r = { p, p + n };
	struct handled read;
	size_t at = 0, n_all = atomic_load(&n_handled);

	while (at < n_all && r.p < r.end && read_request(&r, &read) == WHOLE)
		if (handled[at].body == read.body && handled[at].n_body == read.n_body)
			at++;
	FUZZ_CHECK(at == n_all, "%zu of %zu handled requests are in it; the next has %zu bytes", at,
		n_all, handled[at].n_body);
}

/* ---- the answers ---- */

/* Bytes of the answer at p; libmicrohttpd 0.9.75 writes the head of a refusal of its own twice. */
static size_t check_answer(const char *p, size_t n, const char *all)
{
	const char *end = memmem(p, n, "\r\n\r\n", 4), *length;

	FUZZ_CHECK(n >= 13 && (memcmp(p, "HTTP/1.1 ", 9) == 0 || memcmp(p, "HTTP/1.0 ", 9) == 0),
		"%s", all);
	FUZZ_CHECK(p[9] >= '1' && p[9] <= '5' && end, "%s", all);
	size_t n_head = (size_t)(end + 4 - p), n_body = 0;
	bool informs = p[9] == '1';
	length = memmem(p, n_head, "\r\nContent-Length: ", 18);
	if (length)
		n_body = strtoul(length + 18, NULL, 10);
	if (!length && !informs) /* to the end: the last one */
		return n;
	const char *again = p + n_head;
	if (n - n_head >= 7 && memcmp(again, "HTTP/1.", 7) == 0) /* of HEAD, or twice */
		return n_head;
	return n_body <= n - n_head ? n_head + n_body : n;
}

static void check_answers(const char *p, size_t n)
{
	for (size_t at = 0; at < n;)
		at += check_answer(p + at, n - at, p);
}

/* ---- one connection ---- */

/* Bytes that the server has not read yet; -1: it has no such connection, yet or any more. */
static int unread(in_port_t port)
{
	struct sockaddr_in from;
	socklen_t size;
	int n = -1, here;

	pthread_mutex_lock(&server->guard.lock);
	for (const struct kw_conn *c = server->guard.conns; c; c = c->next) {
		size = sizeof(from);
		if (getpeername(c->fd, (struct sockaddr *)&from, &size) == 0 &&
			from.sin_port == port && ioctl(c->fd, FIONREAD, &here) == 0)
			n = here;
	}
	pthread_mutex_unlock(&server->guard.lock);
	return n;
}

/* The end is told when all before it was read: libmicrohttpd overlooks one that comes with it. */
static void end(int fd)
{
	struct sockaddr_in own;
	socklen_t size = sizeof(own);
	struct pollfd closed = { .fd = fd, .events = POLLRDHUP };

	kw_assert(getsockname(fd, (struct sockaddr *)&own, &size) == 0);
	while (poll(&closed, 1, 0) != 1 && unread(own.sin_port) != 0)
		;
	shutdown(fd, SHUT_WR);
}

static bool readable(int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	int n;

	do
		n = poll(&wait, 1, PATIENCE_MS);
	while (n < 0 && errno == EINTR); /* libFuzzer is asked to end */
	return n == 1;
}

static size_t talk(const uint8_t *data, size_t size, char *answers)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)kw_server_port(server)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	/* We end first, so each port rests for a minute: hundreds of talks a second need more ports
	 * than one address has. */
	static uint32_t talks;
	struct sockaddr_in from = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK + talks++ % SOURCES) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, failed;
	size_t n = 0;

	kw_assert(fd >= 0);
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	kw_assert(bind(fd, (struct sockaddr *)&from, sizeof(from)) == 0);
	do
		failed = connect(fd, (struct sockaddr *)&to, sizeof(to));
	while (failed && errno == EINTR); /* goes on with the same connection */
	kw_assert(!failed);
	for (size_t sent = 0; sent < size;) {
		ssize_t more = send(fd, data + sent, size - sent, MSG_NOSIGNAL);
		if (more <= 0 && errno != EINTR)
			break;
		sent += more > 0 ? (size_t)more : 0;
	}
	end(fd);
	for (ssize_t more = 1; more > 0; n += more > 0 ? (size_t)more : 0) {
		FUZZ_CHECK(readable(fd), "open after %d ms: %s", PATIENCE_MS, answers);
		kw_assert(n < ANSWERS_MAX - 1);
		do
			more = recv(fd, answers + n, ANSWERS_MAX - 1 - n, 0);
		while (more < 0 && errno == EINTR);
	}
	close(fd);
	answers[n] = '\0';
	return n;
}

/* Not judged is what libmicrohttpd 0.9.75 reads in its own way, and 1.0 and gateways refuse: a
 * header without a name ends the head to it, and what is folded belongs to the name. */
static bool judged(const char *p, size_t n)
{
	for (size_t i = 0; i + 1 < n; i++) {
		if (p[i] != '\n')
			continue;
		if (p[i + 1] == ':')
			return false;
		if (p[i + 1] != ' ' && p[i + 1] != '\t')
			continue;
		for (i++; i < n && (p[i] == ' ' || p[i] == '\t');)
			i++;
		if (i == n || (p[i] != '\r' && p[i] != '\n'))
			return false;
		i--;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char answers[ANSWERS_MAX];
	uint8_t *sent = malloc(size ? size : 1);
	size_t n_lines = 0;

	kw_assert(sent);
	/* libmicrohttpd 0.9.75 does not see what stands behind NUL in a line; 1.0 refuses it, and
	 * so does a gateway: another control character in its place */
	for (size_t i = 0; i < size; i++) {
		sent[i] = data[i] ? data[i] : 1;
		n_lines += data[i] == '\n';
	}
	if (!server)
		start();
	if (n_lines < REQUESTS_MAX && judged((const char *)sent, size)) {
		atomic_store(&n_handled, 0);
		*answers = '\0';
		size_t n = talk(sent, size, answers);
		check_handled((const char *)sent, size);
		check_answers(answers, n);
	}
	free(sent);
	return 0;
}
