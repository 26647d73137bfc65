/* The numbered journal and the intents of a batch: gathered in memory, written as the last
 * statements of its transaction. */
#include "flow/impl.h"

#include <string.h>

#include "json/json.h"

enum { INSERT_INTENTS, APPEND_JOURNAL };

static const struct kw_stmt stmts[] = {
	[INSERT_INTENTS] = { "INSERT INTO intents (id, kind, entity, payload, trace, due, "
			     "created_at) "
			     "SELECT id, kind, entity, payload, trace, due, $7::timestamptz "
			     "FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], "
			     "$5::text[], $6::timestamptz[]) "
			     "AS i(id, kind, entity, payload, trace, due) ORDER BY id ON CONFLICT "
			     "(id) DO NOTHING" },
	[APPEND_JOURNAL] = { "SELECT journal_append($1::text, $3::int[], $4::int[], $5::uuid[], "
			     "$6::text[], $7::text[], $8::uuid[], "
			     "$9::bigint[], $2::timestamptz, $10::text[], $11::text[], "
			     "$12::timestamptz[])" },
};

static const struct kw_col intent_cols[] = {
	KW_COL_UUID(struct kw_intent_row, id),
	KW_COL_TEXT(struct kw_intent_row, kind),
	KW_COL_UUID(struct kw_intent_row, entity),
	KW_COL_TEXT(struct kw_intent_row, payload),
	KW_COL_TEXT(struct kw_intent_row, trace),
	KW_COL_TIME(struct kw_intent_row, due),
	KW_COL_END,
};

static const struct kw_col journal_cols[] = {
	KW_COL_INT(struct kw_journal_row, partition),
	KW_COL_INT(struct kw_journal_row, seq),
	KW_COL_UUID(struct kw_journal_row, id),
	KW_COL_TEXT(struct kw_journal_row, key),
	KW_COL_TEXT(struct kw_journal_row, type),
	KW_COL_UUID(struct kw_journal_row, entity),
	KW_COL_I64(struct kw_journal_row, version),
	KW_COL_TEXT(struct kw_journal_row, trace),
	KW_COL_TEXT(struct kw_journal_row, payload),
	KW_COL_TIME(struct kw_journal_row, caused),
	KW_COL_END,
};

void kw_batch_impl_init(struct kw_batch_impl *impl, const struct kw_flow_config *config)
{
	const struct kw_topic *topic = kw_topics_find(config->topics, config->events_topic);

	kw_assert(topic != NULL);
	*impl = (struct kw_batch_impl) { .config = config, .partitions = (int)topic->partitions };
	kw_buf_init(&impl->text, KW_PAYLOAD_MAX);
}

void kw_batch_impl_done(struct kw_batch_impl *impl)
{
	kw_buf_done(&impl->text);
}

void kw_batch_impl_clear(struct kw_batch_impl *impl)
{
	impl->events = NULL;
	impl->intents = NULL;
	impl->n_events = impl->cap_events = 0;
	impl->n_intents = impl->cap_intents = 0;
}

/* Only the append times of our own in topic say how long somebody waits. */
static kw_time caused_at(const struct kw_flow_config *config, const struct kw_meta *cause)
{
	return cause && cause->topic && cause->offset >= 0 &&
			       strcmp(cause->topic, config->in_topic) == 0
		       ? cause->time
		       : 0;
}

/* Room for one more element: arrays grow by doubling inside the arena. */
static void *grow(struct kw_arena *a, void *rows, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return rows;
	*cap = *cap ? *cap * 2 : 256;
	void *wider = kw_arena_alloc(a, *cap, size);
	if (n > 0)
		memcpy(wider, rows, n * size);
	return wider;
}

static const char *encode(struct kw_batch *b, const struct kw_field *fields, const void *data)
{
	struct kw_buf *text = &b->impl->text;

	kw_buf_clear(text);
	kw_json_encode(fields, data, text);
	kw_assert(!text->full);
	return kw_arena_strn(b->arena, text->p, text->n);
}

void kw_emit(struct kw_batch *b, const struct kw_event_type *type, const char *key,
	const struct kw_uuid *entity, int64_t version, const struct kw_meta *cause,
	const void *data)
{
	struct kw_batch_impl *impl = b->impl;
	struct kw_journal_row *row;

	kw_assert(key != NULL && key[0] != '\0' && version > 0);
	impl->events =
		grow(b->arena, impl->events, impl->n_events, &impl->cap_events, sizeof(*row));
	row = &impl->events[impl->n_events++];
	*row = (struct kw_journal_row) {
		.partition =
			kw_partition_of((struct kw_bytes) { key, strlen(key) }, impl->partitions),
		.id = kw_event_id(entity->s, version, type->type),
		.entity = *entity,
		.key = kw_arena_str(b->arena, key),
		.type = type->type,
		.trace = cause ? kw_arena_str(b->arena, cause->trace.s) : "",
		.payload = encode(b, type->fields, data),
		.version = version,
		.caused = caused_at(impl->config, cause),
	};
}

void kw_intend(struct kw_batch *b, const char *kind, const struct kw_uuid *id,
	const struct kw_uuid *entity, kw_time due, const struct kw_meta *cause,
	const struct kw_field *fields, const void *payload)
{
	struct kw_batch_impl *impl = b->impl;

	impl->intents = grow(b->arena, impl->intents, impl->n_intents, &impl->cap_intents,
		sizeof(*impl->intents));
	impl->intents[impl->n_intents++] = (struct kw_intent_row) {
		.id = *id,
		.entity = *entity,
		.kind = kind,
		.payload = encode(b, fields, payload),
		.trace = cause ? kw_arena_str(b->arena, cause->trace.s) : "",
		.due = due,
	};
}

static void number_events(struct kw_batch *b)
{
	struct kw_batch_impl *impl = b->impl;
	int *last = kw_new(b->arena, int, (size_t)impl->partitions);

	for (size_t i = 0; i < impl->n_events; i++)
		impl->events[i].seq = ++last[impl->events[i].partition];
}

void kw_batch_tell(const struct kw_batch_impl *impl)
{
	const struct kw_flow_config *config = impl->config;

	for (size_t i = 0; config->on_event && i < impl->n_events; i++)
		config->on_event(config->commit_ctx, impl->events[i].type);
}

enum kw_rc kw_batch_flush(struct kw_batch *b, struct kw_err *err)
{
	struct kw_batch_impl *impl = b->impl;
	enum kw_rc rc;

	if (impl->n_intents > 0) {
		struct kw_args args = kw_args_of(b->arena);
		kw_args_rows(
			&args, intent_cols, impl->intents, impl->n_intents, sizeof(*impl->intents));
		kw_args_time(&args, b->now);
		KW_TRY(kw_pg_exec(b->pg, &stmts[INSERT_INTENTS], &args, NULL, err));
	}
	if (impl->n_events == 0)
		return KW_OK;
	number_events(b);
	struct kw_args args = kw_args_of(b->arena);
	kw_args_text(&args, impl->config->events_topic);
	kw_args_time(&args, b->now);
	kw_args_rows(&args, journal_cols, impl->events, impl->n_events, sizeof(*impl->events));
	rc = kw_pg_exec(b->pg, &stmts[APPEND_JOURNAL], &args, NULL, err);
	/* whatever the journal refuses is our bug, never their data */
	if (rc != KW_OK && rc != KW_RETRY && err)
		err->rc = KW_FATAL;
	return rc == KW_OK || rc == KW_RETRY ? rc : KW_FATAL;
}

/* ---- a transaction without messages ---- */

struct outcome {
	struct kw_batch *b;
	kw_outcome_fn *fn;
	void *arg;
};

static enum kw_rc outcome_tx(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	struct outcome *o = ctx;

	o->b->pg = pg;
	kw_batch_impl_clear(o->b->impl);
	KW_TRY(o->fn(o->b, o->arg, err));
	return kw_batch_flush(o->b, err);
}

enum kw_rc kw_outcome_run(const struct kw_flow_config *config, struct kw_pg *pg, struct kw_arena *a,
	kw_outcome_fn *fn, void *arg, struct kw_err *err)
{
	KW_CLEANUP(kw_batch_impl_done) struct kw_batch_impl impl;
	struct kw_batch b = { .arena = a,
		.pg = pg,
		.now = kw_now(config->clock),
		.ctx = config->ctx,
		.impl = &impl };
	struct outcome o = { .b = &b, .fn = fn, .arg = arg };
	struct kw_tx tx = { .run = outcome_tx, .ctx = &o };

	kw_batch_impl_init(&impl, config);
	KW_TRY(kw_pg_tx_run(pg, &tx, err));
	kw_batch_tell(&impl);
	return KW_OK;
}
