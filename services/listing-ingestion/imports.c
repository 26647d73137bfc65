/* POST and GET /v1/imports: a file's rows are appended as the puts that they are, between a header
 * and a report. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api.h"
#include "http/crypto.h"
#include "rules.h"
#include "source.h"
#include "store.h"
#include "svc/svc.h"

#define PAGE_MAX 100
#define AHEAD_MAX (300 * KW_US_PER_S) /* a source's clock may be ahead so far */

/* ---- what is asked ---- */

static const char *const bool_name_list[] = { "false", "true" };
static const struct kw_strtab bool_names = KW_STRTAB(bool_name_list);

const struct kw_argument import_query[] = {
	{ "kind", true, &import_kind_names },
	{ "maker_id", false, NULL },
	{ "hub_id", false, NULL },
	{ "currency", false, NULL },
	{ "channel", false, NULL },
	{ "skill", false, NULL },
	{ "weight_g", false, NULL },
	{ "listing_kind", false, &listing_kind_names },
	{ "name", false, NULL },
	{ "as_of", false, NULL },
	{ "digest", false, NULL },
	{ "run", false, NULL },
	{ "part", false, NULL },
	{ "last", false, &bool_names },
	{ "line", false, NULL },
	{ "bytes", false, NULL },
	{ 0 },
};

struct import_answer {
	struct kw_uuid import_id;
};
static const struct kw_field import_answer_fields[] = {
	KW_UUID(struct import_answer, import_id, KW_REQUIRED),
	KW_END,
};
const struct kw_answer import_answers[] = { { 202, import_answer_fields, NULL }, { 0 } };

const struct kw_argument imported_query[] = { { "cursor", false, NULL }, { 0 } };
const struct kw_answer imported_answers[] = {
	{ 200, import_view_fields, NULL },
	{ 404, NULL, NULL },
	{ 0 },
};

struct asked {
	struct source_config source;
	struct kw_uuid run_id;
	const char *name;
	int64_t part, bytes;
	bool last;
};

static enum kw_rc wrong(struct kw_err *err, const char *name, const char *reason)
{
	char pointer[80];

	snprintf(pointer, sizeof(pointer), "/%s", name);
	return kw_fail_at(err, KW_INVALID, pointer, "%s", reason);
}

static enum kw_rc ask_number(struct kw_request *rq, const char *name, int64_t min, int64_t max,
	int64_t *ret, struct kw_err *err)
{
	const char *text = kw_request_query(rq, name);
	size_t n = text ? strlen(text) : 0;

	if (!text)
		return KW_OK;
	if (n < 1 || n > 18 || strspn(text, "0123456789") != n)
		return wrong(err, name, "is no number");
	*ret = strtoll(text, NULL, 10);
	return *ret < min || *ret > max ? wrong(err, name, "is out of range") : KW_OK;
}

static enum kw_rc ask_text(
	struct kw_request *rq, const char *name, size_t max, const char **ret, struct kw_err *err)
{
	const char *text = kw_request_query(rq, name);

	if (!text || !text[0])
		return KW_OK;
	if (strlen(text) > max)
		return wrong(err, name, "is too long");
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return wrong(err, name, "holds a control character");
	*ret = text;
	return KW_OK;
}

static enum kw_rc ask_shop(struct kw_request *rq, struct source_config *source, struct kw_err *err)
{
	struct shop *shop = &source->shop;

	KW_TRY(ask_text(rq, "maker_id", 64, &shop->maker_id, err));
	KW_TRY(ask_text(rq, "hub_id", 64, &shop->hub_id, err));
	KW_TRY(ask_text(rq, "currency", 3, &shop->currency, err));
	KW_TRY(ask_text(rq, "channel", 64, &shop->channel, err));
	KW_TRY(ask_text(rq, "skill", 64, &shop->skill, err));
	KW_TRY(ask_number(rq, "weight_g", 1, 1000000, &shop->weight_g, err));
	KW_TRY(kw_request_name(rq, "listing_kind", &shop->listing_kind, err));
	if (shop->listing_kind < 0)
		shop->listing_kind = STOCKED;
	if (source->kind != IMPORT_SHOPIFY)
		return KW_OK;
	if (source->format != IMPORT_CSV)
		return wrong(err, "kind", "SHOPIFY is a CSV: the body is NDJSON");
	if (!shop->hub_id || !own_id_ok(shop->hub_id))
		return wrong(err, "hub_id", "is required for SHOPIFY: the hub of all listings");
	if (shop->maker_id && !own_id_ok(shop->maker_id))
		return wrong(err, "maker_id", "an id is 1 to 64 of A-Z a-z 0-9 . _ -");
	if (!shop->currency || kw_currency_digits(shop->currency) < 0)
		return wrong(err, "currency", "is required for SHOPIFY, of ISO 4217");
	return KW_OK;
}

/* The same file with the same options is the same import, whole or in parts. */
static enum kw_rc ask_id(struct kw_request *rq, struct asked *asked, struct kw_err *err)
{
	const struct shop *shop = &asked->source.shop;
	const char *digest = kw_request_query(rq, "digest"), *run = kw_request_query(rq, "run");
	uint8_t hash[KW_SHA256_SIZE];
	char weight[24];

	if (digest && (strlen(digest) != 64 || !kw_hex_read(digest, 64, hash)))
		return wrong(err, "digest", "is no SHA-256 in hex");
	if (run && !kw_uuid_parse(run, &asked->run_id))
		return wrong(err, "run", "is no UUID");
	if ((asked->part > 1 || !asked->last) && (!digest || !run))
		return wrong(err, "part", "parts of a file need its digest and a run");
	if (!digest)
		kw_sha256(rq->body, hash);
	if (!run)
		asked->run_id = kw_uuid_random();
	snprintf(weight, sizeof(weight), "%" PRId64, shop->weight_g);
#define TEXT(t) ((t) ? (t) : "")
	asked->source.import_id = kw_uuid_of("import",
		kw_strtab_name(&import_kind_names, asked->source.kind),
		kw_strtab_name(&import_format_names, asked->source.format), TEXT(shop->maker_id),
		TEXT(shop->hub_id), TEXT(shop->currency), TEXT(shop->channel), TEXT(shop->skill),
		weight, kw_strtab_name(&listing_kind_names, shop->listing_kind),
		kw_hex(rq->arena, (struct kw_bytes) { hash, sizeof(hash) }));
#undef TEXT
	asked->source.request_id = kw_uuid_random();
	return KW_OK;
}

static enum kw_rc ask(struct kw_request *rq, struct asked *asked, struct kw_err *err)
{
	const char *media = kw_request_header(rq, "Content-Type");
	const char *as_of = kw_request_query(rq, "as_of");
	struct source_config *source = &asked->source;
	int last;

	*asked = (struct asked) { .part = 1, .last = true };
	source->keys = kw_svc_config(rq->ctx);
	source->format =
		media && strncasecmp(media, "text/csv", 8) == 0 ? IMPORT_CSV : IMPORT_NDJSON;
	source->as_of = rq->now;
	KW_TRY(kw_request_name(rq, "kind", &source->kind, err));
	KW_TRY(ask_shop(rq, source, err));
	KW_TRY(ask_text(rq, "name", 200, &asked->name, err));
	KW_TRY(ask_number(rq, "part", 1, 100000000, &asked->part, err));
	KW_TRY(ask_number(rq, "line", 1, INT64_MAX, &source->line, err));
	KW_TRY(ask_number(rq, "bytes", 1, INT64_MAX, &asked->bytes, err));
	KW_TRY(kw_request_name(rq, "last", &last, err));
	asked->last = last != 0;
	if (as_of) {
		struct kw_err why = { 0 };
		if (kw_time_parse(as_of, &source->as_of, &why) != KW_OK || source->as_of == 0)
			return wrong(err, "as_of", "is no time of RFC 3339");
		if (source->as_of > rq->now + AHEAD_MAX)
			return wrong(err, "as_of", "is in the future");
	}
	return ask_id(rq, asked, err);
}

/* ---- the stream of messages ---- */

enum stage { AT_START, AT_ROWS, AT_END };

struct feed {
	enum stage stage;
	struct kw_arena *arena; /* the request's */
	struct source *source;
	struct import_started started;
	struct import_reported report;
	struct problem problems[PROBLEMS_MAX];
};

static void note_problem(struct feed *feed, int64_t line, const struct kw_err *err)
{
	struct import_reported *report = &feed->report;

	report->refused++;
	report->cut = strcmp(err->code, "CUT") == 0;
	if (report->n_problems == PROBLEMS_MAX)
		return;
	feed->problems[report->n_problems++] =
		(struct problem) { line, kw_arena_str(feed->arena, err->pointer),
			kw_arena_printf(feed->arena, "%s%s", err->reason,
				report->cut ? "; what follows was not read" : "") };
}

/* The next row that goes in; those before it that do not are noted. */
static enum kw_rc next_row(struct feed *feed, struct kw_stream_message *ret, struct kw_err *err)
{
	struct source_row row = { 0 };

	for (;;) {
		enum kw_rc rc = source_next(feed->source, &row, err);
		if (rc == KW_INVALID) {
			feed->report.rows++;
			note_problem(feed, row.line, err);
			continue;
		}
		KW_TRY(rc);
		feed->report.rows++;
		feed->report.appended++;
		*ret = (struct kw_stream_message) { .type = row.type,
			.key = row.key,
			.subject = kw_uuid_of(row.entity, row.key),
			.data = row.message };
		return KW_OK;
	}
}

static enum kw_rc next_message(
	void *arg, struct kw_arena *a, struct kw_stream_message *ret, struct kw_err *err)
{
	struct feed *feed = arg;
	enum kw_rc rc;

	(void)a;
	*ret = (struct kw_stream_message) { .key = feed->report.import_id.s,
		.subject = feed->report.import_id };
	if (feed->stage == AT_START) {
		feed->stage = AT_ROWS;
		if (feed->report.part == 1) {
			ret->type = "karwan.import.started.v1";
			ret->data = &feed->started;
			return KW_OK;
		}
	}
	if (feed->stage == AT_END)
		return KW_NOTHING;
	rc = next_row(feed, ret, err);
	if (rc != KW_NOTHING)
		return rc;
	feed->stage = AT_END;
	feed->report.problems = feed->problems;
	/* not before all rows are there: it says that they are */
	ret->type = "karwan.import.reported.v1";
	ret->data = &feed->report;
	ret->after_all = true;
	return KW_OK;
}

static void feed_done(void *arg)
{
	struct feed *feed = arg;

	source_free(feed->source);
}

enum kw_rc post_import(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	const struct kw_partner *by = rq->caller;
	struct feed *feed = kw_new(rq->arena, struct feed, 1);
	struct asked asked;

	(void)rs;
	KW_TRY(ask(rq, &asked, err));
	KW_TRY(source_open(&asked.source, rq->body, &feed->source, err));
	feed->arena = rq->arena;
	feed->started = (struct import_started) { .import_id = asked.source.import_id,
		.run_id = asked.run_id,
		.kind = asked.source.kind,
		.format = asked.source.format,
		.name = asked.name,
		.by = by->name,
		.bytes = asked.bytes ? asked.bytes : (int64_t)rq->body.n,
		.as_of = asked.source.as_of,
		.started_at = rq->now };
	feed->report = (struct import_reported) { .import_id = asked.source.import_id,
		.run_id = asked.run_id,
		.request_id = asked.source.request_id,
		.part = asked.part,
		.last = asked.last,
		.bytes = (int64_t)rq->body.n -
			 (asked.part > 1 ? source_header_bytes(feed->source) : 0) };
	return kw_svc_append_stream(rq,
		&(struct kw_stream) {
			.next = next_message,
			.done = feed_done,
			.arg = feed,
			.answer = kw_svc_text(rq->arena, import_answer_fields,
				&(struct import_answer) { asked.source.import_id }),
		},
		err);
}

/* ---- what became of it ---- */

struct find {
	struct kw_request *rq;
	struct import_view view;
};

static enum kw_rc find_tx(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	struct find *find = ctx;

	return store_find_import(pg, find->rq->arena, find->rq->params[0],
		kw_request_query(find->rq, "cursor"), PAGE_MAX, &find->view, err);
}

enum kw_rc get_import(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	struct find find = { .rq = rq };

	KW_TRY(kw_svc_read(rq, find_tx, &find, err));
	return kw_svc_reply(rq, rs, import_view_fields, &find.view, err);
}
