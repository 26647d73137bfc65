/* The system that is sent to: its edges and their replicas (RUN/ports), its partners' secrets, the
 * operators' token. What is missing ends the program. One thread. */
#ifndef LOAD_WORLD_H
#define LOAD_WORLD_H

#include "core/arena.h"
#include "core/err.h"
#include "svc/partners.h"

enum edge { LISTINGS_EDGE, ORDERS_EDGE, PAYMENTS_EDGE, DISPATCH_EDGE, EDGES };

#define TARGETS_MAX 32

struct target {
	char name[64]; /* "order-routing.2" */
	int port;
};

struct world {
	struct target targets[TARGETS_MAX];
	size_t n_targets;
	size_t replicas[EDGES][TARGETS_MAX], n_replicas[EDGES]; /* places in targets */
	size_t shops; /* the marketplaces' APIs; a place in targets */
	const char *partners_file;
	struct kw_arena *arenas[2]; /* what was read last is in the first */
	struct kw_partners partners;
};

void world_open(struct world *w);
void world_close(struct world *w);
/* Secrets are rotated while we send; a file that is not whole is read later. */
void world_refresh(struct world *w);
/* The one to send to. */
size_t world_target(const struct world *w, enum edge edge, unsigned lane);
/* One of a partner's keys: several are valid while they are rotated. */
struct kw_bytes world_key(
	const struct world *w, enum kw_partner_kind kind, const char *name, unsigned lane);

_Noreturn void die(const char *fmt, ...) KW_PRINTF(1, 2);

#endif
