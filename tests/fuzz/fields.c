/* All messages of one service (CONTRACT, a table of its library): a document is read by the table
 * that its first line names, or by one that it happens to mean; what is read is written and read
 * again as it was, what is refused is refused at a place in it. */
#include <string.h>

#include "fuzz.h"
#include "json/contract.h"
#include "json/json.h"

extern const struct kw_contract_row CONTRACT[];

static const struct kw_contract_row *row_of(const char *type)
{
	size_t n = 0;

	for (; CONTRACT[n].type; n++)
		if (strcmp(CONTRACT[n].type, type) == 0)
			return &CONTRACT[n];
	return &CONTRACT[fuzz_seed(type, strlen(type)) % n];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kw_arena *a = fuzz_arena();
	KW_CLEANUP(fuzz_rest_done) struct fuzz_rest in = fuzz_split(a, data, size);
	const struct kw_contract_row *row = row_of(in.line ? in.line : "");
	void *message = kw_arena_alloc(a, 1, row->size);
	struct kw_err err = { 0 };

	if (kw_json_decode(row->fields, in.p, in.n, a, message, &err) == KW_OK)
		(void)fuzz_stable(row->fields, row->size, message, a);
	else
		fuzz_refused(&err, in.p, in.n);
	return 0;
}
