/* exceptions list, show, resolve: what a person must look at, from the view exception_list of each
 * schema. A resolution goes through the edge of its service, so that it enters as a message. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "http/client.h"
#include "svc/resolution.h"
#include "json/json.h"

#define DEADLINE_MS 10000
#define ANSWER_MAX ((size_t)64 * 1024)
#define LIST_MAX 1000 /* of each service */

enum { LIST, FIND };

#define COLUMNS                                                                                      \
	"exception_id, $1::text, kind, state, version, owner, reason, order_id, payment_id, about, " \
	"opened_at, changed_at, resolution, resolved_by, note"
static const struct kw_stmt stmts[] = {
	[LIST] = { "SELECT " COLUMNS
		   ", NULL::text FROM exception_list WHERE $2::boolean OR state = 'OPEN' "
		   "ORDER BY opened_at, exception_id LIMIT 1000" },
	[FIND] = { "SELECT " COLUMNS ", body FROM exception_list WHERE exception_id = $2::uuid" },
};

struct exception {
	struct kw_uuid exception_id, order_id, payment_id;
	const char *service, *kind, *state, *owner, *reason, *about, *body;
	int64_t version, age_s;
	kw_time opened_at, changed_at;
	const char *resolution, *resolved_by, *note;
};

static const struct kw_col cols[] = {
	KW_COL_UUID(struct exception, exception_id),
	KW_COL_TEXT(struct exception, service),
	KW_COL_TEXT(struct exception, kind),
	KW_COL_TEXT(struct exception, state),
	KW_COL_I64(struct exception, version),
	KW_COL_TEXT(struct exception, owner),
	KW_COL_TEXT(struct exception, reason),
	KW_COL_UUID(struct exception, order_id),
	KW_COL_UUID(struct exception, payment_id),
	KW_COL_TEXT(struct exception, about),
	KW_COL_TIME(struct exception, opened_at),
	KW_COL_TIME(struct exception, changed_at),
	KW_COL_TEXT(struct exception, resolution),
	KW_COL_TEXT(struct exception, resolved_by),
	KW_COL_TEXT(struct exception, note),
	KW_COL_TEXT(struct exception, body),
	KW_COL_END,
};

static const struct kw_field fields[] = {
	KW_UUID(struct exception, exception_id, KW_REQUIRED),
	KW_STR(struct exception, service, KW_REQUIRED, 1, 64),
	KW_STR(struct exception, kind, KW_REQUIRED, 1, 64),
	KW_STR(struct exception, state, KW_REQUIRED, 1, 20),
	KW_I64(struct exception, version, KW_REQUIRED, 1, INT64_MAX),
	KW_STR(struct exception, owner, KW_REQUIRED, 1, 64),
	KW_STR(struct exception, reason, KW_REQUIRED, 1, 1000),
	KW_UUID(struct exception, order_id, KW_OPTIONAL),
	KW_UUID(struct exception, payment_id, KW_OPTIONAL),
	KW_STR(struct exception, about, KW_OPTIONAL, 0, 1000),
	KW_TIME(struct exception, opened_at, KW_REQUIRED),
	KW_TIME(struct exception, changed_at, KW_REQUIRED),
	KW_I64(struct exception, age_s, KW_REQUIRED, 0, INT64_MAX),
	KW_STR(struct exception, resolution, KW_OPTIONAL, 1, 40),
	KW_STR(struct exception, resolved_by, KW_OPTIONAL, 1, 64),
	KW_STR(struct exception, note, KW_OPTIONAL, 1, 200),
	KW_STR(struct exception, body, KW_OPTIONAL, 1, 10000000),
	KW_END,
};

static void set_age(struct exception *x)
{
	int64_t age_us = kw_now(&kw_clock_system) - x->opened_at;

	x->age_s = age_us > 0 ? age_us / KW_US_PER_S : 0;
}

static void print_json(struct exception *x, const char *before)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf out;

	kw_buf_init(&out, 32 * 1024 * 1024);
	kw_json_encode(fields, x, &out);
	printf("%s%s", before, out.p);
}

/* "3 d", "5 h", "12 min" */
static const char *age_text(const struct ctl *ctl, int64_t s)
{
	if (s >= 2 * 86400)
		return kw_arena_printf(ctl->arena, "%" PRId64 " d", s / 86400);
	if (s >= 2 * 3600)
		return kw_arena_printf(ctl->arena, "%" PRId64 " h", s / 3600);
	return kw_arena_printf(ctl->arena, "%" PRId64 " min", s / 60);
}

static void print_line(const struct ctl *ctl, const struct exception *x)
{
	printf("%s  %-22s %-22s %-9s %8s  %-10s %s (%s)\n", x->exception_id.s, x->service, x->kind,
		x->state, age_text(ctl, x->age_s), x->owner, x->reason, x->about);
}

int ctl_exceptions_list(struct ctl *ctl)
{
	size_t total = 0;

	if (ctl->json)
		printf("[");
	for (size_t i = 0; i < AREAS; i++) {
		struct kw_pg *pg = ctl_connect(ctl, areas[i].schema);
		struct kw_args args = kw_args_of(ctl->arena);
		struct exception *rows;
		struct kw_err err = { 0 };
		size_t n;

		kw_args_text(&args, areas[i].service);
		kw_args_bool(&args, ctl->all);
		enum kw_rc rc =
			kw_pg_fetch(pg, &stmts[LIST], &args, cols, sizeof(*rows), &rows, &n, &err);
		kw_pg_free(pg);
		if (rc != KW_OK)
			return ctl_failed(areas[i].schema, &err);
		for (size_t k = 0; k < n; k++, total++) {
			set_age(&rows[k]);
			if (ctl->json)
				print_json(&rows[k], total ? "," : "");
			else
				print_line(ctl, &rows[k]);
		}
		if (n == LIST_MAX && !ctl->json)
			printf("… and more of %s\n", areas[i].service);
	}
	if (ctl->json)
		printf("]\n");
	else if (total == 0)
		printf("no exceptions\n");
	return CTL_OK;
}

/* Looks in every schema. ret_area: where it is. An exit code. */
static int find(struct ctl *ctl, struct exception *ret, size_t *ret_area)
{
	struct kw_uuid id;

	if (!kw_uuid_parse(ctl->argv[0], &id)) {
		fprintf(stderr, "karwanctl: %s is not an exception's id\n", ctl->argv[0]);
		return CTL_USAGE;
	}
	for (size_t i = 0; i < AREAS; i++) {
		struct kw_pg *pg = ctl_connect(ctl, areas[i].schema);
		struct kw_args args = kw_args_of(ctl->arena);
		struct kw_err err = { 0 };

		kw_args_text(&args, areas[i].service);
		kw_args_uuid(&args, &id);
		enum kw_rc rc =
			kw_pg_fetch_one(pg, &stmts[FIND], &args, cols, sizeof(*ret), ret, &err);
		kw_pg_free(pg);
		if (rc == KW_OK) {
			set_age(ret);
			*ret_area = i;
			return CTL_OK;
		}
		if (rc != KW_NOTHING)
			return ctl_failed(areas[i].schema, &err);
	}
	fprintf(stderr, "karwanctl: there is no exception %s\n", ctl->argv[0]);
	return CTL_FOUND;
}

int ctl_exceptions_show(struct ctl *ctl)
{
	struct exception x;
	char opened[KW_TIME_TEXT], changed[KW_TIME_TEXT];
	size_t area;
	int code = find(ctl, &x, &area);

	if (code != CTL_OK)
		return code;
	if (ctl->json) {
		print_json(&x, "");
		printf("\n");
		return CTL_OK;
	}
	kw_time_format(x.opened_at, opened);
	kw_time_format(x.changed_at, changed);
	print_line(ctl, &x);
	printf("opened %s, version %" PRId64 " since %s\n", opened, x.version, changed);
	if (x.order_id.s[0])
		printf("order %s\n", x.order_id.s);
	if (x.payment_id.s[0])
		printf("payment %s\n", x.payment_id.s);
	if (x.resolution)
		printf("%s by %s: %s\n", x.resolution, x.resolved_by, x.note);
	if (x.body)
		printf("\n%s\n", x.body);
	return CTL_OK;
}

static int post(
	struct ctl *ctl, const struct exception *x, size_t area, const struct kw_resolve_body *body)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf text;
	const char *headers[] = { "Content-Type: application/json", NULL, NULL };
	struct kw_err err = { 0 };

	if (ctl_authorization(ctl, &headers[1], &err) != KW_OK)
		return ctl_failed("partners", &err);
	kw_buf_init(&text, ANSWER_MAX);
	kw_json_encode(kw_resolve_body_fields, body, &text);
	struct kw_call call = {
		.method = "POST",
		.url = kw_arena_printf(ctl->arena, "%s/v1/exceptions/%s/resolve", ctl->urls[area],
			x->exception_id.s),
		.headers = headers,
		.body = { text.p, text.n },
	};
	struct kw_client *client = kw_client_new(true); /* an edge of ours may be anywhere */
	kw_client_run(client, ctl->arena, &call, 1, DEADLINE_MS, ANSWER_MAX);
	kw_client_free(client);
	if (call.rc != KW_OK)
		return ctl_failed(call.url, &call.err);
	printf("%.*s\n", (int)call.answer.n, (const char *)call.answer.p);
	return call.status == 202 ? CTL_OK : CTL_FOUND;
}

int ctl_exceptions_resolve(struct ctl *ctl)
{
	struct kw_resolve_body body = {
		.resolution = kw_strtab_value(&kw_resolution_names, ctl->argv[1]),
		.reason = ctl->reason,
		.channel = ctl->channel,
		.external_id = ctl->external_id,
		.status = ctl->status,
	};
	struct exception x;
	size_t area;
	int code;

	if (body.resolution < 0 || !body.reason) {
		fprintf(stderr, "karwanctl: a resolution and --reason are needed: --help\n");
		return CTL_USAGE;
	}
	code = find(ctl, &x, &area);
	if (code != CTL_OK)
		return code;
	if (!ctl->urls[area][0] || !ctl->partners_file[0]) {
		fprintf(stderr, "karwanctl: the URL of %s and KARWAN_PARTNERS_FILE are needed\n",
			areas[area].service);
		return CTL_USAGE;
	}
	body.version = x.version;
	return post(ctl, &x, area, &body);
}
