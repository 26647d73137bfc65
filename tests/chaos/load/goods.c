#include "goods.h"

#include <stdio.h>

#include "dice.h"

#define LISTING_DICE 1
#define MAKER_DICE 2
#define BUYER_DICE 3

const struct channel_row channel_rows[CHANNELS] = {
	[PAVILION] = { "pavilion", "PAV", "USD" },
	[DIBS] = { "dibs", "DIBS", "PKR" },
	[AHAAN] = { "ahaan", "AHN", "USD" },
	[SHOPIFY] = { "shopify-demo", "SHP", "PKR" },
	[WOO] = { "woo-demo", "WOO", "PKR" },
	[DARAZ] = { "daraz-demo", "DRZ", "PKR" },
};

void listing_of(uint64_t seed, int i, struct listing *ret)
{
	static const char *const pieces[] = { "Pashmina stole", "Namda mat", "Chunri dupatta",
		"Ralli quilt", "Multani khes", "Phulkari clutch" };
	struct dice d = dice_of(seed, LISTING_DICE, (uint64_t)i);

	*ret = (struct listing) {
		.kind = i >= LISTINGS - 6    ? ONE_OF_A_KIND
			: i >= LISTINGS - 12 ? MADE_TO_ORDER
					     : STOCKED,
		.maker = i % MAKERS,
		.weight_g = 200 + 100 * dice_below(&d, 35),
		.dollars = 10 + dice_below(&d, 200),
	};
	ret->rupees = ret->dollars * 280;
	ret->pieces = ret->kind == STOCKED         ? 100 + dice_below(&d, 400)
		      : ret->kind == ONE_OF_A_KIND ? 1
						   : 0;
	snprintf(ret->id, sizeof(ret->id), "listing-%02d", i);
	snprintf(ret->sku, sizeof(ret->sku), "KW-%02d", i);
	snprintf(ret->title, sizeof(ret->title), "%s no. %d", pieces[i % 6], i);
}

void listing_channel_sku(const struct listing *l, enum channel channel, char out[ID_MAX])
{
	snprintf(out, ID_MAX, "%s-%.20s", channel_rows[channel].prefix, l->sku);
}

int64_t listing_price(const struct listing *l, enum channel channel)
{
	return 100 * (channel == PAVILION || channel == AHAAN ? l->dollars : l->rupees);
}

void hub_id(int i, char out[ID_MAX])
{
	snprintf(out, ID_MAX, "hub-%d", i);
}

void maker_id(int i, char out[ID_MAX])
{
	snprintf(out, ID_MAX, "maker-%02d", i);
}

int maker_hub(int i)
{
	return i % HUBS;
}

static void national_id(struct dice d, char first, char out[NATIONAL_ID_MAX])
{
	snprintf(out, NATIONAL_ID_MAX, "%c%04d-%07d-%d", first, (int)dice_below(&d, 10000),
		(int)dice_below(&d, 10000000), 1 + (int)dice_below(&d, 9));
}

bool maker_national_id(uint64_t seed, int i, char out[NATIONAL_ID_MAX])
{
	if (i % 4 == 3)
		return false;
	national_id(dice_of(seed, MAKER_DICE, (uint64_t)i), '3', out);
	return true;
}

void buyer_national_id(uint64_t seed, uint64_t n, char out[NATIONAL_ID_MAX])
{
	national_id(dice_of(seed, BUYER_DICE, n), '8', out);
}
