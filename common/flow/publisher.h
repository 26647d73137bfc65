/* The publisher of one service's journal (rule 6 of the design): leased, one request in flight,
 * skips nothing. One thread. */
#ifndef KW_FLOW_PUBLISHER_H
#define KW_FLOW_PUBLISHER_H

#include "flow/batch.h"

struct kw_publisher;

enum kw_rc kw_publisher_open(
	const struct kw_flow_config *config, struct kw_publisher **ret, struct kw_err *err);
void kw_publisher_close(struct kw_publisher *p);
/* Runs until stop or FATAL; takes the lease when it is free. once: until the journal is published
 * and acknowledged. */
enum kw_rc kw_publisher_run(struct kw_publisher *p, bool once, struct kw_err *err);
void kw_publisher_stop(struct kw_publisher *p);
/* A batch was committed in this process: look now. Any thread. */
void kw_publisher_nudge(struct kw_publisher *p);

struct kw_publisher_stats {
	bool leader;
	int64_t published, resent, walks, pending; /* pending: journaled, not yet published */
};
void kw_publisher_stats(struct kw_publisher *p, struct kw_publisher_stats *ret);

#endif
