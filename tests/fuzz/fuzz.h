/* What the fuzz targets share. A target is a file with LLVMFuzzerTestOneInput, which checks what
 * must be true of any input and ends the process where it is not: libFuzzer looks for such inputs
 * (./karwan fuzz), and replay.c gives it those that are known (the tests fuzz.*). One thread. */
#ifndef KW_TESTS_FUZZ_H
#define KW_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "json/field.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* fuzz.c; the same for all targets. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Ends the process with the input as a finding. */
#define FUZZ_CHECK(cond, ...)                                                \
	do {                                                                 \
		if (!(cond))                                                 \
			fuzz_failed(#cond, __FILE__, __LINE__, __VA_ARGS__); \
	} while (0)
_Noreturn void fuzz_failed(const char *cond, const char *file, int line, const char *fmt, ...)
	KW_PRINTF(4, 5);

/* Empty; the same one for each input. */
struct kw_arena *fuzz_arena(void);

/* An input whose first line says what the rest is for. Without a newline, and where it begins as
 * JSON does, there is no such line (NULL). The line is a text in the arena, the rest a copy of its
 * own size, so that reading beyond it is seen: free with fuzz_rest_done. */
struct fuzz_rest {
	const char *line;
	char *p;
	size_t n;
};
struct fuzz_rest fuzz_split(struct kw_arena *a, const uint8_t *data, size_t size);
void fuzz_rest_done(struct fuzz_rest *rest);

/* A number that is a function of the input: for choices that no byte of it makes. */
uint64_t fuzz_seed(const void *p, size_t n);

/* A body was refused: with a reason, and a pointer to something in it, or to a member that is
 * missing in an object in it; "SYNTAX" only where it is no JSON object, or one beyond our limits.
 */
void fuzz_refused(const struct kw_err *err, const char *body, size_t n);

/* What was decoded is written, read again, and written as it was: returns the text. */
const char *fuzz_stable(
	const struct kw_field *fields, size_t size, const void *in, struct kw_arena *a);

/* Does jansson take it? ret_object: it is an object; ret_limits: something in it is beyond what our
 * scanner takes (json/scan.h), or is taken by jansson although it is no JSON. */
bool fuzz_is_json(const char *p, size_t n, bool *ret_object, bool *ret_limits);

#endif
