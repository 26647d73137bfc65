#include "sale.h"

#include <inttypes.h>
#include <stdio.h>

#include "dice.h"

#define SALE_DICE 11
#define RUN_DICE 12
#define BEFORE_US (3600 * KW_US_PER_S)

struct place {
	const char *country, *region, *city, *postcode, *line1, *phone;
};
#define PLACES 4
static const struct place at_home[PLACES] = {
	{ "PK", "Punjab", "Lahore", "54000", "House 14, Street 3, Model Town", "+923005552001" },
	{ "PK", "Sindh", "Karachi", "75600", "Flat 6-B, Clifton Block 5", "+923005552002" },
	{ "PK", "Islamabad", "Islamabad", "44000", "House 221, Street 18, F-7/2", "+923005552003" },
	{ "PK", "Balochistan", "Quetta", "87300", "5 Jinnah Road", "+923005552005" },
};
static const struct place abroad[PLACES] = {
	{ "US", "New York", "Brooklyn", "11201", "88 Montague Street, Apt 4", "+12125550140" },
	{ "GB", "Greater London", "London", "E8 3PH", "31 Mare Street", "+442079460105" },
	{ "CA", "Ontario", "Toronto", "M5V 2T6", "210 Queen Street West", "+14165550150" },
	{ "DE", "Berlin", "Berlin", "10999",
		"Oranienstra\xc3\x9f"
		"e 24",
		"+493023125010" },
};
static const char *const names[] = { "Ayesha Khan", "Bilal Malik", "Hina Qureshi", "Omar Raza" };

/* How often each is chosen, of 100. */
static const int channel_weights[CHANNELS] = {
	[PAVILION] = 24,
	[DIBS] = 18,
	[AHAAN] = 14,
	[SHOPIFY] = 22,
	[WOO] = 14,
	[DARAZ] = 8,
};

static struct dice dice_of_sale(uint64_t seed, uint64_t n)
{
	return dice_of(seed, SALE_DICE, n);
}

static enum channel choose_channel(struct dice *d)
{
	int64_t left = dice_below(d, 100);
	int channel = 0;

	while (left >= channel_weights[channel])
		left -= channel_weights[channel++];
	return channel;
}

enum channel sale_channel(uint64_t seed, uint64_t n)
{
	struct dice d = dice_of_sale(seed, n);

	return choose_channel(&d);
}

/* As each marketplace numbers; no two runs have the same ones. */
void sale_external_id(uint64_t seed, uint64_t n, char out[32])
{
	struct dice d = dice_of(seed, RUN_DICE, 0);
	uint64_t run = dice_next(&d);

	switch (sale_channel(seed, n)) {
	case DIBS:
		snprintf(out, 32, "DIBS-%04" PRIx64 "-%" PRIu64, run % 0x10000, n);
		break;
	case AHAAN:
		snprintf(out, 32, "AH-%04" PRIx64 "-%" PRIu64, run % 0x10000, n);
		break;
	case WOO:
		snprintf(out, 32, "%" PRIu64, 1000000000 + run % 80 * 100000000 + n);
		break;
	case DARAZ:
		snprintf(out, 32, "%" PRIu64, 100000000000000 + run % 1000000 * 100000000 + n);
		break;
	case PAVILION:
		snprintf(out, 32, "%" PRIu64, 2000000000000 + run % 10000 * 100000000 + n);
		break;
	default:
		snprintf(out, 32, "%" PRIu64, 5000000000000 + run % 10000 * 100000000 + n);
		break;
	}
}

static void set_line(struct sale *s, struct dice *d, uint64_t seed, uint64_t n, const int *taken)
{
	struct sale_line *l = &s->lines[s->n_lines];
	struct listing listing;

	listing_of(seed, taken[s->n_lines], &listing);
	*l = (struct sale_line) {
		.quantity = listing.kind != STOCKED ? 1
			    : dice_percent(d, 75)   ? 1
						    : 2,
		.price = listing_price(&listing, s->channel),
		.weight_g = listing.weight_g,
	};
	snprintf(l->line_id, sizeof(l->line_id), "%" PRIu64,
		UINT64_C(7000000000) + n * 10 + s->n_lines);
	listing_channel_sku(&listing, s->channel, l->sku);
	snprintf(l->title, sizeof(l->title), "%s", listing.title);
	s->n_lines++;
}

/* Every third line is of the few pieces that everybody wants; no piece is on two lines. */
static void set_lines(struct sale *s, struct dice *d, uint64_t seed, uint64_t n)
{
	int64_t roll = dice_below(d, 100);
	size_t wanted = roll < 60 ? 1 : roll < 88 ? 2 : 3;
	int taken[SALE_LINES];

	for (size_t i = 0; i < wanted; i++) {
		taken[i] = (int)dice_below(d, dice_below(d, 3) == 0 ? HOT : LISTINGS);
		for (size_t k = 0; k < i; k++)
			if (taken[k] == taken[i]) {
				taken[i] = (taken[i] + 1) % LISTINGS;
				k = (size_t)-1;
			}
		set_line(s, d, seed, n, taken);
	}
}

static void set_buyer(struct sale *s, struct dice *d, uint64_t seed, uint64_t n)
{
	bool home = s->currency[0] == 'P';
	const struct place *p = &(home ? at_home : abroad)[dice_below(d, PLACES)];

	snprintf(s->name, sizeof(s->name), "%s", names[dice_below(d, 4)]);
	snprintf(s->email, sizeof(s->email), "buyer.%" PRIu64 "@buyers.example", n);
	snprintf(s->number, sizeof(s->number), "#%" PRIu64, 1000 + n);
	s->country = p->country;
	s->region = p->region;
	s->city = p->city;
	s->postcode = p->postcode;
	s->phone = p->phone;
	if (dice_percent(d, 3))
		buyer_national_id(seed, n, s->national_id);
	snprintf(s->line1, sizeof(s->line1), "%s%s%s", p->line1, s->national_id[0] ? ", CNIC " : "",
		s->national_id);
	s->cod = home && dice_percent(d, 15);
	s->test = dice_percent(d, 1);
}

static void set_differences(struct sale *s, unsigned differs)
{
	if (differs & OTHER_SHIPPING)
		s->shipping += 5000;
	if (differs & OTHER_CITY)
		s->city = "Sargodha";
	if (differs & OTHER_QUANTITY)
		s->lines[0].quantity += 3;
}

static void set_flaw(struct sale *s, uint64_t n, enum flaw flaw)
{
	struct sale_line *last = &s->lines[s->n_lines - 1];

	switch (flaw) {
	case UNKNOWN_SKU:
		snprintf(last->sku, sizeof(last->sku), "OLD-%" PRIu64, n);
		break;
	case BAD_CURRENCY:
		s->currency = "XQZ";
		break;
	case BAD_QUANTITY:
		last->quantity = -1;
		break;
	case TWICE_A_LINE:
		if (s->n_lines < SALE_LINES)
			s->lines[s->n_lines++] = *last;
		else
			s->lines[0] = *last;
		break;
	default:
		break;
	}
}

void sale_of(uint64_t seed, kw_time start, uint64_t n, enum flaw flaw, unsigned differs,
	struct sale *ret)
{
	struct dice d = dice_of_sale(seed, n);

	*ret = (struct sale) { .channel = choose_channel(&d) };
	ret->currency = channel_rows[ret->channel].currency;
	/* in whole seconds: some channels tell no fraction */
	ret->placed_at =
		start / KW_US_PER_S * KW_US_PER_S - BEFORE_US + (kw_time)(n / 50) * KW_US_PER_S;
	sale_external_id(seed, n, ret->external_id);
	set_buyer(ret, &d, seed, n);
	set_lines(ret, &d, seed, n);
	ret->shipping = ret->currency[0] == 'P' ? 25000 : 2500;
	set_differences(ret, differs);
	set_flaw(ret, n, flaw);
	for (size_t i = 0; i < ret->n_lines; i++)
		ret->lines_total += ret->lines[i].price * ret->lines[i].quantity;
	ret->total = ret->lines_total + ret->shipping;
}
