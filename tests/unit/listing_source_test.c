/* Rows of files to messages: what goes in, and what is said of what does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "source.h"
#include "json/json.h"

#define KEY "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static const struct config keys = { { KEY, 64 }, { KEY, 64 }, "1" };

static const struct kw_field *fields_of(const char *type)
{
	return strcmp(type, "karwan.maker.put.v1") == 0 ? maker_put_fields
	       : strcmp(type, "karwan.hub.put.v1") == 0 ? hub_put_fields
							: listing_put_fields;
}

/* Rows as "line key message", refusals as "line! pointer: reason" ("!!": the rest was not read),
 * and one of the whole as "!reason". What each message carries of its import is cut off. */
static void read_all(
	const struct source_config *config, const char *text, size_t n, struct kw_buf *out)
{
	struct source *source = NULL;
	struct source_row row = { 0 };
	struct kw_err err = { 0 };
	enum kw_rc rc;

	kw_buf_clear(out);
	if (source_open(config, (struct kw_bytes) { text, n }, &source, &err) != KW_OK) {
		kw_buf_printf(
			out, "!%s%s", strcmp(err.code, "SYNTAX") == 0 ? "400 " : "", err.reason);
		return;
	}
	while ((rc = source_next(source, &row, &err)) != KW_NOTHING) {
		kw_buf_printf(out, "%d", (int)row.line);
		if (rc == KW_OK) {
			KW_CLEANUP(kw_buf_done) struct kw_buf json;
			kw_buf_init(&json, 65536);
			kw_json_encode(fields_of(row.type), row.message, &json);
			char *end = strstr(json.p, ",\"as_of\"");
			end = end ? end : strstr(json.p, ",\"import\"");
			assert_non_null(end);
			kw_buf_printf(out, " %s %.*s}\n", row.key, (int)(end - json.p), json.p);
		} else {
			assert_int_equal(rc, KW_INVALID);
			kw_buf_printf(out, "%s %s: %s\n", strcmp(err.code, "CUT") == 0 ? "!!" : "!",
				err.pointer, err.reason);
		}
		err = (struct kw_err) { 0 };
	}
	if (!out->p)
		kw_buf_str(out, "");
	source_free(source);
}

#define MAKERS "maker_id,name,hub_id,weekly_capacity,state\n"
#define A_MAKER \
	"{\"maker_id\":\"m1\",\"name\":\"Amina\",\"hub_id\":\"h\",\"weekly_capacity\":3,\"state\":\"ACTIVE\"}"
#define AN_ID "an id is 1 to 64 of A-Z a-z 0-9 . _ -"

static const struct {
	int kind, format;
	int64_t line;
	const char *text, *result;
} cases[] = {
	{ IMPORT_MAKERS, IMPORT_CSV, 0, MAKERS "m1,Amina,h,3,ACTIVE\n", "2 m1 " A_MAKER "\n" },
	{ IMPORT_MAKERS, IMPORT_CSV, 0,
		"\xef\xbb\xbf"
		"state;maker_id;name;weekly_capacity;hub_id\r\nACTIVE;m1;Amina;3;h\r\n",
		"2 m1 " A_MAKER "\n" },
	{ IMPORT_MAKERS, IMPORT_CSV, 700, MAKERS "m1,Amina,h,3,ACTIVE\n\nm1,Amina,h,3,ACTIVE",
		"700 m1 " A_MAKER "\n702 m1 " A_MAKER "\n" },
	{ IMPORT_MAKERS, IMPORT_CSV, 0,
		"maker_id,version,name,hub_id,skills,weekly_capacity,state,leave_until,phone\n"
		"m2,7,\"Bibi, \"\"B\"\"\",h,ralli|gold,0,ON_LEAVE,2026-05-01T00:00:00+05:00,+923001234567\n",
		"2 m2 {\"maker_id\":\"m2\",\"version\":7,\"name\":\"Bibi, \\\"B\\\"\",\"hub_id\":\"h\",\"skills\":[\"ralli\",\"gold\"],"
		"\"weekly_capacity\":0,\"state\":\"ON_LEAVE\",\"leave_until\":\"2026-04-30T19:00:00Z\",\"phone\":\"+923001234567\"}\n" },
	{ IMPORT_MAKERS, IMPORT_CSV, 0,
		MAKERS
		"m1,Amina,h,3\nm1,Amina,h,3,ACTIVE,\nm 1,A,h,3,ACTIVE\nm1,,h,3,ACTIVE\nm1,A,h,1.0,ACTIVE\nm1,A,h,-1,ACTIVE\n"
		"m1,A,h,3,active\n9.2E+11,A,h,3,ACTIVE\n\"m1\"x,A,h,3,ACTIVE\n,A,h,3,ACTIVE\nNo\xebl,A,h,3,ACTIVE\n"
		"m1,A\tB\x01,h,3,ACTIVE\nm1,Amina,h,3,ACTIVE\n",
		"2! : has 4 cells where the header has 5\n3! : has 6 cells where the header has 5\n4! /maker_id: " AN_ID
		"\n"
		"5! /name: is required\n6! /weekly_capacity: is no integer\n7! /weekly_capacity: -1 is below 0\n"
		"8! /state: is none of INVITED, REGISTERED, ID_VERIFIED, PAYABLE, ACTIVE, ON_LEAVE, SUSPENDED, GRADUATED\n"
		"9! /maker_id: was shortened by a spreadsheet: store the column as text\n"
		"10! : goes on behind a closing quote\n11! /maker_id: is required\n12! : is not UTF-8\n"
		"13! /name: holds the control character U+0001\n14 m1 " A_MAKER "\n" },
	{ IMPORT_MAKERS, IMPORT_CSV, 0,
		MAKERS "m1,Amina,h,3,ACTIVE\nm2,\"Bibi,h,3,ACTIVE\nm3,C,h,3,ACTIVE\n",
		"2 m1 " A_MAKER
		"\n3!! : a quote is never closed: was the file cut short? (to line 5)\n" },
	{ IMPORT_MAKERS, IMPORT_CSV, 0, "", "!400 the file is empty" },
	{ IMPORT_MAKERS, IMPORT_CSV, 0, "\n\r\n", "!400 the file is empty" },
	{ IMPORT_MAKERS, IMPORT_CSV, 0, MAKERS, "!the file has a header and no rows" },
	{ IMPORT_MAKERS, IMPORT_CSV, 0, "maker_id,nmae\nm1,A\n", "!unknown column 'nmae'" },
	{ IMPORT_MAKERS, IMPORT_CSV, 0, "maker_id,name,name\nm1,A,B\n",
		"!column 'name' is there twice" },
	{ IMPORT_MAKERS, IMPORT_CSV, 0, "m1,34201-0891231-8,h\nm1,A,B\n", "!unknown column 'm1'" },
	{ IMPORT_MAKERS, IMPORT_CSV, 0, "34201-0891231-8,m1\nm1,A\n",
		"!unknown column '***************'" },
	{ IMPORT_MAKERS, IMPORT_CSV, 0,
		"\xff\xfe"
		"a",
		"!400 the header (line 1): is UTF-16: save it as UTF-8" },
	{ IMPORT_HUBS, IMPORT_CSV, 0,
		"hub_id,version,name,region,address.name,address.line1,address.city,address.country,lead\n"
		"h,1,Hub,Sindh,Hub,Road 1,Sukkur,PK,\nh,1,Hub,Sindh,,,,,\nh,1,Hub,Sindh,Hub,Road 1,,PK,\n",
		"2 h {\"hub_id\":\"h\",\"version\":1,\"name\":\"Hub\",\"region\":\"Sindh\",\"address\":{\"name\":\"Hub\",\"line1\":\"Road 1\","
		"\"city\":\"Sukkur\",\"country\":\"PK\"}}\n3! /address: is required\n4! /address/city: is required\n" },
	{ IMPORT_LISTINGS, IMPORT_CSV, 0,
		"listing_id,sku,title,kind,maker_id,hub_id,price.amount,price.currency,weight_g,quantity,state,publications.0.channel,"
		"publications.0.channel_sku,publications.0.state,publications.0.price.amount,publications.0.price.currency\n"
		"l,S,T,STOCKED,m,h,12.5,PKR,500,4,APPROVED,,,,,\n"
		"l,S,T,STOCKED,m,h,12.50,PKR,500,4,APPROVED,dibs,X,PUBLISHED,13,PKR\n"
		"l,S,T,STOCKED,m,h,12.505,PKR,500,4,APPROVED,,,,,\nl,S,T,STOCKED,m,h,\"1,250\",PKR,500,4,APPROVED,,,,,\n"
		"l,S,T,STOCKED,m,h,1,XXZ,500,4,APPROVED,,,,,\nl,S,T,ONE_OF_A_KIND,m,h,1,PKR,500,4,APPROVED,,,,,\n",
		"2 l {\"listing_id\":\"l\",\"sku\":\"S\",\"title\":\"T\",\"kind\":\"STOCKED\",\"maker_id\":\"m\",\"hub_id\":\"h\","
		"\"price\":{\"amount\":\"12.50\",\"currency\":\"PKR\"},\"weight_g\":500,\"quantity\":4,\"state\":\"APPROVED\"}\n"
		"3 l {\"listing_id\":\"l\",\"sku\":\"S\",\"title\":\"T\",\"kind\":\"STOCKED\",\"maker_id\":\"m\",\"hub_id\":\"h\","
		"\"price\":{\"amount\":\"12.50\",\"currency\":\"PKR\"},\"weight_g\":500,\"quantity\":4,\"state\":\"APPROVED\","
		"\"publications\":[{\"channel\":\"dibs\",\"channel_sku\":\"X\",\"state\":\"PUBLISHED\","
		"\"price\":{\"amount\":\"13.00\",\"currency\":\"PKR\"}}]}\n"
		"4! /price/amount: ?\n5! /price/amount: ?\n6! /price/currency: is no currency of ISO 4217\n"
		"7! /quantity: a ONE_OF_A_KIND listing has at most one piece\n" },
	{ IMPORT_MAKERS, IMPORT_NDJSON, 0, A_MAKER "\n\n  \r\n" A_MAKER "\r\n" A_MAKER,
		"1 m1 " A_MAKER "\n4 m1 " A_MAKER "\n5 m1 " A_MAKER "\n" },
	{ IMPORT_MAKERS, IMPORT_NDJSON, 90, "\xef\xbb\xbf" A_MAKER "\n", "90 m1 " A_MAKER "\n" },
	{ IMPORT_MAKERS, IMPORT_NDJSON, 0,
		"{\"maker_id\":\n[1]\nnot json\n{\"maker_id\":\"a\",\"maker_id\":\"b\"}\n{\"maker_id\":\"\xff\"}\n" A_MAKER
		" x\n" A_MAKER "\n",
		"1! : ends too early\n2! : not a JSON object\n3! : not JSON\n4! : a member twice in one object\n5! : not UTF-8\n"
		"6! : more than one value\n7 m1 " A_MAKER "\n" },
	{ IMPORT_MAKERS, IMPORT_NDJSON, 0, " \n\n", "!400 the file is empty" },
	{ IMPORT_MAKERS, IMPORT_NDJSON, 0, "\xff\xfe{",
		"!400 the file is UTF-16: save it as UTF-8" },
	/* in the middle of a file it is a row as others are */
	{ IMPORT_MAKERS, IMPORT_NDJSON, 90, "\xfe\xff\n" A_MAKER "\n",
		"90! : not UTF-8\n91 m1 " A_MAKER "\n" },
};

/* "?" in what is expected stands for the rest of its line. */
static bool same(const char *got, const char *wanted)
{
	while (*wanted && *got) {
		if (*wanted == '?' && wanted[1] == '\n') {
			got += strcspn(got, "\n");
			wanted++;
			continue;
		}
		if (*got++ != *wanted++)
			return false;
	}
	return *got == *wanted;
}

static void rows_become_messages(void **state)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf out;

	(void)state;
	kw_buf_init(&out, 65536);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct source_config config = { .kind = cases[i].kind,
			.format = cases[i].format,
			.line = cases[i].line,
			.keys = &keys,
			.as_of = 1,
			.import_id = kw_uuid_of("import", "x"),
			.request_id = kw_uuid_of("request", "x") };

		read_all(&config, cases[i].text, strlen(cases[i].text), &out);
		if (!same(out.p, cases[i].result))
			fail_msg("case %zu:\n%s\nshould be\n%s", i, out.p, cases[i].result);
	}
}

static void a_national_id_leaves_sealed_or_not_at_all(void **state)
{
	static const char text[] = "maker_id,name,hub_id,weekly_capacity,state,national_id\n"
				   "m1,A,h,1,ACTIVE,34201-0891231-8\n"
				   "m2,A,h,1,ACTIVE,3420108912318\n"
				   "m3,A,h,1,ACTIVE,34201-0891231-0\n"
				   "m4,34201-0891231-8,h,1,ACTIVE,34201-0891231-8\n"
				   "m5,x34201-0891231-8,h,1,ACTIVE,\n"
				   "m6,A,h,3420108912318,ACTIVE,1\n"
				   "34201-0891231-8,A,h,1,ACTIVE,\n";
	struct source_config config = { .kind = IMPORT_MAKERS,
		.keys = &keys,
		.as_of = 1,
		.import_id = kw_uuid_of("import", "x"),
		.request_id = kw_uuid_of("request", "x") };
	KW_CLEANUP(kw_buf_done) struct kw_buf out;
	int sealed = 0;

	(void)state;
	kw_buf_init(&out, 65536);
	read_all(&config, text, sizeof(text) - 1, &out);
	for (const char *p = out.p; (p = strstr(p, "\"masked\":\"34201-*******-8\"")); p++)
		sealed++;
	assert_int_equal(sealed, 2);
	assert_null(strstr(out.p, "0891231"));
	assert_non_null(strstr(out.p, "4! /national_id: ends in 0\n"));
	assert_non_null(strstr(out.p, "5! : a national id stands outside of national_id\n6! : a"));
	assert_non_null(strstr(out.p, "7! /weekly_capacity: ************* is above 1000000\n"));
	assert_non_null(strstr(out.p, "8! : a national id stands outside of national_id\n"));

	/* JSON has other ways to write a digit or a dash */
	static const char escaped[] =
		"{\"maker_id\":\"m1\",\"name\":\"34201\\u002d089123\\u0031-8\",\"hub_id\":\"h\","
		"\"weekly_capacity\":1,\"state\":\"ACTIVE\"}\n";
	config.format = IMPORT_NDJSON;
	read_all(&config, escaped, sizeof(escaped) - 1, &out);
	assert_null(strstr(out.p, "0891231"));
	assert_non_null(strstr(out.p, "1! : a national id stands outside of national_id\n"));
}

static void a_line_can_be_too_long(void **state)
{
	struct source_config config = { .kind = IMPORT_MAKERS,
		.format = IMPORT_NDJSON,
		.keys = &keys,
		.as_of = 1,
		.import_id = kw_uuid_of("import", "x"),
		.request_id = kw_uuid_of("request", "x") };
	KW_CLEANUP(kw_buf_done) struct kw_buf text, out;

	(void)state;
	kw_buf_init(&text, 3 * ROW_MAX);
	kw_buf_init(&out, 65536);
	for (int i = 0; i <= ROW_MAX; i++)
		kw_buf_char(&text, 'x');
	kw_buf_str(&text, "\n" A_MAKER "\n");
	read_all(&config, text.p, text.n, &out);
	assert_string_equal(out.p, "1! : is longer than 1048576 bytes\n2 m1 " A_MAKER "\n");
}

/* ---- Shopify's product CSV ---- */

#define PRODUCTS                                                                                                              \
	"Handle,Title,Body (HTML),Vendor,Product Category,Type,Tags,Published,Option1 Name,Option1 Value,Option2 Name,"       \
	"Option2 Value,Option3 Name,Option3 Value,Variant SKU,Variant Grams,Variant Inventory Tracker,Variant Inventory Qty," \
	"Variant Inventory Policy,Variant Fulfillment Service,Variant Price,Variant Compare At Price,Image Src,Gift Card,Status\n"
#define LISTING(id, sku, title, maker, price, grams, quantity, listing_state, publications) \
	id " {\"listing_id\":\"" id "\",\"sku\":\"" sku "\",\"title\":\"" title             \
	   "\",\"kind\":\"STOCKED\",\"maker_id\":\"" maker                                  \
	   "\",\"hub_id\":\"hub\",\"price\":{\"amount\":\"" price                           \
	   "\",\"currency\":\"PKR\"},\"weight_g\":" grams ",\"quantity\":" quantity         \
	   ",\"state\":\"" listing_state "\"" publications "}\n"
#define ON(sku, st, price)                                                                     \
	",\"publications\":[{\"channel\":\"shop\",\"channel_sku\":\"" sku "\",\"state\":\"" st \
	"\",\"price\":{\"amount\":\"" price "\",\"currency\":\"PKR\"}}]"

static const char products[] = PRODUCTS
	"shawl,\"Shawl, wool\",\"<p>Warm\n\nand light</p>\",zainab,,Shawl,\"wool, gift\",TRUE,Color,Red,Size,M,,,SH-R,500.0,shopify,4,deny,manual,12500.00,,https://x/1.jpg,FALSE,active\n"
	"shawl,,,,,,,,,Blue,,L,,,SH/B,450,shopify,-2,deny,manual,12500.5,,https://x/2.jpg,,\n"
	"shawl,,,,,,,,,,,,,,,,,,,,,,https://x/3.jpg,,\n"
	"quilt,Quilt,,amina,,,,FALSE,Title,Default Title,,,,,Q-1,0,shopify,1,deny,manual,9000,,,FALSE,draft\n"
	"old,Old,,amina,,,,TRUE,Title,Default Title,,,,,O-1,300,shopify,0,deny,manual,1,,,FALSE,archived\n"
	"lost,,,amina,,,,TRUE,Title,Default Title,,,,,L-1,300,shopify,0,deny,manual,1,,,FALSE,active\n"
	"card,Card,,amina,,,,TRUE,Title,Default Title,,,,,C-1,300,shopify,0,deny,manual,1,,,TRUE,active\n"
	"nosku,No sku,,amina,,,,TRUE,Title,Default Title,,,,,,300,shopify,0,deny,manual,1,,,FALSE,active\n"
	"long,Long,,amina,,,,TRUE,Title,Default Title,,,,,1.2E+13,300,shopify,0,deny,manual,1,,,FALSE,active\n"
	"price,Price,,amina,,,,TRUE,Title,Default Title,,,,,P-1,300,shopify,1,deny,manual,\"1,598.70\",,,FALSE,active\n"
	"count,Count,,amina,,,,TRUE,Title,Default Title,,,,,P-2,300,shopify,,deny,manual,1598.70,,,FALSE,active\n"
	"house,House,,Karwan House,,,,TRUE,Title,Default Title,,,,,P-3,300,shopify,1,deny,manual,1,,,FALSE,active\n"
	"fate,Fate,,amina,,,,yes,Title,Default Title,,,,,P-4,300,shopify,1,deny,manual,1,,,FALSE,active\n"
	",Nobody,,amina,,,,TRUE,Title,Default Title,,,,,P-5,300,shopify,1,deny,manual,1,,,FALSE,active\n";

static void shopify_products_become_listings(void **state)
{
	struct source_config config = { .kind = IMPORT_SHOPIFY,
		.keys = &keys,
		.as_of = 1,
		.shop = { .hub_id = "hub",
			.currency = "PKR",
			.channel = "shop",
			.weight_g = 700,
			.listing_kind = STOCKED },
		.import_id = kw_uuid_of("import", "x"),
		.request_id = kw_uuid_of("request", "x") };
	KW_CLEANUP(kw_buf_done) struct kw_buf out;
	char sku_id[80], *wanted;
	KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new(1 << 20);

	(void)state;
	kw_buf_init(&out, 65536);
	snprintf(sku_id, sizeof(sku_id), "SH-B.%016llx",
		(unsigned long long)kw_hash64("SH/B", 4, 0));
	read_all(&config, products, sizeof(products) - 1, &out);
	wanted = kw_arena_printf(a,
		"2 " LISTING("SH-R", "SH-R", "Shawl, wool - Red / M", "zainab", "12500.00", "500",
			"4", "APPROVED", ON("SH-R", "PUBLISHED", "12500.00")) "5 " LISTING("%s",
			"SH/B", "Shawl, wool - Blue / L", "zainab", "12500.50", "450", "0",
			"APPROVED", ON("SH/B", "PUBLISHED", "12500.50")) "7 " LISTING("Q-1", "Q-1",
			"Quilt", "amina", "9000.00", "700", "1", "DRAFT",
			ON("Q-1", "UNPUBLISHED", "9000.00")) "8 " LISTING("O-1", "O-1", "Old",
			"amina", "1.00", "300", "0", "RETIRED",
			ON("O-1", "RETIRED",
				"1.00")) "9! /Title: is empty in the first row of this Handle\n"
					 "10! /Gift Card: a gift card is no piece that somebody made\n"
					 "11! /Variant SKU: is required\n"
					 "12! /Variant SKU: was shortened by a spreadsheet: store the column as text\n"
					 "13! /Variant Price: ?\n"
					 "14! /Variant Inventory Qty: is required\n"
					 "15! /Vendor: ?\n"
					 "16! /Published: is neither TRUE nor FALSE\n"
					 "17! /Handle: is required\n",
		sku_id, sku_id);
	if (!same(out.p, wanted))
		fail_msg("%s\nshould be\n%s", out.p, wanted);
}

static void a_shop_may_name_one_maker_and_no_channel(void **state)
{
	struct source_config config = { .kind = IMPORT_SHOPIFY,
		.keys = &keys,
		.as_of = 1,
		.shop = { .hub_id = "hub",
			.maker_id = "all",
			.currency = "PKR",
			.listing_kind = STOCKED },
		.import_id = kw_uuid_of("import", "x"),
		.request_id = kw_uuid_of("request", "x") };
	KW_CLEANUP(kw_buf_done) struct kw_buf out;
	static const char text[] =
		"Variant SKU,Handle,Title,Variant Price,Variant Inventory Qty,Variant Grams\nA,a,T,5,6,7\nB,b,T,5,6,\n";

	(void)state;
	kw_buf_init(&out, 65536);
	read_all(&config, text, sizeof(text) - 1, &out);
	assert_string_equal(out.p, "2 " LISTING("A", "A", "T", "all", "5.00", "7", "6", "APPROVED",
					   "") "3! /Variant Grams: is required\n");
	config.shop.maker_id = NULL;
	read_all(&config, text, sizeof(text) - 1, &out);
	assert_string_equal(
		out.p, "!column 'Vendor' is absent, and maker_id names no maker either");
	read_all(&config, "Handle,Title\na,b\n", 17, &out);
	assert_string_equal(out.p, "!column 'Variant SKU' is absent");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_become_messages),
		cmocka_unit_test(a_national_id_leaves_sealed_or_not_at_all),
		cmocka_unit_test(a_line_can_be_too_long),
		cmocka_unit_test(shopify_products_become_listings),
		cmocka_unit_test(a_shop_may_name_one_maker_and_no_channel),
	};

	kw_json_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
