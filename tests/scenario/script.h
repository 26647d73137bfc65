/* A scenario is an array of labelled commands; running a label again is the idempotency test. */
#ifndef KT_SCRIPT_H
#define KT_SCRIPT_H

#include "system.h"

enum verb {
	V_END,
	V_PUT,
	V_POST,
	V_AGAIN,
	V_MANY,
	V_PAY,
	V_SETTLE,
	V_CHECK,
	V_NUMBER,
	V_RAW,
	V_CTL,
	V_WITHIN
};

struct command {
	const char *label;
	enum verb verb;
	const char *a, *b, *c; /* as the verb says */
	struct order order;
	int64_t n;
	int status;
};

/* Hub, maker or listing by the operators' API. */
#define put(service_path, json) .verb = V_PUT, .a = (service_path), .b = (json)
/* One signed order. */
#define post(ch, id, sk, qty) \
	.verb = V_POST,       \
	.order = { .channel = (ch), .external_id = (id), .sku = (sk), .quantity = (qty) }
/* The order of a label again, so many times at once, over all replicas. */
#define again(label_of, times) .verb = V_AGAIN, .a = (label_of), .n = (times)
/* So many orders at once over all replicas and these channels; ids "<prefix>-<n>". */
#define many(prefix, sk, times) .verb = V_MANY, .a = (prefix), .b = (sk), .n = (times)
#define pay(ch, id, minor) .verb = V_PAY, .a = (ch), .b = (id), .n = (minor)
/* An event's id, as that of a payment ("<ch>_<id>"), used again. */
#define pay_as(event, ch, id, minor) .verb = V_PAY, .a = (ch), .b = (id), .c = (event), .n = (minor)
#define settle() .verb = V_SETTLE
#define check_clean() .verb = V_CHECK
/* The statement's number in a schema. */
#define number(schema, sql, value) .verb = V_NUMBER, .a = (schema), .b = (sql), .n = (value)
/* The same, waited for at most five seconds. */
#define within_5_s(schema, sql, value) .verb = V_WITHIN, .a = (schema), .b = (sql), .n = (value)
/* Bytes straight into an in topic, as nobody of ours would write them. */
#define raw(topic_key, type_of, value) .verb = V_RAW, .a = (topic_key), .b = (type_of), .c = (value)
/* karwanctl; status is its exit code; what it prints contains c. */
#define ctl(words, text) .verb = V_CTL, .a = (words), .c = (text)

void script_run(struct system *s, const struct command *commands);

#endif
