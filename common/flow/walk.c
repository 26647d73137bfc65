/* The publisher's walk: reads each partition from the remembered offset to the end, checks that
 * every record is the journal's row of that number, and finds the first number that is missing
 * (rule 6 of the design). */
#include "flow/publish.h"

#include <inttypes.h>
#include <string.h>

#include "core/log.h"

#define CHECK_MAX 1000
#define NOT_SAVED (-1)

enum { FIND_PUBLISHED, FIND_EPOCHS, FIND_JOURNAL };

static const struct kw_stmt stmts[] = {
	[FIND_PUBLISHED] = { "SELECT p.partition, p.number, p.kafka_offset, p.appended_at, h.number, "
			     "coalesce((SELECT min(j.number) FROM journal j WHERE j.partition = "
			     "p.partition), h.number + 1) "
			     "FROM published p JOIN head h USING (partition) ORDER BY partition" },
	[FIND_EPOCHS] = { "SELECT topic, partition, epoch, last_good_number FROM epochs WHERE "
			  "topic = $1::text "
			  "ORDER BY partition, epoch DESC" },
	[FIND_JOURNAL] = { "SELECT number, epoch, id FROM journal WHERE partition = $1::int AND "
			   "number = ANY ($2::bigint[])" },
};

struct published_row {
	int partition;
	int64_t number, offset, head, oldest;
	kw_time time; /* 0: not known */
};

static const struct kw_col published_cols[] = {
	KW_COL_INT(struct published_row, partition),
	KW_COL_I64(struct published_row, number),
	KW_COL_I64(struct published_row, offset),
	KW_COL_TIME(struct published_row, time),
	KW_COL_I64(struct published_row, head),
	KW_COL_I64(struct published_row, oldest),
	KW_COL_END,
};

static const struct kw_col epoch_cols[] = {
	KW_COL_TEXT(struct kw_epoch_row, topic),
	KW_COL_INT(struct kw_epoch_row, partition),
	KW_COL_INT(struct kw_epoch_row, epoch),
	KW_COL_I64(struct kw_epoch_row, last_good_number),
	KW_COL_END,
};

struct seen {
	int64_t number;
	int epoch;
	struct kw_uuid id;
};

static const struct kw_col number_cols[] = { KW_COL_I64(struct seen, number), KW_COL_END };

static const struct kw_col seen_cols[] = {
	KW_COL_I64(struct seen, number),
	KW_COL_INT(struct seen, epoch),
	KW_COL_UUID(struct seen, id),
	KW_COL_END,
};

/* One partition's walk. */
struct walk {
	struct kw_publisher *p;
	struct kw_reader *reader;
	const struct published_row *row;
	const struct kw_epoch_row *epochs;
	size_t n_epochs;
	int64_t number;       /* the log is whole up to this number */
	struct kw_landing at; /* of that one; offset -1: none */
	bool any; /* older ones have aged out: the first that was acknowledged sets the number */
	int64_t begins; /* offset of the first one of these; -1: none yet */
	bool strays;    /* there are others before it */
	struct seen *seen;
	size_t n_seen;
};

static enum kw_rc went_back(const struct walk *w, int64_t number, struct kw_err *err)
{
	return kw_fail_code(err, KW_CONFLICT, "WENT_BACK",
		"%s partition %d has number %" PRId64
		", which is not the journal's (it ends at %" PRId64
		"): PostgreSQL went back; stop the programs and run karwanctl epoch",
		w->p->config.events_topic, w->row->partition, number, w->row->head);
}

/* Every record read is the journal's row of that number, unless that row has aged out. The journal
 * is asked after the record was read: head is older, and another publisher may have gone past it.
 */
static enum kw_rc check_seen(struct walk *w, struct kw_err *err)
{
	KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new(16 * 1024 * 1024);
	struct kw_args args = kw_args_of(a);
	struct seen *rows;
	size_t n_rows;

	kw_args_int(&args, w->row->partition);
	kw_args_rows(&args, number_cols, w->seen, w->n_seen, sizeof(*w->seen));
	KW_TRY(kw_pg_fetch(w->p->pg, &stmts[FIND_JOURNAL], &args, seen_cols, sizeof(*rows), &rows,
		&n_rows, err));
	for (size_t i = 0; i < w->n_seen; i++) {
		const struct seen *row = NULL;

		if (w->seen[i].number < w->row->oldest)
			continue;
		for (size_t k = 0; k < n_rows && !row; k++)
			if (rows[k].number == w->seen[i].number)
				row = &rows[k];
		if (!row || row->epoch != w->seen[i].epoch ||
			strcmp(row->id.s, w->seen[i].id.s) != 0)
			return went_back(w, w->seen[i].number, err);
	}
	w->n_seen = 0;
	return KW_OK;
}

static bool is_void(const struct walk *w, struct kw_place place)
{
	for (size_t i = 0; i < w->n_epochs; i++)
		if (place.epoch < w->epochs[i].epoch &&
			place.number > w->epochs[i].last_good_number)
			return true;
	return false;
}

static enum kw_rc take(struct walk *w, const struct kw_message *m, struct kw_err *err)
{
	struct kw_envelope e;

	if (kw_envelope_parse(m, w->p->arena, &e, err) != KW_OK || e.place.epoch == 0)
		return kw_fail_code(err, KW_CONFLICT, "WENT_BACK",
			"%s partition %d offset %" PRId64 " is not an event of ours", m->topic,
			m->partition, m->offset);
	if (is_void(w, e.place))
		return KW_OK;
	w->seen[w->n_seen++] = (struct seen) { e.place.number, e.place.epoch, e.id };
	if (w->n_seen == CHECK_MAX)
		KW_TRY(check_seen(w, err));
	if ((w->any && e.place.number <= w->row->number) || e.place.number == w->number + 1) {
		if (w->begins < 0)
			w->begins = m->offset;
		w->any = false;
		w->number = e.place.number;
		w->at = (struct kw_landing) { m->offset, m->time };
	} else if (w->begins < 0) {
		w->strays = true;
	}
	return KW_OK;
}

/* Is this the remembered record? Its offset and number are not enough: the log may have lost it,
 * and a late repeat of it may have come to the same offset, behind a gap. */
static bool is_remembered(struct walk *w, const struct kw_message *m)
{
	struct kw_envelope e;
	struct kw_err ignored;

	return m->offset == w->row->offset && (w->row->time == 0 || m->time == w->row->time) &&
	       kw_envelope_parse(m, w->p->arena, &e, &ignored) == KW_OK &&
	       e.place.number == w->row->number;
}

/* The log lost all, and what was on its way then landed first. Whoever has a place waits for what
 * is missing; whoever begins would take the first one that he finds for the start. Without the
 * right to remove it that is how it stays. */
static void remove_strays(struct walk *w, int64_t high)
{
	const char *topic = w->p->config.events_topic;
	int64_t before = w->begins < 0 ? high : w->begins;
	struct kw_err err = { 0 };

	if (kw_reader_remove_before(w->reader, topic, w->row->partition, before, &err) != KW_OK)
		kw_log_err(KW_WARNING, "a log does not begin with its start", &err,
			KW_LS("topic", topic), KW_LI("partition", w->row->partition));
	else
		kw_log(KW_WARNING, "removed what came to a lost log before its start",
			KW_LS("topic", topic), KW_LI("partition", w->row->partition),
			KW_LI("before", before));
}

/* From the remembered offset (or from the log's start where that is no guide) to the end. */
static enum kw_rc walk_from(struct walk *w, bool whole, struct kw_err *err)
{
	const char *topic = w->p->config.events_topic;
	int64_t low, high, begin;
	struct kw_message m;
	bool first = true;
	enum kw_rc rc;

	KW_TRY(kw_reader_watermarks(w->reader, topic, w->row->partition, &low, &high, err));
	whole = whole || w->row->number == 0 || high <= w->row->offset;
	w->n_seen = 0;
	w->begins = whole ? -1 : w->row->offset;
	w->strays = false;
	w->any = whole && low > 0;
	w->number = whole ? 0 : w->row->number;
	w->at = whole ? (struct kw_landing) { .offset = -1 }
		      : (struct kw_landing) { w->row->offset, w->row->time };
	begin = whole || w->row->offset < low ? low : w->row->offset;
	KW_TRY(kw_reader_begin(w->reader, topic, w->row->partition, begin, err));
	while ((rc = kw_reader_next(w->reader, &m, err)) == KW_OK) {
		if (first && !whole && begin == w->row->offset && !is_remembered(w, &m))
			return walk_from(w, true, err);
		first = false;
		KW_TRY(take(w, &m, err));
		kw_arena_reset(w->p->arena);
	}
	if (rc != KW_NOTHING)
		return rc;
	KW_TRY(check_seen(w, err));
	if (w->strays)
		remove_strays(w, high);
	return KW_OK;
}

static bool is_saved(const struct walk *w)
{
	return w->number == w->row->number && w->at.offset == w->row->offset &&
	       w->at.time == w->row->time;
}

enum kw_rc kw_publisher_walk(struct kw_publisher *p, struct kw_err *err)
{
	KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new(16 * 1024 * 1024);
	struct published_row *rows;
	struct kw_epoch_row *epochs;
	size_t n_rows, n_epochs;
	struct kw_args args = kw_args_of(a);
	struct walk w = { .p = p, .seen = kw_new(a, struct seen, CHECK_MAX) };
	enum kw_rc rc = KW_OK;

	KW_TRY(kw_pg_fetch(p->pg, &stmts[FIND_PUBLISHED], &args, published_cols, sizeof(*rows),
		&rows, &n_rows, err));
	kw_args_text(&args, p->config.events_topic);
	KW_TRY(kw_pg_fetch(p->pg, &stmts[FIND_EPOCHS], &args, epoch_cols, sizeof(*epochs), &epochs,
		&n_epochs, err));
	if (n_rows != (size_t)p->n_parts)
		return kw_fail(err, KW_FATAL, "the journal has %zu partitions, %s has %d", n_rows,
			p->config.events_topic, p->n_parts);
	KW_TRY(kw_reader_open(p->config.brokers, p->config.service, &w.reader, err));
	for (int i = 0; i < p->n_parts && rc == KW_OK; i++) {
		w.row = &rows[i];
		w.epochs = NULL;
		w.n_epochs = 0;
		for (size_t k = 0; k < n_epochs; k++)
			if (epochs[k].partition == w.row->partition && w.n_epochs++ == 0)
				w.epochs = &epochs[k];
		rc = walk_from(&w, false, err);
		if (rc != KW_OK)
			break;
		if (w.number < w.row->number)
			kw_log(KW_WARNING, "Kafka lost a tail: sending it again",
				KW_LS("topic", p->config.events_topic),
				KW_LI("partition", w.row->partition),
				KW_LI("remembered", w.row->number), KW_LI("found", w.number));
		p->parts[i].sent = p->parts[i].acked = w.number;
		p->parts[i].acked_at = w.at;
		p->parts[i].saved = is_saved(&w) ? w.row->number : NOT_SAVED;
	}
	kw_reader_close(w.reader);
	return rc;
}
