/* The special-purpose address registries of IANA as one table of prefixes. */
#include "http/address.h"

#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#include "core/rc.h"

struct range {
	uint8_t prefix[16];
	int bits;
};

/* IANA special-purpose registries; IPv4 as ::ffff:a.b.c.d. Forms that carry an IPv4 address inside
 * (NAT64, 6to4, Teredo) are refused whole. */
static const struct range not_public[] = {
	{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0 }, 104 },
	{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10 }, 104 },
	{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 100, 64 }, 106 },
	{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127 }, 104 },
	{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 169, 254 }, 112 },
	{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 172, 16 }, 108 },
	{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 0 }, 120 },
	{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2 }, 120 },
	{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 168 }, 112 },
	{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 18 }, 111 },
	{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 51, 100 }, 120 },
	{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 203, 0, 113 }, 120 },
	{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 224 }, 99 }, /* and 240/4 */
	{ { 0 }, 96 },                                             /* ::, ::1, IPv4-compatible */
	{ { 0x00, 0x64, 0xff, 0x9b }, 32 },
	{ { 0x01, 0x00 }, 64 },
	{ { 0x20, 0x01, 0x00, 0x00 }, 32 },
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32 },
	{ { 0x20, 0x02 }, 16 },
	{ { 0xfc }, 7 },
	{ { 0xfe, 0x80 }, 10 },
	{ { 0xfe, 0xc0 }, 10 },
	{ { 0xff }, 8 },
};

static bool in_range(const uint8_t address[16], const struct range *r)
{
	int bytes = r->bits / 8, bits = r->bits % 8;

	if (memcmp(address, r->prefix, (size_t)bytes) != 0)
		return false;
	return bits == 0 || ((address[bytes] ^ r->prefix[bytes]) >> (8 - bits)) == 0;
}

bool kw_address_public(const struct sockaddr *to)
{
	uint8_t address[16] = { [10] = 0xff, [11] = 0xff };

	if (to->sa_family == AF_INET)
		memcpy(address + 12, &((const struct sockaddr_in *)(const void *)to)->sin_addr, 4);
	else if (to->sa_family == AF_INET6)
		memcpy(address, &((const struct sockaddr_in6 *)(const void *)to)->sin6_addr, 16);
	else
		return false;
	for (size_t i = 0; i < KW_LEN(not_public); i++)
		if (in_range(address, &not_public[i]))
			return false;
	return true;
}
