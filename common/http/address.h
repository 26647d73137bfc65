/* Which addresses belong to the public internet: those that a partner's URL may lead to. Private to
 * http. Any thread. */
#ifndef KW_HTTP_ADDRESS_H
#define KW_HTTP_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* False for loopback, private, link-local, shared, documentation, multicast and reserved ranges,
 * and for families other than IPv4 and IPv6. */
bool kw_address_public(const struct sockaddr *to);

#endif
