/* What is sold, and by whom: a function of the seed. Few enough pieces that some are wanted by many
 * at once, and of few enough stock that it runs out. Values; any thread. */
#ifndef LOAD_GOODS_H
#define LOAD_GOODS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HUBS = 3, MAKERS = 12, LISTINGS = 36, HOT = 4 };
#define ID_MAX 48
#define NATIONAL_ID_MAX 16

enum channel { PAVILION, DIBS, AHAAN, SHOPIFY, WOO, DARAZ, CHANNELS };

struct channel_row {
	const char *name, *prefix, *currency; /* prefix: of its SKUs */
};
extern const struct channel_row channel_rows[CHANNELS];

enum listing_kind { STOCKED, ONE_OF_A_KIND, MADE_TO_ORDER };

struct listing {
	char id[ID_MAX], sku[ID_MAX], title[ID_MAX];
	enum listing_kind kind;
	int maker;
	int64_t weight_g, rupees, dollars;
	int64_t pieces; /* counted at the beginning */
};

void listing_of(uint64_t seed, int i, struct listing *ret);
void listing_channel_sku(const struct listing *l, enum channel channel, char out[ID_MAX]);
/* In minor units of the channel's currency. */
int64_t listing_price(const struct listing *l, enum channel channel);

void hub_id(int i, char out[ID_MAX]);
void maker_id(int i, char out[ID_MAX]);
int maker_hub(int i);
/* 13 digits and dashes that nothing else in a run looks like; false: she has none. */
bool maker_national_id(uint64_t seed, int i, char out[NATIONAL_ID_MAX]);
/* Of a buyer who wrote it where it does not belong. */
void buyer_national_id(uint64_t seed, uint64_t n, char out[NATIONAL_ID_MAX]);

#endif
