/* Leased outbound work: intent rows that a handler wrote (kw_intend) are taken by many replicas
 * without meeting. The server's clock; the lease is committed before the call; an expired lease
 * means that the outcome is UNKNOWN: inquire first. */
#ifndef KW_FLOW_LEASE_H
#define KW_FLOW_LEASE_H

#include "flow/batch.h"

struct kw_intent {
	struct kw_uuid id, entity;
	const char *payload; /* JSON, decode with the table that encoded it */
	const char *trace;
	int64_t token; /* of this lease */
	int attempts;  /* leases so far, this one included */
	bool inquire;  /* a former lease expired or its outcome was unknown: ask before doing it
			  again */
};

/* Takes up to limit due intents of the kind for lease_ms; committed when it returns OK. NOTHING:
 * none due. */
enum kw_rc kw_lease_take(struct kw_pg *pg, struct kw_arena *a, const char *kind, size_t limit,
	int lease_ms, struct kw_intent **ret, size_t *ret_n, struct kw_err *err);

enum kw_intent_result { KW_INTENT_DONE, KW_INTENT_AGAIN, KW_INTENT_UNKNOWN, KW_INTENT_FAILED };

struct kw_intent_outcome {
	struct kw_uuid id;
	int64_t token;
	int result;         /* enum kw_intent_result */
	kw_time due;        /* AGAIN, UNKNOWN: not before */
	const char *detail; /* short reason, kept */
	bool held; /* set: the token was still ours; when false the caller must not apply the
		      outcome */
};

/* Inside kw_outcome_run: marks the intents under their tokens. */
enum kw_rc kw_lease_finish(
	struct kw_batch *b, struct kw_intent_outcome *outcomes, size_t n, struct kw_err *err);

#endif
