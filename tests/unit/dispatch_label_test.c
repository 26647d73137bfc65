/* Labels: Code 128 read back from its bars by the standard's table, and PDF and ZPL read back by
 * other programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "label.h"

/* ISO/IEC 15417: widths of the six bars and spaces of each code word. */
static const char *const words[] = { "212222", "222122", "222221", "121223", "121322", "131222",
	"122213", "122312", "132212", "221213", "221312", "231212", "112232", "122132", "122231",
	"113222", "123122", "123221", "223211", "221132", "221231", "213212", "223112", "312131",
	"311222", "321122", "321221", "312212", "322112", "322211", "212123", "212321", "232121",
	"111323", "131123", "131321", "112313", "132113", "132311", "211313", "231113", "231311",
	"112133", "112331", "132131", "113123", "113321", "133121", "313121", "211331", "231131",
	"213113", "213311", "213131", "311123", "311321", "331121", "312113", "312311", "332111",
	"314111", "221411", "431111", "111224", "111422", "121124", "121421", "141122", "141221",
	"112214", "112412", "122114", "122411", "142112", "142211", "241211", "221114", "413111",
	"241112", "134111", "111242", "121142", "121241", "114212", "124112", "124211", "411212",
	"421112", "421211", "212141", "214121", "412121", "111143", "111341", "131141", "114113",
	"114311", "411113", "411311", "113141", "114131", "311141", "411131", "211412", "211214",
	"211232" };
#define STOP "2331112"

static int word_of(const int *widths)
{
	char text[7];

	for (int i = 0; i < 6; i++)
		text[i] = (char)('0' + widths[i]);
	text[6] = '\0';
	for (int i = 0; i < (int)KW_LEN(words); i++)
		if (strcmp(words[i], text) == 0)
			return i;
	return -1;
}

/* The code words of the bars, start and check included, stop not. */
static size_t read_bars(const struct bars *bars, int *ret)
{
	size_t n = 0, at = 0;
	int sum = 0;

	assert_true(bars->n > 13 && (bars->n - 7) % 6 == 0);
	for (; at + 7 < bars->n; at += 6) {
		ret[n] = word_of(&bars->widths[at]);
		assert_true(ret[n] >= 0);
		n++;
	}
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(bars->widths[at + i], STOP[i] - '0');
	for (size_t i = 0; i < bars->n; i++)
		sum += bars->widths[i];
	assert_int_equal(sum, bars->modules);
	return n;
}

static int check_of(const int *values, size_t n)
{
	int64_t sum = values[0];

	for (size_t i = 1; i < n; i++)
		sum += (int64_t)i * values[i];
	return (int)(sum % 103);
}

/* Reads code words as a scanner does. */
static void decode(const int *values, size_t n, char *out)
{
	int set = values[0];

	for (size_t i = 1; i + 1 < n; i++) {
		int v = values[i];
		if (v >= 99 && v <= 101)
			set = v == 99 ? 105 : v == 100 ? 104 : 103;
		else if (set == 105)
			*out++ = (char)('0' + v / 10), *out++ = (char)('0' + v % 10);
		else
			*out++ = (char)(v + ' ');
	}
	*out = '\0';
}

static void bars_of(const char *text, int *values, size_t *ret_n)
{
	struct kw_arena *a = kw_arena_new(1024 * 1024);
	struct kw_err err = { 0 };
	struct bars bars;

	if (label_bars(a, text, &bars, &err) != KW_OK)
		fail_msg("%s: %s", text, err.reason);
	*ret_n = read_bars(&bars, values);
	kw_arena_free(a);
}

static void test_vectors(void **state)
{
	static const int ri[] = { 104, 50, 41, 20, 99, 76, 39, 46, 52, 100, 35, 40, 26 };
	int values[80];
	size_t n;

	(void)state;
	bars_of("RI476394652CH", values, &n);
	assert_int_equal(n, KW_LEN(ri));
	assert_memory_equal(values, ri, sizeof(ri));
	bars_of("A", values, &n);
	assert_int_equal(values[0], 104);
	assert_int_equal(values[n - 1], 34);
	/* the same characters in set A and in set B have other check symbols */
	bars_of("PJJ123C", values, &n);
	assert_int_equal(n, 9);
	assert_true(values[0] == 103 || values[0] == 104);
	assert_int_equal(values[8], values[0] == 103 ? 54 : 55);
	values[0] = 103;
	assert_int_equal(check_of(values, 8), 54);
	values[0] = 104;
	assert_int_equal(check_of(values, 8), 55);
	/* GS1-128 (00)123451234512345120 */
	static const int sscc[] = { 105, 102, 0, 12, 34, 51, 23, 45, 12, 34, 51, 20 };
	assert_int_equal(check_of(sscc, KW_LEN(sscc)), 56);
}

static void test_texts_come_back(void **state)
{
	static const char *const texts[] = { "RB123456785PK", "KA000000000017",
		"1Z5R89390357567127", "3318810025", "ab-cd_ef/12.34:5678",
		"~!#$%&'()*+,;<=>?@[]^`{|}", "7", "77", "777777777",
		"0123456789012345678901234567890123456789012345678901234567890123" };

	(void)state;
	for (size_t i = 0; i < KW_LEN(texts); i++) {
		int values[140];
		char text[140];
		size_t n;

		bars_of(texts[i], values, &n);
		assert_int_equal(check_of(values, n - 1), values[n - 1]);
		decode(values, n, text);
		assert_string_equal(text, texts[i]);
	}
}

/* ---- the page ---- */

static struct address hub = {
	.name = "Hub Muzaffarabad", .line1 = "Bank Road 3", .city = "Muzaffarabad", .country = "PK"
};
static struct address buyer = { .name = "Zo\xc3\xab M\xc3\xbcller \xd8\xa7",
	.line1 = "Stra\xc3\x9f"
		 "e 5 (hinten)",
	.city = "K\xc3\xb6ln",
	.postcode = "50667",
	.country = "DE",
	.phone = "+49221000000" };
static struct parcel_line line = { .line_id = "1", .sku = "SHAWL-1", .quantity = 3 };

static struct parcel sample(void)
{
	struct parcel p = { .channel = "shopify-demo",
		.external_id = "820982911946154508",
		.n = 1,
		.state = PARCEL_LABELLED,
		.courier = "courier-a",
		.tracking_number = "RI476394652CH",
		.ship_from = &hub,
		.ship_to = &buyer,
		.weight_g = 1450,
		.amount_due = { 975000, "PKR" },
		.lines = &line,
		.n_lines = 1 };
	p.parcel_id = kw_uuid_of("parcel", "test", "1");
	return p;
}

static void test_same_bytes(void **state)
{
	struct kw_arena *a = kw_arena_new(8 * 1024 * 1024);
	struct parcel p = sample();
	struct kw_bytes first, second;
	struct kw_err err;

	(void)state;
	assert_int_equal(label_pdf(a, &p, &first, &err), KW_OK);
	assert_int_equal(label_pdf(a, &p, &second, &err), KW_OK);
	assert_int_equal(first.n, second.n);
	assert_memory_equal(first.p, second.p, first.n);
	assert_memory_equal(first.p, "%PDF-", 5);
	kw_arena_free(a);
}

/* Output of a command line, one text. */
static void output_of(const char *command, char *out, size_t size)
{
	FILE *pipe = popen(command, "r");
	size_t n;

	assert_non_null(pipe);
	n = fread(out, 1, size - 1, pipe);
	out[n] = '\0';
	assert_int_equal(pclose(pipe), 0);
}

/* Drawn by another program, scanned from the picture by a third, and read as text. */
struct reading {
	char scanned[512], text[8192];
};

static void write_file(const char *path, struct kw_bytes bytes)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes.p, 1, bytes.n, file), bytes.n);
	fclose(file);
}

static struct reading *read_label(struct kw_arena *a, const struct parcel *p, bool zpl)
{
	char dir[] = "/tmp/karwan-label-XXXXXX", unused[64];
	struct reading *r = kw_new(a, struct reading, 1);
	struct kw_bytes label;
	struct kw_err err = { 0 };

	assert_non_null(mkdtemp(dir));
	if ((zpl ? label_zpl : label_pdf)(a, p, &label, &err) != KW_OK)
		fail_msg("%s", err.reason);
	write_file(kw_arena_printf(a, "%s/label", dir), label);
	output_of(
		kw_arena_printf(a,
			zpl ? "python3 " KW_SOURCE_DIR "/tests/support/zpl.py %s/label %s/page.pgm"
			    : "pdftotext -layout -enc UTF-8 %s/label - && "
			      "pdftoppm -r 203 -gray %s/label >%s/page.pgm",
			dir, dir, dir),
		r->text, sizeof(r->text));
	output_of(kw_arena_printf(a, "zbarimg --nodbus -q --raw -Scode128.enable %s/page.pgm", dir),
		r->scanned, sizeof(r->scanned));
	output_of(kw_arena_printf(a, "rm -r %s", dir), unused, sizeof(unused));
	return r;
}

static void test_read_back(void **state)
{
	static const char *const numbers[] = { "RI476394652CH", "KA000000000017",
		"1Z5R89390357567127", "3318810025", "331881002", "ab-cd_ef/12.34:5678",
		"~!#$%&'()*+,;<=>?@[]^`{|}", "7", "A12345", "0123456789012345678901234567" };

	(void)state;
	for (size_t i = 0; i < 2 * KW_LEN(numbers); i++) {
		struct kw_arena *a = kw_arena_new(8 * 1024 * 1024);
		struct parcel p = sample();
		p.tracking_number = numbers[i / 2];
		const struct reading *r = read_label(a, &p, i % 2);

		assert_string_equal(r->scanned, kw_arena_printf(a, "%s\n", p.tracking_number));
		assert_non_null(strstr(r->text, "courier-a"));
		assert_non_null(strstr(r->text, p.tracking_number));
		assert_non_null(strstr(r->text, "Zo\xc3\xab M\xc3\xbcller"));
		assert_non_null(strstr(r->text, "50667 K\xc3\xb6ln"));
		assert_non_null(strstr(r->text, "COLLECT ON DELIVERY"));
		assert_non_null(strstr(r->text, "PKR 9750.00"));
		assert_non_null(strstr(r->text, "Weight 1.450 kg"));
		assert_non_null(strstr(r->text, p.parcel_id.s));
		kw_arena_free(a);
	}
}

static void test_paid_and_due(void **state)
{
	struct kw_arena *a = kw_arena_new(32 * 1024 * 1024);
	struct parcel p = sample();

	(void)state;
	for (int zpl = 0; zpl < 2; zpl++) {
		p.amount_due = (struct kw_money) { INT64_MAX, "PKR" }; /* not cut */
		assert_non_null(strstr(read_label(a, &p, zpl)->text, "PKR 92233720368547758.07"));
		p.amount_due = (struct kw_money) { 500, "JPY" };
		assert_non_null(strstr(read_label(a, &p, zpl)->text, "JPY 500\n"));
		p.amount_due = (struct kw_money) { 0, "" };
		const char *text = read_label(a, &p, zpl)->text;
		assert_non_null(strstr(text, "PAID"));
		assert_null(strstr(text, "COLLECT"));
	}
	kw_arena_free(a);
}

#define URDU "\xd9\x84\xd8\xa7\xdb\x81\xd9\x88\xd8\xb1" /* Lahore */

/* An address is data: none of it is a command, whatever it looks like. */
static void test_hostile_texts(void **state)
{
	static const char *const texts[] = { "^XZ^XA^FO0,0^A0N,99,99^FDpwned^FS", "~JA",
		"~DGR:X,1,1,FF", ">;>8123", "_5E_7EJA", "^FS^IDR:*.*", "\\&^CC/", "a_b", "\xc2\xac",
		URDU " " URDU };

	(void)state;
	for (size_t i = 0; i < KW_LEN(texts); i++) {
		struct kw_arena *a = kw_arena_new(32 * 1024 * 1024);
		struct parcel p = sample();
		struct address to = buyer, from = hub;
		p.ship_to = &to;
		p.ship_from = &from;
		to.name = to.line1 = to.line2 = to.city = from.name = from.region = texts[i];
		p.external_id = texts[i];
		const struct reading *r = read_label(a, &p, true);

		assert_string_equal(r->scanned, "RI476394652CH\n");
		assert_non_null(strstr(r->text, kw_arena_printf(a, "text %s\n", texts[i])));
		assert_null(strstr(r->text, "text pwned"));
		assert_string_equal(read_label(a, &p, false)->scanned, "RI476394652CH\n");
		kw_arena_free(a);
	}
}

/* Letters only: what sets text in PDF has its own idea of blanks and marks of direction. */
static char *letters_of(struct kw_arena *a, const char *text)
{
	char *out = kw_arena_str(a, text), *to = out;

	for (const char *c = text; *c; c++)
		if (strncmp(c, "\xe2\x80", 2) == 0 && c[2])
			c += 2;
		else if (*c != ' ')
			*to++ = *c;
	*to = '\0';
	return out;
}

/* Urdu is set in one font that has all its letters, joined, and found again as text. */
static void test_urdu(void **state)
{
	struct kw_arena *a = kw_arena_new(32 * 1024 * 1024);
	struct parcel p = sample();
	struct address to = buyer;

	(void)state;
	to.city = URDU;
	to.postcode = NULL;
	p.ship_to = &to;
	assert_non_null(strstr(letters_of(a, read_label(a, &p, false)->text), URDU));
	kw_arena_free(a);
}

/* Texts of full length stay on the page, and nothing in them is taken for PDF. */
static void test_long_texts(void **state)
{
	struct kw_arena *a = kw_arena_new(8 * 1024 * 1024);
	struct parcel p = sample();
	struct address to = buyer;
	char text[301];
	struct kw_bytes pdf;
	struct kw_err err;

	(void)state;
	memset(text, 'W', 300);
	text[300] = '\0';
	memcpy(text, ") Tj ET \\", 9);
	to.name = to.line1 = to.line2 = to.line3 = to.city = to.postcode = to.region = to.phone =
		text;
	p.ship_to = p.ship_from = &to;
	p.tracking_number = "0123456789012345678901234567890123456789012345678901234567890123";
	for (int zpl = 0; zpl < 2; zpl++)
		assert_non_null(strstr(read_label(a, &p, zpl)->text, p.parcel_id.s));
	p.tracking_number = "\xd8\xa7";
	assert_int_equal(label_pdf(a, &p, &pdf, &err), KW_INVALID);
	assert_int_equal(label_zpl(a, &p, &pdf, &err), KW_INVALID);
	kw_arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_texts_come_back),
		cmocka_unit_test(test_same_bytes),
		cmocka_unit_test(test_read_back),
		cmocka_unit_test(test_paid_and_due),
		cmocka_unit_test(test_hostile_texts),
		cmocka_unit_test(test_urdu),
		cmocka_unit_test(test_long_texts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
