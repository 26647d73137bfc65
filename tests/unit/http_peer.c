#include "http_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 10000

int peer_dial(int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

void peer_close(int fd)
{
	close(fd);
}

void peer_push(int fd, const void *bytes, size_t n)
{
	const char *p = bytes;

	while (n > 0) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
		if (sent <= 0)
			return;
		p += sent;
		n -= (size_t)sent;
	}
}

void peer_say(int fd, const char *text)
{
	size_t n = strlen(text);

	assert_int_equal(send(fd, text, n, MSG_NOSIGNAL), (ssize_t)n);
}

size_t peer_read(int fd, char *out, size_t max)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (poll(&p, 1, PATIENCE_MS) != 1)
		fail_msg("nothing came for %d ms", PATIENCE_MS);
	ssize_t n = recv(fd, out, max, 0);
	if (n < 0 && errno != ECONNRESET)
		fail_msg("recv: %s", strerror(errno));
	return n > 0 ? (size_t)n : 0;
}

static void hear_body(int fd, struct peer_answer *ret)
{
	const char *length = peer_header(ret, "Content-Length");
	size_t want = length ? (size_t)strtoul(length, NULL, 10) : sizeof(ret->body) - 1;

	assert_true(want < sizeof(ret->body));
	if (ret->status < 200 || ret->status == 204 || ret->status == 304)
		want = 0;
	while (ret->n_body < want) {
		size_t n = peer_read(fd, ret->body + ret->n_body, want - ret->n_body);
		if (n == 0 && length)
			fail_msg("the body ended after %zu of %zu bytes", ret->n_body, want);
		if (n == 0)
			break;
		ret->n_body += n;
	}
	ret->body[ret->n_body] = '\0';
}

void peer_hear(int fd, struct peer_answer *ret)
{
	size_t n = 0;

	*ret = (struct peer_answer) { 0 };
	/* Byte by byte, so that nothing of the next answer is taken. */
	while (n < 4 || memcmp(ret->head + n - 4, "\r\n\r\n", 4) != 0) {
		assert_true(n < sizeof(ret->head) - 1);
		if (peer_read(fd, ret->head + n, 1) == 0)
			fail_msg("closed after \"%s\"", ret->head);
		n++;
	}
	if (strncmp(ret->head, "HTTP/1.1 ", 9) != 0)
		fail_msg("no answer: \"%s\"", ret->head);
	ret->status = (int)strtol(ret->head + 9, NULL, 10);
	hear_body(fd, ret);
}

const char *peer_header(const struct peer_answer *answer, const char *name)
{
	static char value[1024];
	size_t n_name = strlen(name);

	for (const char *p = strstr(answer->head, "\r\n"); p; p = strstr(p, "\r\n")) {
		p += 2;
		if (strncasecmp(p, name, n_name) != 0 || p[n_name] != ':')
			continue;
		p += n_name + 1;
		p += strspn(p, " ");
		size_t n = strcspn(p, "\r");
		assert_true(n < sizeof(value));
		memcpy(value, p, n);
		value[n] = '\0';
		return value;
	}
	return NULL;
}

bool peer_closed(int fd)
{
	char more[4096];
	bool first = true;

	while (peer_read(fd, more, sizeof(more)) > 0)
		first = false;
	return first;
}

bool peer_silent(int fd, int wait_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, wait_ms) == 0;
}

void peer_ask(int port, const char *text, struct peer_answer *ret)
{
	int fd = peer_dial(port);

	peer_say(fd, text);
	peer_hear(fd, ret);
	peer_close(fd);
}
