/* What goes back: handlers' results and refusals as application/problem+json (RFC 9457), headers,
 * the hand-over to libmicrohttpd. No answer says what we are built of. */
#include "http/impl.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/log.h"
#include "json/json.h"

struct problem_error {
	const char *detail, *pointer;
};

struct problem {
	const char *type, *title, *detail;
	int64_t status;
	struct problem_error *errors;
	size_t n_errors;
};

static const struct kw_field error_fields[] = {
	KW_STR(struct problem_error, detail, KW_REQUIRED, 1, 1024),
	KW_STR(struct problem_error, pointer, KW_REQUIRED, 1, 1024),
	KW_END,
};

const struct kw_field kw_problem_fields[] = {
	KW_STR(struct problem, type, KW_REQUIRED, 1, 64),
	KW_STR(struct problem, title, KW_REQUIRED, 1, 64),
	KW_I64(struct problem, status, KW_REQUIRED, 100, 599),
	KW_STR(struct problem, detail, KW_OPTIONAL, 1, 1024),
	KW_ARRAY(struct problem, errors, KW_OPTIONAL, struct problem_error, error_fields, 0, 1),
	KW_END,
};

/* What a handler's result means to the sender. detail NULL: its reason is for them. */
struct policy {
	int status;
	int retry_after_s;
	const char *detail;
};

static struct policy policy_of(enum kw_rc rc, const struct kw_err *err)
{
	switch (rc) {
	case KW_NOTHING:
		return (struct policy) { 404, 0, NULL };
	case KW_INVALID:
		return (struct policy) { strcmp(err->code, "SYNTAX") == 0 ? 400 : 422, 0, NULL };
	case KW_CONFLICT:
		return (struct policy) { 409, 0, NULL };
	case KW_RETRY:
		return (struct policy) { 503, 1, "Not possible at the moment; send it again." };
	case KW_OK:
	case KW_DUPLICATE:
	case KW_FATAL:
		break;
	}
	return (struct policy) { 500, 0, "The error is ours; it has been noted." };
}

void kw_problem(struct kw_request_impl *im, int status, const char *detail, const char *error,
	const char *pointer)
{
	struct problem_error one;
	struct problem p = { .type = "about:blank",
		.title = MHD_get_reason_phrase_for((unsigned)status),
		.status = status,
		.detail = detail };
	struct kw_buf out;

	if (pointer && *pointer) {
		one = (struct problem_error) { error, kw_arena_printf(im->arena, "#%s", pointer) };
		p.errors = &one;
		p.n_errors = 1;
	}
	kw_buf_init(&out, 8192);
	kw_json_encode(kw_problem_fields, &p, &out);
	kw_assert(!out.full);
	im->rs = (struct kw_response) { .status = status,
		.content_type = KW_PROBLEM_MEDIA,
		.body = { kw_arena_copy(im->arena, out.p, out.n), out.n } };
	kw_buf_done(&out);
}

/* One line a second at most: a broker that is away fails every request. */
static bool may_log_retry(struct kw_server *s)
{
	int64_t now = kw_monotonic_us(), last = atomic_load(&s->retry_logged_us);

	return now - last > KW_US_PER_S &&
	       atomic_compare_exchange_strong(&s->retry_logged_us, &last, now);
}

void kw_problem_of(struct kw_request_impl *im, enum kw_rc rc, const struct kw_err *err)
{
	static const struct kw_err none = { 0 };
	const char *route = im->match.route ? im->match.route->path : "";

	err = err ? err : &none;
	struct policy policy = policy_of(rc, err);
	const char *detail = policy.detail ? policy.detail : err->reason[0] ? err->reason : NULL;
	if (policy.status == 500)
		kw_log_err(KW_ERROR, "request failed", err, KW_LS("route", route),
			KW_LS("trace_id", kw_trace_id_of(im)));
	else if (rc == KW_RETRY && may_log_retry(im->server))
		kw_log_err(KW_WARNING, "request not possible now", err, KW_LS("route", route));
	kw_problem(im, policy.status, detail, detail ? detail : "not valid", err->pointer);
	im->rs.retry_after_s = policy.retry_after_s;
	im->problem = kw_arena_str(im->arena, err->reason);
}

static void add_header(struct MHD_Response *r, const char *name, const char *value)
{
	if (MHD_add_response_header(r, name, value) != MHD_YES)
		kw_log(KW_ERROR, "answer header refused", KW_LS("header", name));
}

enum MHD_Result kw_send_answer(struct kw_request_impl *im)
{
	struct kw_response *rs = &im->rs;
	char number[16];

	rs->status = rs->status ? rs->status : 200;
	/* where a method is not allowed, the route is one of another method */
	if (im->match.route && rs->status != 405 && !kw_route_tells(im->match.route, rs))
		kw_log(KW_ERROR, "an answer that the route does not tell",
			KW_LS("route", im->match.route->path), KW_LI("status", rs->status),
			KW_LS("media", rs->content_type));
	/* libmicrohttpd only reads it; its older interface has no const. */
	union {
		const void *in;
		void *out;
	} body = { rs->body.p };
	struct MHD_Response *r =
		MHD_create_response_from_buffer(rs->body.n, body.out, MHD_RESPMEM_PERSISTENT);
	if (!r)
		return MHD_NO;
	if (rs->body.n) {
		add_header(r, "Content-Type", rs->content_type ? rs->content_type : KW_JSON_MEDIA);
		add_header(r, "X-Content-Type-Options", "nosniff");
	}
	add_header(r, "Cache-Control", "no-store");
	if (rs->retry_after_s > 0) {
		snprintf(number, sizeof(number), "%d", rs->retry_after_s);
		add_header(r, "Retry-After", number);
	}
	if (rs->etag)
		add_header(r, "ETag", rs->etag);
	if (rs->status == 401)
		add_header(r, "WWW-Authenticate", "Bearer");
	if (im->refusal.allow)
		add_header(r, "Allow", im->refusal.allow);
	if (im->refusal.close || im->conn->over || atomic_load(&im->server->draining))
		add_header(r, "Connection", "close");
	im->stage = KW_ANSWERED;
	enum MHD_Result queued = MHD_queue_response(im->connection, (unsigned)rs->status, r);
	MHD_destroy_response(r);
	return queued;
}

#define LAST_ANSWER(status, title)                                \
	"HTTP/1.1 " #status " " title "\r\nConnection: close\r\n" \
	"Content-Type: application/problem+json\r\n\r\n"          \
	"{\"type\":\"about:blank\",\"title\":\"" title "\",\"status\":" #status "}"

void kw_send_last(int fd, int status)
{
	const char *text = status == 413 ? LAST_ANSWER(413, "Content Too Large")
					 : LAST_ANSWER(408, "Request Timeout");

	(void)!send(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
}
