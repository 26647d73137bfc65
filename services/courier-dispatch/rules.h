/* Decisions as pure functions: which courier, what is due on delivery, what a scan means.
 * Plain structs in, plain structs out; no memory of their own, any thread. */
#ifndef DISPATCH_RULES_H
#define DISPATCH_RULES_H

#include "core/arena.h"
#include "model.h"

/* The cheapest courier whose card covers the destination, the weight and, where needed, payment on
 * delivery; ties by name. Prices in different currencies are not compared: the lower currency code
 * goes first. Those in refused are skipped. NULL: none. */
const struct rate_card *choose_courier(const struct rate_card *cards, size_t n_cards,
	const struct parcel *p, const char *const *refused, size_t n_refused);

/* What is collected for each of the n new parcels of an order paid on delivery, by declared value,
 * in minor units. given: what its earlier parcels collect. last: no more parcels will come, so
 * these collect the rest; otherwise each collects its own value, as far as the total allows.
 * INVALID: the amounts cannot be divided. */
enum kw_rc divide_due(int64_t total, int64_t given, bool last, const int64_t *values, size_t n,
	int64_t *ret_due, struct kw_err *err);

/* What a scan does to its parcel. */
struct scan_effect {
	int event;    /* enum parcel_event, or EV_NOTHING */
	bool head;    /* it becomes what the carrier says now */
	bool attempt; /* it is one more failed delivery */
};
#define EV_NOTHING (-1)
struct scan_effect judge_scan(const struct parcel *p, const struct scan *s);

/* Has the courier surely touched the parcel? */
bool is_physical(int carrier_status);

/* Which ends a person may give an exception of this kind. A parcel without a courier stays
 * somebody's work. */
bool exception_may(int kind, bool keep, bool map);

/* When a courier is asked again: 1 s, doubled with each attempt, 60 s at most. */
int64_t retry_delay_us(int attempts);

#endif
