/* Ids as functions of their source: UUIDv5 (RFC 9562, section 5.5), trace contexts, random tokens,
 * FNV-1a. */
#include "core/id.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "core/err.h"

/* 6f1d3c52-0b7e-4e0e-9a55-2b1f6a7c9d10: Karwan's namespace. Changing it changes every id. */
static const uint8_t namespace[16] = { 0x6f, 0x1d, 0x3c, 0x52, 0x0b, 0x7e, 0x4e, 0x0e, 0x9a, 0x55,
	0x2b, 0x1f, 0x6a, 0x7c, 0x9d, 0x10 };
static const char hex_digits[] = "0123456789abcdef";

/* SHA-1 (RFC 3174): only because UUIDv5 is made of it; protects nothing. */
struct sha1 {
	uint32_t h[5];
	uint64_t n;
	uint8_t block[64];
};

static void sha1_start(struct sha1 *s);
static void sha1_add(struct sha1 *s, const void *bytes, size_t n);
static void sha1_end(struct sha1 *s, uint8_t out[20]);
static void sha1_block(struct sha1 *s);
static void fill_random(void *p, size_t n);
static void write_hex(char *out, const uint8_t *p, size_t n);
static bool is_lower_hex(const char *s, size_t n);
static bool is_zeros(const char *s, size_t n);
static bool is_traceparent(const char *header);

struct kw_uuid kw_uuid_make(const char *const *parts)
{
	static const char separator = 0x1f;
	kw_assert(parts[0]);
	struct sha1 s;
	sha1_start(&s);
	sha1_add(&s, namespace, sizeof(namespace));
	for (size_t i = 0; parts[i]; i++) {
		if (i > 0)
			sha1_add(&s, &separator, 1);
		sha1_add(&s, parts[i], strlen(parts[i]));
	}
	uint8_t digest[20];
	sha1_end(&s, digest);
	digest[6] = (uint8_t)((digest[6] & 0x0f) | 0x50);
	digest[8] = (uint8_t)((digest[8] & 0x3f) | 0x80);
	struct kw_uuid u;
	kw_uuid_from_bytes(digest, &u);
	return u;
}

struct kw_uuid kw_event_id(const char *entity_id, int64_t version, const char *type)
{
	char number[24];
	snprintf(number, sizeof(number), "%" PRId64, version);
	return kw_uuid_of("event", entity_id, number, type);
}

bool kw_uuid_parse(const char *text, struct kw_uuid *ret)
{
	struct kw_uuid u;
	if (!text || strnlen(text, sizeof(u.s)) != 36)
		return false;
	for (int i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
			return false;
		u.s[i] = (char)tolower((unsigned char)text[i]);
	}
	u.s[36] = '\0';
	*ret = u;
	return true;
}

struct kw_uuid kw_uuid_random(void)
{
	uint8_t bytes[16];
	fill_random(bytes, sizeof(bytes));
	bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
	bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
	struct kw_uuid u;
	kw_uuid_from_bytes(bytes, &u);
	return u;
}

void kw_uuid_to_bytes(const struct kw_uuid *u, uint8_t out[16])
{
	const char *p = u->s;
	for (int i = 0; i < 16; i++, p += 2) {
		p += *p == '-';
		const char *high = strchr(hex_digits, p[0]), *low = strchr(hex_digits, p[1]);
		kw_assert(p[0] && p[1] && high && low);
		out[i] = (uint8_t)((high - hex_digits) << 4 | (low - hex_digits));
	}
}

void kw_uuid_from_bytes(const uint8_t in[16], struct kw_uuid *ret)
{
	static const uint8_t groups[] = { 4, 2, 2, 2, 6 };
	char *out = ret->s;
	for (size_t i = 0; i < sizeof(groups); i++) {
		if (i > 0)
			*out++ = '-';
		write_hex(out, in, groups[i]);
		out += 2 * groups[i];
		in += groups[i];
	}
	*out = '\0';
}

struct kw_trace kw_trace_from(const char *header)
{
	struct kw_trace t;
	uint8_t bytes[24]; /* trace id, span id */
	fill_random(bytes, sizeof(bytes));
	memcpy(t.s, "00-", 3);
	if (header && is_traceparent(header)) {
		/* we write version 00, whose one known flag is "sampled" (section 4.3 of the
		 * specification) */
		memcpy(t.s + 3, header + 3, 32);
		bool sampled = (strchr(hex_digits, header[54]) - hex_digits) & 1;
		memcpy(t.s + 52, sampled ? "-01" : "-00", 4);
	} else {
		bytes[0] |= 1; /* all zeros means invalid, in both ids */
		write_hex(t.s + 3, bytes, 16);
		memcpy(t.s + 52, "-01", 4);
	}
	bytes[16] |= 1;
	t.s[35] = '-';
	write_hex(t.s + 36, bytes + 16, 8);
	return t;
}

/* Section 3.2 and 4.3: a later version may append "-…"; version ff does not exist. */
static bool is_traceparent(const char *header)
{
	if (strnlen(header, 55) < 55 || header[2] != '-' || header[35] != '-' || header[52] != '-')
		return false;
	if (!is_lower_hex(header, 2) || !is_lower_hex(header + 3, 32) ||
		!is_lower_hex(header + 36, 16) || !is_lower_hex(header + 53, 2))
		return false;
	if (memcmp(header, "ff", 2) == 0 || is_zeros(header + 3, 32) || is_zeros(header + 36, 16))
		return false;
	return header[55] == '\0' || (header[55] == '-' && memcmp(header, "00", 2) != 0);
}

static bool is_lower_hex(const char *s, size_t n)
{
	return strspn(s, hex_digits) >= n;
}

static bool is_zeros(const char *s, size_t n)
{
	return strspn(s, "0") >= n;
}

static void write_hex(char *out, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		out[2 * i] = hex_digits[p[i] >> 4];
		out[2 * i + 1] = hex_digits[p[i] & 15];
	}
}

static void fill_random(void *p, size_t n)
{
	ssize_t got;
	do
		got = getrandom(p, n, 0);
	while (got < 0 && errno == EINTR);
	/* up to 256 bytes come whole */
	kw_assert(got == (ssize_t)n);
}

uint64_t kw_hash64(const void *p, size_t n, uint64_t seed)
{
	uint64_t h = 0xcbf29ce484222325u ^ seed;
	for (const uint8_t *b = p, *end = b + n; b < end; b++)
		h = (h ^ *b) * 0x100000001b3u;
	return h;
}

static void sha1_start(struct sha1 *s)
{
	*s = (struct sha1) { .h = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 } };
}

static void sha1_add(struct sha1 *s, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	while (n > 0) {
		size_t at = s->n % sizeof(s->block), room = sizeof(s->block) - at,
		       take = n < room ? n : room;
		memcpy(s->block + at, p, take);
		s->n += take;
		p += take;
		n -= take;
		if (take == room)
			sha1_block(s);
	}
}

static void sha1_end(struct sha1 *s, uint8_t out[20])
{
	static const uint8_t padding[64] = { 0x80 };
	uint64_t bits = s->n * 8;
	uint8_t length[8];
	for (int i = 0; i < 8; i++)
		length[i] = (uint8_t)(bits >> (56 - 8 * i));
	sha1_add(s, padding, 1 + (119 - s->n % 64) % 64);
	sha1_add(s, length, sizeof(length));
	for (int i = 0; i < 20; i++)
		out[i] = (uint8_t)(s->h[i / 4] >> (24 - 8 * (i % 4)));
}

static uint32_t rotate(uint32_t x, int n)
{
	return x << n | x >> (32 - n);
}

static void sha1_block(struct sha1 *s)
{
	uint32_t w[80];
	for (int i = 0; i < 16; i++) {
		const uint8_t *p = s->block + 4 * i;
		w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
	}
	for (int i = 16; i < 80; i++)
		w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	uint32_t a = s->h[0], b = s->h[1], c = s->h[2], d = s->h[3], e = s->h[4];
	for (int i = 0; i < 80; i++) {
		uint32_t f, k;
		if (i < 20) {
			f = (b & c) | (~b & d);
			k = 0x5a827999;
		} else if (i < 40) {
			f = b ^ c ^ d;
			k = 0x6ed9eba1;
		} else if (i < 60) {
			f = (b & c) | (b & d) | (c & d);
			k = 0x8f1bbcdc;
		} else {
			f = b ^ c ^ d;
			k = 0xca62c1d6;
		}
		uint32_t next = rotate(a, 5) + f + e + k + w[i];
		e = d;
		d = c;
		c = rotate(b, 30);
		b = a;
		a = next;
	}
	s->h[0] += a;
	s->h[1] += b;
	s->h[2] += c;
	s->h[3] += d;
	s->h[4] += e;
}
