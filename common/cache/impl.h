/* What the files of cache share and nobody else sees. */
#ifndef KW_CACHE_IMPL_H
#define KW_CACHE_IMPL_H

#include <hiredis/hiredis.h>
#include <sys/socket.h>

#include "cache/cache.h"

/* One connection: our socket, hiredis's protocol. hiredis's own sockets wait per read, not per
 * call, and write without MSG_NOSIGNAL. One thread at a time. */
struct kw_link {
	int fd;
	redisReader *reader;
	struct kw_link *next; /* in the pool */
};

struct kw_address {
	struct sockaddr_storage to;
	socklen_t size;
};

/* Connects and selects the database, until the monotonic time given; NULL when that fails. */
struct kw_link *kw_link_open(const struct kw_address *address, int db, int64_t until_us);
void kw_link_free(struct kw_link *l);
/* Is it still open, and silent as it must be between calls? */
bool kw_link_usable(const struct kw_link *l);
/* One command and its reply (freeReplyObject), or NULL: the link is of no use any more. */
redisReply *kw_link_call(
	struct kw_link *l, const struct kw_bytes *argv, int argc, int64_t until_us);

#endif
