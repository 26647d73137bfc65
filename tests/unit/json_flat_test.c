/* Columns and cells to JSON by a field table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "json/flat.h"

struct place {
	const char *city, *line1;
};
struct offer {
	const char *channel;
	struct kw_money price;
};
struct thing {
	const char *name;
	int64_t count;
	bool good;
	const char **skills;
	size_t n_skills;
	struct kw_money price;
	struct place *place;
	struct offer *offers;
	size_t n_offers;
};

static const struct kw_field place_fields[] = { KW_STR(struct place, city, KW_REQUIRED, 1, 50),
	KW_STR(struct place, line1, KW_OPTIONAL, 1, 50), KW_END };
static const struct kw_field offer_fields[] = { KW_STR(struct offer, channel, KW_REQUIRED, 1, 50),
	KW_MONEY(struct offer, price, KW_OPTIONAL), KW_END };
static const struct kw_field fields[] = {
	KW_STR(struct thing, name, KW_REQUIRED, 1, 50),
	KW_I64(struct thing, count, KW_OPTIONAL, 0, 100),
	KW_BOOL(struct thing, good, KW_OPTIONAL),
	KW_STRS(struct thing, skills, KW_OPTIONAL, 0, 5),
	KW_MONEY(struct thing, price, KW_OPTIONAL),
	KW_OBJECT(struct thing, place, KW_OPTIONAL, struct place, place_fields),
	KW_ARRAY(struct thing, offers, KW_OPTIONAL, struct offer, offer_fields, 0, 20),
	KW_END,
};

#define CELLS_MAX 8

static const struct {
	const char *columns[CELLS_MAX], *cells[CELLS_MAX], *json, *pointer;
} rows[] = {
	{ { "name" }, { "Amina" }, "{\"name\":\"Amina\"}", NULL },
	{ { "count", "name" }, { "7", "A \"q\"\n" }, "{\"count\":7,\"name\":\"A \\\"q\\\"\\n\"}",
		NULL },
	{ { "name", "count" }, { "", "" }, "{}", NULL },
	{ { "count" }, { "-12" }, "{\"count\":-12}", NULL },
	{ { "count" }, { "007" }, "{\"count\":\"007\"}", NULL },
	{ { "count" }, { "1.5" }, "{\"count\":\"1.5\"}", NULL },
	{ { "count" }, { "9999999999999999999" }, "{\"count\":\"9999999999999999999\"}", NULL },
	{ { "good" }, { "true" }, "{\"good\":true}", NULL },
	{ { "good" }, { "yes" }, "{\"good\":\"yes\"}", NULL },
	{ { "skills" }, { "ralli|gold thread" }, "{\"skills\":[\"ralli\",\"gold thread\"]}", NULL },
	{ { "place.city", "name", "place.line1" }, { "Multan", "N", "" },
		"{\"name\":\"N\",\"place\":{\"city\":\"Multan\"}}", NULL },
	{ { "price.currency", "price.amount" }, { "PKR", "12.50" },
		"{\"price\":{\"amount\":\"12.50\",\"currency\":\"PKR\"}}", NULL },
	{ { "offers.10.channel", "offers.2.channel", "offers.2.price.amount", "offers.0.channel" },
		{ "ten", "two", "1", "" },
		"{\"offers\":[{\"channel\":\"two\",\"price\":{\"amount\":\"1\"}},{\"channel\":\"ten\"}]}",
		NULL },
	{ { "name", "offers.0.price.amount" }, { "x", "1.48157E+11" }, NULL,
		"/offers/0/price/amount" },
	{ { "name" }, { "9,2E+11" }, NULL, "/name" },
	{ { "name" }, { "E+11" }, "{\"name\":\"E+11\"}", NULL },
	{ { "name" }, { "12E+3" }, "{\"name\":\"12E+3\"}", NULL },
	{ { "name" }, { "1E+3 cm" }, "{\"name\":\"1E+3 cm\"}", NULL },
};

static size_t count(const char *const *names)
{
	size_t n = 0;

	while (n < CELLS_MAX && names[n])
		n++;
	return n;
}

static void rows_become_objects(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new(65536);
		KW_CLEANUP(kw_buf_done) struct kw_buf out;
		const struct kw_flat *flat;
		struct kw_err err = { 0 };

		kw_buf_init(&out, 4096);
		if (kw_flat_plan(fields, rows[i].columns, count(rows[i].columns), a, &flat, &err) !=
			KW_OK)
			fail_msg("row %zu: %s", i, err.reason);
		enum kw_rc rc = kw_flat_write(flat, rows[i].cells, &out, &err);
		assert_int_equal(rc, rows[i].json ? KW_OK : KW_INVALID);
		if (rows[i].json)
			assert_string_equal(out.p, rows[i].json);
		else
			assert_string_equal(err.pointer, rows[i].pointer);
	}
}

static void columns_must_be_known_and_single(void **state)
{
	static const struct {
		const char *columns[CELLS_MAX], *reason;
	} bad[] = {
		{ { "name", "nam" }, "unknown column 'nam'" },
		{ { "" }, "unknown column ''" },
		{ { "place" }, "unknown column 'place'" },
		{ { "place.town" }, "unknown column 'place.town'" },
		{ { "place.city.x" }, "unknown column 'place.city.x'" },
		{ { "name.x" }, "unknown column 'name.x'" },
		{ { "price" }, "unknown column 'price'" },
		{ { "price.total" }, "unknown column 'price.total'" },
		{ { "price.amount.x" }, "unknown column 'price.amount.x'" },
		{ { "offers.channel" }, "unknown column 'offers.channel'" },
		{ { "offers.0" }, "unknown column 'offers.0'" },
		{ { "offers.01.channel" }, "unknown column 'offers.01.channel'" },
		{ { "offers.100.channel" }, "unknown column 'offers.100.channel'" },
		{ { "offers.0.price.amount.x.y.z" },
			"unknown column 'offers.0.price.amount.x.y.z'" },
		{ { "Name" }, "unknown column 'Name'" },
		{ { "name", "count", "name" }, "column 'name' is there twice" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new(65536);
		const struct kw_flat *flat;
		struct kw_err err = { 0 };

		assert_int_equal(
			kw_flat_plan(fields, bad[i].columns, count(bad[i].columns), a, &flat, &err),
			KW_INVALID);
		assert_string_equal(err.reason, bad[i].reason);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_become_objects),
		cmocka_unit_test(columns_must_be_known_and_single),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
