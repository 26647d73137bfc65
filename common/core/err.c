/* Why something failed: filled once where it happened, passed up, logged once at an edge. */
#include "core/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void copy_text(char *to, size_t size, const char *from);

enum kw_rc kw_err_set(struct kw_err *err, enum kw_rc rc, const char *file, int line,
	const char *code, const char *pointer, const char *fmt, ...)
{
	if (!err)
		return rc;
	err->rc = rc;
	err->file = file;
	err->line = line;
	/* the new texts may be made of the old ones (kw_fail(err, rc, "…: %s", err->reason)) */
	char reason[sizeof(err->reason) + 8], place[sizeof(err->pointer)],
		machine[sizeof(err->code)];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	copy_text(place, sizeof(place), pointer);
	copy_text(machine, sizeof(machine), code);
	copy_text(err->reason, sizeof(err->reason), reason);
	copy_text(err->pointer, sizeof(err->pointer), place);
	copy_text(err->code, sizeof(err->code), machine);
	return rc;
}

_Noreturn void kw_assert_failed(const char *cond, const char *file, int line)
{
	fprintf(stderr, "assertion failed: %s (%s:%d)\n", cond, file, line);
	abort();
}

/* Cuts between characters, so that a cut text is still UTF-8. */
static void copy_text(char *to, size_t size, const char *from)
{
	size_t n = strlen(from);
	if (n >= size) {
		n = size - 1;
		while (n > 0 && ((unsigned char)from[n] & 0xc0) == 0x80)
			n--;
	}
	memcpy(to, from, n);
	to[n] = '\0';
}
