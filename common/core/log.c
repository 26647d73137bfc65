/* One JSON object a line on standard error, each written with one write(2). */
#include "core/log.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/clock.h"

#define LINE_MAX_BYTES (16 * 1024)
#define CUT_BYTES 1024

static const char *const level_names[] = {
	[KW_DEBUG] = "debug",
	[KW_INFO] = "info",
	[KW_WARNING] = "warning",
	[KW_ERROR] = "error",
};

/* Set before threads start, only read afterwards. */
static const char *service_name = "";
static enum kw_log_level lowest = KW_INFO;

static void add_text(struct kw_buf *line, const char *name, const char *text);
static void add_number(struct kw_buf *line, const char *name, int64_t number);
static void add_error(struct kw_buf *line, const struct kw_err *err);
static size_t valid_utf8(const unsigned char *s);

enum kw_log_level kw_log_level_of(const char *name)
{
	for (int i = KW_DEBUG; i <= KW_ERROR; i++)
		if (strcmp(level_names[i], name) == 0)
			return (enum kw_log_level)i;
	return KW_INFO;
}

void kw_log_init(const char *service, enum kw_log_level level)
{
	service_name = service;
	lowest = level;
}

void kw_log_write(enum kw_log_level level, const char *message, const struct kw_err *err,
	const struct kw_log_field *fields)
{
	if (level < lowest)
		return;
	KW_CLEANUP(kw_buf_done) struct kw_buf line;
	kw_buf_init(&line, LINE_MAX_BYTES);
	char now[KW_TIME_TEXT];
	kw_time_format(kw_now(&kw_clock_system), now);
	kw_buf_str(&line, "{\"time\":\"");
	kw_buf_str(&line, now);
	kw_buf_char(&line, '"');
	add_text(&line, "level", level_names[level]);
	add_text(&line, "service", service_name);
	add_text(&line, "message", message);
	for (; fields && fields->name; fields++) {
		if (fields->text)
			add_text(&line, fields->name, fields->text);
		else
			add_number(&line, fields->name, fields->number);
	}
	if (err)
		add_error(&line, err);
	/* every member is cut, so only a very long list of fields comes here */
	if (line.full) {
		kw_buf_clear(&line);
		kw_buf_printf(&line, "{\"time\":\"%s\"", now);
		add_text(&line, "level", level_names[level]);
		add_text(&line, "service", service_name);
		add_text(&line, "message", message);
		add_text(&line, "cut", "too many fields");
	}
	kw_buf_str(&line, "}\n");
	ssize_t done;
	do
		done = write(STDERR_FILENO, line.p, line.n);
	while (done < 0 && errno == EINTR);
}

static void add_error(struct kw_buf *line, const struct kw_err *err)
{
	add_text(line, "rc", kw_rc_name(err->rc));
	add_text(line, "reason", err->reason);
	if (err->pointer[0])
		add_text(line, "pointer", err->pointer);
	if (err->code[0])
		add_text(line, "code", err->code);
	if (err->file) {
		add_text(line, "file", err->file);
		add_number(line, "line", err->line);
	}
}

static void add_number(struct kw_buf *line, const char *name, int64_t number)
{
	kw_buf_char(line, ',');
	kw_buf_json_str(line, name);
	kw_buf_char(line, ':');
	kw_buf_i64(line, number);
}

/* Texts of libraries are of any length and encoding; a line is valid JSON all the same. */
static void add_text(struct kw_buf *line, const char *name, const char *text)
{
	char cut[CUT_BYTES + 8];
	size_t n = 0;
	const unsigned char *s = (const unsigned char *)text;
	while (*s && n < CUT_BYTES) {
		size_t width = valid_utf8(s);
		if (width == 0) {
			cut[n++] = '?';
			s++;
			continue;
		}
		memcpy(cut + n, s, width);
		n += width;
		s += width;
	}
	cut[n] = '\0';
	kw_buf_char(line, ',');
	kw_buf_json_str(line, name);
	kw_buf_char(line, ':');
	kw_buf_json_str(line, cut);
}

/* Bytes of the character at s, or 0 when there is none (RFC 3629, section 4). */
static size_t valid_utf8(const unsigned char *s)
{
	size_t width = s[0] < 0x80    ? 1
		       : s[0] < 0xc2  ? 0
		       : s[0] < 0xe0  ? 2
		       : s[0] < 0xf0  ? 3
		       : s[0] <= 0xf4 ? 4
				      : 0;
	for (size_t i = 1; i < width; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
	bool surrogate = s[0] == 0xed && s[1] >= 0xa0, beyond = s[0] == 0xf4 && s[1] >= 0x90;
	return width > 1 && (overlong || surrogate || beyond) ? 0 : width;
}
