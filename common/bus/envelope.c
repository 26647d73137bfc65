/* CloudEvents 1.0 in Kafka binary mode: headers ce_*, and the place of an event in its partition.
 * https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md */
#include "bus/envelope.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/csv.h"

#define ATTRIBUTE_MAX 200 /* bytes of one attribute */
#define EPOCH_DIGITS 6
#define NUMBER_DIGITS 19
#define JSON "application/json"
#define STRUCTURED "application/cloudevents" /* also -batch: Kafka has none */

void kw_place_format(struct kw_place place, char out[KW_SEQUENCE_TEXT])
{
	kw_assert(place.epoch >= 0 && place.epoch <= 999999 && place.number >= 0);
	snprintf(out, KW_SEQUENCE_TEXT, "%06d-%019" PRId64, place.epoch, place.number);
}

static bool parse_digits(const char *p, int n, int64_t *ret)
{
	int64_t value = 0;

	for (int i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		if (__builtin_mul_overflow(value, 10, &value) ||
			__builtin_add_overflow(value, p[i] - '0', &value))
			return false;
	}
	*ret = value;
	return true;
}

bool kw_place_parse(struct kw_bytes text, struct kw_place *ret)
{
	const char *p = text.p;
	int64_t epoch, number;

	if (text.n != EPOCH_DIGITS + 1 + NUMBER_DIGITS || p[EPOCH_DIGITS] != '-' ||
		!parse_digits(p, EPOCH_DIGITS, &epoch) ||
		!parse_digits(p + EPOCH_DIGITS + 1, NUMBER_DIGITS, &number) || epoch == 0 ||
		number == 0)
		return false;
	*ret = (struct kw_place) { (int)epoch, number };
	return true;
}

static void put(struct kw_header *out, size_t *n, const char *name, const char *value)
{
	if (value && value[0])
		out[(*n)++] = (struct kw_header) { name, { value, strlen(value) } };
}

size_t kw_envelope_headers(const struct kw_envelope *e, struct kw_arena *a, struct kw_header *out)
{
	char time[KW_TIME_TEXT] = "", sequence[KW_SEQUENCE_TEXT] = "";
	size_t n = 0;

	kw_assert(e->id.s[0] && e->type && e->type[0] && e->source && e->source[0]);
	if (e->time)
		kw_time_format(e->time, time);
	if (e->place.epoch)
		kw_place_format(e->place, sequence);
	put(out, &n, "ce_specversion", "1.0");
	put(out, &n, "ce_id", kw_arena_str(a, e->id.s));
	put(out, &n, "ce_source", kw_arena_str(a, e->source));
	put(out, &n, "ce_type", kw_arena_str(a, e->type));
	put(out, &n, "ce_subject", kw_arena_str(a, e->subject));
	put(out, &n, "ce_time", kw_arena_str(a, time));
	put(out, &n, "ce_sequence", kw_arena_str(a, sequence));
	put(out, &n, "content-type", "application/json");
	put(out, &n, "traceparent", kw_arena_str(a, e->trace.s));
	return n;
}

/* Text of the specification's type String: UTF-8 without control characters (C0, DEL, C1). */
static bool is_clean(struct kw_bytes text)
{
	const unsigned char *p = text.p;

	for (size_t i = 0; i < text.n; i++)
		if (p[i] < 0x20 || p[i] == 0x7f ||
			(p[i] == 0xc2 && i + 1 < text.n && p[i + 1] < 0xa0))
			return false;
	return kw_utf8_ok(text.p, text.n);
}

/* "" when the header is absent and not required. */
static enum kw_rc attribute(const struct kw_message *m, struct kw_arena *a, const char *name,
	bool required, const char **ret, struct kw_err *err)
{
	struct kw_bytes value = kw_message_header(m, name);

	if (required && value.n == 0)
		return kw_fail_code(err, KW_INVALID, "ENVELOPE", "the header %s is %s", name,
			value.p ? "empty" : "absent");
	if (value.n > ATTRIBUTE_MAX)
		return kw_fail_code(err, KW_INVALID, "ENVELOPE",
			"the header %s is longer than %d bytes", name, ATTRIBUTE_MAX);
	if (!is_clean(value))
		return kw_fail_code(err, KW_INVALID, "ENVELOPE",
			"the header %s is not UTF-8, or has control characters", name);
	*ret = value.n ? kw_arena_strn(a, value.p, value.n) : "";
	return KW_OK;
}

/* Who goes on with it checks it (kw_trace_from); here it is only kept from being anything else. */
static void take_trace(const struct kw_message *m, struct kw_trace *ret)
{
	struct kw_bytes value = kw_message_header(m, "traceparent");
	const char *p = value.p;

	ret->s[0] = '\0';
	if (value.n != sizeof(ret->s) - 1)
		return;
	for (size_t i = 0; i < value.n; i++)
		if (!p[i] || !strchr("0123456789abcdef-", p[i]))
			return;
	memcpy(ret->s, p, value.n);
	ret->s[value.n] = '\0';
}

static bool begins(struct kw_bytes text, const char *with)
{
	return text.n >= strlen(with) && strncasecmp(text.p, with, strlen(with)) == 0;
}

/* content-type is the attribute datacontenttype; absent, it means JSON. */
static enum kw_rc check_mode(const struct kw_message *m, struct kw_err *err)
{
	struct kw_bytes type = kw_message_header(m, "content-type");
	const char *p = type.p;
	size_t n = 0;

	if (begins(type, STRUCTURED))
		return kw_fail_code(err, KW_INVALID, "ENVELOPE",
			"structured mode is not spoken here, only binary");
	while (n < type.n && p[n] != ';' && p[n] != ' ' && p[n] != '\t')
		n++;
	if (type.n == 0 || (begins(type, JSON) && n == strlen(JSON)))
		return KW_OK;
	return kw_fail_code(
		err, KW_INVALID, "ENVELOPE", "the header content-type is not application/json");
}

enum kw_rc kw_envelope_parse(
	const struct kw_message *m, struct kw_arena *a, struct kw_envelope *ret, struct kw_err *err)
{
	struct kw_envelope e = { 0 };
	struct kw_bytes sequence = kw_message_header(m, "ce_sequence");
	const char *version, *id, *time;

	KW_TRY(check_mode(m, err));
	KW_TRY(attribute(m, a, "ce_specversion", true, &version, err));
	KW_TRY(attribute(m, a, "ce_id", true, &id, err));
	KW_TRY(attribute(m, a, "ce_source", true, &e.source, err));
	KW_TRY(attribute(m, a, "ce_type", true, &e.type, err));
	KW_TRY(attribute(m, a, "ce_subject", false, &e.subject, err));
	KW_TRY(attribute(m, a, "ce_time", false, &time, err));
	if (strcmp(version, "1.0") != 0)
		return kw_fail_code(err, KW_INVALID, "ENVELOPE",
			"the header ce_specversion is %.40s, not 1.0", version);
	if (!kw_uuid_parse(id, &e.id))
		return kw_fail_code(err, KW_INVALID, "ENVELOPE", "the header ce_id is no UUID");
	if (time[0] && kw_time_parse(time, &e.time, NULL) != KW_OK)
		return kw_fail_code(err, KW_INVALID, "ENVELOPE",
			"the header ce_time is not a time of RFC 3339");
	if (sequence.p && !kw_place_parse(sequence, &e.place))
		return kw_fail_code(err, KW_INVALID, "ENVELOPE",
			"the header ce_sequence is not six digits, a dash and nineteen digits");
	take_trace(m, &e.trace);
	*ret = e;
	return KW_OK;
}
