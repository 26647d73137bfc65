/* Booking alone: calls of as many parcels as a courier takes, against the courier simulator. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "adapters/adapter.h"
#include "bench.h"
#include "core/clock.h"

#define CALLS 400
#define AT_ONCE 10
#define DEADLINE_MS 30000
#define ANSWER_MAX (1024 * 1024)

static struct parcel make_parcel(struct kw_arena *a, int i)
{
	static struct address from = { .name = "Craft House 1",
		.line1 = "12 Hussain Agahi Bazaar",
		.city = "Multan",
		.postcode = "60000",
		.country = "PK",
		.phone = "+923005550102" },
			      to = { .name = "Ayesha Khan",
				      .line1 = "House 14, Street 3, Model Town",
				      .city = "Lahore",
				      .postcode = "54000",
				      .region = "Punjab",
				      .country = "PK",
				      .phone = "+923005552001" };
	static struct parcel_line lines[] = {
		{ .sku = "KW-0001", .title = "Multani khes, double weave", .quantity = 1 },
		{ .sku = "KW-0002", .title = "Chunri dupatta, indigo dots", .quantity = 2 }
	};

	return (struct parcel) {
		.parcel_id = kw_uuid_of("bench", kw_arena_printf(a, "%d.%d", (int)getpid(), i)),
		.ship_from = &from,
		.ship_to = &to,
		.weight_g = 2100,
		.declared_value = { 360000, "PKR" },
		.lines = lines,
		.n_lines = KW_LEN(lines),
	};
}

static void book(struct place *p, struct kw_client *client, const struct kw_partner *partner,
	struct kw_arena *a, int first)
{
	struct kw_call calls[AT_ONCE];
	struct parcel *parcels = kw_new(a, struct parcel, AT_ONCE * BATCH_PARCELS_MAX);
	const struct parcel **of = kw_new(a, const struct parcel *, AT_ONCE *BATCH_PARCELS_MAX);
	struct kw_err err = { 0 };

	(void)p;
	for (int i = 0; i < AT_ONCE * BATCH_PARCELS_MAX; i++) {
		parcels[i] = make_parcel(a, first + i);
		of[i] = &parcels[i];
	}
	for (int i = 0; i < AT_ONCE; i++)
		need(karwan_courier.book(a, partner, &of[i * BATCH_PARCELS_MAX], BATCH_PARCELS_MAX,
			     kw_now(&kw_clock_system), &calls[i], &err),
			&err, "a booking");
	kw_client_run(client, a, calls, AT_ONCE, DEADLINE_MS, ANSWER_MAX);
	for (int i = 0; i < AT_ONCE; i++) {
		struct answer answers[BATCH_PARCELS_MAX];

		karwan_courier.read_bookings(
			a, &calls[i], &of[i * BATCH_PARCELS_MAX], BATCH_PARCELS_MAX, answers);
		for (int k = 0; k < BATCH_PARCELS_MAX; k++)
			if (answers[k].kind != ANSWER_ACCEPTED)
				die("a booking was not accepted: %s",
					answers[k].reason ? answers[k].reason : "");
	}
}

void run_book(struct place *p)
{
	struct kw_client *client = kw_client_new(true);
	struct kw_arena *a = kw_arena_new((size_t)256 << 20);
	struct kw_partner partner = { .name = "courier-a", .adapter = "karwan" };
	const int parcels = CALLS * BATCH_PARCELS_MAX, round = AT_ONCE * BATCH_PARCELS_MAX;

	partner.secrets.keys[0] = p->courier_key;
	partner.secrets.n = 1;
	partner.url = kw_arena_printf(
		p->arena, "http://127.0.0.1:%d", place_port(p, program_names[COURIER]));
	struct usage before = usage_now(p);
	int64_t began = kw_monotonic_us();
	for (int i = 0; i < parcels; i += round) {
		book(p, client, &partner, a, i);
		kw_arena_reset(a);
	}
	double seconds = (double)(kw_monotonic_us() - began) / 1e6;
	struct usage u = usage_since(p, &before);
	double us = (u.us[COURIER] + u.us[GENERATOR]) / parcels;
	tell("booked alone: %.0f parcels/s, %.1f us each (courier %.1f)", parcels / seconds, us,
		u.us[COURIER] / parcels);
	place_keep(p, "us.book", us);
	kw_arena_free(a);
	kw_client_free(client);
}
