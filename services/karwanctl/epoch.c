/* epoch and accept: what an operator says after PostgreSQL or a topic is not what it was (rules 3
 * and 7 of the design). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bus/consumer.h"
#include "bus/envelope.h"
#include "core/id.h"
#include "ctl.h"

#define STARTED "karwan.epoch.started.v1"
/* Records of each partition that are looked at for their epoch: more than one request can hold, so
 * that late ones of a publisher that is gone do not hide what was there before them. */
#define TAIL 2000

enum { START_EPOCH, LEARN_EPOCH, ACCEPT_IDENTITY, ACCEPT_TOPIC, FIND_HEADS };

static const struct kw_stmt stmts[] = {
	[START_EPOCH] = { "SELECT partition, epoch, last_good_number FROM begin_epoch($1::text, $2::int, $3::uuid[], $4::uuid[])" },
	[LEARN_EPOCH] = { "SELECT learn_epoch($1::text, $2::int[], $3::int[], $4::bigint[])" },
	[ACCEPT_IDENTITY] = { "SELECT accept_identity()" },
	[ACCEPT_TOPIC] = { "SELECT accept_topic($1::text)" },
	[FIND_HEADS] = { "SELECT partition, epoch, number FROM head ORDER BY partition" },
};

struct epoch_row {
	int partition, epoch;
	int64_t last_good;
};

static const struct kw_col epoch_cols[] = {
	KW_COL_INT(struct epoch_row, partition),
	KW_COL_INT(struct epoch_row, epoch),
	KW_COL_I64(struct epoch_row, last_good),
	KW_COL_END,
};

struct barrier {
	struct kw_uuid entity, id;
};

static const struct kw_col barrier_cols[] = { KW_COL_UUID(struct barrier, entity),
	KW_COL_UUID(struct barrier, id), KW_COL_END };

/* All journals in one transaction: a system with half an epoch must not exist. */
struct epochs {
	struct ctl *ctl;
	int next; /* of all journals: above what the database and the topics know */
	struct epoch_row *rows[AREAS];
	size_t n[AREAS];
};

/* The schema changes inside the transaction, so the statements are prepared once for each. */
static enum kw_rc use(struct kw_pg *pg, const struct area *area, struct kw_err *err)
{
	char text[80];

	snprintf(text, sizeof(text), "SET LOCAL search_path TO %s", area->schema);
	return kw_pg_script(pg, text, err);
}

static enum kw_rc find_heads(struct epochs *e, const struct area *area, struct kw_pg *pg,
	struct epoch_row **ret, size_t *ret_n, struct kw_err *err)
{
	struct kw_args args = kw_args_of(e->ctl->arena);

	KW_TRY(use(pg, area, err));
	return kw_pg_fetch(
		pg, &stmts[FIND_HEADS], &args, epoch_cols, sizeof(**ret), ret, ret_n, err);
}

/* ---- which epoch: no number is given twice ---- */

struct look {
	int epoch;       /* the highest of the records that were read */
	int64_t barrier; /* the lowest number of a barrier of an epoch that the journal does not
			    know; 0: none */
};

static enum kw_rc look_from(struct kw_reader *reader, const char *topic,
	const struct epoch_row *head, int64_t from, struct look *ret, struct kw_err *err)
{
	KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new(16 * 1024 * 1024);
	struct kw_message m;
	enum kw_rc rc;

	*ret = (struct look) { 0 };
	KW_TRY(kw_reader_begin(reader, topic, head->partition, from, err));
	while ((rc = kw_reader_next(reader, &m, err)) == KW_OK) {
		struct kw_envelope e;
		struct kw_err ignored;

		if (kw_envelope_parse(&m, a, &e, &ignored) == KW_OK) {
			if (e.place.epoch > ret->epoch)
				ret->epoch = e.place.epoch;
			if (e.place.epoch > head->epoch && strcmp(e.type, STARTED) == 0 &&
				(ret->barrier == 0 || e.place.number < ret->barrier))
				ret->barrier = e.place.number;
		}
		kw_arena_reset(a);
	}
	return rc == KW_NOTHING ? KW_OK : rc;
}

/* An older copy was restored before this one, and the topics know that epoch. What this journal has
 * behind its barrier is void for those who read it. */
static enum kw_rc look_at_partition(struct epochs *e, struct kw_reader *reader, const char *topic,
	const struct epoch_row *head, struct kw_err *err)
{
	int64_t low, high;
	struct look look;

	KW_TRY(kw_reader_watermarks(reader, topic, head->partition, &low, &high, err));
	KW_TRY(look_from(reader, topic, head, high - TAIL, &look, err));
	if (look.epoch > head->epoch && look.barrier == 0)
		KW_TRY(look_from(reader, topic, head, low, &look, err));
	if (look.epoch > head->epoch && look.barrier <= head->last_good)
		return kw_fail(err, KW_CONFLICT,
			"%s partition %d has epoch %d, which makes void what this copy has: restore one of "
			"that epoch, or one that is older",
			topic, head->partition, look.epoch);
	if (look.epoch >= e->next)
		e->next = look.epoch + 1;
	return KW_OK;
}

static enum kw_rc find_next(struct epochs *e, struct kw_pg *pg, struct kw_err *err)
{
	struct kw_reader *reader;
	enum kw_rc rc = kw_reader_open(e->ctl->brokers, "karwanctl", &reader, err);

	if (rc != KW_OK)
		return rc;
	for (size_t i = 0; i < AREAS && rc == KW_OK; i++) {
		struct epoch_row *heads;
		size_t n = 0;

		rc = find_heads(e, &areas[i], pg, &heads, &n, err);
		for (size_t k = 0; k < n && rc == KW_OK; k++) {
			if (heads[k].epoch >= e->next)
				e->next = heads[k].epoch + 1;
			rc = look_at_partition(e, reader, areas[i].events_topic, &heads[k], err);
		}
	}
	kw_reader_close(reader);
	return rc;
}

/* ---- one transaction ---- */

static enum kw_rc start_one(struct epochs *e, size_t i, struct kw_pg *pg, struct kw_err *err)
{
	struct kw_arena *a = e->ctl->arena;
	struct kw_args args = kw_args_of(a);
	struct epoch_row *heads;
	struct barrier *barriers;
	size_t n;

	KW_TRY(find_heads(e, &areas[i], pg, &heads, &n, err));
	barriers = kw_new(a, struct barrier, n);
	for (size_t k = 0; k < n; k++) {
		char partition[16];

		snprintf(partition, sizeof(partition), "%d", heads[k].partition);
		barriers[k].entity = kw_uuid_of("epoch", areas[i].events_topic, partition);
		barriers[k].id = kw_event_id(barriers[k].entity.s, e->next, STARTED);
	}
	kw_args_text(&args, areas[i].events_topic);
	kw_args_int(&args, e->next);
	kw_args_rows(&args, barrier_cols, barriers, n, sizeof(*barriers));
	KW_TRY(kw_pg_fetch(pg, &stmts[START_EPOCH], &args, epoch_cols, sizeof(**e->rows),
		&e->rows[i], &e->n[i], err));
	return KW_OK;
}

static enum kw_rc epoch_tx(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	struct epochs *e = ctx;

	KW_TRY(find_next(e, pg, err));
	for (size_t i = 0; i < AREAS; i++)
		KW_TRY(start_one(e, i, pg, err));
	for (size_t i = 0; i < AREAS; i++) {
		KW_TRY(use(pg, &areas[i], err));
		for (size_t k = 0; k < AREAS; k++) {
			struct kw_args args = kw_args_of(e->ctl->arena);

			if (k == i)
				continue;
			kw_args_text(&args, areas[k].events_topic);
			kw_args_rows(&args, epoch_cols, e->rows[k], e->n[k], sizeof(**e->rows));
			KW_TRY(kw_pg_exec(pg, &stmts[LEARN_EPOCH], &args, NULL, err));
		}
		struct kw_args none = kw_args_of(e->ctl->arena);
		KW_TRY(kw_pg_exec(pg, &stmts[ACCEPT_IDENTITY], &none, NULL, err));
	}
	return KW_OK;
}

int ctl_epoch(struct ctl *ctl)
{
	struct epochs e = { .ctl = ctl };
	struct kw_tx tx = { .run = epoch_tx, .ctx = &e };
	struct kw_pg *pg = ctl_connect(ctl, NULL);
	struct kw_err err = { 0 };
	enum kw_rc rc = kw_pg_tx_run(pg, &tx, &err);

	kw_pg_free(pg);
	if (rc != KW_OK)
		return ctl_failed("epoch", &err);
	if (ctl->json)
		printf("[");
	for (size_t i = 0; i < AREAS; i++)
		for (size_t k = 0; k < e.n[i]; k++)
			printf(ctl->json
					? "%s{\"topic\":\"%s\",\"partition\":%d,\"epoch\":%d,\"last_good_number\":%" PRId64
					  "}"
					: "%s%-24s partition %2d: epoch %d, last good number %" PRId64
					  "\n",
				ctl->json && (i || k) ? "," : "", areas[i].events_topic,
				e.rows[i][k].partition, e.rows[i][k].epoch, e.rows[i][k].last_good);
	if (ctl->json)
		printf("]\n");
	return CTL_OK;
}

static enum kw_rc accept_tx(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	struct ctl *ctl = ctx;

	for (size_t i = 0; i < AREAS; i++) {
		struct kw_args args = kw_args_of(ctl->arena);

		KW_TRY(use(pg, &areas[i], err));
		if (ctl->topic)
			kw_args_text(&args, ctl->topic);
		KW_TRY(kw_pg_exec(
			pg, &stmts[ctl->topic ? ACCEPT_TOPIC : ACCEPT_IDENTITY], &args, NULL, err));
	}
	return KW_OK;
}

int ctl_accept(struct ctl *ctl)
{
	struct kw_tx tx = { .run = accept_tx, .ctx = ctl };
	struct kw_pg *pg = ctl_connect(ctl, NULL);
	struct kw_topics topics;
	struct kw_err err = { 0 };
	enum kw_rc rc = ctl->topic ? ctl_topics(ctl, &topics, &err) : KW_OK;

	if (rc == KW_OK && ctl->topic && !kw_topics_find(&topics, ctl->topic))
		rc = kw_fail(&err, KW_INVALID, "%s is not one of our topics", ctl->topic);
	if (rc == KW_OK)
		rc = kw_pg_tx_run(pg, &tx, &err);
	kw_pg_free(pg);
	if (rc != KW_OK)
		return ctl_failed("accept", &err);
	printf(ctl->json ? "{\"accepted\":\"%s\"}\n" : "accepted: %s\n",
		ctl->topic ? ctl->topic : "database");
	return CTL_OK;
}
