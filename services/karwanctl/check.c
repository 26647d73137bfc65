/* check: runs all checks, prints what drifts; exit 1 when something does, or when there was nothing
 * to see. */
#include "check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "json/json.h"

static const struct {
	const char *name;
	enum kw_rc (*run)(struct findings *f, struct kw_err *err);
} checks[] = {
	{ "settled", check_settled },
	{ "journals", check_journals },
	{ "tables", check_drift_views },
	{ "topics", check_topics },
	{ "outcomes", check_outcomes },
	{ "between services", check_between },
	{ "attempts", check_attempts },
};

void check_drift(struct findings *f, const char *rule, const char *entity, const char *part,
	const char *should, const char *is)
{
	struct drift *drift = kw_new(f->ctl->arena, struct drift, 1);

	*drift = (struct drift) { kw_arena_str(f->ctl->arena, rule),
		kw_arena_str(f->ctl->arena, entity), kw_arena_str(f->ctl->arena, part),
		kw_arena_str(f->ctl->arena, should), kw_arena_str(f->ctl->arena, is), NULL };
	*f->last = drift;
	f->last = &drift->next;
	f->n++;
}

void check_skip(struct findings *f, const char *what)
{
	kw_assert(f->n_skipped < KW_LEN(f->skipped));
	f->skipped[f->n_skipped++] = kw_arena_str(f->ctl->arena, what);
}

static void print_json(const struct findings *f, const char *verdict)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf out;

	kw_buf_init(&out, 64 * 1024 * 1024);
	kw_buf_printf(&out,
		"{\"check\":\"%s\",\"seen\":%" PRId64 ",\"behind\":%" PRId64 ",\"drift\":[",
		verdict, f->rows, f->behind);
	for (const struct drift *d = f->first; d; d = d->next) {
		const char *const parts[] = { d->rule, d->entity, d->part, d->should, d->is };
		static const char *const names[] = { "rule", "entity", "part", "should", "is" };

		kw_buf_str(&out, d == f->first ? "{" : ",{");
		for (size_t i = 0; i < KW_LEN(parts); i++) {
			kw_buf_printf(&out, "%s\"%s\":", i ? "," : "", names[i]);
			kw_buf_json_str(&out, parts[i] ? parts[i] : "");
		}
		kw_buf_char(&out, '}');
	}
	kw_buf_str(&out, "],\"not_verified\":[");
	for (size_t i = 0; i < f->n_skipped; i++) {
		kw_buf_str(&out, i ? "," : "");
		kw_buf_json_str(&out, f->skipped[i]);
	}
	kw_buf_str(&out, "]}");
	printf("%s\n", out.p);
}

int ctl_check(struct ctl *ctl)
{
	struct findings f = { .ctl = ctl, .last = &f.first };
	struct kw_err err = { 0 };
	const char *verdict;

	if (ctl_topics(ctl, &f.topics, &err) != KW_OK)
		return ctl_failed("topics", &err);
	for (size_t i = 0; i < KW_LEN(checks); i++)
		if (checks[i].run(&f, &err) != KW_OK)
			return ctl_failed(checks[i].name, &err);
	if (f.rows == 0)
		check_drift(&f, "SAW_NOTHING", "system", "rows", "1", "0");
	verdict = f.n == 0 ? "clean"
			   : kw_arena_printf(ctl->arena, "%zu drift, first %s %s", f.n,
				     f.first->rule, f.first->entity);
	if (ctl->json) {
		print_json(&f, verdict);
		return f.n == 0 ? CTL_OK : CTL_FOUND;
	}
	for (const struct drift *d = f.first; d; d = d->next)
		printf("DRIFT %s %s %s: should be %s, is %s\n", d->rule, d->entity, d->part,
			d->should, d->is);
	for (size_t i = 0; i < f.n_skipped; i++)
		printf("not verified: %s\n", f.skipped[i]);
	printf("%" PRId64 " rows and records seen, %" PRId64 " on their way, %s\n", f.rows,
		f.behind, verdict);
	return f.n == 0 ? CTL_OK : CTL_FOUND;
}
