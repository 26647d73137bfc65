/* The tables of the flow, applied to each service's schema before its own migrations. */
#ifndef KW_FLOW_SCHEMA_H
#define KW_FLOW_SCHEMA_H

#include "pg/migrate.h"

extern const struct kw_migration kw_flow_migrations[];

#endif
