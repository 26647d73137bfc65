/* Which courier, what is due on delivery, what a scan means. */
#include "rules.h"

#include <string.h>

#define RETRY_MAX_US (60 * KW_US_PER_S)

static const struct rate *cheapest_rate(const struct rate_card *card, const struct parcel *p);
static bool is_cheaper(const struct rate *a, const struct rate *b);

const struct rate_card *choose_courier(const struct rate_card *cards, size_t n_cards,
	const struct parcel *p, const char *const *refused, size_t n_refused)
{
	const struct rate_card *best = NULL;
	const struct rate *best_rate = NULL;

	for (size_t i = 0; i < n_cards; i++) {
		const struct rate *rate = cheapest_rate(&cards[i], p);
		bool skip = !rate;

		for (size_t k = 0; k < n_refused && !skip; k++)
			skip = strcmp(cards[i].courier, refused[k]) == 0;
		if (skip)
			continue;
		if (!best || is_cheaper(rate, best_rate) ||
			(!is_cheaper(best_rate, rate) &&
				strcmp(cards[i].courier, best->courier) < 0)) {
			best = &cards[i];
			best_rate = rate;
		}
	}
	return best;
}

static const struct rate *cheapest_rate(const struct rate_card *card, const struct parcel *p)
{
	const struct rate *best = NULL;
	bool cod = p->amount_due.currency[0] != '\0';

	for (size_t i = 0; i < card->n_rates; i++) {
		const struct rate *rate = &card->rates[i];
		bool zone = strcmp(rate->zone, "*") == 0 ||
			    strcmp(rate->zone, p->ship_to->country) == 0;

		if (zone && p->weight_g <= rate->max_weight_g && (rate->cod || !cod) &&
			(!best || is_cheaper(rate, best)))
			best = rate;
	}
	return best;
}

static bool is_cheaper(const struct rate *a, const struct rate *b)
{
	int order = strcmp(a->price.currency, b->price.currency);

	return order != 0 ? order < 0 : a->price.minor < b->price.minor;
}

enum kw_rc divide_due(int64_t total, int64_t given, bool last, const int64_t *values, size_t n,
	int64_t *ret_due, struct kw_err *err)
{
	int64_t rest = total > given ? total - given : 0, sum = 0;

	for (size_t i = 0; i < n; i++) {
		if (values[i] < 0 || values[i] > INT64_MAX - sum)
			return kw_fail(err, KW_INVALID, "declared values do not add up");
		sum += values[i];
	}
	if (last && sum > 0)
		return kw_money_split(rest, values, n, ret_due, err);
	for (size_t i = 0; i < n; i++) {
		/* worth nothing, all alike: the rest in n parts */
		int64_t part = sum > 0 ? values[i] : rest / (int64_t)(n - i);

		ret_due[i] = part < rest ? part : rest;
		rest -= ret_due[i];
	}
	return KW_OK;
}

/* Statuses in the order in which a parcel's life shows them, for scans of the same time. */
static const int ranks[] = {
	[CARRIER_UNKNOWN] = 0,
	[CARRIER_CREATED] = 1,
	[CARRIER_EXCEPTION] = 2,
	[CARRIER_PICKED_UP] = 3,
	[CARRIER_IN_TRANSIT] = 4,
	[CARRIER_AVAILABLE_FOR_PICKUP] = 5,
	[CARRIER_OUT_FOR_DELIVERY] = 6,
	[CARRIER_ATTEMPT_FAILED] = 7,
	[CARRIER_CANCELLED] = 8,
	[CARRIER_LOST] = 9,
	[CARRIER_DELIVERED] = 10,
	[CARRIER_RETURNING] = 11,
	[CARRIER_RETURNED] = 12,
};

static bool is_newer(const struct parcel *p, const struct scan *s)
{
	if (!p->carrier || s->scanned_at != p->carrier->scanned_at)
		return !p->carrier || s->scanned_at > p->carrier->scanned_at;
	return ranks[s->status] > ranks[p->carrier->status];
}

bool is_physical(int carrier_status)
{
	switch (carrier_status) {
	case CARRIER_CREATED:
	case CARRIER_LOST:
	case CARRIER_EXCEPTION:
	case CARRIER_CANCELLED:
	case CARRIER_UNKNOWN:
		return false;
	default:
		return true;
	}
}

/* Where the scan leads when it is the newest. */
static int event_of(int carrier_status)
{
	switch (carrier_status) {
	case CARRIER_DELIVERED:
		return EV_DELIVERED;
	case CARRIER_RETURNING:
		return EV_RETURNING;
	case CARRIER_RETURNED:
		return EV_RETURNED;
	case CARRIER_LOST:
		return EV_LOST;
	default:
		return is_physical(carrier_status) ? EV_SCANNED : EV_STORY;
	}
}

/* Delivered and returned end a way, whenever we hear of it; so their order of arrival does not
 * matter. */
static bool still_leads_on(const struct parcel *p, int event)
{
	bool on_its_way = p->state == PARCEL_BOOKED || p->state == PARCEL_LABELLED ||
			  p->state == PARCEL_HANDED_OVER;

	return (on_its_way && (event == EV_DELIVERED || event == EV_RETURNING)) ||
	       ((on_its_way || p->state == PARCEL_RETURNING) && event == EV_RETURNED);
}

struct scan_effect judge_scan(const struct parcel *p, const struct scan *s)
{
	bool left = p->state != PARCEL_BOOKED && p->state != PARCEL_LABELLED;
	struct scan_effect effect = {
		.event = event_of(s->status),
		.attempt = s->status == CARRIER_ATTEMPT_FAILED,
	};

	effect.head = is_newer(p, s) || still_leads_on(p, effect.event);
	if (effect.head)
		return effect;
	if (effect.attempt && left)
		effect.event = EV_STORY; /* it counts, and moves nothing */
	else
		effect.event = is_physical(s->status) ? EV_LATE : EV_NOTHING;
	return effect;
}

bool exception_may(int kind, bool keep, bool map)
{
	return (keep && kind != EXCEPTION_NO_COURIER) || (map && kind == EXCEPTION_UNKNOWN_STATUS);
}

int64_t retry_delay_us(int attempts)
{
	int64_t delay = KW_US_PER_S;

	for (int i = 1; i < attempts && delay < RETRY_MAX_US; i++)
		delay *= 2;
	return delay < RETRY_MAX_US ? delay : RETRY_MAX_US;
}
