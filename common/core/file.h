/* Small files that configure a program, read whole. What is read lives in the arena. Any thread. */
#ifndef KW_CORE_FILE_H
#define KW_CORE_FILE_H

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"

/* INVALID: absent, not readable, not a plain file, or larger than max. RETRY: the machine has no
 * descriptors or memory now, or its disk fails. */
enum kw_rc kw_file_read(const char *path, size_t max_bytes, struct kw_arena *a,
	struct kw_bytes *ret, struct kw_err *err);

/* A secret is one line, used byte for byte without the newline at its end. INVALID too when it is
 * empty, holds control characters, or everybody on the machine may read the file. */
enum kw_rc kw_secret_read(
	const char *path, struct kw_arena *a, struct kw_bytes *ret, struct kw_err *err);

#endif
