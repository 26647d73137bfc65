/* A border is a const table of field rows: it decodes JSON to plain C structs, encodes them, and is
 * compared with the JSON Schema. Tables are const; decoded values live in the arena that is handed
 * in. Any thread.
 *
 * Input ignores unknown members. For an optional field, absent, null and (for texts) "" all mean
 * "no value". A struct must be zero where there is no value: NULL text or object, zero count. So an
 * optional member that is 0, false, the first name of an enum or an empty array is not written, and
 * one that must tell 0 from nothing is required. A required text, money, time, UUID or object
 * without a value is our bug: writing it aborts. Bounds of numbers and lengths (bytes of UTF-8) are
 * inclusive. A text holds no NUL, no control characters but tab and newline. */
#ifndef KW_JSON_FIELD_H
#define KW_JSON_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/clock.h"
#include "core/id.h"
#include "core/money.h"
#include "core/strtab.h"

enum kw_kind {
	KW_KIND_END = 0,
	KW_KIND_STR,    /* const char *                                  string            */
	KW_KIND_ID,     /* const char *: a string or an integer, as characters (ids from outside) */
	KW_KIND_BOOL,   /* bool                                          boolean           */
	KW_KIND_I64,    /* int64_t                                       integer           */
	KW_KIND_MONEY,  /* struct kw_money        {"amount": "12.50", "currency": "PKR"}   */
	KW_KIND_TIME,   /* kw_time                RFC 3339 string                          */
	KW_KIND_UUID,   /* struct kw_uuid         string                                   */
	KW_KIND_ENUM,   /* int                    string of the table's names              */
	KW_KIND_OBJECT, /* struct T *             object                                   */
	KW_KIND_ARRAY,  /* struct T *, size_t n_… array of objects                         */
	KW_KIND_STRS,   /* const char **, size_t  array of strings                         */
};

#define KW_REQUIRED 1u
#define KW_OPTIONAL 0u

struct kw_field {
	const char *name;
	enum kw_kind kind;
	unsigned flags;
	size_t offset;
	size_t count_offset;           /* ARRAY, STRS: of the size_t */
	int64_t min, max;              /* I64: values; STR, ID: bytes; ARRAY, STRS: elements */
	const struct kw_field *fields; /* OBJECT, ARRAY */
	size_t size;                   /* OBJECT, ARRAY: sizeof the element */
	const struct kw_strtab *names; /* ENUM */
};

/* Compile-time check that member m of T has type X: a constant 0. */
#define KW_MEMBER(T, m, ...) (offsetof(T, m) + 0 * sizeof(char[_Generic(((T *)0)->m, __VA_ARGS__)]))

/* The plain forms take the member's name; the _AS forms another JSON name. */
#define KW_STR_AS(T, m, as, f, lo, hi)                                                     \
	{                                                                                  \
		.name = (as), .kind = KW_KIND_STR, .flags = (f), .min = (lo), .max = (hi), \
		.offset = KW_MEMBER(T, m, const char * : 1, char * : 1)                    \
	}
#define KW_ID_AS(T, m, as, f, lo, hi)                                                     \
	{                                                                                 \
		.name = (as), .kind = KW_KIND_ID, .flags = (f), .min = (lo), .max = (hi), \
		.offset = KW_MEMBER(T, m, const char * : 1, char * : 1)                   \
	}
#define KW_BOOL_AS(T, m, as, f)                                   \
	{                                                         \
		.name = (as), .kind = KW_KIND_BOOL, .flags = (f), \
		.offset = KW_MEMBER(T, m, bool : 1)               \
	}
#define KW_I64_AS(T, m, as, f, lo, hi)                                                     \
	{                                                                                  \
		.name = (as), .kind = KW_KIND_I64, .flags = (f), .min = (lo), .max = (hi), \
		.offset = KW_MEMBER(T, m, int64_t : 1)                                     \
	}
#define KW_MONEY_AS(T, m, as, f)                                   \
	{                                                          \
		.name = (as), .kind = KW_KIND_MONEY, .flags = (f), \
		.offset = KW_MEMBER(T, m, struct kw_money : 1)     \
	}
#define KW_TIME_AS(T, m, as, f)                                   \
	{                                                         \
		.name = (as), .kind = KW_KIND_TIME, .flags = (f), \
		.offset = KW_MEMBER(T, m, kw_time : 1)            \
	}
#define KW_UUID_AS(T, m, as, f)                                   \
	{                                                         \
		.name = (as), .kind = KW_KIND_UUID, .flags = (f), \
		.offset = KW_MEMBER(T, m, struct kw_uuid : 1)     \
	}
#define KW_ENUM_AS(T, m, as, f, tab)                                              \
	{                                                                         \
		.name = (as), .kind = KW_KIND_ENUM, .flags = (f), .names = (tab), \
		.offset = KW_MEMBER(T, m, int : 1)                                \
	}
#define KW_OBJECT_AS(T, m, as, f, S, sub)                                            \
	{                                                                            \
		.name = (as), .kind = KW_KIND_OBJECT, .flags = (f), .fields = (sub), \
		.size = sizeof(S), .offset = KW_MEMBER(T, m, S * : 1, const S * : 1) \
	}
#define KW_ARRAY_AS(T, m, n_m, as, f, S, sub, lo, hi)                               \
	{                                                                           \
		.name = (as), .kind = KW_KIND_ARRAY, .flags = (f), .fields = (sub), \
		.size = sizeof(S), .min = (lo), .max = (hi),                        \
		.offset = KW_MEMBER(T, m, S * : 1, const S * : 1),                  \
		.count_offset = KW_MEMBER(T, n_m, size_t : 1)                       \
	}
/* Array of strings of 1 to 200 bytes. */
#define KW_STRS_AS(T, m, n_m, as, f, lo, hi)                                                \
	{                                                                                   \
		.name = (as), .kind = KW_KIND_STRS, .flags = (f), .min = (lo), .max = (hi), \
		.offset = KW_MEMBER(T, m, const char ** : 1),                               \
		.count_offset = KW_MEMBER(T, n_m, size_t : 1)                               \
	}

#define KW_STR(T, m, f, lo, hi) KW_STR_AS(T, m, #m, f, lo, hi)
#define KW_ID(T, m, f, lo, hi) KW_ID_AS(T, m, #m, f, lo, hi)
#define KW_BOOL(T, m, f) KW_BOOL_AS(T, m, #m, f)
#define KW_I64(T, m, f, lo, hi) KW_I64_AS(T, m, #m, f, lo, hi)
#define KW_MONEY(T, m, f) KW_MONEY_AS(T, m, #m, f)
#define KW_TIME(T, m, f) KW_TIME_AS(T, m, #m, f)
#define KW_UUID(T, m, f) KW_UUID_AS(T, m, #m, f)
#define KW_ENUM(T, m, f, tab) KW_ENUM_AS(T, m, #m, f, tab)
#define KW_OBJECT(T, m, f, S, sub) KW_OBJECT_AS(T, m, #m, f, S, sub)
#define KW_ARRAY(T, m, f, S, sub, lo, hi) KW_ARRAY_AS(T, m, n_##m, #m, f, S, sub, lo, hi)
#define KW_STRS(T, m, f, lo, hi) KW_STRS_AS(T, m, n_##m, #m, f, lo, hi)
#define KW_END    \
	{         \
		0 \
	}

#endif
