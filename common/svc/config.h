/* Configuration: one table (member, environment name, default, range, help, secret) that parses,
 * prints --help, redacts, refuses unknown KARWAN_* names and reads *_FILE secrets; all errors at
 * once. The strings live in the arena. Before threads start: reads the environment. */
#ifndef KW_SVC_CONFIG_H
#define KW_SVC_CONFIG_H

#include <stdbool.h>
#include <stdio.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/log.h"

enum kw_config_kind { KW_CONFIG_TEXT, KW_CONFIG_INT, KW_CONFIG_BOOL, KW_CONFIG_SECRET };

struct kw_config_key {
	const char
		*env; /* "KARWAN_BATCH_MAX"; a SECRET is read from the file named by <env>_FILE */
	enum kw_config_kind kind;
	size_t offset;        /* const char *, int64_t, bool, struct kw_bytes */
	const char *fallback; /* as text; NULL: required */
	int64_t min, max;     /* INT: value; TEXT, SECRET: bytes */
	const char *help;     /* one line, with the unit */
	const char *choices;  /* TEXT: "debug|info", SECRET: its characters; NULL: any */
};

#define KW_CONFIG_CHECK(T, m, ...) \
	(offsetof(T, m) + 0 * sizeof(char[_Generic(((T *)0)->m, __VA_ARGS__)]))
#define KW_TEXT_KEY(T, m, env, fallback, lo, hi, help)                                          \
	{                                                                                       \
		env, KW_CONFIG_TEXT, KW_CONFIG_CHECK(T, m, const char * : 1), fallback, lo, hi, \
			help, NULL                                                              \
	}
#define KW_CHOICE_KEY(T, m, env, fallback, choices, help)                                      \
	{                                                                                      \
		env, KW_CONFIG_TEXT, KW_CONFIG_CHECK(T, m, const char * : 1), fallback, 1, 64, \
			help, choices                                                          \
	}
#define KW_INT_KEY(T, m, env, fallback, lo, hi, help)                                           \
	{                                                                                       \
		env, KW_CONFIG_INT, KW_CONFIG_CHECK(T, m, int64_t : 1), fallback, lo, hi, help, \
			NULL                                                                    \
	}
#define KW_BOOL_KEY(T, m, env, fallback, help)                                                   \
	{                                                                                        \
		env, KW_CONFIG_BOOL, KW_CONFIG_CHECK(T, m, bool : 1), fallback, 0, 0, help, NULL \
	}
#define KW_SECRET_KEY(T, m, env, lo, hi, help)                                                   \
	{                                                                                        \
		env, KW_CONFIG_SECRET, KW_CONFIG_CHECK(T, m, struct kw_bytes : 1), NULL, lo, hi, \
			help, NULL                                                               \
	}
/* Of n hex digits. */
#define KW_HEX_SECRET_KEY(T, m, env, n, help)                                                  \
	{                                                                                      \
		env, KW_CONFIG_SECRET, KW_CONFIG_CHECK(T, m, struct kw_bytes : 1), NULL, n, n, \
			help, "0123456789abcdefABCDEF"                                         \
	}

/* tables: NULL-terminated list of { 0 }-terminated tables with the structs that they fill. Writes
 * every error to `errors` (one line each) and returns INVALID if there was one: the caller exits
 * 78; RETRY where a secret cannot be read now. */
enum kw_rc kw_config_load(const struct kw_config_key *const *tables, void *const *structs,
	struct kw_arena *a, FILE *errors);
void kw_config_help(const struct kw_config_key *const *tables, FILE *out);
/* What was loaded, as fields of a line of the log; secrets and the passwords of URIs are "***". */
const struct kw_log_field *kw_config_show(
	const struct kw_config_key *const *tables, void *const *structs, struct kw_arena *a);
/* Names that `./karwan env` prints: known to every program. */
extern const char *const kw_config_known[];

#endif
