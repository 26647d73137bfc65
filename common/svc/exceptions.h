/* Exceptions as they are shown: GET /v1/exceptions of every service, in one form, from the view
 * exception_list that each schema has with the same columns. How a person ends one is in
 * svc/resolution.h. Any thread. */
#ifndef KW_SVC_EXCEPTIONS_H
#define KW_SVC_EXCEPTIONS_H

#include "svc/svc.h"

/* One that is shown; the members after reason are of what it is about. */
struct kw_exception {
	struct kw_uuid exception_id;
	int kind, state; /* of the service's own names */
	int64_t version;
	const char *owner, *reason;
	struct kw_uuid order_id, payment_id, parcel_id;
	const char *channel, *external_id, *courier, *entity_kind, *entity_id;
	int64_t source_version; /* the operator's, of the entity */
	const char *field;      /* that differs */
	struct kw_money expected, received;
	int64_t occurrences; /* 0: not counted */
	kw_time opened_at, changed_at;
	const char *resolution, *resolved_by, *note;
};

struct kw_exception_page {
	const struct kw_exception *exceptions;
	size_t n_exceptions;
	const char *next_cursor;
};
#define KW_EXCEPTIONS_PAGE 100

/* What a service's names make of the form that is the same everywhere. */
struct kw_exception_form {
	const struct kw_strtab *kinds, *states;
	const struct kw_col *cols;
	const struct kw_field *page;
};

/* Defines `const struct kw_exception_form form`, and for the row of the route form_query and
 * form_answers. kinds, states: const struct kw_strtab. */
#define KW_EXCEPTION_FORM(form, of_kinds, of_states)                                               \
	static const struct kw_col form##_cols[] = { KW_EXCEPTION_COLS(&(of_kinds), &(of_states)), \
		KW_COL_END };                                                                      \
	static const struct kw_field form##_fields[] = { KW_EXCEPTION_FIELDS(                      \
		&(of_kinds), &(of_states)) };                                                      \
	static const struct kw_field form##_page_fields[] = {                                      \
		KW_ARRAY(struct kw_exception_page, exceptions, KW_REQUIRED, struct kw_exception,   \
			form##_fields, 0, KW_EXCEPTIONS_PAGE),                                     \
		KW_STR(struct kw_exception_page, next_cursor, KW_OPTIONAL, 1, 64),                 \
		KW_END,                                                                            \
	};                                                                                         \
	static const struct kw_exception_form form = { &(of_kinds), &(of_states), form##_cols,     \
		form##_page_fields };                                                              \
	static const struct kw_argument form##_query[] = { { "kind", false, &(of_kinds) },         \
		{ "state", false, &(of_states) }, { "cursor", false, NULL }, { 0 } };              \
	static const struct kw_answer form##_answers[] = { { 200, form##_page_fields, NULL },      \
		{ 0 } }

#define KW_EXCEPTION_COLS(kinds, states)                                                           \
	KW_COL_UUID(struct kw_exception, exception_id),                                            \
		KW_COL_ENUM(struct kw_exception, kind, kinds),                                     \
		KW_COL_ENUM(struct kw_exception, state, states),                                   \
		KW_COL_I64(struct kw_exception, version), KW_COL_TEXT(struct kw_exception, owner), \
		KW_COL_TEXT(struct kw_exception, reason),                                          \
		KW_COL_UUID(struct kw_exception, order_id),                                        \
		KW_COL_UUID(struct kw_exception, payment_id),                                      \
		KW_COL_UUID(struct kw_exception, parcel_id),                                       \
		KW_COL_TEXT(struct kw_exception, channel),                                         \
		KW_COL_TEXT(struct kw_exception, external_id),                                     \
		KW_COL_TEXT(struct kw_exception, courier),                                         \
		KW_COL_TEXT(struct kw_exception, entity_kind),                                     \
		KW_COL_TEXT(struct kw_exception, entity_id),                                       \
		KW_COL_I64(struct kw_exception, source_version),                                   \
		KW_COL_TEXT(struct kw_exception, field),                                           \
		KW_COL_MONEY(struct kw_exception, expected),                                       \
		KW_COL_MONEY(struct kw_exception, received),                                       \
		KW_COL_I64(struct kw_exception, occurrences),                                      \
		KW_COL_TIME(struct kw_exception, opened_at),                                       \
		KW_COL_TIME(struct kw_exception, changed_at),                                      \
		KW_COL_TEXT(struct kw_exception, resolution),                                      \
		KW_COL_TEXT(struct kw_exception, resolved_by),                                     \
		KW_COL_TEXT(struct kw_exception, note)

#define KW_EXCEPTION_FIELDS(kinds, states)                                              \
	KW_UUID(struct kw_exception, exception_id, KW_REQUIRED),                        \
		KW_ENUM(struct kw_exception, kind, KW_REQUIRED, kinds),                 \
		KW_ENUM(struct kw_exception, state, KW_REQUIRED, states),               \
		KW_I64(struct kw_exception, version, KW_REQUIRED, 1, INT64_MAX),        \
		KW_STR(struct kw_exception, owner, KW_REQUIRED, 1, 64),                 \
		KW_STR(struct kw_exception, reason, KW_REQUIRED, 1, 1000),              \
		KW_UUID(struct kw_exception, order_id, KW_OPTIONAL),                    \
		KW_UUID(struct kw_exception, payment_id, KW_OPTIONAL),                  \
		KW_UUID(struct kw_exception, parcel_id, KW_OPTIONAL),                   \
		KW_STR(struct kw_exception, channel, KW_OPTIONAL, 1, 64),               \
		KW_STR(struct kw_exception, external_id, KW_OPTIONAL, 1, 128),          \
		KW_STR(struct kw_exception, courier, KW_OPTIONAL, 1, 64),               \
		KW_STR(struct kw_exception, entity_kind, KW_OPTIONAL, 1, 20),           \
		KW_STR(struct kw_exception, entity_id, KW_OPTIONAL, 1, 64),             \
		KW_I64(struct kw_exception, source_version, KW_OPTIONAL, 0, INT64_MAX), \
		KW_STR(struct kw_exception, field, KW_OPTIONAL, 1, 64),                 \
		KW_MONEY(struct kw_exception, expected, KW_OPTIONAL),                   \
		KW_MONEY(struct kw_exception, received, KW_OPTIONAL),                   \
		KW_I64(struct kw_exception, occurrences, KW_OPTIONAL, 0, INT64_MAX),    \
		KW_TIME(struct kw_exception, opened_at, KW_REQUIRED),                   \
		KW_TIME(struct kw_exception, changed_at, KW_REQUIRED),                  \
		KW_STR(struct kw_exception, resolution, KW_OPTIONAL, 1, 40),            \
		KW_STR(struct kw_exception, resolved_by, KW_OPTIONAL, 1, 64),           \
		KW_STR(struct kw_exception, note, KW_OPTIONAL, 1, 200), KW_END

struct kw_exception_asked {
	const char *kind, *state; /* NULL: any */
	kw_time after_time;       /* 0: from the beginning */
	struct kw_uuid after_id;
	int64_t limit;
};
/* The oldest first, from the connection's own schema. */
enum kw_rc kw_exceptions_read(struct kw_pg *pg, struct kw_arena *a,
	const struct kw_exception_form *form, const struct kw_exception_asked *asked,
	struct kw_exception **ret, size_t *ret_n, struct kw_err *err);

/* The edge handler's work: a page of them. */
enum kw_rc kw_svc_exceptions(struct kw_request *rq, struct kw_response *rs,
	const struct kw_exception_form *form, struct kw_err *err);

#endif
