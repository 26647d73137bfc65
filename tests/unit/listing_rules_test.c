/* The pure decisions of listing-ingestion, and its state tables against the README's diagrams. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/arena.h"
#include "http/crypto.h"
#include "rules.h"
#include "seal.h"
#include "states.h"

static void national_ids(void **state)
{
	static const struct {
		const char *text, *digits;
	} rows[] = {
		{ "34201-0891231-8", "3420108912318" },
		{ "3420108912318", "3420108912318" },
		{ "84201-0891231-8", "8420108912318" },
		{ "34201-0891231-0", NULL },
		{ "94201-0891231-8", NULL },
		{ "04201-0891231-8", NULL },
		{ "34201-089123-18", NULL },
		{ "342010-891231-8", NULL },
		{ "34201089123 8", NULL },
		{ "34201-0891231-", NULL },
		{ "342010891231", NULL },
		{ "", NULL },
		{ "\xd9\xa3\xd9\xa4\xd9\xa2\xd9\xa0\xd9\xa1\xd9\xa0", NULL },
	};
	char digits[14], masked[16];
	struct kw_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum kw_rc rc = parse_national_id(rows[i].text, digits, &err);

		assert_int_equal(rc, rows[i].digits ? KW_OK : KW_INVALID);
		if (rows[i].digits)
			assert_string_equal(digits, rows[i].digits);
		else
			assert_string_equal(err.pointer, "/national_id");
	}
	mask_national_id("3420108912318", masked);
	assert_string_equal(masked, "34201-*******-8");
}

static void puts_are_judged_by_version_content_and_state(void **state)
{
	static const struct kept kept = { .id = "m",
		.source_version = 5,
		.version = 2,
		.state = MAKER_ACTIVE,
		.kind = 0,
		.body = "{\"a\":1}" };
	static const struct kept nothing = { .id = "m" };
	static const struct {
		const struct kept *kept;
		int64_t version;
		const char *body;
		int state, kind;
		enum put_verdict verdict;
	} rows[] = {
		{ &nothing, 9, "{}", MAKER_GRADUATED, 0, PUT_NEW },
		{ &kept, 4, "{\"a\":1}", MAKER_ACTIVE, 0, PUT_STALE },
		{ &kept, 4, "{\"b\":1}", MAKER_INVITED, 0, PUT_STALE },
		{ &kept, 5, "{\"a\":1}", MAKER_ACTIVE, 0, PUT_REPEAT },
		{ &kept, 5, "{\"a\":2}", MAKER_ACTIVE, 0, PUT_CONFLICT },
		{ &kept, 6, "{\"a\":2}", MAKER_ON_LEAVE, 0, PUT_NEW },
		{ &kept, 6, "{\"a\":1}", MAKER_ACTIVE, 0, PUT_NEW },
		{ &kept, 6, "{\"a\":2}", MAKER_INVITED, 0, PUT_REFUSED },
		{ &kept, 6, "{\"a\":2}", MAKER_ACTIVE, 1, PUT_REFUSED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (judge_put(rows[i].kept, rows[i].version, rows[i].body, &maker_fsm,
			    rows[i].state, rows[i].kind) != rows[i].verdict)
			fail_msg("row %zu", i);
}

static void listings_are_checked(void **state)
{
	struct publication twice[] = { { .channel = "dibs" }, { .channel = "ahaan" },
		{ .channel = "dibs" } };
	struct listing listing = { .kind = ONE_OF_A_KIND, .quantity = 1, .price = { 100, "PKR" } };
	struct kw_err err = { 0 };

	(void)state;
	assert_int_equal(check_listing(&listing, &err), KW_OK);
	listing.quantity = 2;
	assert_int_equal(check_listing(&listing, &err), KW_INVALID);
	assert_string_equal(err.pointer, "/quantity");
	listing.kind = STOCKED;
	assert_int_equal(check_listing(&listing, &err), KW_OK);
	listing.publications = twice;
	listing.n_publications = 3;
	assert_int_equal(check_listing(&listing, &err), KW_INVALID);
	assert_string_equal(err.pointer, "/publications/2/channel");
	assert_true(own_id_ok("maker-017.a_B"));
	assert_false(own_id_ok(""));
	assert_false(own_id_ok("a b"));
	assert_false(
		own_id_ok("12345678901234567890123456789012345678901234567890123456789012345"));
}

static void publications_pause_at_zero(void **state)
{
	KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new(65536);
	struct publication publications[] = { { .state = PUBLICATION_PUBLISHED },
		{ .state = PUBLICATION_RETIRED } };
	struct listing listing = { .publications = publications, .n_publications = 2 };

	(void)state;
	assert_int_equal(pause_publications(a, &listing, 1)[0].state, PUBLICATION_PUBLISHED);
	assert_int_equal(pause_publications(a, &listing, 0)[0].state, PUBLICATION_PAUSED);
	assert_int_equal(pause_publications(a, &listing, 0)[1].state, PUBLICATION_RETIRED);
	assert_int_equal(publications[0].state, PUBLICATION_PUBLISHED);
}

/* Every pair of states is an edge of the table exactly when the README draws it. */
static void compare_diagram(const char *readme, const char *heading, const struct kw_fsm *fsm,
	const struct kw_strtab *names)
{
	const char *from = strstr(readme, heading), *to;
	char drawn[80];

	assert_non_null(from);
	from = strstr(from, "```mermaid");
	to = strstr(from + 3, "```\n");
	for (int s = 0; s < names->n; s++)
		for (int t = 0; t < names->n; t++) {
			const struct kw_edge *edge = kw_fsm_find(fsm, s, t);
			const char *at;

			snprintf(drawn, sizeof(drawn), "    %s --> %s\n", kw_strtab_name(names, s),
				kw_strtab_name(names, t));
			at = strstr(from, drawn);
			if (s == t)
				assert_non_null(edge);
			else if ((edge != NULL) != (at != NULL && at < to))
				fail_msg("table and README differ in %s", drawn);
			if (edge)
				assert_int_equal(edge->to, t);
		}
}

static void tables_are_the_diagrams(void **state)
{
	FILE *file = fopen(KW_SOURCE_DIR "/services/listing-ingestion/README.md", "r");
	char *readme = calloc(1, 65536);

	(void)state;
	assert_non_null(file);
	assert_in_range(fread(readme, 1, 65535, file), 1000, 65534);
	fclose(file);
	compare_diagram(readme, "## Makers", &maker_fsm, &maker_state_names);
	compare_diagram(readme, "## Listings", &listing_fsm, &listing_state_names);
	free(readme);
}

/* Each ciphertext says by which key; the look-up by hash goes on under the new one. */
static void a_new_key_seals_and_the_old_one_opens(void **state)
{
	static const char hex[2][65] = {
		"0101010101010101010101010101010101010101010101010101010101010101",
		"0202020202020202020202020202020202020202020202020202020202020202",
	};
	struct kw_arena *a = kw_arena_new(1 << 20);
	struct config config = { .national_id_hash_key = { hex[0], 64 } };
	const struct sealed_id *sealed[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		config.national_id_key = (struct kw_bytes) { hex[i], 64 };
		config.national_id_key_id = i ? "2026" : "2025";
		assert_int_equal(seal_national_id(&config, a, "parveen", "34201-0891231-8",
					 &sealed[i], NULL),
			KW_OK);
	}
	assert_string_equal(sealed[0]->key_id, "2025");
	assert_string_equal(sealed[1]->key_id, "2026");
	assert_string_equal(sealed[0]->hash, sealed[1]->hash);
	for (int i = 0; i < 2; i++)
		for (int key_of = 0; key_of < 2; key_of++) {
			uint8_t key[32];
			struct kw_bytes bytes, plain = { 0 };

			memset(key, key_of + 1, sizeof(key));
			assert_true(kw_base64_decode(
				a, sealed[i]->ciphertext, strlen(sealed[i]->ciphertext), &bytes));
			enum kw_rc rc = kw_open(
				a, key, bytes, (struct kw_bytes) { "parveen", 7 }, &plain, NULL);
			assert_int_equal(rc, key_of == i ? KW_OK : KW_INVALID);
			assert_true(key_of != i || memcmp(plain.p, "3420108912318", 13) == 0);
		}
	kw_arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(national_ids),
		cmocka_unit_test(a_new_key_seals_and_the_old_one_opens),
		cmocka_unit_test(puts_are_judged_by_version_content_and_state),
		cmocka_unit_test(listings_are_checked),
		cmocka_unit_test(publications_pause_at_zero),
		cmocka_unit_test(tables_are_the_diagrams),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
