/* A file of any size in parts that an edge takes: cut between rows, and for Shopify's products
 * between products; each part of a CSV begins with the header. Memory is bounded by a part. One
 * thread. */
#ifndef KARWANCTL_PARTS_H
#define KARWANCTL_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"

#define PART_BYTES (1024 * 1024) /* a part is cut when it has so many */

enum file_format { FILE_CSV, FILE_NDJSON };

struct part {
	int64_t number; /* 1, 2, 3 … */
	int64_t line;   /* in the file, of what stands behind the header; 0: of the first part */
	int64_t end;    /* bytes of the file up to its own */
	bool last;
	struct kw_bytes bytes;
};
typedef enum kw_rc part_fn(void *ctx, const struct part *part, struct kw_err *err);

/* What its first line says. kind: "MAKERS", "HUBS", "LISTINGS", "SHOPIFY", or NULL where it says
 * nothing. */
enum kw_rc look_at_file(
	const char *path, enum file_format *ret_format, const char **ret_kind, struct kw_err *err);
/* Calls send for each part in turn, until one fails. */
enum kw_rc send_parts(const char *path, enum file_format format, bool by_product, part_fn *send,
	void *ctx, struct kw_err *err);

#endif
