#include "files.h"

#include <stdlib.h>
#include <string.h>

void files_init(struct files *files, struct kw_arena *a, size_t n)
{
	*files = (struct files) { .arena = a };
	files->outcomes = kw_new(a, struct import_outcome, n);
	files->problems = kw_new(a, struct import_problem, 2 * n);
}

/* Rows of one request come side by side. */
static struct import_outcome *outcome_of(struct files *files, const struct origin *origin)
{
	struct import_outcome *o = files->outcomes;

	if (files->n_outcomes > 0 && strcmp(o[files->last].request_id.s, origin->request_id.s) == 0)
		return &o[files->last];
	for (files->last = 0; files->last < files->n_outcomes; files->last++)
		if (strcmp(o[files->last].request_id.s, origin->request_id.s) == 0)
			return &o[files->last];
	files->n_outcomes++;
	o[files->last] = (struct import_outcome) { .request_id = origin->request_id,
		.import_id = origin->import_id };
	return &o[files->last];
}

void files_count(struct files *files, const struct origin *origin, enum put_verdict verdict)
{
	if (!origin)
		return;
	struct import_outcome *o = outcome_of(files, origin);
	switch (verdict) {
	case PUT_NEW:
		o->changed++;
		break;
	case PUT_REPEAT:
		o->same++;
		break;
	case PUT_STALE:
		o->stale++;
		break;
	case PUT_CONFLICT:
	case PUT_REFUSED:
		o->set_aside++;
		break;
	}
}

void files_problem(
	struct files *files, const struct origin *origin, const char *pointer, const char *reason)
{
	if (origin)
		files->problems[files->n_problems++] = (struct import_problem) { origin->request_id,
			origin->import_id, origin->line, pointer, reason };
}

static int by_request(const void *a, const void *b)
{
	return strcmp(((const struct import_outcome *)a)->request_id.s,
		((const struct import_outcome *)b)->request_id.s);
}

enum kw_rc files_write(struct files *files, struct kw_batch *b, struct kw_err *err)
{
	qsort(files->outcomes, files->n_outcomes, sizeof(*files->outcomes), by_request);
	KW_TRY(store_add_outcomes(b, files->outcomes, files->n_outcomes, err));
	return store_add_problems(b, files->problems, files->n_problems, err);
}

/* ---- a map of texts ---- */

struct text_slot {
	const char *text; /* NULL: free */
	const void *value;
};

struct text_map text_map_new(struct kw_arena *a, size_t n)
{
	size_t size = 16;

	while (size < 2 * n)
		size *= 2;
	return (struct text_map) { kw_new(a, struct text_slot, size), size - 1 };
}

static struct text_slot *find_slot(const struct text_map *map, const char *text)
{
	size_t at = (size_t)kw_hash64(text, strlen(text), 0) & map->mask;

	while (map->slots[at].text && strcmp(map->slots[at].text, text) != 0)
		at = (at + 1) & map->mask;
	return &map->slots[at];
}

void text_map_put(struct text_map *map, const char *text, const void *value)
{
	*find_slot(map, text) = (struct text_slot) { text, value };
}

void *text_map_get(const struct text_map *map, const char *text)
{
	union {
		const void *in;
		void *out;
	} value = { find_slot(map, text)->value };

	return value.out;
}
