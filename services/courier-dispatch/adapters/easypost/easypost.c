/* EasyPost's tracker events (https://docs.easypost.com/docs/trackers): a tracking code of any
 * carrier, with all its details each time. X-Hmac-Signature is "hmac-sha256-hex=" and the
 * HMAC-SHA256 of the body in hex; the secret is brought to Unicode's NFKD first. */
#include <glib.h>
#include <string.h>

#include "adapters/checkpoint.h"
#include "json/json.h"

static const struct carrier_word words[] = {
	{ "pre_transit", CARRIER_CREATED },
	{ "in_transit", CARRIER_IN_TRANSIT },
	{ "out_for_delivery", CARRIER_OUT_FOR_DELIVERY },
	{ "available_for_pickup", CARRIER_AVAILABLE_FOR_PICKUP },
	{ "delivered", CARRIER_DELIVERED },
	{ "return_to_sender", CARRIER_RETURNING },
	{ "failure", CARRIER_EXCEPTION },
	{ "error", CARRIER_EXCEPTION },
	{ "cancelled", CARRIER_CANCELLED },
	{ "unknown", CARRIER_UNKNOWN },
	{ NULL, 0 },
};

/* However the secret was typed, composed or not, the key is the same. */
static struct kw_bytes normalised(struct kw_arena *a, struct kw_bytes secret)
{
	char *text = g_utf8_normalize(secret.p, (gssize)secret.n, G_NORMALIZE_NFKD);

	if (!text) /* not UTF-8: byte for byte */
		return secret;
	struct kw_bytes key = { kw_arena_str(a, text), strlen(text) };
	g_free(text);
	return key;
}

#define SIGNATURE "X-Hmac-Signature"

static enum kw_rc verify(struct kw_arena *a, const struct kw_secrets *secrets,
	const char *signature, struct kw_bytes body, struct kw_err *err)
{
	static const struct kw_body_mac scheme = { SIGNATURE, "hmac-sha256-hex=", true };
	struct kw_secrets keys = { .n = secrets->n };

	for (size_t i = 0; i < keys.n; i++)
		keys.keys[i] = normalised(a, secrets->keys[i]);
	return kw_verify_body_mac(&scheme, &keys, signature, body, err);
}

struct location {
	const char *city, *state, *country;
};
#define TEXT(T, m, max) KW_STR(T, m, KW_OPTIONAL, 1, max)
static const struct kw_field location_fields[] = {
	TEXT(struct location, city, 300),
	TEXT(struct location, state, 300),
	TEXT(struct location, country, 100),
	KW_END,
};

struct detail {
	const char *status, *status_detail, *datetime, *message, *carrier_code;
	struct location *tracking_location;
};
static const struct kw_field detail_fields[] = {
	KW_STR(struct detail, status, KW_REQUIRED, 1, 64),
	TEXT(struct detail, status_detail, 64),
	KW_STR(struct detail, datetime, KW_REQUIRED, 1, 40),
	TEXT(struct detail, message, 4000),
	TEXT(struct detail, carrier_code, 64),
	KW_OBJECT(struct detail, tracking_location, KW_OPTIONAL, struct location, location_fields),
	KW_END,
};

struct tracker {
	const char *carrier, *tracking_code, *status, *updated_at;
	struct detail *tracking_details;
	size_t n_tracking_details;
};
static const struct kw_field tracker_fields[] = {
	KW_STR(struct tracker, carrier, KW_REQUIRED, 1, 64),
	KW_ID(struct tracker, tracking_code, KW_REQUIRED, 1, 64),
	KW_STR(struct tracker, status, KW_REQUIRED, 1, 64),
	KW_STR(struct tracker, updated_at, KW_REQUIRED, 1, 40),
	KW_ARRAY(struct tracker, tracking_details, KW_OPTIONAL, struct detail, detail_fields, 0,
		REPORTS_MAX),
	KW_END,
};

struct event {
	const char *object, *description, *id;
	struct tracker *result;
};
/* First what it is about: the results of other events look different. */
static const struct kw_field head_fields[] = {
	KW_STR(struct event, object, KW_REQUIRED, 1, 64),
	KW_STR(struct event, description, KW_REQUIRED, 1, 64),
	KW_END,
};
static const struct kw_field event_fields[] = {
	KW_ID(struct event, id, KW_REQUIRED, 1, 64),
	KW_OBJECT(struct event, result, KW_REQUIRED, struct tracker, tracker_fields),
	KW_END,
};

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

static enum kw_rc read_detail(struct kw_arena *a, const struct tracker *t, const struct detail *d,
	struct tracking_reported *ret, struct kw_err *err)
{
	const struct location *at = d->tracking_location;

	KW_TRY(checkpoint_time(d->datetime, "Z", &ret->scanned_at, err));
	ret->status = d->status;
	ret->place = at ? checkpoint_place(a, at->city, at->state, at->country) : NULL;
	ret->note = checkpoint_cut(a, d->message, CHECKPOINT_NOTE_MAX);
	ret->event_id = checkpoint_id(a, t->carrier, t->tracking_code, d->datetime, d->status,
		or_empty(d->status_detail), or_empty(d->carrier_code), or_empty(ret->place));
	return KW_OK;
}

/* A tracker without details tells its own status. */
static enum kw_rc read_status(
	const struct event *e, struct tracking_reported *ret, struct kw_err *err)
{
	ret->status = e->result->status;
	ret->event_id = e->id;
	return checkpoint_time(e->result->updated_at, "Z", &ret->scanned_at, err);
}

static enum kw_rc read_tracking(struct kw_arena *a, struct kw_bytes body,
	struct tracking_reported **ret, size_t *ret_n, struct kw_err *err)
{
	struct event e = { 0 };

	*ret_n = 0;
	KW_TRY(kw_json_decode(head_fields, body.p, body.n, a, &e, err));
	if (strcmp(e.object, "Event") != 0 || strncmp(e.description, "tracker.", 8) != 0)
		return KW_OK;
	KW_TRY(kw_json_decode(event_fields, body.p, body.n, a, &e, err));
	const struct tracker *t = e.result;
	size_t n = t->n_tracking_details ? t->n_tracking_details : 1;
	struct tracking_reported *reports = kw_new(a, struct tracking_reported, n);
	for (size_t i = 0; i < n; i++) {
		bool own = t->n_tracking_details == 0;

		reports[i].carrier = t->carrier;
		reports[i].tracking_number = t->tracking_code;
		if ((own ? read_status(&e, &reports[i], err)
			 : read_detail(a, t, &t->tracking_details[i], &reports[i], err)) != KW_OK)
			return kw_fail_at(err, KW_INVALID,
				own ? "/result/updated_at"
				    : kw_arena_printf(
					      a, "/result/tracking_details/%zu/datetime", i),
				"%s", kw_arena_str(a, err->reason));
	}
	*ret = reports;
	*ret_n = n;
	return KW_OK;
}

const struct courier_adapter easypost = {
	.name = "easypost",
	.words = words,
	.signature = SIGNATURE,
	.verify = verify,
	.read_tracking = read_tracking,
};
