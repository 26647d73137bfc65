/* The table of routes: what a path takes, who may ask, what it answers. The server works by it, and
 * a service tells it (--describe). Const. */
#ifndef KW_HTTP_TABLE_H
#define KW_HTTP_TABLE_H

#include <stdbool.h>

#include "core/buf.h"
#include "core/err.h"
#include "json/field.h"

#define KW_JSON_MEDIA "application/json"
#define KW_PROBLEM_MEDIA "application/problem+json"

struct kw_request;

struct kw_response {
	int status;               /* 0: 200 */
	const char *content_type; /* NULL: application/json */
	struct kw_bytes body;     /* in the request's arena */
	int retry_after_s;        /* 0: none */
	const char *etag;         /* NULL: none */
};

/* OK: send rs. NOTHING: 404. INVALID: 422 with pointer (400 where err->code is "SYNTAX"). CONFLICT:
 * 409. RETRY: 503 with Retry-After. FATAL: 500. Errors are answered as application/problem+json
 * from err (reason, pointer, code). */
typedef enum kw_rc kw_handler_fn(struct kw_request *rq, struct kw_response *rs, struct kw_err *err);

enum kw_body { KW_NO_BODY, KW_RAW_BODY, KW_JSON_BODY };

struct kw_argument {
	const char *name;
	bool required;
	const struct kw_strtab *names; /* NULL: any text */
};

struct kw_answer {
	int status;
	const struct kw_field *fields; /* NULL: a problem (from 400 on), or what media says */
	const char *media;             /* NULL: JSON, or a problem from 400 on */
};

struct kw_route {
	const char *method;
	const char *path; /* "/v1/orders/:id" */
	kw_handler_fn *handle;
	int auth; /* 0: open; other values are the server's owner's (svc/svc.h) */
	enum kw_body body;
	const struct kw_field *fields; /* KW_JSON_BODY */
	size_t in_size;
	size_t max_body;                 /* 0: 1 MiB */
	const char *media;               /* expected media types of a body, separated by "|"; NULL:
					    application/json; "*": any (the handler looks) */
	const struct kw_argument *query; /* { 0 }-terminated; NULL: none */
	const char *headers;             /* that the handler reads, separated by "|"; "*": its
					    adapter's */
	/* { 0 }-terminated: what the handler answers beside what the server answers for every
	 * route (kw_route_answers). Another answer is sent, and logged as an error. NULL: any. */
	const struct kw_answer *answers;
};

/* The fields of application/problem+json. */
extern const struct kw_field kw_problem_fields[];

size_t kw_route_body_max(const struct kw_route *route);
/* All that a route may answer, by status: its own answers, and those that the server makes of its
 * other columns. */
#define KW_ANSWERS_MAX 24
size_t kw_route_answers(const struct kw_route *route, struct kw_answer ret[KW_ANSWERS_MAX]);
/* Is it one of them? */
bool kw_route_tells(const struct kw_route *route, const struct kw_response *rs);

#endif
