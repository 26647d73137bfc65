/* Requests over kept connections to many targets, all side by side: epoll, one thread. Nothing is
 * sent twice by itself: a connection that breaks, or an answer that does not come in time, is told
 * as status 0. */
#ifndef LOAD_ENGINE_H
#define LOAD_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"

#define ANSWER_MAX 8192 /* of an answer, so much is kept */

/* status 0: no answer. body: of the answer, until the function returns. */
typedef void answered_fn(void *ctx, void *request, int status, struct kw_bytes body);

struct engine;

/* ports: of the targets, on this machine. A target gets at most so many connections; what finds
 * none free waits, and its time runs. */
struct engine *engine_new(const int *ports, size_t n, int connections, int64_t deadline_us,
	answered_fn *answered, void *ctx);
void engine_free(struct engine *e);
/* Copies the bytes. slow: they leave in small parts, over more than a second. request: handed to
 * answered, which is called exactly once, later. */
void engine_send(struct engine *e, size_t target, struct kw_bytes bytes, bool slow, void *request);
/* Requests that have no answer yet. */
size_t engine_open(const struct engine *e);
/* Waits until something comes, or so long, and deals with all that came. */
void engine_turn(struct engine *e, int wait_ms);

#endif
