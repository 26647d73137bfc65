/* HTTP: couriers report scans; operators read parcels, labels and exceptions. */
#include "api.h"

#include <stdlib.h>
#include <string.h>

#include "adapters/adapter.h"
#include "label.h"
#include "store.h"
#include "svc/resolution.h"
#include "svc/svc.h"
#include "json/json.h"

#define FUTURE_MAX_US \
	(24 * 3600 * KW_US_PER_S) /* a courier's clock may be wrong, but not that much */
#define CACHE_TTL_S 3600
#define VIEW_MAX (1024 * 1024)

static struct kw_metric unknown_statuses = {
	.name = "karwan_tracking_unknown_total",
	.help = "Scans received with a status that nobody has mapped.",
	.kind = KW_COUNTER,
	.labels = { "courier" },
};

/* The parcel where it is named; otherwise how many scans were taken. */
struct accepted {
	struct kw_uuid parcel_id;
	int64_t scans;
};
static const struct kw_field accepted_fields[] = {
	KW_UUID(struct accepted, parcel_id, KW_OPTIONAL),
	KW_I64(struct accepted, scans, KW_OPTIONAL, 0, REPORTS_MAX),
	KW_END,
};

static const char *text_of(struct kw_arena *a, const struct kw_field *fields, const void *data)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf text;

	kw_buf_init(&text, VIEW_MAX);
	kw_json_encode(fields, data, &text);
	kw_assert(!text.full);
	return kw_arena_strn(a, text.p, text.n);
}

/* ---- POST /v1/couriers/:courier/tracking ---- */

enum kw_rc post_tracking(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
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
		text_of(rq->arena, accepted_fields, &accepted), err);
}

/* ---- GET /v1/parcels/:id, GET /v1/parcels/:id/label ---- */

struct reading {
	struct kw_arena *a;
	struct kw_cache *cache; /* NULL: the rows are wanted */
	const char *cache_key;
	struct kw_uuid id;
	int64_t version;
	struct kw_bytes cached;
	struct parcel *parcel;
};

/* The cache is asked for the version that the database has, so it can be wrong about nothing. */
static enum kw_rc read_parcel(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	struct reading *r = ctx;
	int64_t cached_version;
	size_t n;

	KW_TRY(store_read_version(pg, r->a, &r->id, &r->version, err));
	r->cached = (struct kw_bytes) { NULL, 0 };
	if (r->cache &&
		kw_cache_get(r->cache, r->cache_key, r->a, &r->cached, &cached_version) == KW_OK &&
		cached_version == r->version)
		return KW_OK;
	r->cached = (struct kw_bytes) { NULL, 0 };
	KW_TRY(store_read_parcels(pg, r->a, &r->id, 1, &r->parcel, &n, err));
	kw_assert(n == 1);
	return store_read_scans(pg, r->a, &r->id, &r->parcel->scans, &r->parcel->n_scans, err);
}

enum kw_rc get_parcel(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	struct reading r = { .a = rq->arena, .cache = kw_svc_cache(rq->ctx) };

	if (!kw_uuid_parse(rq->params[0], &r.id))
		return KW_NOTHING;
	r.cache_key = kw_arena_printf(rq->arena, "dispatch:parcel:%s", r.id.s);
	KW_TRY(kw_svc_read(rq, read_parcel, &r, err));
	if (!r.cached.p) {
		const char *text = text_of(rq->arena, parcel_view_fields, r.parcel);

		r.cached = (struct kw_bytes) { text, strlen(text) };
		kw_cache_put(r.cache, r.cache_key, r.cached, r.parcel->version, CACHE_TTL_S);
	}
	rs->body = r.cached;
	return KW_OK;
}

static const struct label_format {
	const char *name, *media;
	enum kw_rc (*draw)(struct kw_arena *a, const struct parcel *p, struct kw_bytes *ret,
		struct kw_err *err);
} label_formats[] = {
	{ "pdf", "application/pdf", label_pdf }, /* the default */
	{ "zpl", "application/zpl", label_zpl },
};

/* ?format= decides; without it the first of ours that Accept names; a browser's list gets a PDF. */
static enum kw_rc choose_format(
	struct kw_request *rq, const struct label_format **ret, struct kw_err *err)
{
	const char *name = kw_request_query(rq, "format");
	const char *accept = kw_request_header(rq, "Accept"), *at = NULL;

	*ret = label_formats;
	for (size_t i = 0; i < KW_LEN(label_formats); i++) {
		const struct label_format *format = &label_formats[i];
		const char *found = accept && !name ? strcasestr(accept, format->media) : NULL;

		if (name && strcmp(name, format->name) == 0) {
			*ret = format;
			return KW_OK;
		}
		if (found && (!at || found < at)) {
			at = found;
			*ret = format;
		}
	}
	return name ? kw_fail_at(err, KW_INVALID, "format", "neither pdf nor zpl") : KW_OK;
}

enum kw_rc get_label(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	struct reading r = { .a = rq->arena };
	const struct label_format *format;

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

struct listing {
	struct kw_arena *a;
	const char *kind, *state;
	int64_t after;
	struct exceptions_page page;
};

static enum kw_rc read_exceptions(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	struct listing *l = ctx;

	return store_read_exceptions(pg, l->a, l->kind, l->state, l->after, &l->page.exceptions,
		&l->page.n_exceptions, err);
}

/* A query argument that must be one of the names. */
static enum kw_rc take_name(const struct kw_request *rq, const char *name,
	const struct kw_strtab *names, const char **ret, struct kw_err *err)
{
	*ret = kw_request_query(rq, name);
	if (*ret && kw_strtab_value(names, *ret) < 0)
		return kw_fail_at(err, KW_INVALID, name, "no such %s", name);
	return KW_OK;
}

enum kw_rc get_exceptions(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	struct listing l = { .a = rq->arena };
	const char *cursor = kw_request_query(rq, "cursor");
	char *end;

	KW_TRY(take_name(rq, "kind", &parcel_exception_kinds, &l.kind, err));
	KW_TRY(take_name(rq, "state", &parcel_exception_states, &l.state, err));
	if (cursor) {
		l.after = strtoll(cursor, &end, 10);
		if (*cursor == '\0' || *end != '\0' || l.after < 0)
			return kw_fail_at(err, KW_INVALID, "cursor", "not a cursor of this list");
	}
	KW_TRY(kw_svc_read(rq, read_exceptions, &l, err));
	if (l.page.n_exceptions == EXCEPTIONS_PAGE_MAX)
		l.page.next = kw_arena_printf(rq->arena, "%lld",
			(long long)l.page.exceptions[EXCEPTIONS_PAGE_MAX - 1].seq);
	return kw_svc_reply(rq, rs, exceptions_page_fields, &l.page, err);
}

/* ---- POST /v1/exceptions/:id/resolve ---- */

/* A parcel without a courier stays somebody's work. */
static bool may_resolve(const char *kind, int resolution)
{
	return resolution == KW_KEEP &&
	       kw_strtab_value(&parcel_exception_kinds, kind) != EXCEPTION_NO_COURIER;
}

enum kw_rc post_resolution(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	(void)rs;
	return kw_svc_resolve(rq, may_resolve, err);
}
