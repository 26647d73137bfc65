/* Is this the database that was last accepted? A kw_pg_config.on_session of every connection that
 * writes (rule 7 of the design). */
#ifndef KW_FLOW_IDENTITY_H
#define KW_FLOW_IDENTITY_H

#include "pg/pg.h"

/* RETRY, code EPOCH: another system or timeline; until karwanctl epoch or accept. */
enum kw_rc kw_identity_check(struct kw_pg *pg, void *ctx, struct kw_err *err);

#endif
