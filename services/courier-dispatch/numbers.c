/* Parcels by tracking number. An aggregator names the courier in its own words, and numbers are
 * used again after months; so courier, number and time of the scan together say which parcel it is.
 * A scan that finds none waits, and a job looks again: of a scan and a booking that do not see each
 * other's transaction, the job sees both. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "handlers.h"
#include "jobs.h"
#include "store.h"
#include "svc/svc.h"

/* The courier that is declared under this name, or is known as it; NULL: none. */
static const struct kw_partner *courier_known_as(
	const struct kw_partners *partners, const char *name)
{
	for (size_t i = 0; i < partners->n_couriers; i++) {
		const struct kw_partner *courier = &partners->couriers[i];

		if (strcasecmp(courier->name, name) == 0)
			return courier;
		for (size_t k = 0; k < courier->n_known_as; k++)
			if (strcasecmp(courier->known_as[k], name) == 0)
				return courier;
	}
	return NULL;
}

/* As it is compared: "rb 123 456 785 pk" is RB123456785PK. */
static const char *plain_number(struct kw_arena *a, const char *number)
{
	char *plain = kw_arena_str(a, number);
	size_t n = 0;

	for (const char *c = number; *c; c++)
		if (*c != ' ')
			plain[n++] = (char)toupper((unsigned char)*c);
	plain[n] = '\0';
	return plain;
}

enum kw_rc find_numbers(struct desk *d, struct scan *scans, size_t n, struct kw_err *err)
{
	struct numbered *rows = kw_new(d->b->arena, struct numbered, n);
	struct scan **of = kw_new(d->b->arena, struct scan *, n);
	size_t n_rows = 0;

	for (size_t i = 0; i < n; i++) {
		struct scan *s = &scans[i];
		const struct kw_partner *courier =
			s->carrier ? courier_known_as(d->partners, s->carrier) : NULL;

		if (s->parcel_id.s[0])
			continue;
		if (!s->carrier || !s->tracking_number)
			return kw_fail_code(err, KW_INVALID, "NO_REFERENCE",
				"neither a parcel nor a carrier and its number");
		s->tracking_number = plain_number(d->b->arena, s->tracking_number);
		if (!courier)
			continue;
		rows[n_rows] = (struct numbered) {
			.courier = courier->name,
			.tracking_number = s->tracking_number,
			.scanned_at = s->scanned_at,
		};
		of[n_rows++] = s;
	}
	KW_TRY(store_find_numbers(d->b, rows, n_rows, err));
	for (size_t i = 0; i < n_rows; i++)
		of[i]->parcel_id = rows[i].parcel_id;
	return KW_OK;
}

enum kw_rc numbered_parcels(struct desk *d, const struct tracking_reported *in, size_t n,
	struct kw_uuid *ids, size_t *n_ids, struct kw_err *err)
{
	struct scan *scans = kw_new(d->b->arena, struct scan, n);
	size_t n_scans = 0;

	for (size_t i = 0; i < n; i++)
		if (!in[i].parcel_id.s[0])
			scans[n_scans++] = (struct scan) { .carrier = in[i].carrier,
				.tracking_number = in[i].tracking_number,
				.scanned_at = in[i].scanned_at };
	if (n_scans > 0)
		KW_TRY(find_numbers(d, scans, n_scans, err));
	for (size_t i = 0; i < n_scans; i++)
		if (scans[i].parcel_id.s[0])
			ids[(*n_ids)++] = scans[i].parcel_id;
	return KW_OK;
}

static const char *subject_of(struct kw_arena *a, const struct scan *s)
{
	return kw_arena_printf(a, "%s %s %s", s->courier, s->carrier, s->tracking_number);
}

void raise_unmatched(struct desk *d, const struct scan *s)
{
	struct kw_arena *a = d->b->arena;

	desk_raise(d, EXCEPTION_UNKNOWN_PARCEL, NULL, s->courier, subject_of(a, s),
		courier_known_as(d->partners, s->carrier)
			? kw_arena_printf(a, "no parcel is booked at %s under %s", s->carrier,
				  s->tracking_number)
			: kw_arena_printf(a, "no courier is declared or known as %s (number %s)",
				  s->carrier, s->tracking_number));
}

/* ---- the job ---- */

/* Names are compared in any case, so one may be declared twice. */
static bool is_among(const struct known_as *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i].name, name) == 0)
			return true;
	return false;
}

static size_t known_names(
	struct kw_arena *a, const struct kw_partners *partners, struct known_as **ret)
{
	size_t n = 0;

	for (size_t i = 0; i < partners->n_couriers; i++)
		n += 1 + partners->couriers[i].n_known_as;
	*ret = kw_new(a, struct known_as, n);
	n = 0;
	for (size_t i = 0; i < partners->n_couriers; i++) {
		const struct kw_partner *courier = &partners->couriers[i];

		for (size_t k = 0; k <= courier->n_known_as; k++) {
			char *name =
				kw_arena_str(a, k == 0 ? courier->name : courier->known_as[k - 1]);

			for (char *c = name; *c; c++)
				*c = (char)tolower((unsigned char)*c);
			if (courier_known_as(partners, name) == courier && !is_among(*ret, n, name))
				(*ret)[n++] = (struct known_as) { name, courier->name };
		}
	}
	return n;
}

enum kw_rc match_scans(struct kw_batch *b, void *arg, struct kw_err *err)
{
	const struct round *r = arg;
	struct desk d = desk_open(b, r->env->partners);
	struct known_as *names;
	struct scan *scans;
	size_t n, n_names = known_names(b->arena, r->env->partners, &names);

	KW_TRY(store_unmatched_scans(b, names, n_names, &scans, &n, err));
	if (n == 0)
		return KW_NOTHING;
	struct kw_uuid *ids = kw_new(b->arena, struct kw_uuid, n);
	for (size_t i = 0; i < n; i++)
		ids[i] = kw_uuid_of("exception",
			kw_strtab_name(&parcel_exception_kinds, EXCEPTION_UNKNOWN_PARCEL),
			subject_of(b->arena, &scans[i]));
	KW_TRY(take_matched(&d, scans, n, err));
	return store_resolve_ids(b, ids, distinct_ids(ids, n), err);
}
