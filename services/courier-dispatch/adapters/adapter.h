/* A courier's interface: how it is called, what its answers mean, how it speaks of parcels; or that
 * of an aggregator, which only speaks of other couriers' parcels. One folder and one line in list.c
 * per adapter. Stateless; any thread. Calls and answers live in the
 * arena. */
#ifndef DISPATCH_ADAPTER_H
#define DISPATCH_ADAPTER_H

#include "fields.h"
#include "svc/svc.h"

/* A courier's word for what happened. */
struct carrier_word {
	const char *word;
	int status; /* enum carrier_status */
};

struct courier_adapter {
	const char *name;
	const struct carrier_word *words; /* ends with { NULL } */

	/* The calls below are NULL for an aggregator. */
	/* One call that books n parcels at once (n is at most the partner's batch_max). Our
	 * reference is the parcel id: the courier makes one booking of it, however often it is
	 * asked. */
	enum kw_rc (*book)(struct kw_arena *a, const struct kw_partner *partner,
		const struct parcel *const *parcels, size_t n, kw_time now, struct kw_call *ret,
		struct kw_err *err);
	void (*read_bookings)(struct kw_arena *a, const struct kw_call *call,
		const struct parcel *const *parcels, size_t n, struct answer *ret);
	/* Is there a booking of this parcel? ACCEPTED, REFUSED, ABSENT, or not known. */
	enum kw_rc (*inquire)(struct kw_arena *a, const struct kw_partner *partner,
		const struct parcel *p, kw_time now, struct kw_call *ret, struct kw_err *err);
	void (*read_inquiry)(struct kw_arena *a, const struct kw_call *call, const struct parcel *p,
		struct answer *ret);
	/* Calls a booking off. ACCEPTED also where there is none (any more). */
	enum kw_rc (*cancel)(struct kw_arena *a, const struct kw_partner *partner,
		const struct parcel *p, kw_time now, struct kw_call *ret, struct kw_err *err);
	void (*read_cancel)(struct kw_arena *a, const struct kw_call *call, const struct parcel *p,
		struct answer *ret);

	/* Asks for a parcel back that could not be delivered. ACCEPTED: it will be brought;
	 * REFUSED: it will not. */
	enum kw_rc (*bring_back)(struct kw_arena *a, const struct kw_partner *partner,
		const struct parcel *p, kw_time now, struct kw_call *ret, struct kw_err *err);
	void (*read_bring_back)(struct kw_arena *a, const struct kw_call *call,
		const struct parcel *p, struct answer *ret);

	/* An aggregator's: the header of its signature, and whether that fits the raw body. */
	const char *signature;
	enum kw_rc (*verify)(struct kw_arena *a, const struct kw_secrets *secrets,
		const char *signature, struct kw_bytes body, struct kw_err *err);

	/* What a tracking webhook says: one report a scan, REPORTS_MAX at most (courier is filled
	 * in by the caller). None: it is about something else. */
	enum kw_rc (*read_tracking)(struct kw_arena *a, struct kw_bytes body,
		struct tracking_reported **ret, size_t *ret_n, struct kw_err *err);
};
#define REPORTS_MAX 500

/* All of them, for the service (list.c); `more` is the struct courier_adapter. */
extern const struct kw_adapter dispatch_adapters[];

extern const struct courier_adapter karwan_courier, aftership, easypost;
enum kw_rc karwan_courier_verify(
	const struct kw_partner *partner, const struct kw_request *rq, struct kw_err *err);

/* Can parcels be given to it? Not to an aggregator. */
bool courier_books(const struct kw_partner *partner);
/* NULL: there is no such adapter. */
const struct courier_adapter *courier_adapter_find(const char *name);
/* The row of a word, or NULL where nobody has mapped it. */
const struct carrier_word *carrier_word_find(const struct carrier_word *words, const char *word);
/* The same for a declared courier or aggregator. */
const struct carrier_word *carrier_word_of(
	const struct kw_partners *partners, const char *courier, const char *word);
/* CARRIER_UNKNOWN where nobody has mapped the word. */
int carrier_status_of(const struct kw_partners *partners, const char *courier, const char *word);

#endif
