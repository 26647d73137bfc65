/* The HTTP handlers; the routes are in service.c. */
#ifndef DISPATCH_API_H
#define DISPATCH_API_H

#include "http/server.h"

kw_handler_fn post_tracking, get_parcel, get_label, get_exceptions, post_resolution;

#endif
