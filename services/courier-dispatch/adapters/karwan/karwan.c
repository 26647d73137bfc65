/* The courier interface of our own: JSON over HTTP, both ways signed as Standard Webhooks.
 *   POST {url}/v1/bookings               {"bookings": [booking …]} -> {"results": [result …]}
 *   GET  {url}/v1/bookings/{reference}   -> result, 404
 *   POST {url}/v1/bookings/{reference}/cancel -> 200, 404, 409 (it has left)
 *   POST {url}/v1/bookings/{reference}/return -> 200, 404, 409 (too late, or not offered)
 * result: {reference, outcome: "accepted" with tracking_number | "refused" with reason}. */
#include <string.h>

#include "adapters/adapter.h"
#include "http/signature.h"
#include "json/json.h"

#define BODY_MAX (16 * 1024 * 1024)
#define HEADERS 6

/* The words of the interface are our statuses in lower case. */
static const struct carrier_word words[] = {
	{ "created", CARRIER_CREATED },
	{ "picked_up", CARRIER_PICKED_UP },
	{ "in_transit", CARRIER_IN_TRANSIT },
	{ "out_for_delivery", CARRIER_OUT_FOR_DELIVERY },
	{ "attempt_failed", CARRIER_ATTEMPT_FAILED },
	{ "available_for_pickup", CARRIER_AVAILABLE_FOR_PICKUP },
	{ "delivered", CARRIER_DELIVERED },
	{ "returning", CARRIER_RETURNING },
	{ "returned", CARRIER_RETURNED },
	{ "lost", CARRIER_LOST },
	{ "exception", CARRIER_EXCEPTION },
	{ "cancelled", CARRIER_CANCELLED },
	{ "unknown", CARRIER_UNKNOWN },
	{ NULL, 0 },
};

/* ---- what we send ---- */

#define ADDRESS(m) KW_STR(struct address, m, KW_OPTIONAL, 1, 300)
static const struct kw_field address_fields[] = {
	ADDRESS(name),
	ADDRESS(line1),
	ADDRESS(line2),
	ADDRESS(line3),
	ADDRESS(city),
	ADDRESS(postcode),
	ADDRESS(region),
	ADDRESS(country),
	ADDRESS(phone),
	KW_END,
};

static const struct kw_field content_fields[] = {
	KW_STR(struct parcel_line, sku, KW_REQUIRED, 1, 100),
	KW_STR(struct parcel_line, title, KW_OPTIONAL, 1, 300),
	KW_I64(struct parcel_line, quantity, KW_REQUIRED, 1, 10000),
	KW_END,
};

static const struct kw_field booking_fields[] = {
	KW_UUID_AS(struct parcel, parcel_id, "reference", KW_REQUIRED),
	KW_OBJECT(struct parcel, ship_from, KW_REQUIRED, struct address, address_fields),
	KW_OBJECT(struct parcel, ship_to, KW_REQUIRED, struct address, address_fields),
	KW_I64(struct parcel, weight_g, KW_REQUIRED, 0, INT64_MAX),
	KW_MONEY(struct parcel, declared_value, KW_REQUIRED),
	KW_MONEY(struct parcel, amount_due, KW_OPTIONAL),
	KW_ARRAY(struct parcel, lines, KW_REQUIRED, struct parcel_line, content_fields, 1,
		LINES_MAX),
	KW_END,
};

struct booking_call {
	struct parcel *bookings;
	size_t n_bookings;
};
static const struct kw_field booking_call_fields[] = {
	KW_ARRAY(struct booking_call, bookings, KW_REQUIRED, struct parcel, booking_fields, 1,
		BATCH_PARCELS_MAX),
	KW_END,
};

/* key: the same for the same request, so that a repeat is one for the courier too. */
static enum kw_rc make_call(struct kw_arena *a, const struct kw_partner *partner,
	const char *method, const char *path, const char *key, struct kw_bytes body, kw_time now,
	struct kw_call *ret, struct kw_err *err)
{
	const char **headers = kw_new(a, const char *, HEADERS);
	char *signature;

	KW_TRY(kw_sign_standard_webhook(
		a, partner->secrets.keys[0], key, now, body, &signature, err));
	headers[0] = "Content-Type: application/json";
	headers[1] = kw_arena_printf(a, "Idempotency-Key: %s", key);
	headers[2] = kw_arena_printf(a, "webhook-id: %s", key);
	headers[3] = kw_arena_printf(a, "webhook-timestamp: %lld", (long long)(now / KW_US_PER_S));
	headers[4] = kw_arena_printf(a, "webhook-signature: %s", signature);
	*ret = (struct kw_call) {
		.method = method,
		.url = kw_arena_printf(a, "%s%s", partner->url, path),
		.headers = headers,
		.body = body,
	};
	return KW_OK;
}

static enum kw_rc book(struct kw_arena *a, const struct kw_partner *partner,
	const struct parcel *const *parcels, size_t n, kw_time now, struct kw_call *ret,
	struct kw_err *err)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf text;
	struct booking_call call = { kw_new(a, struct parcel, n), n };
	const char *parts[BATCH_PARCELS_MAX + 2] = { "booking" };

	kw_assert(n > 0 && n <= BATCH_PARCELS_MAX);
	for (size_t i = 0; i < n; i++) {
		call.bookings[i] = *parcels[i];
		parts[1 + i] = parcels[i]->parcel_id.s;
	}
	kw_buf_init(&text, BODY_MAX);
	kw_json_encode(booking_call_fields, &call, &text);
	kw_assert(!text.full);
	struct kw_bytes body = { kw_arena_strn(a, text.p, text.n), text.n };
	struct kw_uuid key = kw_uuid_make(parts);
	return make_call(
		a, partner, "POST", "/v1/bookings", kw_arena_str(a, key.s), body, now, ret, err);
}

static enum kw_rc inquire(struct kw_arena *a, const struct kw_partner *partner,
	const struct parcel *p, kw_time now, struct kw_call *ret, struct kw_err *err)
{
	struct kw_uuid key = kw_uuid_of("inquiry", p->parcel_id.s);

	return make_call(a, partner, "GET", kw_arena_printf(a, "/v1/bookings/%s", p->parcel_id.s),
		kw_arena_str(a, key.s), (struct kw_bytes) { "", 0 }, now, ret, err);
}

static enum kw_rc cancel(struct kw_arena *a, const struct kw_partner *partner,
	const struct parcel *p, kw_time now, struct kw_call *ret, struct kw_err *err)
{
	struct kw_uuid key = kw_uuid_of("cancellation", p->parcel_id.s);

	return make_call(a, partner, "POST",
		kw_arena_printf(a, "/v1/bookings/%s/cancel", p->parcel_id.s),
		kw_arena_str(a, key.s), (struct kw_bytes) { "{}", 2 }, now, ret, err);
}

static enum kw_rc bring_back(struct kw_arena *a, const struct kw_partner *partner,
	const struct parcel *p, kw_time now, struct kw_call *ret, struct kw_err *err)
{
	struct kw_uuid key = kw_uuid_of("return", p->parcel_id.s);

	return make_call(a, partner, "POST",
		kw_arena_printf(a, "/v1/bookings/%s/return", p->parcel_id.s),
		kw_arena_str(a, key.s), (struct kw_bytes) { "{}", 2 }, now, ret, err);
}

/* ---- what is answered ---- */

enum outcome { ACCEPTED, REFUSED };
static const char *const outcome_names[] = { "accepted", "refused" };
static const struct kw_strtab outcomes = KW_STRTAB(outcome_names);

struct result {
	struct kw_uuid reference;
	int outcome;
	const char *tracking_number, *reason;
};
static const struct kw_field result_fields[] = {
	KW_UUID(struct result, reference, KW_REQUIRED),
	KW_ENUM(struct result, outcome, KW_REQUIRED, &outcomes),
	KW_STR(struct result, tracking_number, KW_OPTIONAL, 1, 64),
	KW_STR(struct result, reason, KW_OPTIONAL, 1, 200),
	KW_END,
};

struct results {
	struct result *results;
	size_t n_results;
};
static const struct kw_field results_fields[] = {
	KW_ARRAY(struct results, results, KW_REQUIRED, struct result, result_fields, 0,
		BATCH_PARCELS_MAX),
	KW_END,
};

/* What a call that did not end with 200 tells of all that it asked for. */
static struct answer failed(struct kw_arena *a, const struct kw_call *call)
{
	switch (call->rc) {
	case KW_OK:
		break;
	case KW_NOTHING: /* it surely did not leave */
		return (struct answer) { ANSWER_AGAIN, NULL, kw_arena_str(a, call->err.reason) };
	case KW_INVALID: /* the address is not allowed, or more was answered than we read */
		if (strcmp(call->err.code, "ANSWER_TOO_LARGE") != 0)
			return (struct answer) { ANSWER_AGAIN, NULL,
				kw_arena_str(a, call->err.reason) };
		/* fall through */
	default:
		return (struct answer) { ANSWER_UNKNOWN, NULL, kw_arena_str(a, call->err.reason) };
	}
	/* 4xx: not done; 5xx: who knows */
	return (struct answer) { call->status >= 400 && call->status < 500 ? ANSWER_AGAIN
									   : ANSWER_UNKNOWN,
		NULL, kw_arena_printf(a, "HTTP status %d", call->status) };
}

/* Code 128 prints these; anything else is no tracking number. */
static bool is_printable(const char *text)
{
	for (const char *c = text; *c; c++)
		if (*c <= ' ' || *c > '~')
			return false;
	return true;
}

static struct answer answer_of(const struct result *r)
{
	if (r->outcome == REFUSED)
		return (struct answer) { ANSWER_REFUSED, NULL,
			r->reason ? r->reason : "no reason given" };
	if (!r->tracking_number || !is_printable(r->tracking_number))
		return (struct answer) { ANSWER_UNKNOWN, NULL,
			"accepted without a usable tracking number" };
	return (struct answer) { ANSWER_ACCEPTED, r->tracking_number, NULL };
}

static void read_bookings(struct kw_arena *a, const struct kw_call *call,
	const struct parcel *const *parcels, size_t n, struct answer *ret)
{
	struct results results = { 0 };
	struct answer other = failed(a, call);
	struct kw_err err;

	if (call->rc == KW_OK && call->status == 200) {
		other = (struct answer) { ANSWER_UNKNOWN, NULL, "no result for it" };
		if (kw_json_decode(results_fields, call->answer.p, call->answer.n, a, &results,
			    &err) != KW_OK)
			other.reason = "an answer that cannot be read";
	}
	for (size_t i = 0; i < n; i++) {
		ret[i] = other;
		for (size_t k = 0; k < results.n_results; k++)
			if (strcmp(results.results[k].reference.s, parcels[i]->parcel_id.s) == 0)
				ret[i] = answer_of(&results.results[k]);
	}
}

static void read_inquiry(
	struct kw_arena *a, const struct kw_call *call, const struct parcel *p, struct answer *ret)
{
	struct result result = { 0 };
	struct kw_err err;

	*ret = failed(a, call);
	if (call->rc == KW_OK && call->status == 404)
		*ret = (struct answer) { .kind = ANSWER_ABSENT };
	else if (ret->kind == ANSWER_AGAIN)
		ret->kind = ANSWER_UNKNOWN; /* what we ask about may have been done */
	if (call->rc != KW_OK || call->status != 200)
		return;
	if (kw_json_decode(result_fields, call->answer.p, call->answer.n, a, &result, &err) !=
			KW_OK ||
		strcmp(result.reference.s, p->parcel_id.s) != 0)
		ret->reason = "an answer that cannot be read";
	else
		*ret = answer_of(&result);
}

static void read_cancel(
	struct kw_arena *a, const struct kw_call *call, const struct parcel *p, struct answer *ret)
{
	(void)p;
	*ret = failed(a, call);
	if (call->rc != KW_OK)
		return;
	if (call->status == 200 || call->status == 404)
		*ret = (struct answer) { .kind = ANSWER_ACCEPTED };
	else if (call->status == 409)
		*ret = (struct answer) { ANSWER_REFUSED, NULL, "it has left" };
}

static void read_bring_back(
	struct kw_arena *a, const struct kw_call *call, const struct parcel *p, struct answer *ret)
{
	(void)p;
	*ret = failed(a, call);
	if (call->rc != KW_OK)
		return;
	if (call->status == 200)
		*ret = (struct answer) { .kind = ANSWER_ACCEPTED };
	else if (call->status == 404 || call->status == 409)
		*ret = (struct answer) { ANSWER_REFUSED, NULL,
			kw_arena_printf(
				a, "asked to bring it back, it answered %d", call->status) };
}

/* ---- tracking ---- */

enum kw_rc karwan_courier_verify(
	const struct kw_partner *partner, const struct kw_request *rq, struct kw_err *err)
{
	return kw_verify_standard_webhook(&partner->secrets, kw_request_header(rq, "webhook-id"),
		kw_request_header(rq, "webhook-timestamp"),
		kw_request_header(rq, "webhook-signature"), rq->body, rq->now, err);
}

static const char *const type_names[] = { "tracking.updated" };
static const struct kw_strtab types = KW_STRTAB(type_names);

static const struct kw_field data_fields[] = {
	KW_UUID_AS(struct tracking_reported, parcel_id, "reference", KW_REQUIRED),
	KW_ID(struct tracking_reported, event_id, KW_REQUIRED, 1, 128),
	KW_STR(struct tracking_reported, tracking_number, KW_OPTIONAL, 1, 64),
	KW_STR(struct tracking_reported, status, KW_REQUIRED, 1, 64),
	KW_TIME(struct tracking_reported, scanned_at, KW_REQUIRED),
	KW_STR(struct tracking_reported, place, KW_OPTIONAL, 1, 200),
	KW_STR(struct tracking_reported, note, KW_OPTIONAL, 1, 500),
	KW_END,
};

struct webhook {
	int type;
	kw_time timestamp;
	struct tracking_reported *data;
};
static const struct kw_field webhook_fields[] = {
	KW_ENUM(struct webhook, type, KW_REQUIRED, &types),
	KW_TIME(struct webhook, timestamp, KW_REQUIRED),
	KW_OBJECT(struct webhook, data, KW_REQUIRED, struct tracking_reported, data_fields),
	KW_END,
};

static enum kw_rc read_tracking(struct kw_arena *a, struct kw_bytes body,
	struct tracking_reported **ret, size_t *ret_n, struct kw_err *err)
{
	struct webhook webhook = { 0 };

	KW_TRY(kw_json_decode(webhook_fields, body.p, body.n, a, &webhook, err));
	webhook.data->reference = kw_arena_str(a, webhook.data->parcel_id.s);
	*ret = webhook.data;
	*ret_n = 1;
	return KW_OK;
}

const struct courier_adapter karwan_courier = {
	.name = "karwan",
	.words = words,
	.book = book,
	.read_bookings = read_bookings,
	.inquire = inquire,
	.read_inquiry = read_inquiry,
	.cancel = cancel,
	.read_cancel = read_cancel,
	.bring_back = bring_back,
	.read_bring_back = read_bring_back,
	.read_tracking = read_tracking,
};
