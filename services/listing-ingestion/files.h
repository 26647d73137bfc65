/* What a batch of puts comes to for the files that they are from: outcomes and problems by request
 * of an import. And a map of texts. All in the batch's arena. */
#ifndef LISTING_FILES_H
#define LISTING_FILES_H

#include "rules.h"
#include "store.h"

struct files {
	struct kw_arena *arena;
	struct import_outcome *outcomes;
	struct import_problem *problems;
	size_t n_outcomes, n_problems, last;
};

/* For n puts. */
void files_init(struct files *files, struct kw_arena *a, size_t n);
/* origin NULL: of no file, nothing is counted. */
void files_count(struct files *files, const struct origin *origin, enum put_verdict verdict);
void files_problem(
	struct files *files, const struct origin *origin, const char *pointer, const char *reason);
enum kw_rc files_write(struct files *files, struct kw_batch *b, struct kw_err *err);

/* From texts to whatever; for at most n texts. */
struct text_map {
	struct text_slot *slots;
	size_t mask;
};
struct text_map text_map_new(struct kw_arena *a, size_t n);
void text_map_put(struct text_map *map, const char *text, const void *value);
/* NULL: not there. */
void *text_map_get(const struct text_map *map, const char *text);

#endif
