#include "adapters/shopify/products.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "rules.h"
#include "json/flat.h"

#define ARENA_MAX (8 * 1024 * 1024)
#define ID_MAX 64

enum column {
	HANDLE,
	TITLE,
	SKU,
	PRICE,
	QUANTITY,
	LAST_REQUIRED = QUANTITY,
	VENDOR,
	PUBLISHED,
	OPTION1,
	OPTION2,
	OPTION3,
	GRAMS,
	GIFT_CARD,
	STATUS,
	N_COLUMNS
};

static const char *const names[N_COLUMNS] = {
	[HANDLE] = "Handle",
	[TITLE] = "Title",
	[SKU] = "Variant SKU",
	[PRICE] = "Variant Price",
	[QUANTITY] = "Variant Inventory Qty",
	[VENDOR] = "Vendor",
	[PUBLISHED] = "Published",
	[OPTION1] = "Option1 Value",
	[OPTION2] = "Option2 Value",
	[OPTION3] = "Option3 Value",
	[GRAMS] = "Variant Grams",
	[GIFT_CARD] = "Gift Card",
	[STATUS] = "Status",
};

struct products {
	struct shop shop;
	int at[N_COLUMNS];      /* -1: absent */
	struct kw_arena *arena; /* of the product at hand */
	const char *handle, *title, *vendor;
	const char *status, *published, *gift_card;
};

enum kw_rc products_new(const struct shop *shop, const char *const *header, size_t n,
	struct products **ret, struct kw_err *err)
{
	struct products p = { .shop = *shop };

	for (int c = 0; c < N_COLUMNS; c++) {
		p.at[c] = -1;
		for (size_t i = 0; i < n; i++) {
			if (strcmp(header[i], names[c]) != 0)
				continue;
			if (p.at[c] >= 0)
				return kw_fail(
					err, KW_INVALID, "column '%s' is there twice", names[c]);
			p.at[c] = (int)i;
		}
		if (p.at[c] < 0 && c <= LAST_REQUIRED)
			return kw_fail(err, KW_INVALID, "column '%s' is absent", names[c]);
	}
	if (!shop->maker_id && p.at[VENDOR] < 0)
		return kw_fail(err, KW_INVALID,
			"column 'Vendor' is absent, and maker_id names no maker either");
	*ret = malloc(sizeof(p));
	kw_assert(*ret);
	p.arena = kw_arena_new(ARENA_MAX);
	**ret = p;
	return KW_OK;
}

void products_free(struct products *products)
{
	if (!products)
		return;
	kw_arena_free(products->arena);
	free(products);
}

static const char *cell(const struct products *p, const char *const *cells, enum column c)
{
	return p->at[c] < 0 ? "" : cells[p->at[c]];
}

/* What the first row says of the whole product. */
static void begin_product(struct products *p, const char *const *cells)
{
	kw_arena_reset(p->arena);
	p->handle = kw_arena_str(p->arena, cell(p, cells, HANDLE));
	p->title = kw_arena_str(p->arena, cell(p, cells, TITLE));
	p->vendor = kw_arena_str(p->arena, cell(p, cells, VENDOR));
	p->status = kw_arena_str(p->arena, cell(p, cells, STATUS));
	p->published = kw_arena_str(p->arena, cell(p, cells, PUBLISHED));
	p->gift_card = kw_arena_str(p->arena, cell(p, cells, GIFT_CARD));
}

static enum kw_rc wrong(enum column c, struct kw_err *err, const char *reason)
{
	char pointer[80];

	snprintf(pointer, sizeof(pointer), "/%s", names[c]);
	return kw_fail_at(err, KW_INVALID, pointer, "%s", reason);
}

/* An SKU is any text, an id of ours is not: what had to be changed is told apart by a hash of the
 * whole. */
static void listing_id_of(const char *sku, char out[ID_MAX + 1])
{
	size_t n = strlen(sku), length = n < ID_MAX - 17 ? n : ID_MAX - 17;

	if (own_id_ok(sku)) {
		snprintf(out, ID_MAX + 1, "%s", sku);
		return;
	}
	for (size_t i = 0; i < length; i++) {
		char one[2] = { sku[i], '\0' };
		out[i] = own_id_ok(one) ? sku[i] : '-';
	}
	snprintf(out + length, ID_MAX + 1 - length, ".%016" PRIx64, kw_hash64(sku, n, 0));
}

static void write_text(struct kw_buf *out, const char *name, const char *text)
{
	if (!text || !text[0])
		return;
	kw_buf_json_str(out, name);
	kw_buf_char(out, ':');
	kw_buf_json_str(out, text);
	kw_buf_char(out, ',');
}

/* "5", "-2", "500.0"; anything else goes on as a text, which the listing refuses. */
static void write_number(struct kw_buf *out, const char *name, const char *text)
{
	size_t minus = text[0] == '-', n = strspn(text + minus, "0123456789");
	const char *rest = text + minus + n;

	if (rest[0] == '.' && rest[1] && strspn(rest + 1, "0") == strlen(rest + 1))
		rest = "";
	if (rest[0] || n == 0 || n > 18) {
		write_text(out, name, text);
		return;
	}
	kw_buf_json_str(out, name);
	kw_buf_char(out, ':');
	/* sold below nothing: no piece is there */
	kw_buf_i64(out, minus ? 0 : strtoll(text, NULL, 10));
	kw_buf_char(out, ',');
}

static void write_title(const struct products *p, const char *const *cells, struct kw_buf *out)
{
	static const enum column options[] = { OPTION1, OPTION2, OPTION3 };
	KW_CLEANUP(kw_buf_done) struct kw_buf title;
	const char *separator = " - ";

	kw_buf_init(&title, 4 * 1024 * 1024);
	kw_buf_str(&title, p->title);
	for (size_t i = 0; i < KW_LEN(options); i++) {
		const char *value = cell(p, cells, options[i]);
		if (!value[0] || strcmp(value, "Default Title") == 0)
			continue;
		kw_buf_str(&title, separator);
		kw_buf_str(&title, value);
		separator = " / ";
	}
	write_text(out, "title", title.p);
}

static void write_price(const struct products *p, const char *price, struct kw_buf *out)
{
	kw_buf_str(out, "\"price\":{");
	write_text(out, "currency", p->shop.currency);
	kw_buf_str(out, "\"amount\":");
	kw_buf_json_str(out, price);
	kw_buf_char(out, '}');
}

struct fate {
	enum listing_state state;
	enum publication_state publication;
};

static enum kw_rc fate_of(const struct products *p, struct fate *ret, struct kw_err *err)
{
	bool shown = strcasecmp(p->published, "false") != 0;

	if (p->published[0] && shown && strcasecmp(p->published, "true") != 0)
		return wrong(PUBLISHED, err, "is neither TRUE nor FALSE");
	*ret = (struct fate) { shown ? LISTING_APPROVED : LISTING_DRAFT,
		shown ? PUBLICATION_PUBLISHED : PUBLICATION_UNPUBLISHED };
	if (!p->status[0]) /* older files have no such column */
		return KW_OK;
	if (strcasecmp(p->status, "active") == 0)
		ret->state = LISTING_APPROVED;
	else if (strcasecmp(p->status, "draft") == 0)
		*ret = (struct fate) { LISTING_DRAFT, PUBLICATION_UNPUBLISHED };
	else if (strcasecmp(p->status, "archived") == 0)
		*ret = (struct fate) { LISTING_RETIRED, PUBLICATION_RETIRED };
	else
		return wrong(STATUS, err, "is none of active, draft, archived");
	return KW_OK;
}

static enum kw_rc check_row(
	const struct products *p, const char *const *cells, const char *maker, struct kw_err *err)
{
	for (int c = 0; c < N_COLUMNS; c++)
		if (kw_flat_shortened(cell(p, cells, (enum column)c)))
			return wrong((enum column)c, err,
				"was shortened by a spreadsheet: store the column as text");
	if (!p->title[0])
		return wrong(TITLE, err, "is empty in the first row of this Handle");
	if (strcasecmp(p->gift_card, "true") == 0)
		return wrong(GIFT_CARD, err, "a gift card is no piece that somebody made");
	if (!cell(p, cells, SKU)[0])
		return wrong(SKU, err, "is required");
	if (!own_id_ok(maker))
		return wrong(VENDOR, err,
			"names no maker (an id is 1 to 64 of A-Z a-z 0-9 . _ -); maker_id can name one for the whole file");
	return KW_OK;
}

enum kw_rc products_row(
	struct products *p, const char *const *cells, struct kw_buf *out, struct kw_err *err)
{
	const char *sku = cell(p, cells, SKU), *price = cell(p, cells, PRICE);
	const char *maker, *grams = cell(p, cells, GRAMS);
	char id[ID_MAX + 1], weight[24];
	struct fate fate = { 0 };

	if (!cell(p, cells, HANDLE)[0])
		return wrong(HANDLE, err, "is required");
	if (!p->handle || strcmp(p->handle, cell(p, cells, HANDLE)) != 0)
		begin_product(p, cells);
	if (!sku[0] && !price[0] && !cell(p, cells, OPTION1)[0])
		return KW_NOTHING;
	maker = p->shop.maker_id ? p->shop.maker_id : p->vendor;
	KW_TRY(check_row(p, cells, maker, err));
	KW_TRY(fate_of(p, &fate, err));
	if (p->shop.weight_g > 0 && (!grams[0] || strtoll(grams, NULL, 10) == 0)) {
		snprintf(weight, sizeof(weight), "%" PRId64, p->shop.weight_g);
		grams = weight;
	}
	listing_id_of(sku, id);
	kw_buf_char(out, '{');
	write_text(out, "listing_id", id);
	write_text(out, "sku", sku);
	write_title(p, cells, out);
	write_text(out, "kind", kw_strtab_name(&listing_kind_names, p->shop.listing_kind));
	write_text(out, "maker_id", maker);
	write_text(out, "hub_id", p->shop.hub_id);
	write_text(out, "skill", p->shop.skill);
	write_number(out, "weight_g", grams);
	write_number(out, "quantity", cell(p, cells, QUANTITY));
	write_text(out, "state", kw_strtab_name(&listing_state_names, fate.state));
	if (p->shop.channel) {
		kw_buf_str(out, "\"publications\":[{");
		write_text(out, "channel", p->shop.channel);
		write_text(out, "channel_sku", sku);
		write_text(
			out, "state", kw_strtab_name(&publication_state_names, fate.publication));
		write_price(p, price, out);
		kw_buf_str(out, "}],");
	}
	write_price(p, price, out);
	kw_buf_char(out, '}');
	return KW_OK;
}

const char *products_column(const char *pointer)
{
	static const char *const pairs[][2] = {
		{ "/price/amount", "/Variant Price" },
		{ "/publications/0/price/amount", "/Variant Price" },
		{ "/publications/0/channel_sku", "/Variant SKU" },
		{ "/quantity", "/Variant Inventory Qty" },
		{ "/weight_g", "/Variant Grams" },
		{ "/sku", "/Variant SKU" },
		{ "/title", "/Title" },
	};

	for (size_t i = 0; i < KW_LEN(pairs); i++)
		if (strcmp(pairs[i][0], pointer) == 0)
			return pairs[i][1];
	return pointer;
}
