/* The checks that hold for every service alike: places, journals, drift views, topics. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bus/consumer.h"
#include "bus/envelope.h"
#include "check.h"

enum { OFFSETS, UNPUBLISHED, GAPS, VERSIONS, DRIFT, JOURNAL, PUBLISHED, COUNT_JOURNAL, EPOCHS };

static const struct kw_stmt stmts[] = {
	[OFFSETS] = { "SELECT topic, partition, next_offset FROM offsets WHERE grp = $1::text" },
	[UNPUBLISHED] = { "SELECT coalesce(sum(h.number - p.number), 0)::bigint FROM head h JOIN published p USING (partition)" },
	[COUNT_JOURNAL] = { "SELECT count(*) FROM journal" },
	/* numbers 1..n, or from the oldest kept range on, nothing missing, up to the head; never
	   more remembered than exists */
	[GAPS] = { "SELECT 'JOURNAL_NUMBERS', h.partition::text, 'head', h.number::text, coalesce(j.last, 0)::text || ' in ' || coalesce(j.n, 0) "
		   "FROM head h LEFT JOIN (SELECT partition, min(number) AS first, max(number) AS last, count(*) AS n FROM journal GROUP BY partition) j "
		   "USING (partition) WHERE h.number <> coalesce(j.last, 0) OR coalesce(j.n, 0) <> coalesce(j.last - j.first + 1, 0) "
		   "OR (j.first > 1 AND j.first % 1000000 <> 0) "
		   "UNION ALL SELECT 'PUBLISHED', p.partition::text, 'number', h.number::text, p.number::text "
		   "FROM published p JOIN head h USING (partition) WHERE p.number > h.number" },
	/* per entity the versions are 1, 2, 3 …, each once; barriers count epochs instead */
	[VERSIONS] = { "SELECT 'ENTITY_VERSIONS', entity::text, max(type), count(*)::text, min(version) || '..' || max(version) "
		       "FROM journal WHERE key <> 'epoch' GROUP BY entity "
		       "HAVING count(*) <> max(version) - min(version) + 1 OR count(DISTINCT version) <> count(*) OR "
		       "(min(version) <> 1 AND NOT EXISTS (SELECT FROM head WHERE number > 1000000))" },
	[DRIFT] = { "SELECT rule, entity, part, should, \"is\" FROM drift LIMIT 1000" },
	[JOURNAL] = { "SELECT number, epoch, id, hashtext(payload)::bigint, payload FROM journal WHERE partition = $1::int AND number > $2::bigint "
		      "ORDER BY number LIMIT 5000" },
	[PUBLISHED] = { "SELECT partition, number, kafka_offset FROM published ORDER BY partition" },
	[EPOCHS] = { "SELECT epoch, last_good_number FROM epochs WHERE topic = $1::text AND partition = $2::int" },
};

struct offset_row {
	const char *topic;
	int partition;
	int64_t next_offset;
};
static const struct kw_col offset_cols[] = {
	KW_COL_TEXT(struct offset_row, topic),
	KW_COL_INT(struct offset_row, partition),
	KW_COL_I64(struct offset_row, next_offset),
	KW_COL_END,
};

struct one {
	int64_t value;
};
static const struct kw_col one_cols[] = { KW_COL_I64(struct one, value), KW_COL_END };

static const struct kw_col drift_cols[] = {
	KW_COL_TEXT(struct drift, rule),
	KW_COL_TEXT(struct drift, entity),
	KW_COL_TEXT(struct drift, part),
	KW_COL_TEXT(struct drift, should),
	KW_COL_TEXT(struct drift, is),
	KW_COL_END,
};

/* Runs a statement whose rows are drifts. */
static enum kw_rc find_drift(struct findings *f, struct kw_pg *pg, const char *schema,
	const struct kw_stmt *stmt, struct kw_err *err)
{
	struct kw_args args = kw_args_of(f->ctl->arena);
	struct drift *rows;
	size_t n;

	KW_TRY(kw_pg_fetch(pg, stmt, &args, drift_cols, sizeof(*rows), &rows, &n, err));
	for (size_t i = 0; i < n; i++)
		check_drift(f, kw_arena_printf(f->ctl->arena, "%s.%s", schema, rows[i].rule),
			rows[i].entity, rows[i].part, rows[i].should, rows[i].is);
	return KW_OK;
}

static enum kw_rc area_settled(struct findings *f, const struct area *area, struct kw_pg *pg,
	struct kw_reader *reader, struct kw_err *err)
{
	struct kw_args args = kw_args_of(f->ctl->arena);
	struct offset_row *rows;
	struct one unpublished;
	size_t n;

	KW_TRY(kw_pg_fetch_one(
		pg, &stmts[UNPUBLISHED], &args, one_cols, sizeof(unpublished), &unpublished, err));
	f->behind += unpublished.value;
	kw_args_text(&args, kw_arena_printf(f->ctl->arena, "karwan.%s", area->service));
	KW_TRY(kw_pg_fetch(pg, &stmts[OFFSETS], &args, offset_cols, sizeof(*rows), &rows, &n, err));
	for (size_t i = 0; i < n; i++) {
		int64_t low, high;

		KW_TRY(kw_reader_watermarks(
			reader, rows[i].topic, rows[i].partition, &low, &high, err));
		if (high > rows[i].next_offset)
			f->behind += high - rows[i].next_offset;
		if (high < rows[i].next_offset)
			check_drift(f,
				kw_arena_printf(
					f->ctl->arena, "%s.OFFSET_BEYOND_LOG", area->schema),
				rows[i].topic,
				kw_arena_printf(f->ctl->arena, "%d", rows[i].partition),
				kw_arena_printf(f->ctl->arena, "<= %" PRId64, high),
				kw_arena_printf(f->ctl->arena, "%" PRId64, rows[i].next_offset));
	}
	return KW_OK;
}

/* Runs fn for each service with a connection to its schema and one reader of the log. */
static enum kw_rc each_area(struct findings *f,
	enum kw_rc (*fn)(struct findings *f, const struct area *area, struct kw_pg *pg,
		struct kw_reader *reader, struct kw_err *err),
	struct kw_err *err)
{
	struct kw_reader *reader;
	enum kw_rc rc = kw_reader_open(f->ctl->brokers, "karwanctl", &reader, err);

	if (rc != KW_OK)
		return rc;
	for (size_t i = 0; i < AREAS && rc == KW_OK; i++) {
		struct kw_pg *pg = ctl_connect(f->ctl, areas[i].schema);

		rc = fn(f, &areas[i], pg, reader, err);
		kw_pg_free(pg);
	}
	kw_reader_close(reader);
	return rc;
}

enum kw_rc check_settled(struct findings *f, struct kw_err *err)
{
	KW_TRY(each_area(f, area_settled, err));
	f->settled = f->behind == 0;
	return KW_OK;
}

static enum kw_rc area_journal(struct findings *f, const struct area *area, struct kw_pg *pg,
	struct kw_reader *reader, struct kw_err *err)
{
	struct kw_args args = kw_args_of(f->ctl->arena);
	struct one count;

	(void)reader;
	KW_TRY(kw_pg_fetch_one(
		pg, &stmts[COUNT_JOURNAL], &args, one_cols, sizeof(count), &count, err));
	f->rows += count.value;
	KW_TRY(find_drift(f, pg, area->schema, &stmts[GAPS], err));
	return find_drift(f, pg, area->schema, &stmts[VERSIONS], err);
}

enum kw_rc check_journals(struct findings *f, struct kw_err *err)
{
	return each_area(f, area_journal, err);
}

static enum kw_rc area_drift(struct findings *f, const struct area *area, struct kw_pg *pg,
	struct kw_reader *reader, struct kw_err *err)
{
	(void)reader;
	return find_drift(f, pg, area->schema, &stmts[DRIFT], err);
}

enum kw_rc check_drift_views(struct findings *f, struct kw_err *err)
{
	return each_area(f, area_drift, err);
}

/* ---- each partition of the topic, read by rule 5, is the journal ---- */

struct journal_row {
	int64_t number, hash;
	int epoch;
	struct kw_uuid id;
	const char *payload;
};
static const struct kw_col journal_cols[] = {
	KW_COL_I64(struct journal_row, number),
	KW_COL_INT(struct journal_row, epoch),
	KW_COL_UUID(struct journal_row, id),
	KW_COL_I64(struct journal_row, hash),
	KW_COL_TEXT(struct journal_row, payload),
	KW_COL_END,
};

struct published_row {
	int partition;
	int64_t number, offset;
};
static const struct kw_col published_cols[] = {
	KW_COL_INT(struct published_row, partition),
	KW_COL_I64(struct published_row, number),
	KW_COL_I64(struct published_row, offset),
	KW_COL_END,
};

/* The database went back: what an older epoch had after that number is void. */
struct epoch_row {
	int epoch;
	int64_t last_good;
};
static const struct kw_col epoch_cols[] = {
	KW_COL_INT(struct epoch_row, epoch),
	KW_COL_I64(struct epoch_row, last_good),
	KW_COL_END,
};

/* Reads the journal of one partition in step with the log. */
struct walk {
	struct findings *f;
	const struct area *area;
	struct kw_pg *pg;
	struct kw_arena *page_arena;
	const struct published_row *published;
	struct journal_row *page;
	size_t n_page, next;
	int64_t last_read; /* number of the last row of the page */
	struct kw_place place;
	struct epoch_row *epochs;
	size_t n_epochs;
};

static void topic_drift(
	struct walk *w, const char *rule, int64_t number, const char *should, const char *is)
{
	struct kw_arena *a = w->f->ctl->arena;

	check_drift(w->f, kw_arena_printf(a, "%s.%s", w->area->schema, rule),
		kw_arena_printf(a, "%s/%d", w->area->events_topic, w->published->partition),
		kw_arena_printf(a, "number %" PRId64, number), should, is);
}

/* The journal's next row, or NULL at its end. */
static enum kw_rc next_row(struct walk *w, const struct journal_row **ret, struct kw_err *err)
{
	if (w->next == w->n_page) {
		kw_arena_reset(w->page_arena);
		struct kw_args args = kw_args_of(w->page_arena);

		kw_args_int(&args, w->published->partition);
		kw_args_i64(&args, w->last_read);
		KW_TRY(kw_pg_fetch(w->pg, &stmts[JOURNAL], &args, journal_cols, sizeof(*w->page),
			&w->page, &w->n_page, err));
		w->next = 0;
		if (w->n_page > 0)
			w->last_read = w->page[w->n_page - 1].number;
	}
	*ret = w->next < w->n_page ? &w->page[w->next++] : NULL;
	return KW_OK;
}

/* One record that rule 5 takes: it is the journal's next row. */
static enum kw_rc compare(
	struct walk *w, const struct kw_message *m, const struct kw_envelope *e, struct kw_err *err)
{
	const struct journal_row *row;

	do
		KW_TRY(next_row(w, &row, err));
	while (row && row->number < e->place.number &&
		w->place.epoch == 0); /* older ones have aged out of the log */
	w->f->rows++;
	w->place = e->place;
	if (!row || row->number != e->place.number)
		topic_drift(w, "TOPIC_IS_JOURNAL", e->place.number, "a row of the journal",
			row ? "another number" : "none");
	else if (strcmp(row->id.s, e->id.s) != 0 || row->epoch != e->place.epoch)
		topic_drift(w, "TOPIC_IS_JOURNAL", e->place.number, row->id.s, e->id.s);
	else if (strlen(row->payload) != m->value.n ||
		 memcmp(row->payload, m->value.p, m->value.n) != 0)
		topic_drift(w, "TOPIC_IS_JOURNAL", e->place.number, "the payload of the journal",
			"another payload");
	return KW_OK;
}

static bool is_void(const struct walk *w, struct kw_place place)
{
	for (size_t i = 0; i < w->n_epochs; i++)
		if (place.epoch < w->epochs[i].epoch && place.number > w->epochs[i].last_good)
			return true;
	return false;
}

static enum kw_rc read_partition(struct walk *w, struct kw_reader *reader, struct kw_err *err)
{
	KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new(1024 * 1024);
	struct kw_message m;
	enum kw_rc rc;

	KW_TRY(kw_reader_begin(reader, w->area->events_topic, w->published->partition, 0, err));
	while ((rc = kw_reader_next(reader, &m, err)) == KW_OK) {
		struct kw_envelope e;

		kw_arena_reset(a);
		if (kw_envelope_parse(&m, a, &e, err) != KW_OK || e.place.epoch == 0) {
			topic_drift(w, "EVENT_ENVELOPE", m.offset, "an event with its place",
				"something else");
			continue;
		}
		if (m.offset == w->published->offset && e.place.number != w->published->number)
			topic_drift(w, "REMEMBERED", w->published->number,
				"that number at its offset", "another");
		if (is_void(w, e.place))
			continue;
		if (w->place.epoch != 0 &&
			(e.place.epoch < w->place.epoch || e.place.number != w->place.number + 1))
			continue; /* a repeat, or a hole that is filled later */
		KW_TRY(compare(w, &m, &e, err));
	}
	if (rc != KW_NOTHING)
		return rc;
	if (w->place.number < w->published->number)
		topic_drift(w, "PUBLISHED_IS_THERE", w->published->number,
			"the remembered number in the log", "it ends before");
	return KW_OK;
}

static enum kw_rc area_topic(struct findings *f, const struct area *area, struct kw_pg *pg,
	struct kw_reader *reader, struct kw_err *err)
{
	KW_CLEANUP(kw_arena_freep)
	struct kw_arena *page_arena = kw_arena_new((size_t)512 * 1024 * 1024);
	struct kw_args args = kw_args_of(f->ctl->arena);
	struct published_row *rows;
	size_t n;

	KW_TRY(kw_pg_fetch(
		pg, &stmts[PUBLISHED], &args, published_cols, sizeof(*rows), &rows, &n, err));
	for (size_t i = 0; i < n; i++) {
		struct walk w = { .f = f,
			.area = area,
			.pg = pg,
			.page_arena = page_arena,
			.published = &rows[i] };
		struct kw_args of = kw_args_of(f->ctl->arena);

		kw_args_text(&of, area->events_topic);
		kw_args_int(&of, rows[i].partition);
		KW_TRY(kw_pg_fetch(pg, &stmts[EPOCHS], &of, epoch_cols, sizeof(*w.epochs),
			&w.epochs, &w.n_epochs, err));
		KW_TRY(read_partition(&w, reader, err));
	}
	return KW_OK;
}

enum kw_rc check_topics(struct findings *f, struct kw_err *err)
{
	return each_area(f, area_topic, err);
}
