/* What a route answers, by its table: its own answers and the server's. */
#include "http/table.h"

#include <string.h>

#define BODY_MAX (1024 * 1024)

size_t kw_route_body_max(const struct kw_route *route)
{
	if (route->body == KW_NO_BODY)
		return 0;
	return route->max_body ? route->max_body : BODY_MAX;
}

/* The server's own: framing, no caller, a path's argument that names nothing (or cannot), too slow,
 * too large, another media type, values that do not fit, limits, our fault, not now. */
static const int server_statuses[] = { 400, 401, 404, 408, 413, 415, 422, 429, 500, 503 };

static bool server_answers(const struct kw_route *route, int status)
{
	switch (status) {
	case 401:
		return route->auth != 0;
	case 404:
		return strchr(route->path, ':');
	case 415:
		return route->body != KW_NO_BODY;
	case 422:
		return route->body != KW_NO_BODY || route->query;
	default:
		return true;
	}
}

static const char *media_of(const struct kw_answer *answer)
{
	if (answer->media)
		return answer->media;
	return answer->status < 400 ? KW_JSON_MEDIA : KW_PROBLEM_MEDIA;
}

static void add(struct kw_answer *list, size_t *n, const struct kw_answer *answer)
{
	size_t at = *n;

	for (size_t i = 0; i < *n; i++)
		if (list[i].status == answer->status && list[i].media == answer->media)
			return;
	kw_assert(*n < KW_ANSWERS_MAX);
	for (; at > 0 && list[at - 1].status > answer->status; at--)
		list[at] = list[at - 1];
	list[at] = *answer;
	(*n)++;
}

size_t kw_route_answers(const struct kw_route *route, struct kw_answer ret[KW_ANSWERS_MAX])
{
	size_t n = 0;

	for (const struct kw_answer *own = route->answers; own && own->status; own++) {
		struct kw_answer answer = *own;
		answer.media = media_of(own);
		if (!answer.fields && own->status >= 400)
			answer.fields = kw_problem_fields;
		add(ret, &n, &answer);
	}
	for (size_t i = 0; i < KW_LEN(server_statuses); i++)
		if (server_answers(route, server_statuses[i]))
			add(ret, &n,
				&(struct kw_answer) {
					server_statuses[i], kw_problem_fields, KW_PROBLEM_MEDIA });
	return n;
}

/* On the way of every request: nothing is put in order here. */
bool kw_route_tells(const struct kw_route *route, const struct kw_response *rs)
{
	int status = rs->status ? rs->status : 200;
	const char *media = rs->content_type ? rs->content_type : KW_JSON_MEDIA;

	if (!route->answers)
		return true;
	for (const struct kw_answer *own = route->answers; own->status; own++)
		if (own->status == status && strcmp(media_of(own), media) == 0)
			return true;
	for (size_t i = 0; i < KW_LEN(server_statuses); i++)
		if (server_statuses[i] == status && server_answers(route, status))
			return strcmp(media, KW_PROBLEM_MEDIA) == 0;
	return false;
}
