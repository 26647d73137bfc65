/* CloudEvents 1.0 in Kafka binary mode: the event's attributes as headers ce_*, and the place
 * (epoch, number).
 * https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md */
#ifndef KW_BUS_ENVELOPE_H
#define KW_BUS_ENVELOPE_H

#include "bus/bus.h"
#include "core/id.h"

/* Where an event stands in its partition's journal. Compared first by epoch, then by number. */
struct kw_place {
	int epoch;      /* 0: no place yet */
	int64_t number; /* 1, 2, 3 … */
};

struct kw_envelope {
	struct kw_uuid id;
	const char *type;    /* "karwan.order.received.v1" */
	const char *source;  /* "/karwan/order-routing" */
	const char *subject; /* entity id */
	kw_time time;
	struct kw_place place; /* epoch 0: none (in topics) */
	struct kw_trace trace; /* "" = none */
};

#define KW_SEQUENCE_TEXT 28
/* "000001-0000000000000000042" */
void kw_place_format(struct kw_place place, char out[KW_SEQUENCE_TEXT]);
bool kw_place_parse(struct kw_bytes text, struct kw_place *ret);

/* Headers of the event; texts live in the arena. Returns their number (at most 10). */
size_t kw_envelope_headers(const struct kw_envelope *e, struct kw_arena *a, struct kw_header *out);
/* INVALID when a required attribute is absent or empty (id, source, type, specversion), or the mode
 * is structured. */
enum kw_rc kw_envelope_parse(const struct kw_message *m, struct kw_arena *a,
	struct kw_envelope *ret, struct kw_err *err);

#endif
