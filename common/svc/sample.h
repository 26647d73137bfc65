/* What only the database knows, as gauges: a table of statements, run beside everything else and
 * never by a scrape. */
#ifndef KW_SVC_SAMPLE_H
#define KW_SVC_SAMPLE_H

#include "pg/pg.h"
#include "svc/metrics.h"

#define KW_SAMPLE_GAUGES 3

/* A statement without arguments gives the columns a text, b text, x bigint, y bigint, z bigint: the
 * values of the gauges' labels (as many as they have) and of the gauges, a row for each set of
 * labels. What no row names becomes 0. Labels are ours (states, kinds, currencies), never a
 * person's data. */
struct kw_sample {
	struct kw_metric *gauges[KW_SAMPLE_GAUGES]; /* of x, y and z */
	struct kw_stmt stmt;
};

#endif
