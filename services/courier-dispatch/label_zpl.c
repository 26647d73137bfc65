/* The label as ZPL II (Zebra's ZPL II Programming Guide), 203 dots an inch. What a parcel brings is
 * never a command: each field is ^FH, and in it everything but letters, digits and a few harmless
 * signs is written as _ and hex, so ^ ~ > and the sign of ^FH itself too. */
#include <ctype.h>
#include <string.h>

#include "label_rows.h"

#define DOTS 203
#define PT(points) ((points)*DOTS / 72)
#define MODULE_MAX 4 /* dots */
#define ZPL_MAX (64 * 1024)
#define CODE_MAX 1024

static void put_field(struct kw_buf *zpl, const char *text, size_t n)
{
	static const char digits[] = "0123456789ABCDEF", plain[] = " .,-+/()";

	kw_buf_str(zpl, "^FH_^FD");
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];
		char hex[3] = { '_', digits[c >> 4], digits[c & 15] };

		if (c < 0x80 && (isalnum(c) || strchr(plain, c)))
			kw_buf_add(zpl, &text[i], 1);
		else
			kw_buf_add(zpl, hex, sizeof(hex));
	}
	kw_buf_str(zpl, "^FS\n");
}

/* A scalable font is on average half as wide as high; the first line of a ^FB block is all there is
 * room for, so the text is cut to what fits. */
static size_t fitting(const char *text, int width)
{
	size_t n = 0, room = (size_t)(PT(LABEL_WIDTH_PT - 2 * LABEL_MARGIN_PT) / width);

	while (text[n] && room > 0) {
		n++;
		while (((unsigned char)text[n] & 0xc0) == 0x80)
			n++;
		room--;
	}
	return n;
}

static int put_text(struct kw_buf *zpl, const struct label_row *row, int y)
{
	int height = PT(row->size), width = row->bold ? height * 6 / 10 : height / 2;

	kw_buf_printf(zpl, "^FO%d,%d^A0N,%d,%d", PT(LABEL_MARGIN_PT), y, height, width);
	put_field(zpl, row->text, fitting(row->text, width));
	return y + height * 12 / 10;
}

/* ---- Code 128: the sets are chosen here, with ^BC's own codes ---- */

#define WORD_MODULES 11
#define STOP_MODULES 13

static size_t digits_at(const char *text)
{
	return strspn(text, "0123456789");
}

/* In set B, what ^BC and the printer would take for something else is written as a code. */
static void put_in_b(struct kw_buf *data, char c)
{
	switch (c) {
	case '^':
		kw_buf_str(data, "><");
		break;
	case '~':
		kw_buf_str(data, ">=");
		break;
	case '>':
		kw_buf_str(data, ">0");
		break;
	default:
		kw_buf_char(data, c);
	}
}

/* Set C where it saves code words: four digits at an end, six in the middle; an odd one stays in B.
 * Returns the code words with start and check. */
static int encode(struct kw_buf *data, const char *text)
{
	size_t n = digits_at(text);
	bool in_c = n >= 4 && (n % 2 == 0 || text[n]);
	int words = 2;

	kw_buf_str(data, in_c ? ">;" : ">:");
	for (const char *c = text; *c;) {
		n = digits_at(c);
		if (in_c && n >= 2) {
			kw_buf_add(data, c, 2);
			c += 2;
		} else if (in_c) {
			kw_buf_str(data, ">6");
			in_c = false;
		} else if (n % 2 == 0 && (n >= 6 || (n >= 4 && !c[n]))) {
			kw_buf_str(data, ">5");
			in_c = true;
		} else {
			put_in_b(data, *c++);
		}
		words++;
	}
	return words;
}

static int put_bars(struct kw_buf *zpl, const struct label *l, int y)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf data;

	kw_buf_init(&data, CODE_MAX);
	int modules = encode(&data, l->code) * WORD_MODULES + STOP_MODULES;
	int module = PT(LABEL_WIDTH_PT) / (modules + 2 * LABEL_QUIET);
	module = module > MODULE_MAX ? MODULE_MAX : module < 1 ? 1 : module;
	int x = (PT(LABEL_WIDTH_PT) - module * modules) / 2;
	kw_buf_printf(zpl, "^FO%d,%d^BY%d^BCN,%d,N,N,N,N^FD%.*s^FS\n", x > 0 ? x : 0, y, module,
		PT(LABEL_BARS_PT), (int)data.n, data.p);
	return y + PT(LABEL_BARS_PT + 4);
}

static int put_rule(struct kw_buf *zpl, int y)
{
	kw_buf_printf(zpl, "^FO%d,%d^GB%d,2,2^FS\n", PT(LABEL_MARGIN_PT), y + PT(3),
		PT(LABEL_WIDTH_PT - 2 * LABEL_MARGIN_PT));
	return y + PT(6);
}

enum kw_rc label_zpl(
	struct kw_arena *a, const struct parcel *p, struct kw_bytes *ret, struct kw_err *err)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf zpl;
	struct label label;
	int y = PT(LABEL_MARGIN_PT);

	kw_buf_init(&zpl, ZPL_MAX);
	KW_TRY(label_rows(a, p, &label, err));
	/* UTF-8; the size of the label */
	kw_buf_printf(&zpl, "^XA\n^CI28\n^PW%d^LL%d\n", PT(LABEL_WIDTH_PT), PT(LABEL_HEIGHT_PT));
	for (size_t i = 0; i < label.n; i++)
		switch (label.rows[i].kind) {
		case LABEL_TEXT:
			y = put_text(&zpl, &label.rows[i], y);
			break;
		case LABEL_BARS:
			y = put_bars(&zpl, &label, y);
			break;
		case LABEL_RULE:
			y = put_rule(&zpl, y);
			break;
		}
	kw_buf_str(&zpl, "^XZ\n");
	if (zpl.full)
		return kw_fail(err, KW_INVALID, "no label of it: larger than 64 KiB");
	*ret = (struct kw_bytes) { kw_arena_copy(a, zpl.p, zpl.n), zpl.n };
	return KW_OK;
}
