/* HTTP handlers of listing-ingestion, for the route table. */
#ifndef LISTING_API_H
#define LISTING_API_H

#include "http/server.h"

kw_handler_fn put_maker, put_hub, put_listing, get_maker, get_hub, get_listing, get_exceptions,
	post_resolution, post_import, get_import;

#endif
