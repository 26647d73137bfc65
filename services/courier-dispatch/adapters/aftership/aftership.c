/* AfterShip's tracking webhooks (https://www.aftership.com/docs/tracking/webhook): a tracking of
 * any courier by slug and number, with all its checkpoints each time. aftership-hmac-sha256 is
 * base64(HMAC-SHA256(secret, body)). */
#include <string.h>

#include "adapters/checkpoint.h"
#include "json/json.h"

/* Tags, and the sub-tags that say more than their tag. */
static const struct carrier_word words[] = {
	{ "Pending", CARRIER_CREATED },
	{ "InfoReceived", CARRIER_CREATED },
	{ "InTransit", CARRIER_IN_TRANSIT },
	{ "InTransit_002", CARRIER_PICKED_UP }, /* acceptance scan */
	{ "OutForDelivery", CARRIER_OUT_FOR_DELIVERY },
	{ "AttemptFail", CARRIER_ATTEMPT_FAILED },
	{ "AvailableForPickup", CARRIER_AVAILABLE_FOR_PICKUP },
	{ "Delivered", CARRIER_DELIVERED },
	{ "Exception", CARRIER_EXCEPTION },
	{ "Exception_010", CARRIER_RETURNING },
	{ "Exception_011", CARRIER_RETURNED },
	{ "Exception_013", CARRIER_LOST },
	{ "Expired", CARRIER_EXCEPTION },
	{ NULL, 0 },
};

#define SIGNATURE "aftership-hmac-sha256"

static enum kw_rc verify(struct kw_arena *a, const struct kw_secrets *secrets,
	const char *signature, struct kw_bytes body, struct kw_err *err)
{
	static const struct kw_body_mac scheme = { SIGNATURE, "", false };

	(void)a;
	return kw_verify_body_mac(&scheme, secrets, signature, body, err);
}

struct checkpoint {
	const char *tag, *subtag, *checkpoint_time, *created_at, *message, *location, *city, *state,
		*country_iso3;
};
#define TEXT(T, m, max) KW_STR(T, m, KW_OPTIONAL, 1, max)
static const struct kw_field checkpoint_fields[] = {
	KW_STR(struct checkpoint, tag, KW_REQUIRED, 1, 64),
	TEXT(struct checkpoint, subtag, 64),
	TEXT(struct checkpoint, checkpoint_time, 40),
	TEXT(struct checkpoint, created_at, 40),
	TEXT(struct checkpoint, message, 4000),
	TEXT(struct checkpoint, location, 1000),
	TEXT(struct checkpoint, city, 300),
	TEXT(struct checkpoint, state, 300),
	TEXT(struct checkpoint, country_iso3, 3),
	KW_END,
};

struct tracking {
	const char *slug, *tracking_number, *tag, *subtag;
	struct checkpoint *checkpoints;
	size_t n_checkpoints;
};
static const struct kw_field tracking_fields[] = {
	KW_STR(struct tracking, slug, KW_REQUIRED, 1, 64),
	KW_ID(struct tracking, tracking_number, KW_REQUIRED, 1, 64),
	TEXT(struct tracking, tag, 64),
	TEXT(struct tracking, subtag, 64),
	KW_ARRAY(struct tracking, checkpoints, KW_OPTIONAL, struct checkpoint, checkpoint_fields, 0,
		REPORTS_MAX),
	KW_END,
};

static const char tracking_update[] = "tracking_update";

struct webhook {
	const char *event, *event_id;
	int64_t ts; /* seconds */
	struct tracking *msg;
};
/* First what it is about: the messages of other events look different. */
static const struct kw_field event_fields[] = {
	KW_STR(struct webhook, event, KW_REQUIRED, 1, 64),
	KW_END,
};
static const struct kw_field webhook_fields[] = {
	KW_ID(struct webhook, event_id, KW_REQUIRED, 1, 64),
	KW_I64(struct webhook, ts, KW_REQUIRED, 1, 4102444799),
	KW_OBJECT(struct webhook, msg, KW_REQUIRED, struct tracking, tracking_fields),
	KW_END,
};

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

/* The more exact word where it is mapped. */
static const char *status_of(const char *tag, const char *subtag)
{
	return subtag && carrier_word_find(words, subtag) ? subtag : tag;
}

/* Without an offset it is the checkpoint's local time; of Pakistan we know which (UTC+5, no summer
 * time). */
static enum kw_rc read_checkpoint(struct kw_arena *a, const struct tracking *t,
	const struct checkpoint *c, struct tracking_reported *ret, struct kw_err *err)
{
	const char *time = c->checkpoint_time ? c->checkpoint_time : c->created_at;
	bool pakistan = c->country_iso3 && strcmp(c->country_iso3, "PAK") == 0;

	if (!time)
		return kw_fail(err, KW_INVALID, "has neither checkpoint_time nor created_at");
	KW_TRY(checkpoint_time(time, pakistan ? "+05:00" : "Z", &ret->scanned_at, err));
	ret->status = status_of(c->tag, c->subtag);
	ret->place = c->location ? checkpoint_cut(a, c->location, CHECKPOINT_PLACE_MAX)
				 : checkpoint_place(a, c->city, c->state, c->country_iso3);
	ret->note = checkpoint_cut(a, c->message, CHECKPOINT_NOTE_MAX);
	ret->event_id = checkpoint_id(a, t->slug, t->tracking_number, time, c->tag,
		or_empty(c->subtag), or_empty(ret->place));
	return KW_OK;
}

static enum kw_rc read_tracking(struct kw_arena *a, struct kw_bytes body,
	struct tracking_reported **ret, size_t *ret_n, struct kw_err *err)
{
	struct webhook w = { 0 };

	*ret_n = 0;
	KW_TRY(kw_json_decode(event_fields, body.p, body.n, a, &w, err));
	if (strcmp(w.event, tracking_update) != 0)
		return KW_OK;
	KW_TRY(kw_json_decode(webhook_fields, body.p, body.n, a, &w, err));
	const struct tracking *t = w.msg;
	size_t n = t->n_checkpoints ? t->n_checkpoints : t->tag != NULL;
	struct tracking_reported *reports = kw_new(a, struct tracking_reported, n);
	for (size_t i = 0; i < n; i++) {
		reports[i] = (struct tracking_reported) {
			.carrier = t->slug,
			.tracking_number = t->tracking_number,
			.event_id = w.event_id,
			.status = t->tag ? status_of(t->tag, t->subtag) : NULL,
			.scanned_at = w.ts * KW_US_PER_S,
		};
		if (t->n_checkpoints > 0 &&
			read_checkpoint(a, t, &t->checkpoints[i], &reports[i], err) != KW_OK)
			return kw_fail_at(err, KW_INVALID,
				kw_arena_printf(a, "/msg/checkpoints/%zu/checkpoint_time", i), "%s",
				kw_arena_str(a, err->reason));
	}
	*ret = reports;
	*ret_n = n;
	return KW_OK;
}

const struct courier_adapter aftership = {
	.name = "aftership",
	.words = words,
	.signature = SIGNATURE,
	.verify = verify,
	.read_tracking = read_tracking,
};
