/* Every signature scheme, compared with a plain reading of its rule: the first line is the header's
 * text ("@b" and "@h" in it stand for the right code, in base64 and in hex), the second the id, the
 * third the time, the rest the body. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "adapters/adapter.h"
#include "fuzz.h"
#include "http/signature.h"

#define NOW_S 1772445600
#define SECRET "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
#define KEY "0123456789abcdef01234567" /* what it is the base64 of */

static const struct kw_secrets secrets = {
	.keys = { { "another-secret-that-fits-nothing-at-all=", 8 },
		{ SECRET, sizeof(SECRET) - 1 } },
	.n = 2
};
static const struct kw_secrets standard_secrets = { .keys = { { SECRET, sizeof(SECRET) - 1 } },
	.n = 1 };

struct attempt {
	const char *header, *id, *time;
	struct kw_bytes body;
	struct kw_arena *arena;
};

struct code {
	const char *base64, *hex;
};

static struct kw_bytes bytes_of(const char *text)
{
	return (struct kw_bytes) { text, strlen(text) };
}

static struct code code_of(
	struct kw_arena *a, const char *key, const struct kw_bytes *parts, size_t n)
{
	uint8_t mac[KW_SHA256_SIZE];

	kw_hmac_sha256(bytes_of(key), parts, n, mac);
	struct kw_bytes bytes = { mac, sizeof(mac) };
	return (struct code) { kw_base64(a, bytes), kw_hex(a, bytes) };
}

/* The header with the code where it asks for it. */
static const char *filled(struct kw_arena *a, const char *header, const struct code *code)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf text;

	kw_buf_init(&text, 1 << 20);
	kw_buf_str(&text, "");
	for (const char *p = header; *p; p++) {
		if (p[0] == '@' && (p[1] == 'b' || p[1] == 'h'))
			kw_buf_str(&text, *++p == 'b' ? code->base64 : code->hex);
		else
			kw_buf_char(&text, *p);
	}
	return kw_arena_strn(a, text.n ? text.p : "", text.n);
}

static void check(const char *scheme, enum kw_rc rc, bool good, const char *header)
{
	FUZZ_CHECK(rc == (good ? KW_OK : KW_INVALID), "%s %s: %s", scheme, kw_rc_name(rc), header);
}

/* 1 to 12 digits; -1: none. */
static int64_t seconds_of(const char *text)
{
	size_t n = strlen(text);

	return n >= 1 && n <= 12 && strspn(text, "0123456789") == n ? strtoll(text, NULL, 10) : -1;
}

static void check_body_macs(const struct attempt *t)
{
	static const struct kw_body_mac hex = { "X-Hmac-Signature", "hmac-sha256-hex=", true };
	struct code code = code_of(t->arena, SECRET, &t->body, 1);
	const char *header = filled(t->arena, t->header, &code);
	bool is_hex =
		strncmp(header, hex.prefix, 16) == 0 && strcasecmp(header + 16, code.hex) == 0;
	struct kw_err err = { 0 };

	check("shopify", kw_verify_shopify(&secrets, header, t->body, &err),
		strcmp(header, code.base64) == 0, header);
	check("hex", kw_verify_body_mac(&hex, &secrets, header, t->body, &err), is_hex, header);
	/* aggregators' own secrets are the same text */
	for (const struct kw_adapter *row = dispatch_adapters; row->name; row++) {
		const struct courier_adapter *adapter = row->more;
		if (adapter->verify)
			check(row->name, adapter->verify(t->arena, &secrets, header, t->body, &err),
				strcmp(row->name, "easypost") == 0
					? is_hex
					: strcmp(header, code.base64) == 0,
				header);
	}
	check("bearer", kw_verify_bearer(&secrets, header, &err),
		strncasecmp(header, "Bearer ", 7) == 0 &&
			(strcmp(header + 7, SECRET) == 0 || strcmp(header + 7, "another-") == 0),
		header);
}

/* A token of a list, up to one of its separators. */
static const char *next_token(struct kw_arena *a, const char **at, char separator)
{
	const char *end = strchr(*at, separator);
	size_t n = end ? (size_t)(end - *at) : strlen(*at);
	const char *token = kw_arena_strn(a, *at, n);

	*at += n + (end != NULL);
	return token;
}

static void check_standard(const struct attempt *t)
{
	const struct kw_bytes parts[] = { bytes_of(t->id), { ".", 1 }, bytes_of(t->time),
		{ ".", 1 }, t->body };
	struct code code = code_of(t->arena, KEY, parts, KW_LEN(parts));
	const char *header = filled(t->arena, t->header, &code), *at = header;
	int64_t seconds = seconds_of(t->time);
	struct kw_err err = { 0 };
	bool good = false;

	while (*at) {
		const char *token = next_token(t->arena, &at, ' ');
		good |= strncmp(token, "v1,", 3) == 0 && strcmp(token + 3, code.base64) == 0;
	}
	good = good && *t->id && strlen(t->id) <= 256 && !strchr(t->id, '.') && seconds >= 0 &&
	       llabs(NOW_S - seconds) <= 300;
	check("standard",
		kw_verify_standard_webhook(&standard_secrets, t->id, t->time, header, t->body,
			NOW_S * KW_US_PER_S, &err),
		good, header);
}

static void check_stripe(const struct attempt *t)
{
	const struct kw_bytes parts[] = { bytes_of(t->time), { ".", 1 }, t->body };
	struct code code = code_of(t->arena, SECRET, parts, KW_LEN(parts));
	const char *header = filled(t->arena, t->header, &code), *at = header, *time = NULL;
	struct kw_err err = { 0 };
	bool good = true, signature = false;

	while (*at) {
		const char *token = next_token(t->arena, &at, ',');
		good = good && strchr(token, '=');
		if (strncmp(token, "t=", 2) == 0 && token[2]) {
			good = good && !time;
			time = token + 2;
		}
	}
	good = good && time && seconds_of(time) >= 0 && NOW_S - seconds_of(time) <= 300;
	if (good && strcmp(time, t->time) != 0) {
		/* signed with its own time, whatever the third line says */
		const struct kw_bytes own[] = { bytes_of(time), { ".", 1 }, t->body };
		code = code_of(t->arena, SECRET, own, KW_LEN(own));
	}
	for (at = header; *at;) {
		const char *token = next_token(t->arena, &at, ',');
		signature |= strncmp(token, "v1=", 3) == 0 && strcasecmp(token + 3, code.hex) == 0;
	}
	check("stripe", kw_verify_stripe(&secrets, header, t->body, NOW_S * KW_US_PER_S, &err),
		good && signature, header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct attempt t = { .arena = fuzz_arena(), .header = "", .id = "", .time = "" };
	const char **lines[] = { &t.header, &t.id, &t.time };
	const char *p = (const char *)data;
	size_t n = size;

	for (size_t i = 0; i < KW_LEN(lines); i++) {
		const char *newline = n > 0 ? memchr(p, '\n', n) : NULL;
		if (!newline)
			break;
		/* no header of a request holds NUL */
		*lines[i] = kw_arena_str(t.arena, kw_arena_strn(t.arena, p, (size_t)(newline - p)));
		n -= (size_t)(newline + 1 - p);
		p = newline + 1;
	}
	t.body = (struct kw_bytes) { p, n };
	check_body_macs(&t);
	check_standard(&t);
	check_stripe(&t);
	return 0;
}
