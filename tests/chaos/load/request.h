/* A message as a whole HTTP request: body, signature of the moment, head. The same message gives
 * the same body each time. What it hands out lives in the arena. One thread. */
#ifndef LOAD_REQUEST_H
#define LOAD_REQUEST_H

#include "core/arena.h"
#include "core/buf.h"
#include "message.h"
#include "world.h"

/* The run, as far as messages depend on it. */
struct run {
	uint64_t seed;
	kw_time start;
};

/* What a message says, without who is asked and when. */
struct letter {
	enum edge edge;
	const char *method, *path;
	struct kw_bytes body;
	const char *partner; /* who signs: of that kind */
	enum kw_partner_kind signer;
	const char *headers;     /* of the sender's, whole lines */
	const char *ref;         /* what it is about */
	const char *id;          /* webhook-id, Idempotency-Key */
	const char *order;       /* "CHANNEL EXTERNAL_ID" of the order it speaks of, or NULL */
	const char *currency;    /* of amount */
	struct sale *sale;       /* ORDER and a channel's CANCEL */
	const char *national_id; /* that is in the body, or NULL */
	const char *scan;        /* TRACKING: the carrier's word */
	/* What a marketplace's API tells from then on; put there before the message is sent. */
	const char *record_path;
	struct kw_bytes record;
};

void letter_of(
	const struct run *run, const struct message *m, struct kw_arena *a, struct letter *ret);
/* The bytes to send; now: of the signature. lane: which of several keys. */
/* The same of its record. */
struct kw_bytes record_request_of(const struct letter *l, struct kw_arena *a);
struct kw_bytes request_of(const struct world *w, const struct message *m, const struct letter *l,
	kw_time now, unsigned lane, struct kw_arena *a);

/* ---- bodies, by sender ---- */

void body_of_order(const struct sale *s, const struct message *m, struct kw_buf *b);
/* Of a marketplace's message: X-Shopify-Topic and the like. */
const char *headers_of_order(const struct sale *s, const struct message *m, struct kw_arena *a);
/* What Daraz's API tells of it. */
void record_of_order(const struct sale *s, const struct message *m, struct kw_buf *b);
void body_of_payment(
	const struct run *run, const struct message *m, struct kw_arena *a, struct kw_buf *b);
void body_of_hub(const struct message *m, struct kw_buf *b);
void body_of_maker(const struct run *run, const struct message *m, struct kw_buf *b);
void body_of_listing(const struct run *run, const struct message *m, struct kw_buf *b);

/* Returns the word of the scan. */
const char *body_of_tracking(
	const struct run *run, const struct message *m, const char *id, struct kw_buf *b);

/* Ids that more than one message speaks of. */
const char *event_id(
	const struct run *run, const char *prefix, uint64_t number, struct kw_arena *a);
/* Of a payment's amount. */
const char *payment_currency(const struct run *run, const struct message *m);
const char *payment_id(const struct run *run, const struct message *m, struct kw_arena *a);

#endif
