/* Outbound calls side by side on libcurl's multi interface. Each connection's address is judged
 * when its socket is made, after the name was resolved: what was checked is what is connected to.
 *
 * libcurl sends a request again by itself when a kept connection turns out to be dead before the
 * first byte of an answer; calls carry an idempotency key, so that is harmless. */
#include "http/client.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include <curl/curl.h>

#include "core/clock.h"
#include "http/address.h"

#define SIDE_BY_SIDE 64

struct slot {
	CURL *easy;
	struct kw_call *call; /* NULL: free */
	struct curl_slist *headers;
	struct kw_buf answer;
	bool allow_private;
	bool refused;    /* an address was */
	bool head_whole; /* the empty line after the answer's header fields came */
};

struct kw_client {
	CURLM *multi;
	struct slot slots[SIDE_BY_SIDE];
};

/* ---- libcurl's callbacks ---- */

static curl_socket_t on_socket(void *p, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct slot *slot = p;

	(void)purpose;
	if (!slot->allow_private && !kw_address_public(&to->addr)) {
		slot->refused = true;
		return CURL_SOCKET_BAD;
	}
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static size_t on_bytes(char *data, size_t size, size_t n, void *p)
{
	struct slot *slot = p;

	kw_buf_add(&slot->answer, data, size * n);
	return slot->answer.full ? 0 : size * n;
}

/* libcurl takes an answer that ends within its header fields for a whole one. */
static size_t on_header(char *line, size_t size, size_t n, void *p)
{
	struct slot *slot = p;

	if (size * n > 5 && memcmp(line, "HTTP/", 5) == 0)
		slot->head_whole = false;
	else if (size * n <= 2)
		slot->head_whole = true;
	return size * n;
}

/* ---- one call ---- */

static enum kw_rc judge(struct slot *slot, CURLcode code, struct kw_err *err)
{
	const char *reason = curl_easy_strerror(code);
	long sent = 0, status = 0;

	curl_easy_getinfo(slot->easy, CURLINFO_REQUEST_SIZE, &sent);
	curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &status);
	if (code == CURLE_OK && !slot->head_whole) {
		code = CURLE_PARTIAL_FILE;
		reason = "the answer ended within its header fields";
	}
	if (code == CURLE_OK) {
		slot->call->status = (int)status;
		return KW_OK;
	}
	if (slot->answer.full)
		return kw_fail_code(err, KW_INVALID, "ANSWER_TOO_LARGE", "the answer is too large");
	if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
		return kw_fail_code(err, KW_INVALID, "URL", "%s", reason);
	if (sent > 0)
		return kw_fail_code(err, KW_RETRY,
			code == CURLE_OPERATION_TIMEDOUT ? "TIMEOUT" : "LOST", "%s", reason);
	if (slot->refused)
		return kw_fail_code(err, KW_INVALID, "ADDRESS", "the address is not a public one");
	return kw_fail_code(err, KW_NOTHING, "NOT_SENT", "%s", reason);
}

static void finish(struct kw_client *c, struct slot *slot, CURLcode code, struct kw_arena *a)
{
	struct kw_call *call = slot->call;

	call->rc = judge(slot, code, &call->err);
	if (call->rc == KW_OK)
		call->answer = (struct kw_bytes) {
			kw_arena_strn(a, slot->answer.n ? slot->answer.p : "", slot->answer.n),
			slot->answer.n
		};
	curl_multi_remove_handle(c->multi, slot->easy);
	curl_slist_free_all(slot->headers);
	kw_buf_done(&slot->answer);
	slot->headers = NULL;
	slot->call = NULL;
}

static void add_header(struct slot *slot, const char *line)
{
	struct curl_slist *longer = curl_slist_append(slot->headers, line);

	kw_assert(longer);
	slot->headers = longer;
}

static void set_options(struct slot *slot, int timeout_ms)
{
	const struct kw_call *call = slot->call;
	CURL *e = slot->easy;

	curl_easy_reset(e);
	curl_easy_setopt(e, CURLOPT_URL, call->url);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_PROXY, "");
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L); /* does not wait for a slow name server */
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_socket);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, slot);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, slot);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, slot);
	curl_easy_setopt(e, CURLOPT_PRIVATE, slot);
	if (call->body.n) {
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.n);
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, call->body.p);
	} else if (strcmp(call->method, "POST") == 0) {
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, "");
	}
	if (strcmp(call->method, "HEAD") == 0)
		curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, call->method);
	add_header(slot, "Expect:");
	for (const char *const *h = call->headers; h && *h; h++)
		add_header(slot, *h);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, slot->headers);
}

static bool url_ok(const char *url)
{
	return strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0;
}

/* false: it failed before it began. */
static bool begin(struct kw_client *c, struct slot *slot, struct kw_call *call, int timeout_ms,
	size_t max_answer)
{
	call->status = 0;
	call->answer = (struct kw_bytes) { NULL, 0 };
	call->err = (struct kw_err) { 0 };
	if (!url_ok(call->url)) {
		call->rc = kw_fail_code(
			&call->err, KW_INVALID, "URL", "the URL is neither http:// nor https://");
		return false;
	}
	if (timeout_ms <= 0) {
		call->rc = kw_fail_code(
			&call->err, KW_NOTHING, "NOT_SENT", "no time was left to send it");
		return false;
	}
	slot->call = call;
	slot->refused = slot->head_whole = false;
	kw_buf_init(&slot->answer, max_answer);
	set_options(slot, timeout_ms);
	kw_assert(curl_multi_add_handle(c->multi, slot->easy) == CURLM_OK);
	return true;
}

/* ---- the client ---- */

static void curl_setup(void)
{
	kw_assert(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

struct kw_client *kw_client_new(bool allow_private)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, curl_setup);
	struct kw_client *c = calloc(1, sizeof(*c));
	kw_assert(c);
	c->multi = curl_multi_init();
	kw_assert(c->multi);
	curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)SIDE_BY_SIDE);
	for (size_t i = 0; i < SIDE_BY_SIDE; i++) {
		c->slots[i].allow_private = allow_private;
		c->slots[i].easy = curl_easy_init();
		kw_assert(c->slots[i].easy);
	}
	return c;
}

void kw_client_free(struct kw_client *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < SIDE_BY_SIDE; i++)
		curl_easy_cleanup(c->slots[i].easy);
	curl_multi_cleanup(c->multi);
	free(c);
}

static int remaining_ms(int64_t until_us)
{
	int64_t left = (until_us - kw_monotonic_us()) / 1000;

	return left > 0 ? (int)left : 0;
}

/* Starts calls while there are free slots; returns how many are under way. */
static size_t fill(struct kw_client *c, struct kw_call *calls, size_t n, size_t *next,
	int64_t until_us, size_t max_answer)
{
	size_t busy = 0;

	for (size_t i = 0; i < SIDE_BY_SIDE; i++) {
		struct slot *slot = &c->slots[i];
		while (!slot->call && *next < n)
			if (begin(c, slot, &calls[(*next)++], remaining_ms(until_us), max_answer))
				break;
		busy += slot->call != NULL;
	}
	return busy;
}

static void collect(struct kw_client *c, struct kw_arena *a)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(c->multi, &left))) {
		char *p = NULL;
		if (m->msg != CURLMSG_DONE)
			continue;
		CURLcode code = m->data.result;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &p);
		finish(c, (struct slot *)(void *)p, code, a);
	}
}

void kw_client_run(struct kw_client *c, struct kw_arena *a, struct kw_call *calls, size_t n,
	int deadline_ms, size_t max_answer)
{
	int64_t until_us = kw_monotonic_us() + (int64_t)deadline_ms * 1000;
	sigset_t pipe;
	size_t next = 0;
	int running;

	/* TLS writes to a closed connection would raise it; it stays blocked in this thread. */
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, NULL);
	while (fill(c, calls, n, &next, until_us, max_answer) > 0) {
		kw_assert(curl_multi_perform(c->multi, &running) == CURLM_OK);
		if (running > 0)
			kw_assert(curl_multi_poll(c->multi, NULL, 0, 1000, NULL) == CURLM_OK);
		collect(c, a);
	}
}
