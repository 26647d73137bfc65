/* The operators' API: puts are appended, reads come from PostgreSQL through the cache. */
#include "api.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"
#include "rules.h"
#include "seal.h"
#include "store.h"
#include "svc/exceptions.h"
#include "svc/resolution.h"
#include "svc/svc.h"
#include "json/json.h"

#define CACHE_TTL_S 300

/* ---- puts ---- */

/* The path names the entity; a body that names it too must agree. */
static enum kw_rc take_id(
	const struct kw_request *rq, const char *pointer, const char **id, struct kw_err *err)
{
	if (!own_id_ok(rq->params[0]))
		return kw_fail(err, KW_INVALID, "an id is 1 to 64 of A-Z a-z 0-9 . _ -");
	if (*id && strcmp(*id, rq->params[0]) != 0)
		return kw_fail_at(err, KW_INVALID, pointer, "is not the id of the path");
	*id = rq->params[0];
	return KW_OK;
}

struct put_answer {
	const char *id;
};
#define PUT_ANSWER(of)                                                                           \
	static const struct kw_field put_##of##_fields[] = {                                     \
		KW_STR_AS(struct put_answer, id, #of "_id", KW_REQUIRED, 1, 64),                 \
		KW_END,                                                                          \
	};                                                                                       \
	static const struct kw_answer put_##of##_answers[] = { { 202, put_##of##_fields, NULL }, \
		{ 0 } }
PUT_ANSWER(maker);
PUT_ANSWER(hub);
PUT_ANSWER(listing);

static enum kw_rc append(struct kw_request *rq, const char *type, const char *kind,
	const struct kw_field *fields, const void *message, const struct kw_field *answer,
	struct kw_err *err)
{
	struct kw_uuid subject = kw_uuid_of(kind, rq->params[0]);

	KW_TRY(check_nothing_in_clear(rq->arena, fields, message, err));
	return kw_svc_append(rq, type, rq->params[0], &subject, message,
		kw_svc_text(rq->arena, answer, &(struct put_answer) { rq->params[0] }), err);
}

static enum kw_rc put_maker(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	const struct maker_body *body = rq->in;
	struct maker_put message = { .maker = body->maker };

	(void)rs;
	KW_TRY(take_id(rq, "/maker_id", &message.maker.maker_id, err));
	if (body->national_id)
		KW_TRY(seal_national_id(kw_svc_config(rq->ctx), rq->arena, rq->params[0],
			body->national_id, &message.maker.national_id, err));
	return append(rq, "karwan.maker.put.v1", "maker", maker_put_fields, &message,
		put_maker_fields, err);
}

static enum kw_rc put_hub(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	struct hub_put message = { .hub = *(const struct hub *)rq->in };

	(void)rs;
	KW_TRY(take_id(rq, "/hub_id", &message.hub.hub_id, err));
	return append(
		rq, "karwan.hub.put.v1", "hub", hub_put_fields, &message, put_hub_fields, err);
}

static enum kw_rc put_listing(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	struct listing_put message = { .listing = *(const struct listing *)rq->in };

	(void)rs;
	KW_TRY(take_id(rq, "/listing_id", &message.listing.listing_id, err));
	KW_TRY(check_listing(&message.listing, err));
	return append(rq, "karwan.listing.put.v1", "listing", listing_put_fields, &message,
		put_listing_fields, err);
}

/* ---- reads ---- */

struct find {
	struct kw_request *rq;
	const char *kind;
	struct kw_bytes cached;
	struct kept kept;
	int64_t available;
};

/* It has all from which what is shown follows, so what is cached can be wrong about nothing. */
static const char *cache_key(const struct find *find, int64_t version)
{
	return kw_arena_printf(find->rq->arena, "karwan:%s:%s:%" PRId64 ":%" PRId64, find->kind,
		find->rq->params[0], version, find->available);
}

static enum kw_rc find_tx(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	struct find *find = ctx;
	int64_t version;

	KW_TRY(store_find_stamp(pg, find->rq->arena, find->kind, find->rq->params[0], &version,
		&find->available, err));
	find->cached = (struct kw_bytes) { NULL, 0 };
	if (kw_cache_get(kw_svc_cache(find->rq->ctx), cache_key(find, version), find->rq->arena,
		    &find->cached, &version) == KW_OK)
		return KW_OK;
	return store_find_record(pg, find->rq->arena, find->kind, find->rq->params[0], &find->kept,
		&find->available, err);
}

/* What is kept, without what is only for us: as a maker may be shown, as a listing's publications
 * stand now. */
static enum kw_rc show(
	struct kw_request *rq, const struct find *find, struct kw_response *rs, struct kw_err *err)
{
	const char *body = find->kept.body;
	struct maker maker = { 0 };
	struct listing listing = { 0 };

	if (strcmp(find->kind, "maker") == 0) {
		KW_TRY(kw_json_decode(
			maker_kept_fields, body, strlen(body), rq->arena, &maker, err));
		return kw_svc_reply(rq, rs, maker_shown_fields, &maker, err);
	}
	if (strcmp(find->kind, "listing") == 0) {
		KW_TRY(kw_json_decode(
			listing_body_fields, body, strlen(body), rq->arena, &listing, err));
		listing.publications = pause_publications(rq->arena, &listing, find->available);
		return kw_svc_reply(rq, rs, listing_body_fields, &listing, err);
	}
	rs->body = (struct kw_bytes) { body, strlen(body) };
	return KW_OK;
}

static enum kw_rc get_record(
	struct kw_request *rq, const char *kind, struct kw_response *rs, struct kw_err *err)
{
	struct find find = { .rq = rq, .kind = kind };

	KW_TRY(kw_svc_read(rq, find_tx, &find, err));
	if (find.cached.p) {
		rs->body = find.cached;
		return KW_OK;
	}
	KW_TRY(show(rq, &find, rs, err));
	kw_cache_put(kw_svc_cache(rq->ctx), cache_key(&find, find.kept.version), rs->body,
		find.kept.version, CACHE_TTL_S);
	return KW_OK;
}

static enum kw_rc get_maker(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	return get_record(rq, "maker", rs, err);
}

static enum kw_rc get_hub(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	return get_record(rq, "hub", rs, err);
}

static enum kw_rc get_listing(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	return get_record(rq, "listing", rs, err);
}

KW_EXCEPTION_FORM(exceptions, exception_kind_names, exception_state_names);

static enum kw_rc get_exceptions(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	return kw_svc_exceptions(rq, rs, &exceptions, err);
}

static bool may_resolve(const char *kind, int resolution)
{
	(void)kind;
	return resolution == KW_KEEP;
}

static enum kw_rc post_resolution(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	(void)rs;
	return kw_svc_resolve(rq, may_resolve, NULL, err);
}

/* ---- the routes ---- */

#define SHOWN(of, table) \
	static const struct kw_answer of##_answers[] = { { 200, table, NULL }, { 0 } }
SHOWN(maker, maker_shown_fields);
SHOWN(hub, hub_body_fields);
SHOWN(listing, listing_body_fields);

#define IMPORT_MAX ((size_t)16 * 1024 * 1024)
#define PUT(of, T, f)                                                         \
	.method = "PUT", .path = "/v1/" of "s/:id", .auth = KW_AUTH_OPERATOR, \
	.body = KW_JSON_BODY, .fields = (f), .in_size = sizeof(struct T)
#define GET(p) .method = "GET", .path = (p), .auth = KW_AUTH_OPERATOR

const struct kw_route listing_routes[] = {
	{ PUT("maker", maker_body, maker_body_fields), .handle = put_maker,
		.answers = put_maker_answers },
	{ GET("/v1/makers/:id"), .handle = get_maker, .answers = maker_answers },
	{ PUT("hub", hub, hub_body_fields), .handle = put_hub, .answers = put_hub_answers },
	{ GET("/v1/hubs/:id"), .handle = get_hub, .answers = hub_answers },
	{ PUT("listing", listing, listing_body_fields), .handle = put_listing,
		.answers = put_listing_answers },
	{ GET("/v1/listings/:id"), .handle = get_listing, .answers = listing_answers },
	{ .method = "POST",
		.path = "/v1/imports",
		.handle = post_import,
		.auth = KW_AUTH_OPERATOR,
		.body = KW_RAW_BODY,
		.max_body = IMPORT_MAX,
		.media = "text/csv|application/x-ndjson",
		.query = import_query,
		.headers = "Content-Type",
		.answers = import_answers },
	{ GET("/v1/imports/:id"), .handle = get_import, .query = imported_query,
		.answers = imported_answers },
	{ GET("/v1/exceptions"), .handle = get_exceptions, .query = exceptions_query,
		.answers = exceptions_answers },
	{ .method = "POST",
		.path = "/v1/exceptions/:id/resolve",
		.handle = post_resolution,
		.auth = KW_AUTH_OPERATOR,
		.body = KW_JSON_BODY,
		.fields = kw_resolve_body_fields,
		.in_size = sizeof(struct kw_resolve_body),
		.answers = kw_resolve_answers },
	{ 0 },
};
