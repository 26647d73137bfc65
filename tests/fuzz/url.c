/* The URL matcher, compared with a plain one: the first line is the method, the rest the target as
 * a request has it. What is matched, written in percent-encoding, is matched again. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/csv.h"
#include "fuzz.h"
#include "http/route.h"

#define PARTS_MAX 16

static const struct kw_route routes[] = {
	{ .method = "GET", .path = "/v1/orders/:id" },
	{ .method = "POST", .path = "/v1/orders/:id/cancel" },
	{ .method = "GET", .path = "/v1/orders" },
	{ .method = "PUT", .path = "/v1/orders/:id" },
	{ .method = "POST", .path = "/v1/channels/:channel/orders" },
	{ .method = "GET", .path = "/:a/:b/:c/:d" },
	{ .method = "GET", .path = "/" },
	{ .method = "GET", .path = "/v1/orders/first" },
	{ 0 },
};

/* The rule: percent-encoding of UTF-8 without control characters, max bytes. NULL: not so. */
static char *decoded(struct kw_arena *a, const char *p, size_t n, bool plus, size_t max)
{
	char *out = kw_arena_alloc(a, n + 1, 1);
	size_t size = 0;

	for (size_t i = 0; i < n; i++) {
		char hex[3] = { 0 };
		if (p[i] == '%') {
			if (i + 2 >= n || !isxdigit((unsigned char)p[i + 1]) ||
				!isxdigit((unsigned char)p[i + 2]))
				return NULL;
			memcpy(hex, p + i + 1, 2);
			i += 2;
			out[size++] = (char)strtol(hex, NULL, 16);
		} else {
			out[size++] = plus && p[i] == '+' ? ' ' : p[i];
		}
	}
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)out[i] < 0x20 || out[i] == 0x7f)
			return NULL;
	return size <= max && kw_utf8_ok(out, size) ? out : NULL;
}

/* Of "/a/b": a and b. -1: one of them is not good, or there are too many. */
static int parts_of(struct kw_arena *a, const char *path, size_t n, char **parts)
{
	int n_parts = 0;

	if (n == 0 || *path != '/')
		return -1;
	for (size_t from = 1, to; from <= n; from = to + 1) {
		for (to = from; to < n && path[to] != '/'; to++)
			;
		if (n_parts == PARTS_MAX)
			return -1;
		parts[n_parts] = decoded(a, path + from, to - from, false, 128);
		if (!parts[n_parts++])
			return -1;
	}
	return n_parts;
}

static bool fits(struct kw_arena *a, const char *pattern, char **parts, int n)
{
	char *wanted[PARTS_MAX];

	if (parts_of(a, pattern, strlen(pattern), wanted) != n)
		return false;
	for (int i = 0; i < n; i++)
		if (wanted[i][0] == ':' ? !*parts[i] : strcmp(wanted[i], parts[i]) != 0)
			return false;
	return true;
}

static void check_again(const struct kw_match *match, const char *method, struct kw_arena *a)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf path;
	struct kw_match again;
	int n = 0;

	kw_buf_init(&path, 1 << 16);
	for (const char *p = match->route->path; *p;) {
		if (*p != ':') {
			kw_buf_char(&path, *p++);
			continue;
		}
		for (const char *c = match->params[n]; *c; c++)
			kw_buf_printf(&path, "%%%02X", (unsigned char)*c);
		n++;
		p += strcspn(p, "/");
	}
	struct kw_target target = kw_target_of(path.p);
	FUZZ_CHECK(kw_route_match(routes, method, &target, a, &again) == KW_OK &&
			   again.route == match->route,
		"%s", path.p);
	for (int i = 0; i < n; i++)
		FUZZ_CHECK(strcmp(again.params[i], match->params[i]) == 0, "%s", path.p);
}

static void check_route(const struct kw_target *target, const char *method, struct kw_arena *a)
{
	char *parts[PARTS_MAX];
	int n = parts_of(a, target->path, target->n_path, parts);
	const struct kw_route *first = NULL, *own = NULL;
	struct kw_match match;

	for (const struct kw_route *r = routes; n >= 0 && r->method; r++) {
		if (!fits(a, r->path, parts, n))
			continue;
		first = first ? first : r;
		if (!own && strcmp(r->method, method) == 0)
			own = r;
	}
	enum kw_rc rc = kw_route_match(routes, method, target, a, &match);
	FUZZ_CHECK(rc == (own            ? KW_OK
				 : first ? KW_INVALID
					 : KW_NOTHING),
		"%s %.*s", kw_rc_name(rc), (int)target->n_path, target->path);
	FUZZ_CHECK(match.route == (own ? own : first), "%.*s", (int)target->n_path, target->path);
	if (rc == KW_OK)
		check_again(&match, method, a);
	if (rc == KW_INVALID)
		FUZZ_CHECK(match.allow[0] && strstr(match.allow, first->method), "%s", match.allow);
}

static void check_query(const char *query, struct kw_arena *a)
{
	const char *limit = NULL, *at = query;
	bool good = true, found = false;
	int n = 0;

	while (*at) {
		size_t length = strcspn(at, "&"), name = strcspn(at, "&=");
		char *text = decoded(a, at, name, true, 1024);
		good = good && ++n <= 32 && decoded(a, at, length, true, 1024);
		if (!found && text && strcmp(text, "limit") == 0) {
			found = true;
			limit = name == length
					? ""
					: decoded(a, at + name + 1, length - name - 1, true, 1024);
		}
		at += length + (at[length] == '&');
	}
	const char *theirs = kw_query_find(query, "limit", a);
	FUZZ_CHECK(kw_query_ok(query, a) == good, "%s", query);
	FUZZ_CHECK(!theirs == !limit && (!limit || strcmp(theirs, limit) == 0), "%s", query);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kw_arena *a = fuzz_arena();
	KW_CLEANUP(fuzz_rest_done) struct fuzz_rest in = fuzz_split(a, data, size);
	char *text = strndup(in.p, in.n); /* of its own size, so that reading beyond it is seen */

	kw_assert(text);
	struct kw_target target = kw_target_of(text);
	FUZZ_CHECK(target.path >= text && target.path + target.n_path <= text + strlen(text), "%s",
		text);
	check_route(&target, in.line ? in.line : "GET", a);
	check_query(target.query, a);
	free(text);
	return 0;
}
