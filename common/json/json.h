/* JSON text to structs and back, by field tables. The only place where jansson is used.
 * Any thread. Depth is limited to 32, duplicate members are refused. */
#ifndef KW_JSON_JSON_H
#define KW_JSON_JSON_H

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "json/field.h"

/* Once per process before threads start: seeds the hash. */
void kw_json_init(void);

/* Fills *ret (a zeroed struct of the table) from the bytes; texts are copied to the arena.
 * INVALID with a JSON pointer and a reason ("/lines/3/quantity", "0 is below 1"); code is "SYNTAX"
 * when the bytes are no JSON object at all (HTTP 400), "" when a member is at fault (422). */
enum kw_rc kw_json_decode(const struct kw_field *fields, const void *bytes, size_t n,
	struct kw_arena *a, void *ret, struct kw_err *err);

/* The same text with every number as a string of its characters that has a point or an exponent or
 * more digits than an integer of ours surely holds: for senders who write money as numbers, which
 * are read by KW_ID then. */
struct kw_bytes kw_json_quote_numbers(struct kw_arena *a, struct kw_bytes json);
/* The texts of the elements of a top level array, at most max. INVALID when it is none; the
 * elements themselves are not judged. */
enum kw_rc kw_json_elements(struct kw_bytes json, size_t max, struct kw_arena *a,
	struct kw_bytes **ret, size_t *ret_n, struct kw_err *err);

/* Appends the object; optional fields without a value are left out; in the order of the table. */
void kw_json_encode(const struct kw_field *fields, const void *in, struct kw_buf *out);

/* Compares the table with a JSON Schema 2020-12 object (the text of the file): same members, types,
 * required, bounds, enum values, nested ones too; additionalProperties must not be false. INVALID
 * names the first difference. */
enum kw_rc kw_json_same_as_schema(
	const struct kw_field *fields, const char *schema, size_t n, struct kw_err *err);
/* For a table that only reads a part: each of its members is in the schema, of the same kind,
 * required there if it is required here, and every value that the schema allows is within the
 * table's bounds and names. */
enum kw_rc kw_json_reads_schema(
	const struct kw_field *fields, const char *schema, size_t n, struct kw_err *err);
/* The JSON Schema that the table describes (members only), to begin a schema file with. */
void kw_json_schema_of(const struct kw_field *fields, struct kw_buf *out);
/* Calls fn with the JSON text of each element of the top level member "examples" of a schema. */
enum kw_rc kw_json_schema_examples(const char *schema, size_t n,
	enum kw_rc (*fn)(void *ctx, const char *json, size_t n_json, struct kw_err *err), void *ctx,
	struct kw_err *err);

#endif
