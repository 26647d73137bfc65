/* A TCP proxy of one server that a test scripts: a hook sees the bytes of both directions and
 * decides what becomes of them, so that a connection breaks at an exact place. It knows no
 * protocol. One thread of its own; the hook runs there; all other calls from any thread. */
#ifndef KT_PROXY_H
#define KT_PROXY_H

#include <stdbool.h>
#include <stddef.h>

struct kt_proxy;

enum kt_verdict {
	KT_PASS,          /* on to the other side */
	KT_CUT,           /* they never arrive: both sides are closed */
	KT_PASS_THEN_CUT, /* they arrive, then both sides are closed */
	KT_SWALLOW,       /* they never arrive and nobody is told */
};

/* What was read in one piece, at most 64 KiB. connection: 0, 1, 2 … in the order of accepting. */
typedef enum kt_verdict kt_proxy_hook(
	void *ctx, int connection, bool to_server, const void *bytes, size_t n);

/* host: an IPv4 address. hook NULL: all passes. Listens on a free port of 127.0.0.1. */
struct kt_proxy *kt_proxy_open(const char *host, int port, kt_proxy_hook *hook, void *ctx);
void kt_proxy_close(struct kt_proxy *p);
int kt_proxy_port(const struct kt_proxy *p);
/* Connections accepted so far. */
int kt_proxy_accepted(const struct kt_proxy *p);

/* Each returns when it is done, to all connections that there are. Closed: */
void kt_proxy_cut(struct kt_proxy *p);
/* Closed by a reset. */
void kt_proxy_reset(struct kt_proxy *p);
/* The servers' sides are closed and the clients are not told: what they send goes nowhere. */
void kt_proxy_forget(struct kt_proxy *p);
/* Now they are told, by a reset. */
void kt_proxy_end_forgotten(struct kt_proxy *p);
/* While true, a new connection is closed at once. */
void kt_proxy_refuse(struct kt_proxy *p, bool refuse);
/* While true, nothing is forwarded in either direction and connections stay open (a dead link). */
void kt_proxy_stall(struct kt_proxy *p, bool stall);
/* The same in one direction. */
void kt_proxy_stall_way(struct kt_proxy *p, bool to_server, bool stall);
/* Each piece waits this long, in each direction. */
void kt_proxy_delay(struct kt_proxy *p, int delay_ms);

/* Do the bytes contain the text? For hooks. */
bool kt_bytes_contain(const void *bytes, size_t n, const char *text);

#endif
