/* The request of a person to end an exception, from HTTP to the in topic. */
#include "svc/resolution.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/cnic.h"

static const char *const names[] = { "KEEP", "CANCEL_ORDER", "ASSIGN_ORDER", "RELEASE", "MAP" };
const struct kw_strtab kw_resolution_names = KW_STRTAB(names);

const struct kw_field kw_resolve_body_fields[] = {
	KW_ENUM(struct kw_resolve_body, resolution, KW_REQUIRED, &kw_resolution_names),
	KW_STR(struct kw_resolve_body, reason, KW_REQUIRED, 1, 200),
	KW_I64(struct kw_resolve_body, version, KW_OPTIONAL, 1, INT64_MAX),
	KW_STR(struct kw_resolve_body, channel, KW_OPTIONAL, 1, 64),
	KW_STR(struct kw_resolve_body, external_id, KW_OPTIONAL, 1, 128),
	KW_STR(struct kw_resolve_body, status, KW_OPTIONAL, 1, 32),
	KW_END,
};

struct resolve_answer {
	struct kw_uuid exception_id;
};
static const struct kw_field answer_fields[] = {
	KW_UUID(struct resolve_answer, exception_id, KW_REQUIRED),
	KW_END,
};
const struct kw_answer kw_resolve_answers[] = {
	{ 202, answer_fields, NULL },
	{ 404, NULL, NULL },
	{ 409, NULL, NULL },
	{ 0 },
};

const struct kw_field kw_resolve_requested_fields[] = {
	KW_UUID(struct kw_resolve_requested, exception_id, KW_REQUIRED),
	KW_I64(struct kw_resolve_requested, version, KW_REQUIRED, 1, INT64_MAX),
	KW_ENUM(struct kw_resolve_requested, resolution, KW_REQUIRED, &kw_resolution_names),
	KW_STR(struct kw_resolve_requested, reason, KW_REQUIRED, 1, 200),
	KW_STR(struct kw_resolve_requested, by, KW_REQUIRED, 1, 64),
	KW_STR(struct kw_resolve_requested, channel, KW_OPTIONAL, 1, 64),
	KW_STR(struct kw_resolve_requested, external_id, KW_OPTIONAL, 1, 128),
	KW_STR(struct kw_resolve_requested, status, KW_OPTIONAL, 1, 32),
	KW_END,
};

struct seen {
	const char *kind, *state;
	int64_t version;
};

struct look {
	struct kw_arena *arena;
	struct kw_uuid id;
	struct seen seen;
};

static enum kw_rc find(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	static const struct kw_stmt stmt = {
		"SELECT kind, state, version FROM exception_list WHERE exception_id = $1::uuid"
	};
	static const struct kw_col cols[] = {
		KW_COL_TEXT(struct seen, kind),
		KW_COL_TEXT(struct seen, state),
		KW_COL_I64(struct seen, version),
		KW_COL_END,
	};
	struct look *look = ctx;
	struct kw_args args = kw_args_of(look->arena);

	kw_args_uuid(&args, &look->id);
	return kw_pg_fetch_one(pg, &stmt, &args, cols, sizeof(look->seen), &look->seen, err);
}

enum kw_rc kw_resolve_status(
	int resolution, const char *status, const struct kw_strtab *statuses, struct kw_err *err)
{
	char known[300] = "";

	if (resolution != KW_MAP)
		return KW_OK;
	if (!status)
		return kw_fail_at(err, KW_INVALID, "/status", "is required");
	if (statuses && kw_strtab_value(statuses, status) >= 0)
		return KW_OK;
	for (int i = 0, at = 0; statuses && i < statuses->n && at < (int)sizeof(known) - 1; i++)
		at += snprintf(known + at, sizeof(known) - (size_t)at, "%s%s", i > 0 ? ", " : "",
			kw_strtab_name(statuses, i));
	return kw_fail_at(err, KW_INVALID, "/status", "is none of %s", known);
}

static enum kw_rc check(const struct kw_resolve_body *body, const struct seen *seen,
	kw_may_resolve_fn *may, const struct kw_strtab *statuses, struct kw_err *err)
{
	/* what a word means may be said again */
	if (strcmp(seen->state, "OPEN") != 0 && body->resolution != KW_MAP)
		return kw_fail_code(
			err, KW_CONFLICT, "NOT_OPEN", "the exception is %s", seen->state);
	if (body->version && body->version != seen->version)
		return kw_fail_code(err, KW_CONFLICT, "CHANGED",
			"the exception is of version %" PRId64 " now", seen->version);
	if (!may(seen->kind, body->resolution))
		return kw_fail_at(err, KW_INVALID, "/resolution", "does not end a %s", seen->kind);
	if (body->resolution == KW_ASSIGN_ORDER && !body->channel)
		return kw_fail_at(err, KW_INVALID, "/channel", "is required");
	if (body->resolution == KW_ASSIGN_ORDER && !body->external_id)
		return kw_fail_at(err, KW_INVALID, "/external_id", "is required");
	return kw_resolve_status(body->resolution, body->status, statuses, err);
}

enum kw_rc kw_svc_resolve(struct kw_request *rq, kw_may_resolve_fn *may,
	const struct kw_strtab *statuses, struct kw_err *err)
{
	const struct kw_resolve_body *body = rq->in;
	const struct kw_partner *operator= rq->caller;
	struct kw_resolve_requested *m = kw_new(rq->arena, struct kw_resolve_requested, 1);
	struct look look = { .arena = rq->arena };

	if (!kw_uuid_parse(rq->params[0], &look.id))
		return KW_NOTHING;
	KW_TRY(kw_svc_read(rq, find, &look, err));
	KW_TRY(check(body, &look.seen, may, statuses, err));
	bool assigns = body->resolution == KW_ASSIGN_ORDER;
	m->exception_id = look.id;
	m->version = look.seen.version;
	m->resolution = body->resolution;
	m->reason = kw_cnic_drop(rq->arena, body->reason, true);
	m->by = operator->name;
	m->channel = assigns ? body->channel : NULL;
	m->external_id = assigns ? body->external_id : NULL;
	m->status = body->resolution == KW_MAP ? body->status : NULL;
	if (assigns && !kw_partners_find(kw_svc_partners(rq->ctx), KW_CHANNEL, m->channel))
		return kw_fail_at(err, KW_INVALID, "/channel", "no such channel");
	return kw_svc_append(rq, KW_RESOLVE_REQUESTED, look.id.s, &look.id, m,
		kw_svc_text(rq->arena, answer_fields, &(struct resolve_answer) { look.id }), err);
}

/* ---- where KEEP is all ---- */

struct keep_row {
	struct kw_uuid exception_id;
	int64_t version;
	const char *by, *note;
};

static const struct kw_col keep_cols[] = {
	KW_COL_UUID(struct keep_row, exception_id),
	KW_COL_I64(struct keep_row, version),
	KW_COL_TEXT(struct keep_row, by),
	KW_COL_TEXT(struct keep_row, note),
	KW_COL_END,
};

struct count_row {
	int64_t unknown;
};

enum kw_rc kw_on_keep_requested(struct kw_batch *b, const void *in, size_t n, struct kw_err *err)
{
	static const struct kw_stmt unknown = {
		"SELECT count(*) FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[]) "
		"i(exception_id) LEFT JOIN exceptions x USING (exception_id) "
		"WHERE x.exception_id IS NULL"
	};
	/* of several requests for one version the first stands */
	static const struct kw_stmt close = {
		"WITH asked AS (SELECT DISTINCT ON (exception_id, version) exception_id, version, "
		"by, note FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[]) WITH "
		"ORDINALITY i(exception_id, version, by, note, n) ORDER BY exception_id, version, "
		"n), locked AS (SELECT x.exception_id, x.version FROM exceptions x JOIN asked USING "
		"(exception_id, version) WHERE x.state = 'OPEN' ORDER BY x.exception_id FOR UPDATE "
		"OF x) UPDATE exceptions x SET state = 'CLOSED', resolution = 'KEEP', resolved_by = "
		"asked.by, note = asked.note, changed_at = $5::timestamptz FROM locked JOIN asked "
		"USING (exception_id, version) WHERE x.exception_id = locked.exception_id"
	};
	static const struct kw_col cols[] = { KW_COL_I64(struct count_row, unknown), KW_COL_END };
	const struct kw_resolve_requested *messages = in;
	struct keep_row *rows = kw_new(b->arena, struct keep_row, n);
	struct kw_args args = kw_args_of(b->arena);
	struct count_row count;

	for (size_t i = 0; i < n; i++) {
		if (messages[i].resolution != KW_KEEP)
			return kw_fail_at(
				err, KW_INVALID, "/resolution", "only KEEP ends what is here");
		rows[i] = (struct keep_row) { messages[i].exception_id, messages[i].version,
			messages[i].by, messages[i].reason };
	}
	kw_args_rows(&args, keep_cols, rows, n, sizeof(*rows));
	KW_TRY(kw_pg_fetch_one(b->pg, &unknown, &args, cols, sizeof(count), &count, err));
	if (count.unknown > 0)
		return kw_fail_at(err, KW_INVALID, "/exception_id", "no such exception");
	kw_args_time(&args, b->now);
	return kw_pg_exec(b->pg, &close, &args, NULL, err);
}
