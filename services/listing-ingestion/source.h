/* A file's bytes to messages, row by row, at the edge: CSV by column names, one JSON object a line,
 * or Shopify's product CSV. Memory is bounded by the longest row. One thread at a time. */
#ifndef LISTING_SOURCE_H
#define LISTING_SOURCE_H

#include "adapters/shopify/products.h"
#include "config.h"
#include "fields.h"

#define ROW_MAX (1024 * 1024) /* bytes */

struct source_config {
	int kind, format;
	struct shop shop;
	kw_time as_of;
	struct kw_uuid import_id, request_id;
	int64_t line; /* of the first row, where it is not the one behind the header; 0: it is */
	const struct config *keys;
};

struct source_row {
	int64_t line;           /* where it begins */
	const char *type, *key; /* of the message */
	const char *entity;     /* "maker", "hub", "listing" */
	const void *message;    /* lives until the next call */
};

struct source;

/* INVALID: there is nothing, or nothing that can be read: the whole is refused. The body must
 * outlive the source. */
enum kw_rc source_open(const struct source_config *config, struct kw_bytes body,
	struct source **ret, struct kw_err *err);
void source_free(struct source *source);
/* Bytes of the header, which each part of a file repeats. */
int64_t source_header_bytes(const struct source *source);
/* OK: a message. NOTHING: the end. INVALID: a row that does not go in; with the code "CUT" what
 * follows is not read. err never holds a national id. */
enum kw_rc source_next(struct source *source, struct source_row *ret, struct kw_err *err);

#endif
