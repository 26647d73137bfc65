/* Labels: Code 128 read back from its bars by the standard's table, and the PDF read back by
 * another program. */
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
	assert_int_equal(label_render(a, &p, &first, &err), KW_OK);
	assert_int_equal(label_render(a, &p, &second, &err), KW_OK);
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

/* The bar code as a scanner reads it from the picture, and the texts as a reader finds them. */
static void test_read_back(void **state)
{
	char dir[] = "/tmp/karwan-label-XXXXXX", command[512], out[4096];
	struct kw_arena *a = kw_arena_new(8 * 1024 * 1024);
	struct parcel p = sample();
	struct kw_bytes pdf;
	struct kw_err err;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(label_render(a, &p, &pdf, &err), KW_OK);
	snprintf(command, sizeof(command), "%s/label.pdf", dir);
	FILE *file = fopen(command, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(pdf.p, 1, pdf.n, file), pdf.n);
	fclose(file);
	snprintf(command, sizeof(command),
		"pdftoppm -r 203 -png %s/label.pdf %s/page && zbarimg --nodbus -q --raw "
		"-Scode128.enable %s/page*.png",
		dir, dir, dir);
	output_of(command, out, sizeof(out));
	assert_string_equal(out, "RI476394652CH\n");
	snprintf(command, sizeof(command), "pdftotext -layout -enc UTF-8 %s/label.pdf -", dir);
	output_of(command, out, sizeof(out));
	assert_non_null(strstr(out, "courier-a"));
	assert_non_null(strstr(out, "Zo\xc3\xab M\xc3\xbcller ?"));
	assert_non_null(strstr(out, "50667 K\xc3\xb6ln"));
	assert_non_null(strstr(out, "COLLECT ON DELIVERY PKR 9750.00"));
	assert_non_null(strstr(out, "Weight 1.450 kg"));
	assert_non_null(strstr(out, p.parcel_id.s));
	snprintf(command, sizeof(command), "rm -r %s", dir);
	output_of(command, out, sizeof(out));
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
	assert_int_equal(label_render(a, &p, &pdf, &err), KW_OK);
	p.tracking_number = "\xd8\xa7";
	assert_int_equal(label_render(a, &p, &pdf, &err), KW_INVALID);
	kw_arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_texts_come_back),
		cmocka_unit_test(test_same_bytes),
		cmocka_unit_test(test_read_back),
		cmocka_unit_test(test_long_texts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
