/* The HTTP routes of listing-ingestion, and the handlers that are in a file of their own. */
#ifndef LISTING_API_H
#define LISTING_API_H

#include "http/server.h"

extern const struct kw_route listing_routes[];

/* imports.c */
kw_handler_fn post_import, get_import;
extern const struct kw_argument import_query[], imported_query[];
extern const struct kw_answer import_answers[], imported_answers[];

#endif
