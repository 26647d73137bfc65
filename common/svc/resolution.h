/* How a person ends an exception (svc/exceptions.h): the endpoint POST /v1/exceptions/:id/resolve
 * and the message that it appends to the service's in topic. The service decides in its batch
 * handler; the edge only refuses what can be seen to be impossible. Any thread. */
#ifndef KW_SVC_RESOLUTION_H
#define KW_SVC_RESOLUTION_H

#include "svc/svc.h"

enum kw_resolution {
	KW_KEEP,         /* what we have stands */
	KW_CANCEL_ORDER, /* what has not left of the order is cancelled */
	KW_ASSIGN_ORDER, /* the money belongs to the order (channel, external_id) */
	KW_RELEASE,      /* the order may go though it was paid too little; the rest is waived */
	KW_MAP,          /* the carrier's word means status; also once it is ended: a new version */
};
extern const struct kw_strtab kw_resolution_names;

struct kw_resolve_body {
	int resolution; /* enum kw_resolution */
	const char *reason;
	int64_t version; /* that the person saw; 0: the present one */
	const char *channel, *external_id;
	const char *status;
};
extern const struct kw_field kw_resolve_body_fields[];
extern const struct kw_answer kw_resolve_answers[]; /* of the route */

/* karwan.exception.resolve_requested.v1, key: the exception's id. It acts on this version alone, so
 * that a repeat, or one that comes late, changes nothing. */
struct kw_resolve_requested {
	struct kw_meta meta;
	struct kw_uuid exception_id;
	int64_t version;
	int resolution; /* enum kw_resolution */
	const char *reason, *by;
	const char *channel, *external_id; /* of ASSIGN_ORDER */
	const char *status;                /* of MAP */
};
extern const struct kw_field kw_resolve_requested_fields[];
#define KW_RESOLVE_REQUESTED "karwan.exception.resolve_requested.v1"

/* May an exception of this kind be ended so? A service's own rule. */
typedef bool kw_may_resolve_fn(const char *kind, int resolution);

/* Where KEEP is all that a person can do: the topic row's handler, for a table exceptions with the
 * columns state ('OPEN', 'CLOSED'), version (counted by a trigger), resolution, resolved_by, note
 * and changed_at. */
kw_batch_fn kw_on_keep_requested;

/* INVALID at /status where a MAP gives none of these names. NULL: the service has no MAP. */
enum kw_rc kw_resolve_status(
	int resolution, const char *status, const struct kw_strtab *statuses, struct kw_err *err);

/* The edge handler's work; rq->in is a struct kw_resolve_body; statuses: of MAP, or NULL. 404: no
 * such exception; 409: it is open no more, or was changed since; 422: not in this way. */
enum kw_rc kw_svc_resolve(struct kw_request *rq, kw_may_resolve_fn *may,
	const struct kw_strtab *statuses, struct kw_err *err);

#endif
