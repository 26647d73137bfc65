/* explain: the whole story of one order, from the journals of all services, in order, with times.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/id.h"
#include "ctl.h"
#include "json/json.h"

enum { FIND_EVENTS, FIND_PARCELS, FIND_DEAD };

static const struct kw_stmt stmts[] = {
	[FIND_EVENTS] = { "SELECT time, partition, number, epoch, type, key, version, trace, payload FROM journal "
			  "WHERE key = ANY ($1::text[]) ORDER BY partition, number" },
	[FIND_PARCELS] = { "SELECT parcel_id::text FROM dispatch.parcels WHERE order_id = $1::uuid ORDER BY 1" },
	[FIND_DEAD] = { "SELECT dead_at, partition, at_offset, attempts, code || ' ' || reason, convert_from(key, 'UTF8'), 0::bigint, '', '{}' "
			/* a key is any bytes: only those that are one of ours are read as text */
			"FROM dead_letters WHERE key IN (SELECT convert_to(k, 'UTF8') FROM unnest($1::text[]) AS k) ORDER BY id" },
};

struct event {
	kw_time time;
	int partition, epoch;
	int64_t number, version;
	const char *type, *key, *trace, *payload, *service;
	bool dead;
};

static const struct kw_col event_cols[] = {
	KW_COL_TIME(struct event, time),
	KW_COL_INT(struct event, partition),
	KW_COL_I64(struct event, number),
	KW_COL_INT(struct event, epoch),
	KW_COL_TEXT(struct event, type),
	KW_COL_TEXT(struct event, key),
	KW_COL_I64(struct event, version),
	KW_COL_TEXT(struct event, trace),
	KW_COL_TEXT(struct event, payload),
	KW_COL_END,
};

struct key {
	const char *text;
};
static const struct kw_col key_cols[] = { KW_COL_TEXT(struct key, text), KW_COL_END };

/* ---- what a person wants to know of an event's data: whatever of this is in it ---- */

struct line {
	const char *line_id, *sku, *title, *reason, *rule, *listing_id;
	int64_t quantity;
};

struct piece {
	const char *maker_id, *hub_id;
	int64_t weight_g;
	const struct line *lines;
	size_t n_lines;
};

struct facts {
	const char *state, *reason, *courier, *tracking_number, *reference, *provider, *maker_id,
		*kind, *by, *totals_flag, *label_url, *field;
	struct kw_money total, expected, received, amount, fee, amount_due;
	kw_time auto_cancel_at;
	bool cleared, cod, suspense, test;
	const struct line *lines, *decision;
	size_t n_lines, n_decision;
	const struct piece *fulfilments;
	size_t n_fulfilments;
};

#define TEXT(m) KW_STR(struct facts, m, KW_OPTIONAL, 0, 4000)
#define LINE(m) KW_STR(struct line, m, KW_OPTIONAL, 0, 4000)

static const struct kw_field line_fields[] = {
	LINE(line_id),
	LINE(sku),
	LINE(title),
	LINE(reason),
	LINE(rule),
	LINE(listing_id),
	KW_I64(struct line, quantity, KW_OPTIONAL, 0, INT64_MAX),
	KW_END,
};

static const struct kw_field piece_fields[] = {
	KW_STR(struct piece, maker_id, KW_OPTIONAL, 0, 100),
	KW_STR(struct piece, hub_id, KW_OPTIONAL, 0, 100),
	KW_I64(struct piece, weight_g, KW_OPTIONAL, 0, INT64_MAX),
	KW_ARRAY(struct piece, lines, KW_OPTIONAL, struct line, line_fields, 0, 10000),
	KW_END,
};

static const struct kw_field fact_fields[] = {
	TEXT(state),
	TEXT(kind),
	TEXT(reason),
	TEXT(field),
	TEXT(by),
	TEXT(courier),
	TEXT(tracking_number),
	TEXT(label_url),
	TEXT(provider),
	TEXT(reference),
	TEXT(maker_id),
	TEXT(totals_flag),
	KW_MONEY(struct facts, total, KW_OPTIONAL),
	KW_MONEY(struct facts, expected, KW_OPTIONAL),
	KW_MONEY(struct facts, received, KW_OPTIONAL),
	KW_MONEY(struct facts, amount, KW_OPTIONAL),
	KW_MONEY(struct facts, fee, KW_OPTIONAL),
	KW_MONEY(struct facts, amount_due, KW_OPTIONAL),
	KW_TIME(struct facts, auto_cancel_at, KW_OPTIONAL),
	KW_BOOL(struct facts, cleared, KW_OPTIONAL),
	KW_BOOL(struct facts, cod, KW_OPTIONAL),
	KW_BOOL(struct facts, suspense, KW_OPTIONAL),
	KW_BOOL(struct facts, test, KW_OPTIONAL),
	KW_ARRAY(struct facts, lines, KW_OPTIONAL, struct line, line_fields, 0, 10000),
	KW_ARRAY(struct facts, decision, KW_OPTIONAL, struct line, line_fields, 0, 10000),
	KW_ARRAY(struct facts, fulfilments, KW_OPTIONAL, struct piece, piece_fields, 0, 10000),
	KW_END,
};

/* The plain members in the order of the table: "state ROUTED  total 12.50 PKR  …". */
static void print_plain(const struct facts *facts)
{
	char text[KW_TIME_TEXT];

	for (const struct kw_field *f = fact_fields; f->name; f++) {
		const char *at = (const char *)facts + f->offset;
		const struct kw_money *money = (const void *)at;

		if (f->kind == KW_KIND_STR && *(const char *const *)(const void *)at)
			printf("  %s %s", f->name, *(const char *const *)(const void *)at);
		if (f->kind == KW_KIND_BOOL && *(const bool *)at)
			printf("  %s", f->name);
		if (f->kind == KW_KIND_MONEY && money->currency[0]) {
			kw_money_format(*money, text);
			printf("  %s %s %s", f->name, text, money->currency);
		}
		if (f->kind == KW_KIND_TIME && *(const kw_time *)(const void *)at) {
			kw_time_format(*(const kw_time *)(const void *)at, text);
			printf("  %s %s", f->name, text);
		}
	}
	printf("\n");
}

static void print_line(const struct line *line, const char *indent)
{
	printf("%sline %s", indent, line->line_id ? line->line_id : "?");
	if (line->quantity)
		printf("  %" PRId64 " x", line->quantity);
	printf(" %s %s%s%s%s%s\n", line->sku ? line->sku : "", line->title ? line->title : "",
		line->rule ? " by rule " : "", line->rule ? line->rule : "",
		line->reason ? ": " : "", line->reason ? line->reason : "");
}

static void print_event(struct ctl *ctl, const struct event *event, kw_time first)
{
	struct facts facts = { 0 };
	struct kw_err err;
	char at[KW_TIME_TEXT];

	kw_time_format(event->time, at);
	if (event->dead) {
		printf("%-27s +%9.3f s  %-22s DEAD LETTER %s\n", at,
			(double)(event->time - first) / 1e6, event->service, event->type);
		return;
	}
	printf("%-27s +%9.3f s  %-22s %s v%" PRId64 "  (%d/%06d-%" PRId64 ")\n", at,
		(double)(event->time - first) / 1e6, event->service, event->type, event->version,
		event->partition, event->epoch, event->number);
	if (kw_json_decode(fact_fields, event->payload, strlen(event->payload), ctl->arena, &facts,
		    &err) != KW_OK) {
		printf("     %s\n", event->payload);
		return;
	}
	printf("     ");
	print_plain(&facts);
	for (size_t i = 0; i < facts.n_lines; i++)
		print_line(&facts.lines[i], "       ");
	for (size_t i = 0; i < facts.n_fulfilments; i++) {
		const struct piece *piece = &facts.fulfilments[i];

		if (!piece->maker_id)
			continue;
		printf("       maker %s at hub %s, %" PRId64 " g\n", piece->maker_id,
			piece->hub_id ? piece->hub_id : "?", piece->weight_g);
		for (size_t k = 0; k < piece->n_lines; k++)
			print_line(&piece->lines[k], "         ");
	}
	for (size_t i = 0; i < facts.n_decision; i++)
		print_line(&facts.decision[i], "       decided: ");
}

/* ---- gathering ---- */

static enum kw_rc find_keys(struct ctl *ctl, const struct kw_uuid *order, struct key **ret,
	size_t *ret_n, struct kw_err *err)
{
	struct kw_pg *pg = ctl_connect(ctl, "dispatch");
	struct kw_args args = kw_args_of(ctl->arena);
	struct key *parcels;
	size_t n;
	enum kw_rc rc;

	kw_args_uuid(&args, order);
	rc = kw_pg_fetch(
		pg, &stmts[FIND_PARCELS], &args, key_cols, sizeof(*parcels), &parcels, &n, err);
	kw_pg_free(pg);
	if (rc != KW_OK)
		return rc;
	*ret = kw_new(ctl->arena, struct key, n + 1);
	(*ret)[0].text = kw_arena_str(ctl->arena, order->s);
	for (size_t i = 0; i < n; i++)
		(*ret)[i + 1] = parcels[i];
	*ret_n = n + 1;
	return KW_OK;
}

static enum kw_rc add_events(struct ctl *ctl, const struct area *area, const struct key *keys,
	size_t n_keys, struct event *events, size_t max, size_t *n, struct kw_err *err)
{
	struct kw_pg *pg = ctl_connect(ctl, area->schema);
	enum kw_rc rc = KW_OK;

	for (int s = FIND_EVENTS; s <= FIND_DEAD && rc == KW_OK; s += FIND_DEAD - FIND_EVENTS) {
		struct kw_args args = kw_args_of(ctl->arena);
		struct event *found;
		size_t n_found;

		kw_args_rows(&args, key_cols, keys, n_keys, sizeof(*keys));
		rc = kw_pg_fetch(
			pg, &stmts[s], &args, event_cols, sizeof(*found), &found, &n_found, err);
		for (size_t i = 0; rc == KW_OK && i < n_found && *n < max; i++) {
			found[i].service = area->service;
			found[i].dead = s == FIND_DEAD;
			events[(*n)++] = found[i];
		}
	}
	kw_pg_free(pg);
	return rc;
}

static int by_time(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

static void print_json(const struct event *events, size_t n)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf out;
	char at[KW_TIME_TEXT];

	kw_buf_init(&out, 64 * 1024 * 1024);
	for (size_t i = 0; i < n; i++) {
		kw_time_format(events[i].time, at);
		kw_buf_printf(&out,
			"%s{\"time\":\"%s\",\"service\":\"%s\",\"type\":", i ? "," : "[", at,
			events[i].service);
		kw_buf_json_str(&out, events[i].type);
		kw_buf_printf(&out,
			",\"partition\":%d,\"epoch\":%d,\"number\":%" PRId64 ",\"version\":%" PRId64
			",\"data\":%s}",
			events[i].partition, events[i].epoch, events[i].number, events[i].version,
			events[i].payload);
	}
	printf("%s]\n", n ? out.p : "[");
}

int ctl_explain(struct ctl *ctl)
{
	enum { MAX = 10000 };
	struct kw_uuid order = kw_uuid_of("order", ctl->argv[0], ctl->argv[1]);
	struct event *events = kw_new(ctl->arena, struct event, MAX);
	struct key *keys;
	struct kw_err err = { 0 };
	size_t n_keys, n = 0;

	if (find_keys(ctl, &order, &keys, &n_keys, &err) != KW_OK)
		return ctl_failed("parcels", &err);
	for (size_t i = 0; i < AREAS; i++)
		if (add_events(ctl, &areas[i], keys, n_keys, events, MAX, &n, &err) != KW_OK)
			return ctl_failed(areas[i].schema, &err);
	if (n == 0) {
		fprintf(stderr, "karwanctl: nothing is known of %s %s (order %s)\n", ctl->argv[0],
			ctl->argv[1], order.s);
		return CTL_FOUND;
	}
	qsort(events, n, sizeof(*events), by_time);
	if (ctl->json) {
		print_json(events, n);
		return CTL_OK;
	}
	printf("order %s  channel %s  external id %s\ntrace %s\n\n", order.s, ctl->argv[0],
		ctl->argv[1], events[0].trace);
	for (size_t i = 0; i < n; i++)
		print_event(ctl, &events[i], events[0].time);
	return CTL_OK;
}
