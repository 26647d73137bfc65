/* The checks between services and between the log and the tables: each accepted message has its
 * outcome, and what one service said the others did. Only where all is settled: before that, what
 * is on its way looks like a fault. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/consumer.h"
#include "bus/envelope.h"
#include "check.h"
#include "core/id.h"
#include "json/json.h"

static const struct kw_col drift_cols[] = {
	KW_COL_TEXT(struct drift, rule),
	KW_COL_TEXT(struct drift, entity),
	KW_COL_TEXT(struct drift, part),
	KW_COL_TEXT(struct drift, should),
	KW_COL_TEXT(struct drift, is),
	KW_COL_END,
};

static const struct kw_stmt between[] = {
	{ "SELECT 'ORDER_EXPECTED', o.order_id::text, 'expectation', 'one', 'none' FROM routing.orders o "
	  "WHERE NOT EXISTS (SELECT FROM payment.expectations e WHERE e.order_id = o.order_id AND e.channel IS NOT NULL) LIMIT 1000" },
	{ "SELECT 'EXPECTED_ORDER', e.order_id::text, 'order', 'one', 'none' FROM payment.expectations e "
	  "WHERE e.channel IS NOT NULL AND NOT EXISTS (SELECT FROM routing.orders o WHERE o.order_id = e.order_id) LIMIT 1000" },
	{ "SELECT 'TOTAL', o.order_id::text, o.currency, o.total::text, e.total::text FROM routing.orders o "
	  "JOIN payment.expectations e USING (order_id) WHERE e.channel IS NOT NULL AND (o.total <> e.total OR o.currency <> e.currency) LIMIT 1000" },
	{ "SELECT 'PARCEL_OF_FULFILMENT', f.fulfilment_id::text, 'parcel', 'one that may leave', coalesce(p.state, 'none') "
	  "FROM routing.fulfilments f JOIN payment.expectations e USING (order_id) LEFT JOIN dispatch.parcels p USING (fulfilment_id) "
	  "WHERE f.state <> 'CANCELLED' AND e.cleared AND (p.parcel_id IS NULL OR p.state = 'PLANNED') LIMIT 1000" },
	{ "SELECT 'FULFILMENT_OF_PARCEL', p.parcel_id::text, 'fulfilment', 'one', 'none' FROM dispatch.parcels p "
	  "WHERE p.state <> 'EXPECTED' AND NOT EXISTS (SELECT FROM routing.fulfilments f WHERE f.fulfilment_id = p.fulfilment_id) LIMIT 1000" },
	{ "SELECT 'UNPAID_PARCEL', p.parcel_id::text, p.state, 'PLANNED or CANCELLED', p.state FROM dispatch.parcels p "
	  "JOIN payment.expectations e USING (order_id) WHERE p.state NOT IN ('PLANNED', 'EXPECTED', 'CANCELLED') AND NOT e.cleared "
	  "AND NOT EXISTS (SELECT FROM payment.journal j WHERE j.key = p.order_id::text AND j.type = 'karwan.expectation.settled.v1' "
	  "AND (j.payload::json ->> 'cleared')::boolean) LIMIT 1000" },
	/* delivered against cash is right without an earning: nothing is earned before it is banked
	 */
	{ "SELECT 'EARNED_UNPAID', e.order_id::text, e.currency, 'at most ' || e.captured + e.waived, e.released::text "
	  "FROM payment.expectations e WHERE e.released > e.captured + e.waived LIMIT 1000" },
	{ "SELECT 'ON_DELIVERY', p.parcel_id::text, 'amount_due', CASE WHEN e.cod THEN 'an amount' ELSE 'none' END, "
	  "coalesce(p.amount_due::text, 'none') FROM dispatch.parcels p JOIN payment.expectations e USING (order_id) "
	  "WHERE p.state <> 'EXPECTED' AND e.channel IS NOT NULL AND (p.due_currency IS NOT NULL) <> e.cod LIMIT 1000" },
	{ "SELECT 'DELIVERED_SHARE', p.parcel_id::text, 'delivered_at', 'a time', 'none' FROM dispatch.parcels p "
	  "WHERE p.state = 'DELIVERED' AND NOT EXISTS (SELECT FROM payment.shares s WHERE s.fulfilment_id = p.fulfilment_id "
	  "AND s.delivered_at IS NOT NULL) LIMIT 1000" },
	/* what left before its cancellation came stays cancelled, and a person knows */
	{ "SELECT 'DELIVERED_LINES', p.parcel_id::text, 'fulfilment', 'CLOSED', f.state FROM dispatch.parcels p "
	  "JOIN routing.fulfilments f USING (fulfilment_id) WHERE p.state = 'DELIVERED' AND f.state <> 'CLOSED' "
	  "AND NOT (f.state = 'CANCELLED' AND EXISTS (SELECT FROM routing.exceptions x WHERE x.order_id = f.order_id "
	  "AND x.kind = 'SHIPPED_AFTER_CANCEL')) LIMIT 1000" },
	{ "SELECT 'LISTING_KNOWN', r.id, 'version', r.version::text, coalesce(l.version, 0)::text FROM listing.records r "
	  "LEFT JOIN routing.listings l ON l.listing_id = r.id WHERE r.kind = 'listing' AND r.version <> coalesce(l.version, 0) LIMIT 1000" },
};

enum kw_rc check_between(struct findings *f, struct kw_err *err)
{
	struct kw_pg *pg;
	enum kw_rc rc = KW_OK;

	if (!f->settled) {
		check_skip(
			f, "what one service said and another did: something is still on its way");
		return KW_OK;
	}
	pg = ctl_connect(f->ctl, NULL);
	for (size_t i = 0; i < KW_LEN(between) && rc == KW_OK; i++) {
		struct kw_args args = kw_args_of(f->ctl->arena);
		struct drift *rows;
		size_t n;

		rc = kw_pg_fetch(pg, &between[i], &args, drift_cols, sizeof(*rows), &rows, &n, err);
		for (size_t k = 0; rc == KW_OK && k < n; k++)
			check_drift(f, rows[k].rule, rows[k].entity, rows[k].part, rows[k].should,
				rows[k].is);
	}
	kw_pg_free(pg);
	return rc;
}

/* ---- every message of an in topic has an outcome ---- */

struct name {
	const char *text;
};
static const struct kw_col name_cols[] = { KW_COL_TEXT(struct name, text), KW_COL_END };

/* For each type: which of the subjects left no row. */
static const struct {
	const char *type;
	struct kw_stmt missing;
} outcomes[] = {
	{ "karwan.order.submitted.v1",
		{ "SELECT k FROM unnest($1::text[]) k WHERE NOT EXISTS (SELECT FROM routing.orders o WHERE o.order_id = k::uuid)" } },
	{ "karwan.payment.reported.v1",
		/* none where a provider used an event's id again for another payment */
		{ "SELECT k FROM unnest($1::text[]) k WHERE NOT EXISTS (SELECT FROM payment.payments p WHERE p.payment_id = k::uuid) "
		  "AND NOT EXISTS (SELECT FROM payment.exceptions x WHERE x.payment_id = k::uuid AND x.kind = 'EVENT_CONFLICT')" } },
	{ "karwan.tracking.reported.v1",
		{ "SELECT k FROM unnest($1::text[]) k WHERE NOT EXISTS (SELECT FROM dispatch.scans s WHERE s.parcel_id = k::uuid) "
		  "AND NOT EXISTS (SELECT FROM dispatch.scans s WHERE s.subject = k::uuid)" } },
	{ "karwan.maker.put.v1",
		{ "SELECT k FROM unnest($1::text[]) k WHERE NOT EXISTS (SELECT FROM listing.records r WHERE r.entity = k::uuid)" } },
	{ "karwan.hub.put.v1",
		{ "SELECT k FROM unnest($1::text[]) k WHERE NOT EXISTS (SELECT FROM listing.records r WHERE r.entity = k::uuid)" } },
	{ "karwan.listing.put.v1",
		{ "SELECT k FROM unnest($1::text[]) k WHERE NOT EXISTS (SELECT FROM listing.records r WHERE r.entity = k::uuid)" } },
	{ "karwan.import.started.v1",
		{ "SELECT k FROM unnest($1::text[]) k WHERE NOT EXISTS (SELECT FROM listing.imports m WHERE m.import_id = k::uuid)" } },
	{ "karwan.import.reported.v1",
		{ "SELECT k FROM unnest($1::text[]) k WHERE NOT EXISTS (SELECT FROM listing.imports m WHERE m.import_id = k::uuid)" } },
};

#define CHUNK 5000
#define CHUNK_BYTES_MAX ((size_t)64 * 1024 * 1024)

struct chunk {
	struct kw_arena *arena; /* of the names, until they are asked for */
	struct name names[CHUNK];
	size_t n;
};

static enum kw_rc flush(struct findings *f, struct kw_pg *pg, size_t outcome, struct chunk *chunk,
	struct kw_err *err)
{
	struct kw_args args = kw_args_of(chunk->arena);
	struct name *missing;
	size_t n;

	if (chunk->n == 0)
		return KW_OK;
	kw_args_rows(&args, name_cols, chunk->names, chunk->n, sizeof(*chunk->names));
	KW_TRY(kw_pg_fetch(pg, &outcomes[outcome].missing, &args, name_cols, sizeof(*missing),
		&missing, &n, err));
	for (size_t i = 0; i < n; i++)
		check_drift(f, "MESSAGE_HAS_OUTCOME", missing[i].text, outcomes[outcome].type,
			"a row or a dead letter", "neither");
	chunk->n = 0;
	kw_arena_reset(chunk->arena);
	return KW_OK;
}

struct bound {
	const char *topic;
	int partition;
	int64_t next_offset;
};
static const struct kw_col bound_cols[] = {
	KW_COL_TEXT(struct bound, topic),
	KW_COL_INT(struct bound, partition),
	KW_COL_I64(struct bound, next_offset),
	KW_COL_END,
};

static const struct kw_stmt find_bounds = {
	"SELECT topic, partition, next_offset FROM offsets WHERE topic = $1::text ORDER BY partition"
};
static const struct kw_stmt find_dead = {
	"SELECT topic, partition, at_offset FROM dead_letters WHERE topic = $1::text AND replayed_at IS NULL ORDER BY partition, at_offset"
};

static bool is_dead(const struct bound *dead, size_t n, const struct kw_message *m)
{
	for (size_t i = 0; i < n; i++)
		if (dead[i].partition == m->partition && dead[i].next_offset == m->offset)
			return true;
	return false;
}

/* The message's subject goes to the chunk of its type. */
static enum kw_rc take_subject(struct findings *f, struct kw_pg *pg, struct chunk *chunks,
	const struct kw_envelope *e, struct kw_err *err)
{
	for (size_t k = 0; k < KW_LEN(outcomes); k++) {
		struct chunk *chunk = &chunks[k];

		if (strcmp(outcomes[k].type, e->type) != 0)
			continue;
		chunk->names[chunk->n++].text = kw_arena_str(chunk->arena, e->subject);
		return chunk->n == CHUNK ? flush(f, pg, k, chunk, err) : KW_OK;
	}
	return KW_OK;
}

static enum kw_rc read_partition(struct findings *f, const char *topic, const struct bound *bound,
	const struct bound *dead, size_t n_dead, struct kw_pg *pg, struct kw_reader *reader,
	struct chunk *chunks, struct kw_err *err)
{
	KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new(1024 * 1024);
	struct kw_message m;
	enum kw_rc rc;

	KW_TRY(kw_reader_begin(reader, topic, bound->partition, 0, err));
	while ((rc = kw_reader_next(reader, &m, err)) == KW_OK && m.offset < bound->next_offset) {
		struct kw_envelope e;

		f->rows++;
		kw_arena_reset(a);
		if (is_dead(dead, n_dead, &m))
			continue;
		if (kw_envelope_parse(&m, a, &e, err) == KW_OK && e.subject)
			KW_TRY(take_subject(f, pg, chunks, &e, err));
		else
			check_drift(f, "MESSAGE_HAS_OUTCOME", topic,
				kw_arena_printf(a, "%d@%" PRId64, m.partition, m.offset),
				"a dead letter", "none");
	}
	return rc == KW_NOTHING ? KW_OK : rc;
}

static enum kw_rc read_in_topic(struct findings *f, const struct area *area, struct kw_pg *pg,
	struct kw_reader *reader, struct chunk *chunks, struct kw_err *err)
{
	struct kw_args args = kw_args_of(f->ctl->arena);
	struct bound *bounds, *dead;
	size_t n_bounds, n_dead;

	kw_args_text(&args, area->in_topic);
	KW_TRY(kw_pg_fetch(
		pg, &find_bounds, &args, bound_cols, sizeof(*bounds), &bounds, &n_bounds, err));
	KW_TRY(kw_pg_fetch(pg, &find_dead, &args, bound_cols, sizeof(*dead), &dead, &n_dead, err));
	for (size_t i = 0; i < n_bounds; i++)
		KW_TRY(read_partition(
			f, area->in_topic, &bounds[i], dead, n_dead, pg, reader, chunks, err));
	for (size_t k = 0; k < KW_LEN(outcomes); k++)
		KW_TRY(flush(f, pg, k, &chunks[k], err));
	return KW_OK;
}

enum kw_rc check_outcomes(struct findings *f, struct kw_err *err)
{
	struct chunk *chunks = kw_new(f->ctl->arena, struct chunk, KW_LEN(outcomes));
	struct kw_reader *reader;
	enum kw_rc rc = kw_reader_open(f->ctl->brokers, "karwanctl", &reader, err);

	if (rc != KW_OK)
		return rc;
	for (size_t k = 0; k < KW_LEN(outcomes); k++)
		chunks[k].arena = kw_arena_new(CHUNK_BYTES_MAX);
	for (size_t i = 0; i < AREAS && rc == KW_OK; i++) {
		struct kw_pg *pg = ctl_connect(f->ctl, areas[i].schema);

		rc = read_in_topic(f, &areas[i], pg, reader, chunks, err);
		kw_pg_free(pg);
	}
	for (size_t k = 0; k < KW_LEN(outcomes); k++)
		kw_arena_free(chunks[k].arena);
	kw_reader_close(reader);
	return rc;
}

/* ---- what the sender saw ---- */

struct attempt {
	const char *channel, *external_id, *kind;
	int64_t status; /* 0: no answer */
	bool forged;
	struct kw_uuid order_id;
};

static const struct kw_field attempt_fields[] = {
	KW_STR(struct attempt, channel, KW_REQUIRED, 1, 100),
	KW_STR(struct attempt, external_id, KW_REQUIRED, 1, 200),
	KW_STR(struct attempt, kind, KW_OPTIONAL, 1, 40),
	KW_I64(struct attempt, status, KW_REQUIRED, 0, 999),
	KW_BOOL(struct attempt, forged, KW_OPTIONAL),
	KW_END,
};

static int by_order(const void *a, const void *b)
{
	return strcmp(
		((const struct attempt *)a)->order_id.s, ((const struct attempt *)b)->order_id.s);
}

static enum kw_rc read_attempts(
	struct findings *f, struct attempt **ret, size_t *ret_n, struct kw_err *err)
{
	FILE *file = fopen(f->ctl->attempts_file, "re");
	struct attempt *rows = NULL;
	size_t n = 0, cap = 0, size = 0;
	char *line = NULL;
	enum kw_rc rc = KW_OK;

	if (!file)
		return kw_fail(err, KW_INVALID, "%s cannot be read", f->ctl->attempts_file);
	for (ssize_t length; rc == KW_OK && (length = getline(&line, &size, file)) > 0;) {
		if (n == cap) {
			struct attempt *wider =
				kw_new(f->ctl->arena, struct attempt, cap ? cap * 2 : 1024);

			if (n > 0)
				memcpy(wider, rows, n * sizeof(*rows));
			rows = wider;
			cap = cap ? cap * 2 : 1024;
		}
		rc = kw_json_decode(
			attempt_fields, line, (size_t)length, f->ctl->arena, &rows[n], err);
		if (rc == KW_OK) {
			rows[n].order_id =
				kw_uuid_of("order", rows[n].channel, rows[n].external_id);
			n++;
		}
	}
	free(line);
	fclose(file);
	if (n > 1)
		qsort(rows, n, sizeof(*rows), by_order);
	*ret = rows;
	*ret_n = n;
	return rc;
}

static const struct kw_stmt find_orders = {
	"SELECT order_id::text FROM routing.orders ORDER BY 1"
};
static const struct kw_stmt find_dead_orders = {
	"SELECT DISTINCT encode(key, 'escape') COLLATE \"C\" FROM routing.dead_letters ORDER BY 1"
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

/* All attempts of one order: answered 202 means that it is there; refused every time means that it
 * is not. */
static void judge(struct findings *f, const struct attempt *rows, size_t n, bool there)
{
	bool accepted = false, refused = true;
	const char *name =
		kw_arena_printf(f->ctl->arena, "%s %s", rows[0].channel, rows[0].external_id);

	for (size_t i = 0; i < n; i++) {
		accepted = accepted || rows[i].status == 202;
		refused = refused && (rows[i].status == 200 ||
					     (rows[i].status >= 400 && rows[i].status != 409 &&
						     rows[i].status < 500));
		if (rows[i].forged && rows[i].status == 202)
			check_drift(f, "FORGED", name, "status", "401", "202");
	}
	if (accepted && !there)
		check_drift(
			f, "ACCEPTED_IS_THERE", name, "order", "one, or a dead letter", "neither");
	if (refused && there)
		check_drift(f, "REFUSED_IS_NOT", name, "order", "none", "one");
}

enum kw_rc check_attempts(struct findings *f, struct kw_err *err)
{
	struct kw_args args = kw_args_of(f->ctl->arena);
	struct attempt *rows = NULL;
	struct name *orders, *dead;
	size_t n = 0, n_orders, n_dead, named = 0;
	struct kw_pg *pg;
	enum kw_rc rc;

	if (!f->ctl->attempts_file || !f->settled) {
		check_skip(
			f, f->ctl->attempts_file
				   ? "the sender's attempts: something is still on its way"
				   : "what needs the sender's log: give it with --attempts FILE");
		return KW_OK;
	}
	KW_TRY(read_attempts(f, &rows, &n, err));
	pg = ctl_connect(f->ctl, NULL);
	rc = kw_pg_fetch(
		pg, &find_orders, &args, name_cols, sizeof(*orders), &orders, &n_orders, err);
	if (rc == KW_OK)
		rc = kw_pg_fetch(pg, &find_dead_orders, &args, name_cols, sizeof(*dead), &dead,
			&n_dead, err);
	kw_pg_free(pg);
	if (rc != KW_OK)
		return rc;
	for (size_t i = 0, end; i < n; i = end) {
		struct name key = { rows[i].order_id.s };
		bool there = bsearch(&key, orders, n_orders, sizeof(*orders), by_name) != NULL;
		bool is_dead_letter = bsearch(&key, dead, n_dead, sizeof(*dead), by_name) != NULL;

		for (end = i + 1; end < n && by_order(&rows[i], &rows[end]) == 0;)
			end++;
		named += there;
		judge(f, &rows[i], end - i, there || is_dead_letter);
	}
	f->rows += (int64_t)n;
	if (named < n_orders)
		check_drift(f, "ORDER_WAS_SENT", "all", "orders",
			kw_arena_printf(f->ctl->arena, "%zu", named),
			kw_arena_printf(f->ctl->arena, "%zu", n_orders));
	return KW_OK;
}
