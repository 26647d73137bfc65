/* Which route a request means, and its arguments: pure functions over the request target as
 * received. Private to http (and its tests and fuzzers). What is handed out lives in the arena. Any
 * thread. */
#ifndef KW_HTTP_ROUTE_H
#define KW_HTTP_ROUTE_H

#include "http/server.h"

#define KW_ALLOW_MAX 64 /* "DELETE, GET, PATCH, POST, PUT" and some */

struct kw_target {
	const char *path; /* as received, still encoded */
	size_t n_path;
	const char *query; /* without "?"; "" when there is none */
};

struct kw_match {
	const struct kw_route *route; /* the first of the path's, when the method is not allowed */
	const char *params[KW_PATH_PARAMS_MAX];
	char allow[KW_ALLOW_MAX]; /* filled with INVALID */
};

/* Takes "/path?query" and the absolute form "http://host/path?query" apart; points into text. */
struct kw_target kw_target_of(const char *text);
/* OK; NOTHING: no route has this path (404); INVALID: none of those has the method (405). */
enum kw_rc kw_route_match(const struct kw_route *routes, const char *method,
	const struct kw_target *target, struct kw_arena *a, struct kw_match *ret);
/* Is each argument well encoded, UTF-8 without control characters, and at most 1 KiB? */
bool kw_query_ok(const char *query, struct kw_arena *a);
/* The first argument of that name, decoded; NULL when there is none. */
const char *kw_query_find(const char *query, const char *name, struct kw_arena *a);

#endif
