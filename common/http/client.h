/* Outbound HTTP, many calls side by side, each with a deadline and a size limit; no redirects;
 * resolved once and connected to that address; private and loopback addresses are refused unless
 * allowed. One client per thread. */
#ifndef KW_HTTP_CLIENT_H
#define KW_HTTP_CLIENT_H

#include <stdbool.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"

struct kw_client;

struct kw_call {
	const char *method, *url;
	const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
	struct kw_bytes body;
	/* set by kw_client_run: */
	enum kw_rc rc; /* OK: an HTTP answer came (any status); RETRY: none, and the request may
			  have been acted upon (time-out, reset); NOTHING: none, and it surely did
			  not leave (refused, no address); INVALID: URL or address not allowed,
			  answer too large */
	int status;
	struct kw_bytes answer; /* in the arena */
	struct kw_err err;
};

struct kw_client *kw_client_new(bool allow_private);
void kw_client_free(struct kw_client *c);
/* Runs all calls, at most 64 at a time, until each has an answer or deadline_ms (from now) has
 * passed. Answers up to max_answer bytes. */
void kw_client_run(struct kw_client *c, struct kw_arena *a, struct kw_call *calls, size_t n,
	int deadline_ms, size_t max_answer);

#endif
