/* The list of exceptions, a page at a time. */
#include "svc/exceptions.h"

#include <inttypes.h>

enum kw_rc kw_exceptions_read(struct kw_pg *pg, struct kw_arena *a,
	const struct kw_exception_form *form, const struct kw_exception_asked *asked,
	struct kw_exception **ret, size_t *ret_n, struct kw_err *err)
{
	static const struct kw_stmt stmt = {
		"SELECT exception_id, kind, state, version, owner, reason, order_id, payment_id, "
		"parcel_id, channel, external_id, courier, entity_kind, entity_id, source_version, "
		"field, expected, expected_currency, received, received_currency, occurrences, "
		"opened_at, changed_at, resolution, resolved_by, note FROM exception_list "
		"WHERE ($1::text IS NULL OR kind = $1) AND ($2::text IS NULL OR state = $2) "
		"AND (opened_at, exception_id) > ($3::timestamptz, $4::uuid) "
		"ORDER BY opened_at, exception_id LIMIT $5::bigint"
	};
	/* a time of 0 is NULL to the arguments: the first microsecond stands for the beginning */
	static const struct kw_uuid first = { "00000000-0000-0000-0000-000000000000" };
	struct kw_args args = kw_args_of(a);

	kw_args_text(&args, asked->kind);
	kw_args_text(&args, asked->state);
	kw_args_time(&args, asked->after_time ? asked->after_time : 1);
	kw_args_uuid(&args, asked->after_id.s[0] ? &asked->after_id : &first);
	kw_args_i64(&args, asked->limit);
	return kw_pg_fetch(pg, &stmt, &args, form->cols, sizeof(**ret), ret, ret_n, err);
}

struct list {
	struct kw_arena *arena;
	const struct kw_exception_form *form;
	struct kw_exception_asked asked;
	struct kw_exception *rows;
	size_t n;
};

static enum kw_rc read_list(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	struct list *list = ctx;

	return kw_exceptions_read(
		pg, list->arena, list->form, &list->asked, &list->rows, &list->n, err);
}

enum kw_rc kw_svc_exceptions(struct kw_request *rq, struct kw_response *rs,
	const struct kw_exception_form *form, struct kw_err *err)
{
	struct list list = { .arena = rq->arena, .form = form };
	struct kw_exception_page page = { 0 };
	int kind, state;

	KW_TRY(kw_request_name(rq, "kind", &kind, err));
	KW_TRY(kw_request_name(rq, "state", &state, err));
	list.asked.kind = kw_strtab_name(form->kinds, kind);
	list.asked.state = kw_strtab_name(form->states, state);
	KW_TRY(kw_svc_cursor(rq, &list.asked.after_time, &list.asked.after_id, err));
	list.asked.limit = KW_EXCEPTIONS_PAGE + 1; /* one more: is there another page? */
	KW_TRY(kw_svc_read(rq, read_list, &list, err));
	page.exceptions = list.rows;
	page.n_exceptions = list.n;
	if (list.n > KW_EXCEPTIONS_PAGE) {
		const struct kw_exception *last = &list.rows[KW_EXCEPTIONS_PAGE - 1];
		page.n_exceptions = KW_EXCEPTIONS_PAGE;
		page.next_cursor =
			kw_svc_cursor_text(rq->arena, last->opened_at, &last->exception_id);
	}
	return kw_svc_reply(rq, rs, form->page, &page, err);
}
