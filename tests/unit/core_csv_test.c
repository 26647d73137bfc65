/* CSV as RFC 4180 has it and as spreadsheets write it: each text gives the same rows and the same
 * refusals, in whatever pieces it comes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/csv.h"

#define ROW_MAX 40
#define CELLS_MAX 5

/* Rows as "line[a|b]", refusals as "line-last!reason" and, where the reader cannot go on,
 * "line-last!!reason". */
static void read_in_pieces(
	char separator, const char *text, size_t n, size_t piece, struct kw_buf *out)
{
	KW_CLEANUP(kw_csv_freep) struct kw_csv *csv = kw_csv_new(separator, ROW_MAX, CELLS_MAX);
	struct kw_csv_row row;
	struct kw_err err = { 0 };
	int64_t end = 0;

	kw_buf_clear(out);
	for (size_t at = 0; at <= n; at += piece) {
		size_t length = n - at < piece ? n - at : piece;
		bool last = at + piece > n;
		enum kw_rc rc;

		kw_csv_feed(csv, text + at, length, last);
		while ((rc = kw_csv_next(csv, &row, &err)) != KW_NOTHING) {
			assert_true(row.line >= 1 && row.last_line >= row.line && row.end >= end);
			end = row.end;
			kw_buf_printf(out, "%d", (int)row.line);
			if (rc == KW_INVALID)
				kw_buf_printf(out, "-%d%s%s\n", (int)row.last_line,
					strcmp(err.code, "CUT") == 0 ? "!!" : "!", err.reason);
			for (size_t i = 0; rc == KW_OK && i < row.n; i++)
				kw_buf_printf(out, "%c%s", i ? '|' : '[', row.cells[i]);
			if (rc == KW_OK)
				kw_buf_str(out, "]\n");
		}
		if (last)
			assert_int_equal(kw_csv_next(csv, &row, &err), KW_NOTHING);
	}
	if (!out->p)
		kw_buf_str(out, "");
}

#define LONG "0123456789012345678901234567890123456789"
#define CLOSING "goes on behind a closing quote"
#define OPEN "a quote is never closed: was the file cut short?"

static const struct {
	const char *text;
	size_t n; /* 0: strlen */
	const char *rows;
} cases[] = {
	{ "", 0, "" },
	{ "\n\r\n\n", 0, "" },
	{ "a,b\n1,2\n", 0, "1[a|b]\n2[1|2]\n" },
	{ "a,b\r\n1,2\r\n", 0, "1[a|b]\n2[1|2]\n" },
	{ "a,b\n1,2", 0, "1[a|b]\n2[1|2]\n" },
	{ "a,b\r\n1,2\r", 0, "1[a|b]\n2[1|2]\n" },
	{ "\xef\xbb\xbf"
	  "a,b\n1,2\n",
		0, "1[a|b]\n2[1|2]\n" },
	{ "\xef\xbb\xbf", 0, "" },
	{ "a;b,c\n1;2,3\n", 0, "1[a|b,c]\n2[1|2,3]\n" },
	{ "\"a;b\",c\n1;2,3\n", 0, "1[a;b|c]\n2[1;2|3]\n" },
	{ "a\nx,y\n", 0, "1[a]\n2[x|y]\n" },
	{ "a\nx;y\n", 0, "1[a]\n2[x;y]\n" },
	{ "a,b\n\n\n,\n1,\n\"\",\n", 0, "1[a|b]\n5[1|]\n" },
	{ "a,b\n\"x\ny\",\"p\r\n\r\nq\"\nz,\n", 0, "1[a|b]\n2[x\ny|p\n\nq]\n6[z|]\n" },
	{ "a,b\n\"say \"\"so\"\"\",\"\"\"\"\n", 0, "1[a|b]\n2[say \"so\"|\"]\n" },
	{ "a,b\n\"x,y\",\"\"\n", 0, "1[a|b]\n2[x,y|]\n" },
	{ "a,b\n\"\r\n\",\"\r\r\n\"\n", 0, "1[a|b]\n2[\n|\r\n]\n" },
	{ "a,b\n x , y \n", 0, "1[a|b]\n2[ x | y ]\n" },
	{ "a,b\nx\ry,\r,\n", 0, "1[a|b]\n2[x\ry|\r|]\n" },
	{ "a,b\nx\r\r\ny,z\n", 0, "1[a|b]\n2[x\r]\n3[y|z]\n" },
	{ "a,b\n\"x\"y,1\n2,3\n", 0, "1[a|b]\n2-2!" CLOSING "\n3[2|3]\n" },
	{ "a,b\n\"x\" ,1\n2,3\n", 0, "1[a|b]\n2-2!" CLOSING "\n3[2|3]\n" },
	{ "a,b\n\"x\"\ry,1\n2,3\n", 0, "1[a|b]\n2-2!" CLOSING "\n3[2|3]\n" },
	{ "a,b\nx\"y\",1\n2,3\n", 0,
		"1[a|b]\n2-2!has a quote in a cell that does not begin with one\n3[2|3]\n" },
	/* a quote that was left open takes the lines up to the next one with it, and says which */
	{ "a,b\n\"x,1\n2,3\n4,\"5\"\n6,7\n", 0, "1[a|b]\n2-4!" CLOSING "\n5[6|7]\n" },
	{ "a,b\n1,2\n\"x,1\n2,3\n", 0, "1[a|b]\n2[1|2]\n3-5!!" OPEN "\n" },
	{ "a,b\n1,\"2", 0, "1[a|b]\n2-2!!" OPEN "\n" },
	{ "a,b\n1,2\n\"", 0, "1[a|b]\n2[1|2]\n3-3!!" OPEN "\n" },
	{ "1,2,3,4,5\n1,2,3,4,5,6\n7\n", 0,
		"1[1|2|3|4|5]\n2-2!has more cells than any row may have\n3[7]\n" },
	{ LONG "\n" LONG "9\n" LONG, 0, "1[" LONG "]\n2-2!is too long\n3[" LONG "]\n" },
	{ "\"" LONG "\"\n", 0, "1[" LONG "]\n" },
	{ "x\n\"" LONG "9\"\ny\n", 0, "1[x]\n2-2!!a quote is not closed within the longest row\n" },
	{ "x\n\"" LONG "\"\"\"\ny\n", 0,
		"1[x]\n2-2!!a quote is not closed within the longest row\n" },
	{ "\xd8\xb4\xd8\xa7\xd9\x84,\xf0\x9f\xa7\xb5\n", 0,
		"1[\xd8\xb4\xd8\xa7\xd9\x84|\xf0\x9f\xa7\xb5]\n" },
	{ "a,b\nNo\xebl,1\n2,3\n", 0, "1[a|b]\n2-2!is not UTF-8\n3[2|3]\n" },
	{ "\xef\xbbx,1\n2,3\n", 0, "1-1!is not UTF-8\n2[2|3]\n" },
	{ "\xef\xbb", 0, "1-1!!is not UTF-8\n" },
	{ "\xff\xfe"
	  "a\0,\0b\0\n\0",
		10, "1-1!!is UTF-16: save it as UTF-8\n" },
	{ "\xfe\xff"
	  "\0a\0,\0b\0\n",
		10, "1-1!!is UTF-16: save it as UTF-8\n" },
	{ "a,b\n1,\0x\n\"\0\n2,3\n", 15,
		"1[a|b]\n2-2!holds a NUL byte: is it UTF-8?\n3-3!holds a NUL byte: is it UTF-8?\n4[2|3]\n" },
};

static void rows_are_the_same_in_whatever_pieces(void **state)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf out;

	(void)state;
	kw_buf_init(&out, 4096);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t n = cases[i].n ? cases[i].n : strlen(cases[i].text);

		for (size_t piece = 1; piece <= n + 1; piece++) {
			read_in_pieces('\0', cases[i].text, n, piece, &out);
			if (strcmp(out.p, cases[i].rows) != 0)
				fail_msg("case %zu in pieces of %zu:\n%s\nshould be\n%s", i, piece,
					out.p, cases[i].rows);
		}
	}
}

static void a_separator_can_be_given(void **state)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf out;

	(void)state;
	kw_buf_init(&out, 4096);
	read_in_pieces(';', "a,b;c\n", 6, 100, &out);
	assert_string_equal(out.p, "1[a,b|c]\n");
}

static void rows_tell_where_they_end_and_lines_can_be_set(void **state)
{
	KW_CLEANUP(kw_csv_freep) struct kw_csv *csv = kw_csv_new(',', ROW_MAX, CELLS_MAX);
	static const char text[] = "\xef\xbb\xbf"
				   "a\r\n\"b\nc\"\nd";
	struct kw_csv_row row;
	struct kw_err err = { 0 };

	(void)state;
	kw_csv_feed(csv, text, sizeof(text) - 1, true);
	assert_int_equal(kw_csv_next(csv, &row, &err), KW_OK);
	assert_int_equal(row.end, 6);
	kw_csv_set_line(csv, 100);
	assert_int_equal(kw_csv_next(csv, &row, &err), KW_OK);
	assert_int_equal(row.line, 100);
	assert_int_equal(row.last_line, 101);
	assert_int_equal(row.end, 12);
	assert_int_equal(kw_csv_next(csv, &row, &err), KW_OK);
	assert_int_equal(row.line, 102);
	assert_int_equal(row.end, sizeof(text) - 1);
	assert_int_equal(kw_csv_next(csv, &row, &err), KW_NOTHING);
}

/* RFC 3629, and the well-known wrong ones. */
static void utf8(void **state)
{
	static const char *const good[] = { "", "a", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80",
		"\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80",
		"\xf4\x8f\xbf\xbf" };
	static const char *const bad[] = { "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2",
		"\xc2\x61", "\xe0\x9f\xbf", "\xe0\xa0", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
		"\xf0\x90\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xe9" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(kw_utf8_ok(good[i], strlen(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (kw_utf8_ok(bad[i], strlen(bad[i])))
			fail_msg("bad %zu", i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_the_same_in_whatever_pieces),
		cmocka_unit_test(a_separator_can_be_given),
		cmocka_unit_test(rows_tell_where_they_end_and_lines_can_be_set),
		cmocka_unit_test(utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
