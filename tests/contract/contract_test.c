/* The messages of one service (CONTRACT, a table of its library) against
 * schemas/events/<type>.json: the field table and the schema agree, and each example of the schema
 * is read, and written again as it was.
 *
 * --print TYPE writes the schema that a table describes, to begin a file with; --list names the
 * service's messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "json/contract.h"
#include "json/json.h"

#define SCHEMA_MAX (256 * 1024)
#define ROWS_MAX 200

extern const struct kw_contract_row CONTRACT[];

static const char *const sides[] = { [KW_CONTRACT_OUT] = "out", [KW_CONTRACT_IN] = "in" };

static size_t read_schema(const char *type, char *text)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/schemas/events/%s.json", KW_SOURCE_DIR, type);
	FILE *file = fopen(path, "r");
	if (!file)
		fail_msg("there is no %s", path);
	size_t n = fread(text, 1, SCHEMA_MAX, file);
	fclose(file);
	assert_true(n > 0 && n < SCHEMA_MAX);
	return n;
}

/* Everything that we wrote of what we read is in the example, with the same value. */
static bool is_part(const json_t *ours, const json_t *example)
{
	if (json_is_array(ours)) {
		if (json_array_size(ours) != json_array_size(example))
			return false;
		for (size_t i = 0; i < json_array_size(ours); i++)
			if (!is_part(json_array_get(ours, i), json_array_get(example, i)))
				return false;
		return true;
	}
	if (!json_is_object(ours))
		return json_equal(ours, example);
	for (void *i = json_object_iter((json_t *)(uintptr_t)ours); i;
		i = json_object_iter_next((json_t *)(uintptr_t)ours, i)) {
		const json_t *theirs = json_object_get(example, json_object_iter_key(i));
		if (!theirs || !is_part(json_object_iter_value(i), theirs))
			return false;
	}
	return true;
}

static enum kw_rc check_example(void *ctx, const char *text, size_t n, struct kw_err *err)
{
	const struct kw_contract_row *row = ctx;
	KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new(16 * 1024 * 1024);
	void *message = kw_arena_alloc(a, 1, row->size);
	KW_TRY(kw_json_decode(row->fields, text, n, a, message, err));
	KW_CLEANUP(kw_buf_done) struct kw_buf out;
	kw_buf_init(&out, 1024 * 1024);
	kw_json_encode(row->fields, message, &out);
	assert_false(out.full);
	json_t *example = json_loadb(text, n, 0, NULL);
	json_t *ours = json_loadb(out.p, out.n, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(ours);
	bool good =
		row->side == KW_CONTRACT_OUT ? json_equal(ours, example) : is_part(ours, example);
	json_decref(example);
	json_decref(ours);
	if (!good)
		return kw_fail_at(err, KW_INVALID, "/examples", "%s is written as %s", text, out.p);
	return KW_OK;
}

static void test_row(void **state)
{
	const struct kw_contract_row *row = *state;
	char *text = malloc(SCHEMA_MAX);
	assert_non_null(text);
	size_t n = read_schema(row->type, text);
	struct kw_err err = { 0 };
	enum kw_rc rc = row->side == KW_CONTRACT_OUT
				? kw_json_same_as_schema(row->fields, text, n, &err)
				: kw_json_reads_schema(row->fields, text, n, &err);
	if (rc == KW_OK)
		rc = kw_json_schema_examples(text, n, check_example, (void *)(uintptr_t)row, &err);
	free(text);
	if (rc != KW_OK)
		fail_msg("%s (%s): %s %s: %s", row->type, sides[row->side], err.code, err.pointer,
			err.reason);
}

static int print_schema(const char *type)
{
	for (const struct kw_contract_row *row = CONTRACT; row->type; row++) {
		if (strcmp(row->type, type) != 0)
			continue;
		struct kw_buf out;
		kw_buf_init(&out, SCHEMA_MAX);
		kw_json_schema_of(row->fields, &out);
		printf("{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
		       "  \"title\": \"%s\",\n  \"description\": \"\",%s\n",
			type, out.p + 1);
		kw_buf_done(&out);
		return 0;
	}
	fprintf(stderr, "no table for %s here\n", type);
	return 1;
}

static int list(void)
{
	for (const struct kw_contract_row *row = CONTRACT; row->type; row++)
		printf("%s %s\n", sides[row->side], row->type);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--print") == 0)
		return print_schema(argv[2]);
	if (argc == 2 && strcmp(argv[1], "--list") == 0)
		return list();
	kw_json_init();
	static struct CMUnitTest tests[ROWS_MAX];
	size_t n = 0;
	for (const struct kw_contract_row *row = CONTRACT; row->type; row++) {
		kw_assert(n < ROWS_MAX);
		tests[n++] = (struct CMUnitTest) { row->type, test_row, NULL, NULL,
			(void *)(uintptr_t)row };
	}
	kw_assert(n > 0);
	return _cmocka_run_group_tests("contract", tests, n, NULL, NULL);
}
