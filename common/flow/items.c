/* From polled messages to the items of a batch: is the log the one that was read, is nothing
 * missing in it, and what says rule 5 of each event? Consumer thread only. */
#include "flow/impl.h"

#include <inttypes.h>
#include <string.h>

#include "core/log.h"

#define REWIND_FIRST 1000
#define WATERMARK_TIMEOUT_MS 5000

/* ---- an in topic ---- */

/* The message before our offset must be the one that the row remembers. false: it is not. */
static bool verify(struct kw_part *part, const struct kw_message *m)
{
	part->verify = false;
	return m->offset == part->next_offset - 1 && m->time == part->last_time &&
	       kw_message_hash(m) == part->last_hash;
}

static int64_t last_offset(const struct kw_part *part, const struct kw_item *items, size_t n)
{
	for (size_t i = n; i > 0; i--)
		if (items[i - 1].part == part)
			return items[i - 1].m->offset + 1;
	return part->next_offset;
}

static enum kw_rc mismatch(
	struct kw_runner *r, struct kw_part *part, const struct kw_message *m, struct kw_err *err)
{
	if (!part->in) {
		/* the offset was a hint: the place decides, from the beginning of the log */
		r->gap = part;
		r->gap_offset = 0;
		return KW_NOTHING;
	}
	return kw_fail_code(err, KW_CONFLICT, "LOG_CHANGED",
		"%s partition %d: the record at offset %" PRId64
		" is not the one that was read; nothing is consumed until an "
		"operator decides: karwanctl accept --topic %s",
		part->topic, part->partition, m->offset, part->topic);
}

/* Offsets that were passed over tell nothing by themselves. The first time, the partition is loaded
 * again and compared with what was read; when it is the same log and they are passed over again,
 * there is nothing at them. false: load it again. */
static bool accept_jump(
	struct kw_runner *r, struct kw_part *part, const struct kw_message *m, int64_t expected)
{
	if (!part->jumped) {
		part->jumped = true;
		r->pending = true;
		return false;
	}
	part->jumped = false;
	kw_log(KW_WARNING, "offsets of an in topic hold no message", KW_LS("topic", m->topic),
		KW_LI("partition", m->partition), KW_LI("from", expected),
		KW_LI("to", m->offset - 1));
	return true;
}

/* ---- an events topic ---- */

/* The last place that the batch at hand has taken in this partition. */
static struct kw_place last_place(const struct kw_part *part, const struct kw_item *items, size_t n)
{
	for (size_t i = n; i > 0; i--)
		if (items[i - 1].part == part && items[i - 1].envelope.place.epoch > 0)
			return items[i - 1].envelope.place;
	return part->place;
}

/* The offset moves over it, the place does not. */
static void pass_over(struct kw_item *it)
{
	it->row = NULL;
	it->envelope.place = (struct kw_place) { 0 };
}

/* Judges one record of an events topic. NOTHING: a gap, the batch ends before it. */
static enum kw_rc judge(
	struct kw_runner *r, struct kw_item *it, const struct kw_item *items, size_t n)
{
	struct kw_part *part = it->part;
	struct kw_place last = last_place(part, items, n);

	switch (kw_place_judge(part->epochs, part->n_epochs, last, it->envelope.place,
		strcmp(it->envelope.type, "karwan.epoch.started.v1") == 0)) {
	case KW_PLACE_NEXT:
		return KW_OK;
	case KW_PLACE_REPEAT:
	case KW_PLACE_VOID:
		STAT(r, repeats, 1);
		pass_over(it);
		return KW_OK;
	case KW_PLACE_GAP:
		break;
	}
	STAT(r, gaps, 1);
	kw_log(KW_WARNING, "gap in an events topic: reading again", KW_LS("topic", it->m->topic),
		KW_LI("partition", it->m->partition), KW_LI("offset", it->m->offset),
		KW_LI("last", last.number), KW_LI("next", it->envelope.place.number));
	if (part->rewound < 0) {
		/* read from the beginning already: what is missing will be sent again, and all that
		 * follows it */
		pass_over(it);
		return KW_OK;
	}
	r->gap = part;
	r->gap_offset = it->m->offset;
	return KW_NOTHING;
}

/* ---- both ---- */

/* What becomes of one message. NOTHING: the batch ends before it. */
static enum kw_rc make_item(
	struct kw_runner *r, struct kw_item *it, const struct kw_item *items, size_t n)
{
	const struct kw_message *m = it->m;

	if (kw_envelope_parse(m, r->arena, &it->envelope, &it->err) != KW_OK) {
		it->envelope.place = (struct kw_place) { 0 };
		it->dead = true;
		return KW_OK;
	}
	it->row = kw_row_find(&r->config, m->topic, it->envelope.type);
	if (it->part->in) {
		it->envelope.place = (struct kw_place) { 0 };
		if (!it->row) {
			it->dead = true;
			kw_fail_code(&it->err, KW_INVALID, "UNKNOWN_TYPE", "unknown type %.100s",
				it->envelope.type);
		}
		return KW_OK;
	}
	if (it->envelope.place.epoch == 0) {
		it->dead = true;
		kw_fail_code(&it->err, KW_INVALID, "NO_SEQUENCE", "an event without ce_sequence");
		return KW_OK;
	}
	return judge(r, it, items, n);
}

enum kw_rc kw_items_make(struct kw_runner *r, const struct kw_message *ms, size_t n_ms,
	struct kw_item *items, size_t *ret_n, struct kw_err *err)
{
	size_t n = 0;

	*ret_n = 0;
	for (size_t i = 0; i < n_ms; i++) {
		const struct kw_message *m = &ms[i];
		struct kw_part *part = kw_part_find(r, m->topic, m->partition);
		int64_t expected;

		if (!part)
			continue;
		expected = last_offset(part, items, n);
		if (part->verify) {
			if (!verify(part, m))
				return mismatch(r, part, m, err);
			part->position = m->offset + 1;
			continue;
		}
		if (part->in && m->offset < expected)
			continue;
		if (part->in && m->offset > expected && !accept_jump(r, part, m, expected))
			return KW_NOTHING;
		items[n] = (struct kw_item) { .m = m, .part = part, .attempts = 1 };
		KW_TRY(make_item(r, &items[n], items, n));
		if (!items[n].row && !items[n].dead)
			STAT(r, skipped, 1);
		part->position = m->offset + 1;
		*ret_n = ++n;
	}
	return KW_OK;
}

/* rewound < 0: the beginning was reached. */
enum kw_rc kw_gap_rewind(struct kw_runner *r, struct kw_err *err)
{
	struct kw_position *positions = kw_new(r->arena, struct kw_position, r->n_parts);
	struct kw_part *gap = r->gap;
	int64_t low, high, target;

	r->gap = NULL;
	KW_TRY(kw_consumer_watermarks(
		r->consumer, gap->topic, gap->partition, WATERMARK_TIMEOUT_MS, &low, &high, err));
	gap->rewound = gap->rewound ? gap->rewound * 10 : REWIND_FIRST;
	target = r->gap_offset - gap->rewound;
	if (target <= low) {
		target = low;
		gap->rewound = -1;
	}
	gap->position = target;
	for (size_t i = 0; i < r->n_parts; i++)
		positions[i] = (struct kw_position) { r->parts[i].topic, r->parts[i].partition,
			r->parts[i].position };
	return kw_consumer_reassign(r->consumer, positions, r->n_parts, err);
}
