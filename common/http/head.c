/* What can be judged from a request's head alone: route, method, where the body ends and how large
 * it may be, and the limits. */
#include "http/impl.h"

#include <string.h>
#include <strings.h>

/* What the header fields say about where the body ends. */
struct framing {
	int n_length, n_encoding, n_host;
	const char *length, *encoding;
	const char *bad; /* reason */
	bool expects;
};

/* RFC 9110, section 5.6.2 */
static bool is_token(const char *s)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	if (!*s)
		return false;
	for (; *s; s++)
		if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
			    (*s >= '0' && *s <= '9') || strchr(others, *s)))
			return false;
	return true;
}

static bool has_controls(const char *s)
{
	for (const unsigned char *p = (const unsigned char *)s; *p; p++)
		if ((*p < 0x20 && *p != '\t') || *p == 0x7f)
			return true;
	return false;
}

static bool has_blanks(const char *s)
{
	return has_controls(s) || strpbrk(s, " \t") != NULL;
}

static enum MHD_Result read_framing(
	void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	static const char length[] = "Content-Length", encoding[] = "Transfer-Encoding";
	struct framing *f = cls;

	(void)kind;
	value = value ? value : "";
	/* A blank before the colon would hide a header from libmicrohttpd that a proxy may have
	 * understood. */
	if (!is_token(key) || has_controls(value))
		f->bad = "a header field is malformed";
	if (strcasecmp(key, length) == 0) {
		f->n_length++;
		f->length = value;
	} else if (strcasecmp(key, encoding) == 0) {
		f->n_encoding++;
		f->encoding = value;
	} else if (strncasecmp(key, length, strlen(length)) == 0 ||
		   strncasecmp(key, encoding, strlen(encoding)) == 0) {
		/* libmicrohttpd 0.9.75 appends a folded line to the name instead of the value. */
		f->bad = "a folded header field";
	} else if (strcasecmp(key, "Host") == 0) {
		f->n_host++;
	} else if (strcasecmp(key, "Expect") == 0) {
		f->expects = true;
	}
	return MHD_YES;
}

/* NULL when it is clear where the body ends. */
static const char *framing_fault(const struct framing *f, const char *version)
{
	if (f->bad)
		return f->bad;
	if (f->n_length > 1)
		return "Content-Length is given twice";
	if (f->n_encoding && f->n_length)
		return "Content-Length and Transfer-Encoding exclude each other";
	if (f->n_encoding > 1 || (f->n_encoding && strcasecmp(f->encoding, "chunked") != 0))
		return "the only Transfer-Encoding is chunked";
	if (f->n_encoding && strcmp(version, "HTTP/1.1") != 0)
		return "Transfer-Encoding needs HTTP/1.1";
	if (f->n_host > 1)
		return "Host is given twice";
	if (f->length && (!*f->length || f->length[strspn(f->length, "0123456789")]))
		return "Content-Length is not a number";
	return NULL;
}

/* Digits only, as checked; saturates. */
static uint64_t length_of(const char *text)
{
	uint64_t v = 0;

	for (; text && *text; text++)
		v = v > UINT64_MAX / 10 - 1 ? UINT64_MAX : v * 10 + (uint64_t)(*text - '0');
	return v;
}

void kw_refuse(struct kw_request_impl *im, int status, const char *detail)
{
	if (im->refusal.status == 0)
		im->refusal = (struct kw_refusal) { .status = status, .detail = detail };
}

void kw_refuse_size(struct kw_request_impl *im)
{
	kw_refuse(im, 413, im->body_max ? "The body is too large." : "No body is expected here.");
}

static void check_limits(struct kw_request_impl *im)
{
	struct kw_server *s = im->server;

	if (im->conn->over == 429)
		kw_refuse(im, 429, "Too many connections from this address.");
	else if (im->conn->over)
		kw_refuse(im, 503, "Too many connections.");
	else if (atomic_load(&s->draining))
		kw_refuse(im, 503, "Shutting down.");
	else if (atomic_load(&s->n_deferred) >= s->config.deferred_max)
		kw_refuse(im, 503, "Too many requests under way.");
	else
		return;
	if (im->refusal.retry_after_s == 0)
		im->refusal.retry_after_s = 1;
}

void kw_check_head(struct kw_request_impl *im, const char *version)
{
	struct framing f = { 0 };

	MHD_get_connection_values(im->connection, MHD_HEADER_KIND, read_framing, &f);
	if (!is_token(im->method) || has_blanks(im->target.path))
		f.bad = "the request line is malformed";
	const char *fault = framing_fault(&f, version);
	enum kw_rc rc = kw_route_match(
		im->server->config.routes, im->method, &im->target, im->arena, &im->match);
	im->length = fault ? 0 : length_of(f.length);
	im->has_body = f.n_encoding > 0 || im->length > 0;
	im->expects = f.expects;
	im->body_max = im->match.route ? kw_route_body_max(im->match.route) : 0;
	if (rc == KW_NOTHING)
		kw_refuse(im, 404, "There is nothing here.");
	if (rc == KW_INVALID) {
		kw_refuse(im, 405, "This method is not for this path.");
		im->refusal.allow = im->match.allow;
	}
	if (im->length > im->body_max)
		kw_refuse_size(im);
	if (fault)
		kw_refuse(im, 400, fault);
	else if (!kw_query_ok(im->target.query, im->arena))
		kw_refuse(im, 400, "An argument of the query is malformed.");
	/* Where the next request begins is not certain. */
	im->refusal.close = fault != NULL;
	if (im->refusal.status == 0)
		check_limits(im);
}
