/* Headers and parts of imports, as their edge reported them. */
#include <stdlib.h>
#include <string.h>

#include "handlers.h"
#include "store.h"

static int by_import(const void *a, const void *b)
{
	const struct import_row *x = a, *y = b;
	int order = strcmp(x->import_id.s, y->import_id.s);

	return order                            ? order
	       : x->started_at != y->started_at ? (x->started_at < y->started_at ? -1 : 1)
						: strcmp(x->run_id.s, y->run_id.s);
}

enum kw_rc on_import_started(struct kw_batch *b, const void *in, size_t n, struct kw_err *err)
{
	const struct import_started *messages = in;
	struct import_row *rows = kw_new(b->arena, struct import_row, n);
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		rows[i] = (struct import_row) { messages[i].import_id, messages[i].run_id,
			messages[i].kind, messages[i].format, messages[i].name, messages[i].by,
			messages[i].bytes, messages[i].as_of, messages[i].started_at };
	qsort(rows, n, sizeof(*rows), by_import);
	for (size_t i = 0; i < n; i++) { /* the newest run of each */
		if (kept > 0 && strcmp(rows[kept - 1].import_id.s, rows[i].import_id.s) == 0)
			kept--;
		rows[kept++] = rows[i];
	}
	return store_start_imports(b, rows, kept, err);
}

/* A part of a run, and its place in the log. */
struct placed {
	struct import_part part;
	const struct import_reported *message;
	size_t at;
};

static int by_part(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;
	int order = strcmp(x->part.run_id.s, y->part.run_id.s);

	return order                          ? order
	       : x->part.part != y->part.part ? (x->part.part < y->part.part ? -1 : 1)
	       : x->at < y->at                ? -1
					      : x->at > y->at;
}

static struct import_problem *problems_of(
	struct kw_arena *a, const struct placed *placed, size_t n, size_t *ret_n)
{
	struct import_problem *rows;
	size_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += placed[i].message->n_problems;
	rows = kw_new(a, struct import_problem, total);
	*ret_n = total;
	total = 0;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < placed[i].message->n_problems; k++) {
			const struct problem *p = &placed[i].message->problems[k];
			rows[total++] = (struct import_problem) { placed[i].part.request_id,
				placed[i].part.import_id, p->line, p->pointer, p->reason };
		}
	return rows;
}

enum kw_rc on_import_reported(struct kw_batch *b, const void *in, size_t n, struct kw_err *err)
{
	const struct import_reported *messages = in;
	struct placed *placed = kw_new(b->arena, struct placed, n);
	struct import_part *parts = kw_new(b->arena, struct import_part, n);
	struct import_problem *problems;
	size_t kept = 0, n_problems;

	for (size_t i = 0; i < n; i++) {
		const struct import_reported *m = &messages[i];
		placed[i] = (struct placed) { { .run_id = m->run_id,
						      .import_id = m->import_id,
						      .request_id = m->request_id,
						      .part = m->part,
						      .bytes = m->bytes,
						      .rows = m->rows,
						      .appended = m->appended,
						      .refused = m->refused,
						      .last = m->last,
						      .cut = m->cut },
			m, i };
	}
	qsort(placed, n, sizeof(*placed), by_part);
	for (size_t i = 0; i < n; i++) { /* the last word on each */
		if (kept > 0 && placed[kept - 1].part.part == placed[i].part.part &&
			strcmp(placed[kept - 1].part.run_id.s, placed[i].part.run_id.s) == 0)
			kept--;
		placed[kept++] = placed[i];
	}
	for (size_t i = 0; i < kept; i++)
		parts[i] = placed[i].part;
	problems = problems_of(b->arena, placed, kept, &n_problems);
	KW_TRY(store_put_parts(b, parts, kept, err));
	return store_add_problems(b, problems, n_problems, err);
}
