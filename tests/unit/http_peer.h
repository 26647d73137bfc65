/* A raw HTTP client for the tests of the server: it writes what it is told, byte for byte, and
 * reads one answer at a time. Every wait ends after ten seconds, with a failed test. */
#ifndef KW_TESTS_HTTP_PEER_H
#define KW_TESTS_HTTP_PEER_H

#include <stdbool.h>
#include <stddef.h>

struct peer_answer {
	int status;
	char head[4096]; /* with the status line */
	char body[16384];
	size_t n_body;
};

int peer_dial(int port);
void peer_close(int fd);
/* Writes all, or fails the test. */
void peer_say(int fd, const char *text);
/* Writes as much as the other side takes before it closes. */
void peer_push(int fd, const void *bytes, size_t n);
/* Bytes read, 0 at the end or after a reset. */
size_t peer_read(int fd, char *out, size_t max);
/* One whole answer, by Content-Length, or to the end of the connection when there is none. */
void peer_hear(int fd, struct peer_answer *ret);
/* Value of a header of the answer (a copy in a static buffer), or NULL. */
const char *peer_header(const struct peer_answer *answer, const char *name);
/* Waits until the other side closes; true if nothing more came before. */
bool peer_closed(int fd);
/* Does nothing come for so long? */
bool peer_silent(int fd, int wait_ms);
/* Dial, say, hear, close. */
void peer_ask(int port, const char *text, struct peer_answer *ret);

#endif
