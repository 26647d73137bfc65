/* epoch and accept: what an operator says after PostgreSQL or a topic is not what it was (rules 3
 * and 7 of the design). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/id.h"
#include "ctl.h"

enum { START_EPOCH, LEARN_EPOCH, ACCEPT_IDENTITY, ACCEPT_TOPIC, FIND_HEADS };

static const struct kw_stmt stmts[] = {
	[START_EPOCH] = { "SELECT partition, epoch, last_good_number FROM start_epoch($1::text, $2::uuid[], $3::uuid[])" },
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

static enum kw_rc start_one(struct epochs *e, size_t i, struct kw_pg *pg, struct kw_err *err)
{
	struct kw_arena *a = e->ctl->arena;
	struct kw_args args = kw_args_of(a);
	struct epoch_row *heads;
	struct barrier *barriers;
	size_t n;

	KW_TRY(use(pg, &areas[i], err));
	KW_TRY(kw_pg_fetch(
		pg, &stmts[FIND_HEADS], &args, epoch_cols, sizeof(*heads), &heads, &n, err));
	barriers = kw_new(a, struct barrier, n);
	for (size_t k = 0; k < n; k++) {
		char partition[16];

		snprintf(partition, sizeof(partition), "%d", heads[k].partition);
		barriers[k].entity = kw_uuid_of("epoch", areas[i].events_topic, partition);
		barriers[k].id = kw_event_id(
			barriers[k].entity.s, heads[k].epoch + 1, "karwan.epoch.started.v1");
	}
	kw_args_text(&args, areas[i].events_topic);
	kw_args_rows(&args, barrier_cols, barriers, n, sizeof(*barriers));
	KW_TRY(kw_pg_fetch(pg, &stmts[START_EPOCH], &args, epoch_cols, sizeof(**e->rows),
		&e->rows[i], &e->n[i], err));
	return KW_OK;
}

static enum kw_rc epoch_tx(struct kw_pg *pg, void *ctx, struct kw_err *err)
{
	struct epochs *e = ctx;

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
