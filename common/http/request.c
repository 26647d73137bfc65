/* One request's way through libmicrohttpd's callbacks, all on the connection's own thread of the
 * pool, and the order of checks of the contract: route, method, size and framing, limits,
 * authentication, media type, parsing.
 *
 * What can be refused from the head alone is decided at the first call, but mostly answered after
 * the body was read and thrown away: an answer at the first call makes libmicrohttpd close the
 * connection, and a sender that still writes would see a reset instead of the answer. */
#include "http/impl.h"

#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "core/log.h"
#include "json/json.h"

/* ---- what a handler may ask ---- */

struct counting {
	const char *name;
	int n;
};

static enum MHD_Result count_header(
	void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct counting *c = cls;

	(void)kind;
	(void)value;
	c->n += strcasecmp(key, c->name) == 0;
	return MHD_YES;
}

int kw_request_header_count(const struct kw_request *rq, const char *name)
{
	struct counting c = { .name = name };

	MHD_get_connection_values(rq->impl->connection, MHD_HEADER_KIND, count_header, &c);
	return c.n;
}

/* Is name one of a list, separated by "|"? */
static bool is_listed(const char *list, const char *name)
{
	size_t n_name = strlen(name), n;

	if (list && strcmp(list, "*") == 0)
		return true;
	for (; list && *list; list += n + (list[n] == '|')) {
		n = strcspn(list, "|");
		if (n == n_name && strncasecmp(list, name, n) == 0)
			return true;
	}
	return false;
}

const char *kw_request_header(const struct kw_request *rq, const char *name)
{
	const char *value =
		MHD_lookup_connection_value(rq->impl->connection, MHD_HEADER_KIND, name);

	/* what nobody tells a caller of must not matter */
	kw_assert(rq->impl->authenticating || !rq->route || !rq->route->answers ||
		  is_listed(rq->route->headers, name));

	if (value && rq->impl->authenticating && kw_request_header_count(rq, name) > 1)
		rq->impl->header_twice = true;
	return value;
}

static const struct kw_argument *argument_of(const struct kw_route *route, const char *name)
{
	const struct kw_argument *argument = route->query;

	while (argument && argument->name && strcmp(argument->name, name) != 0)
		argument++;
	return argument && argument->name ? argument : NULL;
}

const char *kw_request_query(const struct kw_request *rq, const char *name)
{
	kw_assert(!rq->route->answers || argument_of(rq->route, name));
	return kw_query_find(rq->impl->target.query, name, rq->arena);
}

static const char *names_text(struct kw_arena *a, const struct kw_strtab *names)
{
	const char *text = kw_strtab_name(names, 0);

	for (int i = 1; i < names->n; i++)
		text = kw_arena_printf(a, "%s, %s", text, kw_strtab_name(names, i));
	return text;
}

enum kw_rc kw_request_name(
	const struct kw_request *rq, const char *name, int *ret, struct kw_err *err)
{
	const struct kw_argument *argument = argument_of(rq->route, name);
	const char *text = kw_request_query(rq, name);
	const char *pointer = kw_arena_printf(rq->arena, "/%s", name);

	kw_assert(argument && argument->names);
	*ret = -1;
	if (!text)
		return argument->required
			       ? kw_fail_at(err, KW_INVALID, pointer, "is required in the query")
			       : KW_OK;
	for (int i = 0; i < argument->names->n; i++)
		if (strcasecmp(kw_strtab_name(argument->names, i), text) == 0) {
			*ret = i;
			return KW_OK;
		}
	return kw_fail_at(
		err, KW_INVALID, pointer, "is none of %s", names_text(rq->arena, argument->names));
}

/* ---- the head ---- */

static enum MHD_Result refuse_now(struct kw_request_impl *im)
{
	struct kw_refusal *r = &im->refusal;

	kw_problem(im, r->status, r->detail, NULL, NULL);
	im->rs.retry_after_s = r->retry_after_s;
	im->problem = r->detail;
	kw_conn_move(im->conn, KW_SENDING);
	return kw_send_answer(im);
}

/* An address and nothing else: what a gateway sets, not what a client may write there. */
static const char *client_of(struct kw_request_impl *im)
{
	const char *text =
		MHD_lookup_connection_value(im->connection, MHD_HEADER_KIND, "X-Forwarded-For");
	size_t n = text ? strspn(text, "0123456789abcdefABCDEF.:") : 0;

	return n > 0 && n < INET6_ADDRSTRLEN && !text[n] ? kw_arena_str(im->arena, text) : "";
}

static enum MHD_Result on_head(struct kw_request_impl *im, const char *method, const char *version)
{
	im->method = method;
	im->stage = KW_AT_BODY;
	im->rq.trace = kw_trace_from(
		MHD_lookup_connection_value(im->connection, MHD_HEADER_KIND, "traceparent"));
	if (im->server->config.access_log)
		im->client = client_of(im);
	kw_check_head(im, version);
	if (im->refusal.status && (im->refusal.close || im->length > KW_DISCARD_MAX ||
					  (im->expects && im->has_body))) {
		im->refusal.close = true;
		return refuse_now(im);
	}
	return MHD_YES;
}

/* ---- the body ---- */

static enum MHD_Result on_body(struct kw_request_impl *im, const char *data, size_t n)
{
	if (im->refusal.status == 0) {
		if (im->body.n + n > im->body_max) {
			kw_refuse_size(im);
		} else if (atomic_fetch_add(&im->server->body_bytes, n) + n > KW_BODIES_MAX) {
			atomic_fetch_sub(&im->server->body_bytes, n);
			kw_refuse(im, 503, "Too many bodies under way.");
			im->refusal.retry_after_s = 1;
		} else {
			kw_buf_add(&im->body, data, n);
			return MHD_YES;
		}
	}
	im->discarded += n;
	if (im->discarded <= KW_DISCARD_MAX)
		return MHD_YES;
	/* libmicrohttpd takes no answer in the middle of a body. */
	if (kw_conn_move(im->conn, KW_SENDING))
		kw_send_last(im->conn->fd, 413);
	im->rs.status = 413;
	return MHD_NO;
}

/* ---- the whole request ---- */

/* "application/json; charset=utf-8" is application/json. */
static bool media_is(const char *expected, size_t n, const char *given)
{
	if (strncasecmp(given, expected, n) != 0)
		return false;
	const char *rest = given + n + strspn(given + n, " \t");
	if (*rest && *rest != ';')
		return false;
	const char *charset = strcasestr(rest, "charset=");
	if (!charset)
		return true;
	charset += strlen("charset=");
	charset += *charset == '"';
	return strncasecmp(charset, "utf-8", 5) == 0 &&
	       !strchr("abcdefghijklmnopqrstuvwxyz0123456789-", charset[5] | 32);
}

/* expected: one or several, separated by "|". */
static bool media_fits(const char *expected, const char *given)
{
	if (strcmp(expected, "*") == 0)
		return true;
	for (size_t n; given && *expected; expected += n + (expected[n] == '|')) {
		n = strcspn(expected, "|");
		if (media_is(expected, n, given))
			return true;
	}
	return false;
}

static bool media_ok(struct kw_request_impl *im)
{
	const struct kw_route *route = im->match.route;
	const char *coding =
		MHD_lookup_connection_value(im->connection, MHD_HEADER_KIND, "Content-Encoding");

	if (route->body == KW_NO_BODY)
		return true;
	if (coding && strcasecmp(coding, "identity") != 0)
		return false;
	return media_fits(route->media ? route->media : "application/json",
		MHD_lookup_connection_value(im->connection, MHD_HEADER_KIND, "Content-Type"));
}

static bool authenticated(struct kw_request_impl *im)
{
	struct kw_server *s = im->server;
	struct kw_err err = { 0 };

	if (im->match.route->auth == 0)
		return true;
	kw_assert(s->config.authenticate);
	im->authenticating = true;
	enum kw_rc rc = s->config.authenticate(&im->rq, &err);
	im->authenticating = false;
	if (im->header_twice)
		kw_problem(im, 400, "A header field is given twice.", NULL, NULL);
	else if (rc == KW_INVALID)
		kw_problem(im, 401, "Not authenticated.", NULL, NULL);
	else if (rc != KW_OK)
		kw_problem_of(im, rc, &err);
	else
		return true;
	im->problem = kw_arena_str(im->arena, err.reason);
	return false;
}

static bool parsed(struct kw_request_impl *im)
{
	const struct kw_route *route = im->match.route;
	struct kw_err err = { 0 };

	if (route->body != KW_JSON_BODY)
		return true;
	void *in = kw_arena_alloc(im->arena, 1, route->in_size);
	enum kw_rc rc =
		kw_json_decode(route->fields, im->rq.body.p, im->rq.body.n, im->arena, in, &err);
	if (rc != KW_OK) {
		kw_problem_of(im, rc, &err);
		return false;
	}
	im->rq.in = in;
	return true;
}

/* Fills im->rs, or leaves the request put off. */
static void answer(struct kw_request_impl *im)
{
	struct kw_request *rq = &im->rq;
	struct kw_err err = { 0 };

	rq->route = im->match.route;
	memcpy(rq->params, im->match.params, sizeof(rq->params));
	rq->body = (struct kw_bytes) { im->body.p ? im->body.p : "", im->body.n };
	rq->now = kw_now(im->server->config.clock);
	if (!authenticated(im))
		return;
	if (!media_ok(im)) {
		kw_problem(im, 415, "The body has another media type than expected.", NULL, NULL);
		return;
	}
	if (!parsed(im))
		return;
	struct kw_response rs = { 0 };
	kw_handling = im;
	enum kw_rc rc = rq->route->handle(rq, &rs, &err);
	kw_handling = NULL;
	kw_assert(im->stage != KW_PUT_OFF || rc == KW_OK);
	if (im->stage == KW_PUT_OFF)
		return;
	if (rc == KW_OK || rc == KW_DUPLICATE)
		im->rs = rs;
	else
		kw_problem_of(im, rc, &err);
}

static enum MHD_Result on_whole(struct kw_request_impl *im)
{
	if (!kw_conn_move(im->conn, KW_BUSY))
		return MHD_NO;
	kw_server_busy(im);
	if (im->refusal.status)
		return refuse_now(im);
	im->stage = KW_AT_HANDLER;
	answer(im);
	if (im->stage == KW_PUT_OFF) {
		/* Nobody else may come to wake it. */
		if (im->answered_inside)
			kw_server_wake(im->server);
		return MHD_YES;
	}
	kw_conn_move(im->conn, KW_SENDING);
	return kw_send_answer(im);
}

/* ---- libmicrohttpd's callbacks ---- */

static struct kw_conn *conn_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	kw_assert(info && info->socket_context);
	return info->socket_context;
}

void *kw_on_target(void *cls, const char *uri, struct MHD_Connection *connection)
{
	struct kw_server *s = cls;
	struct kw_conn *c = conn_of(connection);

	kw_assert(!c->request);
	struct kw_request_impl *im = kw_request_take(s);
	im->conn = c;
	im->connection = connection;
	im->started_us = kw_monotonic_us();
	im->target = kw_target_of(kw_arena_str(im->arena, uri ? uri : ""));
	c->request = im;
	kw_conn_move(c, KW_RECEIVING);
	return im;
}

enum MHD_Result kw_on_access(void *cls, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload_data, size_t *upload_data_size,
	void **req_cls)
{
	struct kw_request_impl *im = *req_cls;

	(void)cls;
	(void)connection;
	(void)url;
	switch (im->stage) {
	case KW_AT_HEAD:
		return on_head(im, method, version);
	case KW_AT_BODY:
		if (*upload_data_size) {
			enum MHD_Result go_on = on_body(im, upload_data, *upload_data_size);
			*upload_data_size = 0;
			return go_on;
		}
		return on_whole(im);
	case KW_PUT_OFF:
		kw_assert(atomic_load(&im->answered));
		kw_conn_move(im->conn, KW_SENDING);
		return kw_send_answer(im);
	case KW_AT_HANDLER:
	case KW_ANSWERED:
		break;
	}
	return MHD_NO;
}

static void note(struct kw_request_impl *im, int status)
{
	struct kw_server *s = im->server;
	int64_t us = kw_monotonic_us() - im->started_us;

	if (status == 0)
		return;
	if (s->config.observe)
		s->config.observe(s->config.ctx, im->match.route, status, us);
	if (!s->config.access_log)
		return;
	/* The route, not the path: arguments may be personal data. */
	kw_log(KW_INFO, "request", KW_LS("method", im->method),
		KW_LS("route", im->match.route ? im->match.route->path : ""),
		KW_LI("status", status), KW_LI("duration_us", us),
		KW_LI("body", (int64_t)im->body.n), KW_LS("reason", im->problem),
		KW_LS("client", im->client ? im->client : ""),
		KW_LS("trace_id", kw_trace_id_of(im)));
}

void kw_on_completed(void *cls, struct MHD_Connection *connection, void **req_cls,
	enum MHD_RequestTerminationCode toe)
{
	struct kw_request_impl *im = *req_cls;
	int status = im ? im->rs.status : 0;

	(void)cls;
	(void)toe;
	if (!im)
		return;
	*req_cls = NULL;
	if (status == 0 && kw_conn_phase(im->conn) == KW_CUT)
		status = 408;
	if (status == 0) { /* one of libmicrohttpd's own answers */
		const union MHD_ConnectionInfo *info =
			MHD_get_connection_info(connection, MHD_CONNECTION_INFO_HTTP_STATUS);
		status = info ? (int)info->http_status : 0;
	}
	note(im, status);
	im->conn->request = NULL;
	kw_conn_move(im->conn, KW_IDLE);
	kw_server_not_busy(im);
	kw_request_release(im);
}

void kw_on_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
	enum MHD_ConnectionNotificationCode toe)
{
	struct kw_conn *c = *socket_context;

	if (toe == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *info =
			MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
		*socket_context = kw_guard_taken(cls, info->connect_fd);
		return;
	}
	if (c->request) { /* it was never shown to the access callback */
		struct kw_request_impl *im = c->request;
		c->request = NULL;
		kw_server_not_busy(im);
		kw_request_release(im);
	}
	kw_guard_gone(c);
	*socket_context = NULL;
}
