/* Headers of a Kafka record, one a line (name=value; without "=" one that has no value): what is
 * taken has what an event must have, and is the same when it is written and read again. */
#include <stdlib.h>
#include <string.h>

#include "bus/envelope.h"
#include "fuzz.h"

static struct kw_message parsed(struct kw_arena *a, const uint8_t *data, size_t size)
{
	struct kw_message m = { .topic = "karwan.orders.events" };
	const char *p = (const char *)data, *end = p + size;

	while (p < end) {
		const char *line_end = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((line_end ? line_end : end) - p);
		const char *value = memchr(p, '=', n);
		size_t n_name = value ? (size_t)(value - p) : n;

		if (m.n_headers < KW_HEADERS_MAX) {
			struct kw_header *h = &m.headers[m.n_headers];
			h->name = kw_arena_strn(a, p, n_name);
			/* of its own size, so that reading beyond it is seen */
			if (value) {
				size_t n_value = n - n_name - 1;
				char *copy = malloc(n_value + !n_value);
				memcpy(copy, value + 1, n_value);
				h->value = (struct kw_bytes) { copy, n_value };
			}
		}
		m.n_headers++;
		p += n + 1;
	}
	return m;
}

static void free_values(struct kw_message *m)
{
	for (size_t i = 0; i < m->n_headers && i < KW_HEADERS_MAX; i++)
		free((void *)(uintptr_t)m->headers[i].value.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kw_arena *a = fuzz_arena();
	struct kw_message m = parsed(a, data, size), again = { .topic = m.topic };
	struct kw_envelope e, same;
	struct kw_err err = { 0 };

	if (kw_envelope_parse(&m, a, &e, &err) == KW_OK) {
		FUZZ_CHECK(e.id.s[0] && e.type[0] && e.source[0], "%s", "an attribute is empty");
		FUZZ_CHECK((e.place.epoch > 0 && e.place.number > 0) ||
				   (e.place.epoch == 0 && e.place.number == 0),
			"%d %lld", e.place.epoch, (long long)e.place.number);
		again.n_headers = kw_envelope_headers(&e, a, again.headers);
		FUZZ_CHECK(kw_envelope_parse(&again, a, &same, &err) == KW_OK, "%s", err.reason);
		FUZZ_CHECK(strcmp(e.id.s, same.id.s) == 0 && strcmp(e.type, same.type) == 0 &&
				   strcmp(e.source, same.source) == 0 &&
				   strcmp(e.subject, same.subject) == 0 && e.time == same.time &&
				   e.place.epoch == same.place.epoch &&
				   e.place.number == same.place.number &&
				   strcmp(e.trace.s, same.trace.s) == 0,
			"%s of %s", e.type, e.id.s);
	} else {
		FUZZ_CHECK(err.reason[0] && strcmp(err.code, "ENVELOPE") == 0, "%s", err.code);
	}
	free_values(&m);
	return 0;
}
