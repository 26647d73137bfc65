/* Configuration from the environment, by one table: parse, refuse, help, show. */
#include "svc/config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"

#define PREFIX "KARWAN_"
#define NAME_WIDTH 34

extern char **environ;

const char *const kw_config_known[] = {
	"KARWAN_LISTING_URL",
	"KARWAN_ROUTING_URL",
	"KARWAN_PAYMENT_URL",
	"KARWAN_DISPATCH_URL",
	"KARWAN_KAFKA_BROKERS",
	"KARWAN_POSTGRES_DSN",
	"KARWAN_REDIS_URL",
	"KARWAN_PARTNERS_FILE",
	NULL,
};

struct load {
	struct kw_arena *arena;
	FILE *errors;
	enum kw_rc rc;
};

static void load_key(struct load *l, const struct kw_config_key *key, void *into);
static void load_secret(struct load *l, const struct kw_config_key *key, struct kw_bytes *into);
static void load_text(
	struct load *l, const struct kw_config_key *key, const char *text, char *into);
static void refuse_unknown(struct load *l, const struct kw_config_key *const *tables);
static void complain(struct load *l, const char *fmt, ...) KW_PRINTF(2, 3);
static void secret_name(const struct kw_config_key *key, char *out, size_t size);

enum kw_rc kw_config_load(const struct kw_config_key *const *tables, void *const *structs,
	struct kw_arena *a, FILE *errors)
{
	struct load l = { a, errors, KW_OK };

	for (size_t t = 0; tables[t]; t++)
		for (const struct kw_config_key *key = tables[t]; key->env; key++)
			load_key(&l, key, (char *)structs[t] + key->offset);
	refuse_unknown(&l, tables);
	return l.rc;
}

static void load_key(struct load *l, const struct kw_config_key *key, void *into)
{
	const char *text = getenv(key->env);
	char *end;

	if (key->kind == KW_CONFIG_SECRET) {
		load_secret(l, key, into);
		return;
	}
	if (!text)
		text = key->fallback;
	if (!text) {
		complain(l, "%s: required (%s)", key->env, key->help);
		return;
	}
	switch (key->kind) {
	case KW_CONFIG_INT:
		errno = 0;
		long long value = strtoll(text, &end, 10);
		/* strtoll would take blanks and a plus sign */
		if (!strchr("-0123456789", text[0]) || !text[0] || *end || errno)
			complain(l, "%s: not a whole number", key->env);
		else if (value < key->min || value > key->max)
			complain(l, "%s: %lld is not between %" PRId64 " and %" PRId64, key->env,
				value, key->min, key->max);
		else
			*(int64_t *)into = value;
		break;
	case KW_CONFIG_BOOL:
		if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
			complain(l, "%s: neither true nor false", key->env);
		else
			*(bool *)into = text[0] == 't';
		break;
	default:
		load_text(l, key, text, into);
	}
}

static bool is_choice(const char *choices, const char *text)
{
	size_t n = strlen(text);

	for (const char *at = choices; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL)
		if (strncmp(at, text, n) == 0 && (at[n] == '|' || at[n] == '\0'))
			return true;
	return false;
}

static void load_text(struct load *l, const struct kw_config_key *key, const char *text, char *into)
{
	size_t n = strlen(text);
	const char *copy;

	if (n < (size_t)key->min || n > (size_t)key->max) {
		complain(l, "%s: %zu bytes, not between %" PRId64 " and %" PRId64, key->env, n,
			key->min, key->max);
		return;
	}
	if (key->choices && !is_choice(key->choices, text)) {
		complain(l, "%s: not one of %s", key->env, key->choices);
		return;
	}
	copy = kw_arena_str(l->arena, text);
	memcpy(into, &copy, sizeof(copy));
}

static bool is_of(const char *characters, const struct kw_bytes *text)
{
	for (size_t i = 0; i < text->n; i++)
		if (!memchr(characters, ((const char *)text->p)[i], strlen(characters)))
			return false;
	return true;
}

static void load_secret(struct load *l, const struct kw_config_key *key, struct kw_bytes *into)
{
	char name[128];
	enum kw_rc rc = KW_OK;
	struct kw_err err;

	secret_name(key, name, sizeof(name));
	const char *path = getenv(name);
	if (!path || !path[0])
		complain(l, "%s: required (%s)", name, key->help);
	else if ((rc = kw_secret_read(path, l->arena, into, &err)) != KW_OK)
		complain(l, "%s: %s", name, err.reason);
	else if (into->n < (size_t)key->min || into->n > (size_t)key->max)
		complain(l, "%s: a secret of %zu bytes, not between %" PRId64 " and %" PRId64, name,
			into->n, key->min, key->max);
	else if (key->choices && !is_of(key->choices, into))
		complain(l, "%s: a secret with other characters than %s", name, key->choices);
	if (rc == KW_RETRY)
		l->rc = rc;
}

static bool is_known(const struct kw_config_key *const *tables, const char *name, size_t n)
{
	char of_key[128];

	for (size_t i = 0; kw_config_known[i]; i++)
		if (strlen(kw_config_known[i]) == n && strncmp(kw_config_known[i], name, n) == 0)
			return true;
	for (size_t t = 0; tables[t]; t++)
		for (const struct kw_config_key *key = tables[t]; key->env; key++) {
			secret_name(key, of_key, sizeof(of_key));
			if (strlen(of_key) == n && strncmp(of_key, name, n) == 0)
				return true;
		}
	return false;
}

static void refuse_unknown(struct load *l, const struct kw_config_key *const *tables)
{
	for (char **entry = environ; entry && *entry; entry++) {
		size_t n = strcspn(*entry, "=");
		if (strncmp(*entry, PREFIX, strlen(PREFIX)) == 0 && !is_known(tables, *entry, n))
			complain(l, "%.*s: no such setting (see --help)", (int)n, *entry);
	}
}

static void complain(struct load *l, const char *fmt, ...)
{
	va_list args;

	if (l->rc == KW_OK)
		l->rc = KW_INVALID;
	va_start(args, fmt);
	vfprintf(l->errors, fmt, args);
	va_end(args);
	fputc('\n', l->errors);
}

/* The name in the environment; a secret's value is never there itself. */
static void secret_name(const struct kw_config_key *key, char *out, size_t size)
{
	bool secret = key->kind == KW_CONFIG_SECRET;
	int n = snprintf(out, size, "%s%s", key->env, secret ? "_FILE" : "");

	kw_assert(n > 0 && (size_t)n < size);
}

static void help_length(const struct kw_config_key *key, FILE *out)
{
	fprintf(out, "%s of %" PRId64,
		key->kind == KW_CONFIG_SECRET ? "name of a file with a line" : "text", key->min);
	if (key->max > key->min)
		fprintf(out, " to %" PRId64, key->max);
	fprintf(out, " bytes");
}

void kw_config_help(const struct kw_config_key *const *tables, FILE *out)
{
	char name[128];

	for (size_t t = 0; tables[t]; t++)
		for (const struct kw_config_key *key = tables[t]; key->env; key++) {
			secret_name(key, name, sizeof(name));
			fprintf(out, "  %-*s %s\n  %-*s ", NAME_WIDTH, name, key->help, NAME_WIDTH,
				"");
			if (key->kind == KW_CONFIG_INT)
				fprintf(out, "%" PRId64 " to %" PRId64, key->min, key->max);
			else if (key->kind == KW_CONFIG_BOOL)
				fprintf(out, "true or false");
			else if (key->kind == KW_CONFIG_TEXT && key->choices)
				fprintf(out, "%s", key->choices);
			else
				help_length(key, out);
			if (!key->fallback)
				fprintf(out, ", required\n");
			else
				fprintf(out, ", default %s\n",
					key->fallback[0] ? key->fallback : "empty");
		}
}

/* Without the password of user:password@ or password=… */
static const char *redacted(const char *text, struct kw_arena *a)
{
	static const char argument[] = "password=";
	KW_CLEANUP(kw_buf_done) struct kw_buf shown;
	const char *user = strstr(text, "://"), *colon = NULL, *at = NULL;

	kw_buf_init(&shown, 64 * 1024);
	if (user) {
		const char *end = user + 3 + strcspn(user + 3, "/?");
		for (const char *p = user + 3; p < end; p++)
			if (*p == '@')
				at = p;
		for (const char *p = user + 3; at && p < at && !colon; p++)
			if (*p == ':')
				colon = p;
	}
	for (const char *p = text; *p; p++) {
		if (colon && p > colon && p < at) {
			kw_buf_str(&shown, "***");
			p = at;
		}
		kw_buf_char(&shown, *p);
		if (strncmp(p, argument, strlen(argument)) == 0) {
			kw_buf_str(&shown, argument + 1);
			kw_buf_str(&shown, "***");
			p += strcspn(p, "& ") - 1;
		}
	}
	return kw_arena_str(a, shown.p ? shown.p : "");
}

const struct kw_log_field *kw_config_show(
	const struct kw_config_key *const *tables, void *const *structs, struct kw_arena *a)
{
	struct kw_log_field *fields;
	size_t n = 0;

	for (size_t t = 0; tables[t]; t++)
		for (const struct kw_config_key *key = tables[t]; key->env; key++)
			n++;
	fields = kw_new(a, struct kw_log_field, n + 1); /* the last ends the list */
	n = 0;
	for (size_t t = 0; tables[t]; t++)
		for (const struct kw_config_key *key = tables[t]; key->env; key++) {
			const void *at = (const char *)structs[t] + key->offset;
			struct kw_log_field *field = &fields[n++];

			field->name = key->env;
			if (key->kind == KW_CONFIG_INT)
				field->number = *(const int64_t *)at;
			else if (key->kind == KW_CONFIG_BOOL)
				field->text = *(const bool *)at ? "true" : "false";
			else if (key->kind == KW_CONFIG_SECRET)
				field->text = "***";
			else
				field->text = redacted(*(const char *const *)at, a);
		}
	return fields;
}
