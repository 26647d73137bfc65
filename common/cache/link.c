/* One connection to Redis on which every call ends at a given time. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/impl.h"
#include "core/clock.h"

#define ARGS_MAX 8

static bool await(int fd, short events, int64_t until_us);
static bool send_all(int fd, const char *p, size_t n, int64_t until_us);

struct kw_link *kw_link_open(const struct kw_address *address, int db, int64_t until_us)
{
	struct kw_link *l = calloc(1, sizeof(*l));
	int error = 0, on = 1;
	socklen_t size = sizeof(error);

	kw_assert(l);
	l->reader = redisReaderCreate();
	kw_assert(l->reader);
	l->fd = socket(address->to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		goto failed;
	if (connect(l->fd, (const struct sockaddr *)&address->to, address->size) != 0 &&
		(errno != EINPROGRESS || !await(l->fd, POLLOUT, until_us)))
		goto failed;
	if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0)
		goto failed;
	(void)setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (db > 0) {
		char number[] = { (char)('0' + db / 10), (char)('0' + db % 10) };
		const struct kw_bytes argv[] = { { "SELECT", 6 },
			{ db > 9 ? number : number + 1, db > 9 ? 2 : 1 } };
		redisReply *reply = kw_link_call(l, argv, 2, until_us);
		bool selected = reply && reply->type == REDIS_REPLY_STATUS;

		freeReplyObject(reply);
		if (!selected)
			goto failed;
	}
	return l;
failed:
	kw_link_free(l);
	return NULL;
}

void kw_link_free(struct kw_link *l)
{
	if (!l)
		return;
	if (l->fd >= 0)
		close(l->fd);
	redisReaderFree(l->reader);
	free(l);
}

bool kw_link_usable(const struct kw_link *l)
{
	struct pollfd fd = { .fd = l->fd, .events = POLLIN };

	return poll(&fd, 1, 0) == 0;
}

redisReply *kw_link_call(struct kw_link *l, const struct kw_bytes *argv, int argc, int64_t until_us)
{
	const char *texts[ARGS_MAX];
	size_t lengths[ARGS_MAX];
	char piece[16384], *command = NULL;
	void *reply = NULL;

	kw_assert(argc <= ARGS_MAX);
	for (int i = 0; i < argc; i++) {
		texts[i] = argv[i].p;
		lengths[i] = argv[i].n;
	}
	long long n = redisFormatCommandArgv(&command, argc, texts, lengths);
	kw_assert(n > 0);
	bool sent = send_all(l->fd, command, (size_t)n, until_us);
	redisFreeCommand(command);
	while (sent && !reply && await(l->fd, POLLIN, until_us)) {
		ssize_t got = recv(l->fd, piece, sizeof(piece), 0);

		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (got <= 0 || redisReaderFeed(l->reader, piece, (size_t)got) != REDIS_OK ||
			redisReaderGetReply(l->reader, &reply) != REDIS_OK)
			break;
	}
	/* more than one answer to one question: nothing after it could be believed */
	if (reply && l->reader->pos != l->reader->len) {
		freeReplyObject(reply);
		reply = NULL;
	}
	return reply;
}

static bool await(int fd, short events, int64_t until_us)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = events };
		int64_t left = until_us - kw_monotonic_us();
		int ready = left > 0 ? poll(&p, 1, (int)((left + 999) / 1000)) : 0;

		if (ready > 0)
			return true;
		if (ready == 0 || errno != EINTR)
			return false;
	}
}

static bool send_all(int fd, const char *p, size_t n, int64_t until_us)
{
	while (n > 0) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

		if (sent > 0) {
			p += sent;
			n -= (size_t)sent;
		} else if (sent < 0 && errno != EAGAIN && errno != EINTR) {
			return false;
		} else if (!await(fd, POLLOUT, until_us)) {
			return false;
		}
	}
	return true;
}
