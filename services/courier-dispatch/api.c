/* HTTP: couriers report scans; operators read parcels, labels and exceptions, and cancel parcels.
 */
#include "api.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/adapter.h"
#include "core/cnic.h"
#include "label.h"
#include "rules.h"
#include "store.h"
#include "svc/exceptions.h"
#include "svc/resolution.h"
#include "svc/svc.h"
#include "json/json.h"

#define FUTURE_MAX_US \
	(24 * 3600 * KW_US_PER_S) /* a courier's clock may be wrong, but not that much */
#define CACHE_TTL_S 3600

static struct kw_metric unknown_statuses = {
	.name = "karwan_tracking_unknown_total",
	.help = "Scans received with a status that their adapter does not know.",
	.kind = KW_COUNTER,
	.labels = { "courier" },
};

struct kw_metric *const dispatch_metrics[] = { &unknown_statuses, NULL };

/* The parcel where it is named; otherwise how many scans were taken. */
struct accepted {
	struct kw_uuid parcel_id;
	int64_t scans;
};
static const struct kw_field no_fields[] = { KW_END };
static const struct kw_field accepted_fields[] = {
	KW_UUID(struct accepted, parcel_id, KW_OPTIONAL),
	KW_I64(struct accepted, scans, KW_OPTIONAL, 0, REPORTS_MAX),
	KW_END,
};

static const struct kw_field cancelled_fields[] = {
	KW_UUID(struct accepted, parcel_id, KW_REQUIRED),
	KW_END,
};

/* ---- POST /v1/couriers/:courier/tracking ---- */

static enum kw_rc post_tracking(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	const struct kw_partner *courier = rq->caller;
	const struct courier_adapter *adapter = courier_adapter_find(courier->adapter);
	struct tracking_reported *reports;
	size_t n;

	KW_TRY(adapter->read_tracking(rq->arena, rq->body, &reports, &n, err));
	if (n == 0) { /* authentic, and about nothing that concerns a parcel: kept nowhere */
		rs->body = (struct kw_bytes) { "{}", 2 };
		return KW_OK;
	}
	struct kw_message_out *messages = kw_new(rq->arena, struct kw_message_out, n);
	for (size_t i = 0; i < n; i++) {
		reports[i].courier = courier->name;
		reports[i].place = kw_cnic_drop(rq->arena, reports[i].place, true);
		reports[i].note = kw_cnic_drop(rq->arena, reports[i].note, true);
		if (reports[i].scanned_at > rq->now + FUTURE_MAX_US)
			return kw_fail_at(err, KW_INVALID,
				reports[i].parcel_id.s[0] ? "/data/scanned_at" : "",
				"scan %zu is in the future", i);
		if (!carrier_word_find(adapter->words, reports[i].status))
			kw_count(&unknown_statuses, 1, KW_LABELS(courier->name));
		messages[i].subject = tracking_key(&reports[i]);
		messages[i].key = kw_arena_str(rq->arena, messages[i].subject.s);
		messages[i].data = &reports[i];
	}
	struct accepted accepted = { reports->parcel_id, reports->parcel_id.s[0] ? 0 : (int64_t)n };
	return kw_svc_append_all(rq, "karwan.tracking.reported.v1", messages, n,
		kw_svc_text(rq->arena, accepted_fields, &accepted), err);
}

/* ---- GET /v1/parcels/:id, GET /v1/parcels/:id/label ---- */

struct reading {
	struct kw_arena *a;
	struct kw_cache *cache; /* NULL: the rows are wanted */
	struct kw_uuid id;
	const char *cache_key;
	struct kw_bytes cached;
	struct parcel *parcel;
};

/* The key has the stamp that the database has now, so what is cached can be wrong about nothing. */
static enum kw_rc read_parcel(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	struct reading *r = ctx;
	int64_t stamp, version;
	size_t n;

	KW_TRY(store_read_stamp(pg, r->a, &r->id, &stamp, err));
	r->cache_key =
		kw_arena_printf(r->a, "dispatch:parcel:%s:%016" PRIx64, r->id.s, (uint64_t)stamp);
	r->cached = (struct kw_bytes) { NULL, 0 };
	if (r->cache && kw_cache_get(r->cache, r->cache_key, r->a, &r->cached, &version) == KW_OK)
		return KW_OK;
	r->cached = (struct kw_bytes) { NULL, 0 };
	KW_TRY(store_read_parcels(pg, r->a, &r->id, 1, &r->parcel, &n, err));
	kw_assert(n == 1);
	return store_read_scans(pg, r->a, &r->id, &r->parcel->scans, &r->parcel->n_scans, err);
}

static enum kw_rc get_parcel(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	struct reading r = { .a = rq->arena, .cache = kw_svc_cache(rq->ctx) };

	if (!kw_uuid_parse(rq->params[0], &r.id))
		return KW_NOTHING;
	KW_TRY(kw_svc_read(rq, read_parcel, &r, err));
	if (!r.cached.p) {
		const char *text = kw_svc_text(rq->arena, parcel_view_fields, r.parcel);

		r.cached = (struct kw_bytes) { text, strlen(text) };
		kw_cache_put(r.cache, r.cache_key, r.cached, r.parcel->version, CACHE_TTL_S);
	}
	rs->body = r.cached;
	return KW_OK;
}

/* ---- POST /v1/parcels/:id/cancel ---- */

static enum kw_rc find_parcel(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	const struct reading *r = ctx;
	int64_t stamp;

	return store_read_stamp(pg, r->a, &r->id, &stamp, err);
}

static enum kw_rc post_cancel(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	const struct cancel_body *body = rq->in;
	const struct kw_partner *operator= rq->caller;
	struct reading r = { .a = rq->arena };
	struct cancel_requested *m = kw_new(rq->arena, struct cancel_requested, 1);
	struct accepted accepted = { 0 };

	(void)rs;
	if (!kw_uuid_parse(rq->params[0], &r.id))
		return KW_NOTHING;
	KW_TRY(kw_svc_read(rq, find_parcel, &r, err));
	m->parcel_id = r.id;
	m->reason = kw_cnic_drop(rq->arena, body->reason, true);
	m->by = operator->name;
	accepted.parcel_id = m->parcel_id;
	return kw_svc_append(rq, "karwan.parcel.cancel_requested.v1", m->parcel_id.s, &m->parcel_id,
		m, kw_svc_text(rq->arena, cancelled_fields, &accepted), err);
}

enum label_format { LABEL_PDF, LABEL_ZPL };
static const char *const label_format_names[] = { [LABEL_PDF] = "pdf", [LABEL_ZPL] = "zpl" };
static const struct kw_strtab label_formats = KW_STRTAB(label_format_names);

static const struct label_medium {
	const char *media;
	enum kw_rc (*draw)(struct kw_arena *a, const struct parcel *p, struct kw_bytes *ret,
		struct kw_err *err);
} label_media[] = {
	[LABEL_PDF] = { "application/pdf", label_pdf }, /* the default */
	[LABEL_ZPL] = { "application/zpl", label_zpl },
};

/* ?format= decides; without it the first of ours that Accept names; a browser's list gets a PDF. */
static enum kw_rc choose_format(
	struct kw_request *rq, const struct label_medium **ret, struct kw_err *err)
{
	const char *accept = kw_request_header(rq, "Accept"), *at = NULL;
	int format;

	KW_TRY(kw_request_name(rq, "format", &format, err));
	*ret = &label_media[format < 0 ? LABEL_PDF : format];
	if (format >= 0)
		return KW_OK;
	for (size_t i = 0; i < KW_LEN(label_media); i++) {
		const char *found = accept ? strcasestr(accept, label_media[i].media) : NULL;

		if (found && (!at || found < at)) {
			at = found;
			*ret = &label_media[i];
		}
	}
	return KW_OK;
}

static enum kw_rc get_label(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	struct reading r = { .a = rq->arena };
	const struct label_medium *format;

	if (!kw_uuid_parse(rq->params[0], &r.id))
		return KW_NOTHING;
	KW_TRY(choose_format(rq, &format, err));
	KW_TRY(kw_svc_read(rq, read_parcel, &r, err));
	if (!r.parcel->label_url)
		return kw_fail_code(err, KW_CONFLICT, "NOT_BOOKED", "no courier has booked it yet");
	rs->content_type = format->media;
	return format->draw(rq->arena, r.parcel, &rs->body, err);
}

/* ---- GET /v1/exceptions ---- */

KW_EXCEPTION_FORM(exceptions, parcel_exception_kinds, parcel_exception_states);

static enum kw_rc get_exceptions(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	return kw_svc_exceptions(rq, rs, &exceptions, err);
}

/* ---- POST /v1/exceptions/:id/resolve ---- */

static bool may_resolve(const char *kind, int resolution)
{
	return exception_may(kw_strtab_value(&parcel_exception_kinds, kind), resolution == KW_KEEP,
		resolution == KW_MAP);
}

static enum kw_rc post_resolution(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	(void)rs;
	return kw_svc_resolve(rq, may_resolve, &mapped_statuses, err);
}

/* ---- the routes ---- */

static const struct kw_answer tracking_answers[] = {
	{ 200, no_fields, NULL },
	{ 202, accepted_fields, NULL },
	{ 0 },
};
static const struct kw_answer parcel_answers[] = {
	{ 200, parcel_view_fields, NULL },
	{ 0 },
};
static const struct kw_answer cancel_answers[] = {
	{ 202, cancelled_fields, NULL },
	{ 0 },
};
static const struct kw_argument label_query[] = { { "format", false, &label_formats }, { 0 } };
static const struct kw_answer label_answers[] = {
	{ 200, NULL, "application/pdf" },
	{ 200, NULL, "application/zpl" },
	{ 409, NULL, NULL },
	{ 0 },
};

const struct kw_route dispatch_routes[] = {
	{ .method = "POST",
		.path = "/v1/couriers/:courier/tracking",
		.handle = post_tracking,
		.auth = KW_AUTH_COURIER,
		.body = KW_RAW_BODY,
		.answers = tracking_answers },
	{ .method = "GET",
		.path = "/v1/parcels/:id",
		.handle = get_parcel,
		.auth = KW_AUTH_OPERATOR,
		.answers = parcel_answers },
	{ .method = "GET",
		.path = "/v1/parcels/:id/label",
		.handle = get_label,
		.auth = KW_AUTH_OPERATOR,
		.query = label_query,
		.headers = "Accept",
		.answers = label_answers },
	{ .method = "POST",
		.path = "/v1/parcels/:id/cancel",
		.handle = post_cancel,
		.auth = KW_AUTH_OPERATOR,
		.body = KW_JSON_BODY,
		.fields = cancel_body_fields,
		.in_size = sizeof(struct cancel_body),
		.answers = cancel_answers },
	{ .method = "GET",
		.path = "/v1/exceptions",
		.handle = get_exceptions,
		.auth = KW_AUTH_OPERATOR,
		.query = exceptions_query,
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
