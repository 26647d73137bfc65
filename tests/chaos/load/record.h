/* What was sent and what was answered: a line an attempt, as soon as its outcome is known, and the
 * sums at the end. One thread. */
#ifndef LOAD_RECORD_H
#define LOAD_RECORD_H

#include <stdio.h>

#include "request.h"

struct record_sums {
	int64_t attempts, accepted, refused, unknown;
};

struct record_file {
	FILE *file;
	struct record_sums sums[KINDS], forged;
};

/* Adds to the file. */
void record_open(struct record_file *r, const char *path);
void record_close(struct record_file *r);

struct attempt {
	kw_time at;
	int64_t us; /* until the answer */
	const char *to;
	int status;
	struct kw_bytes answer;
};
void record_attempt(struct record_file *r, const struct message *m, const struct letter *l,
	const struct attempt *attempt);
/* One line: {"seed", "attempts", "accepted", "refused", "unknown", "forged", "kinds", "orders"}.
 * orders: of distinct ones. */
void record_totals(
	const struct record_file *r, uint64_t seed, const struct record_sums *orders, FILE *out);

#endif
