/* dlq list, show, replay: dead letters are rows of each service's schema; the service itself
 * replays (rule 8 of the design). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl.h"
#include "flow/batch.h"
#include "json/json.h"

#define WAIT_US (20 * KW_US_PER_S)
#define LIST_MAX 1000

enum { LIST, FIND, REQUEST, OUTCOME, REPLAYABLE, WAITING, OUTCOMES };

static const struct kw_stmt stmts[] = {
	[LIST] = { "SELECT $1::text || '/' || id, topic, partition, at_offset, attempts, dead_at, reason, pointer, code, replays, replayed_at, "
		   "outcome, NULL::text, NULL::text, NULL::text FROM dead_letters ORDER BY id DESC LIMIT 1000" },
	[FIND] = { "SELECT $1::text || '/' || id, topic, partition, at_offset, attempts, dead_at, reason, pointer, code, replays, replayed_at, "
		   "outcome, encode(key, 'escape'), headers, encode(value, 'escape') FROM dead_letters WHERE id = $2::bigint" },
	[REQUEST] = { "SELECT request_replay($1::bigint, $2::boolean, $3::text)" },
	/* what was asked before and not taken up yet is waited for, not asked again */
	[REPLAYABLE] = { "SELECT count(*) FILTER (WHERE request_replay(id, $1::boolean, $2::text)) "
			 "FROM (SELECT id FROM dead_letters WHERE replayed_at IS NULL "
			 "AND requested IS NULL AND replays < $3::int ORDER BY id LIMIT $4::int) x" },
	[WAITING] = { "SELECT count(*) FROM dead_letters WHERE requested IS NOT NULL" },
	[OUTCOMES] = { "SELECT count(*) FILTER (WHERE replayed_at IS NOT NULL), count(*) FILTER "
		       "(WHERE replayed_at IS NULL AND replays < $1::int) FROM dead_letters" },
	[OUTCOME] = { "SELECT coalesce(outcome, '') FROM dead_letters WHERE id = $1::bigint AND requested IS NULL" },
};

struct letter {
	const char *id, *topic, *reason, *pointer, *code, *outcome, *key, *headers, *value;
	int partition, attempts, replays;
	int64_t offset;
	kw_time dead_at, replayed_at;
	int64_t partition64, attempts64, replays64; /* for the field table */
};

static const struct kw_col letter_cols[] = {
	KW_COL_TEXT(struct letter, id),
	KW_COL_TEXT(struct letter, topic),
	KW_COL_INT(struct letter, partition),
	KW_COL_I64(struct letter, offset),
	KW_COL_INT(struct letter, attempts),
	KW_COL_TIME(struct letter, dead_at),
	KW_COL_TEXT(struct letter, reason),
	KW_COL_TEXT(struct letter, pointer),
	KW_COL_TEXT(struct letter, code),
	KW_COL_INT(struct letter, replays),
	KW_COL_TIME(struct letter, replayed_at),
	KW_COL_TEXT(struct letter, outcome),
	KW_COL_TEXT(struct letter, key),
	KW_COL_TEXT(struct letter, headers),
	KW_COL_TEXT(struct letter, value),
	KW_COL_END,
};

static const struct kw_field letter_fields[] = {
	KW_STR(struct letter, id, KW_REQUIRED, 1, 100),
	KW_STR(struct letter, topic, KW_REQUIRED, 1, 100),
	KW_I64_AS(struct letter, partition64, "partition", KW_REQUIRED, 0, 1000),
	KW_I64(struct letter, offset, KW_REQUIRED, 0, INT64_MAX),
	KW_I64_AS(struct letter, attempts64, "attempts", KW_REQUIRED, 0, 1000),
	KW_TIME(struct letter, dead_at, KW_REQUIRED),
	KW_STR(struct letter, reason, KW_OPTIONAL, 0, 1000),
	KW_STR(struct letter, pointer, KW_OPTIONAL, 0, 1000),
	KW_STR(struct letter, code, KW_OPTIONAL, 0, 100),
	KW_I64_AS(struct letter, replays64, "replays", KW_REQUIRED, 0, 1000),
	KW_TIME(struct letter, replayed_at, KW_OPTIONAL),
	KW_STR(struct letter, outcome, KW_OPTIONAL, 0, 1000),
	KW_STR(struct letter, key, KW_OPTIONAL, 0, 1000),
	KW_STR(struct letter, headers, KW_OPTIONAL, 0, 100000),
	KW_STR(struct letter, value, KW_OPTIONAL, 0, 10000000),
	KW_END,
};

static void print_json(struct letter *letter, const char *before)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf out;

	kw_buf_init(&out, 32 * 1024 * 1024);
	letter->partition64 = letter->partition;
	letter->attempts64 = letter->attempts;
	letter->replays64 = letter->replays;
	kw_json_encode(letter_fields, letter, &out);
	printf("%s%s", before, out.p);
}

static void print_line(const struct letter *letter)
{
	char at[KW_TIME_TEXT];

	kw_time_format(letter->dead_at, at);
	printf("%-28s %s  %s/%d@%" PRId64 "  attempts %d  %s%s%s %s%s%s\n", letter->id, at,
		letter->topic, letter->partition, letter->offset, letter->attempts, letter->code,
		letter->code[0] ? " " : "", letter->pointer, letter->reason,
		letter->replayed_at ? "  REPLAYED"
		: letter->outcome   ? "  last replay: "
				    : "",
		letter->replayed_at || !letter->outcome ? "" : letter->outcome);
}

int ctl_dlq_list(struct ctl *ctl)
{
	size_t total = 0;

	if (ctl->json)
		printf("[");
	for (size_t i = 0; i < AREAS; i++) {
		struct kw_pg *pg = ctl_connect(ctl, areas[i].schema);
		struct kw_args args = kw_args_of(ctl->arena);
		struct letter *letters;
		struct kw_err err = { 0 };
		size_t n;
		enum kw_rc rc;

		kw_args_text(&args, areas[i].service);
		rc = kw_pg_fetch(
			pg, &stmts[LIST], &args, letter_cols, sizeof(*letters), &letters, &n, &err);
		kw_pg_free(pg);
		if (rc != KW_OK)
			return ctl_failed(areas[i].schema, &err);
		for (size_t k = n; k > 0; k--, total++) {
			if (ctl->json)
				print_json(&letters[k - 1], total ? "," : "");
			else
				print_line(&letters[k - 1]);
		}
	}
	if (ctl->json)
		printf("]\n");
	else if (total == 0)
		printf("no dead letters\n");
	return CTL_OK;
}

/* "order-routing/7" */
static const struct area *parse_id(const char *text, int64_t *ret)
{
	const char *slash = strchr(text, '/');
	char *end;

	for (size_t i = 0; slash && i < AREAS; i++) {
		size_t n = strlen(areas[i].service);
		if ((size_t)(slash - text) != n || strncmp(text, areas[i].service, n) != 0)
			continue;
		*ret = strtoll(slash + 1, &end, 10);
		return end != slash + 1 && *end == '\0' ? &areas[i] : NULL;
	}
	return NULL;
}

int ctl_dlq_show(struct ctl *ctl)
{
	int64_t id;
	const struct area *area = parse_id(ctl->argv[0], &id);
	struct kw_args args = kw_args_of(ctl->arena);
	struct letter letter;
	struct kw_err err = { 0 };
	enum kw_rc rc;

	if (!area) {
		fprintf(stderr, "karwanctl: %s is not SERVICE/ID\n", ctl->argv[0]);
		return CTL_USAGE;
	}
	struct kw_pg *pg = ctl_connect(ctl, area->schema);
	kw_args_text(&args, area->service);
	kw_args_i64(&args, id);
	rc = kw_pg_fetch_one(pg, &stmts[FIND], &args, letter_cols, sizeof(letter), &letter, &err);
	kw_pg_free(pg);
	if (rc == KW_NOTHING) {
		fprintf(stderr, "karwanctl: there is no dead letter %s\n", ctl->argv[0]);
		return CTL_FOUND;
	}
	if (rc != KW_OK)
		return ctl_failed(ctl->argv[0], &err);
	if (ctl->json) {
		print_json(&letter, "");
		printf("\n");
	} else {
		print_line(&letter);
		printf("\nkey      %s\n\n%s\n%s\n", letter.key, letter.headers, letter.value);
	}
	return CTL_OK;
}

struct answer {
	bool asked;
	const char *outcome;
};
static const struct kw_col asked_cols[] = { KW_COL_BOOL(struct answer, asked), KW_COL_END };
static const struct kw_col outcome_cols[] = { KW_COL_TEXT(struct answer, outcome), KW_COL_END };

/* The running service does it; we look until it has written down what came of it. */
static enum kw_rc wait_outcome(
	struct ctl *ctl, struct kw_pg *pg, int64_t id, struct answer *ret, struct kw_err *err)
{
	int64_t until = kw_monotonic_us() + WAIT_US;
	enum kw_rc rc;

	do {
		struct kw_args args = kw_args_of(ctl->arena);
		struct timespec pause = { 0, 100 * 1000 * 1000 };

		nanosleep(&pause, NULL);
		kw_args_i64(&args, id);
		rc = kw_pg_fetch_one(
			pg, &stmts[OUTCOME], &args, outcome_cols, sizeof(*ret), ret, err);
	} while (rc == KW_NOTHING && kw_monotonic_us() < until);
	return rc;
}

static int replay_one(struct ctl *ctl)
{
	int64_t id;
	const struct area *area = parse_id(ctl->argv[0], &id);
	struct kw_args args = kw_args_of(ctl->arena);
	struct answer answer = { 0 };
	struct kw_err err = { 0 };
	enum kw_rc rc;

	if (!area) {
		fprintf(stderr, "karwanctl: %s is not SERVICE/ID\n", ctl->argv[0]);
		return CTL_USAGE;
	}
	struct kw_pg *pg = ctl_connect(ctl, area->schema);
	kw_args_i64(&args, id);
	kw_args_bool(&args, ctl->dry_run);
	kw_args_text(&args, ctl->by);
	rc = kw_pg_fetch_one(pg, &stmts[REQUEST], &args, asked_cols, sizeof(answer), &answer, &err);
	if (rc == KW_OK && !answer.asked) {
		kw_pg_free(pg);
		fprintf(stderr,
			"karwanctl: %s does not exist, was replayed before, or is being replayed\n",
			ctl->argv[0]);
		return CTL_FOUND;
	}
	if (rc == KW_OK)
		rc = wait_outcome(ctl, pg, id, &answer, &err);
	kw_pg_free(pg);
	if (rc == KW_NOTHING)
		kw_fail(&err, rc, "%s has not taken it up: is it running? The request stays.",
			area->service);
	if (rc != KW_OK)
		return ctl_failed(ctl->argv[0], &err);
	if (ctl->json) {
		KW_CLEANUP(kw_buf_done) struct kw_buf out;

		kw_buf_init(&out, 64 * 1024);
		kw_buf_json_str(&out, answer.outcome);
		printf("{\"id\":\"%s\",\"outcome\":%s}\n", ctl->argv[0], out.p);
	} else {
		printf("%s\n", answer.outcome);
	}
	return strncmp(answer.outcome, "OK", 2) == 0 ? CTL_OK : CTL_FOUND;
}

struct letters {
	int64_t n;
};
struct outcomes {
	int64_t replayed, left; /* left: may be tried again */
};
static const struct kw_col letters_cols[] = { KW_COL_I64(struct letters, n), KW_COL_END };
static const struct kw_col outcomes_cols[] = { KW_COL_I64(struct outcomes, replayed),
	KW_COL_I64(struct outcomes, left), KW_COL_END };

/* Until the service has taken up all that was asked, as long as it goes on. */
static enum kw_rc wait_all(struct ctl *ctl, struct kw_pg *pg, struct kw_err *err)
{
	int64_t until = kw_monotonic_us() + WAIT_US, before = INT64_MAX;
	struct letters waiting;

	do {
		struct kw_args args = kw_args_of(ctl->arena);
		struct timespec pause = { 0, 100 * 1000 * 1000 };

		nanosleep(&pause, NULL);
		KW_TRY(kw_pg_fetch_one(
			pg, &stmts[WAITING], &args, letters_cols, sizeof(waiting), &waiting, err));
		if (waiting.n < before)
			until = kw_monotonic_us() + WAIT_US;
		before = waiting.n;
	} while (waiting.n > 0 && kw_monotonic_us() < until);
	return waiting.n == 0 ? KW_OK : KW_NOTHING;
}

/* The oldest of a service that may be tried, at most ctl->max. */
static int replay_service(struct ctl *ctl, const struct area *area)
{
	struct kw_args ask = kw_args_of(ctl->arena), look = kw_args_of(ctl->arena);
	struct letters asked = { 0 };
	struct outcomes outcomes = { 0 };
	struct kw_err err = { 0 };

	struct kw_pg *pg = ctl_connect(ctl, area->schema);
	kw_args_bool(&ask, ctl->dry_run);
	kw_args_text(&ask, ctl->by);
	kw_args_int(&ask, KW_REPLAYS_MAX);
	kw_args_int(&ask, ctl->max);
	kw_args_int(&look, KW_REPLAYS_MAX);
	enum kw_rc rc = kw_pg_fetch_one(
		pg, &stmts[REPLAYABLE], &ask, letters_cols, sizeof(asked), &asked, &err);
	if (rc == KW_OK)
		rc = wait_all(ctl, pg, &err);
	if (rc == KW_OK)
		rc = kw_pg_fetch_one(pg, &stmts[OUTCOMES], &look, outcomes_cols, sizeof(outcomes),
			&outcomes, &err);
	kw_pg_free(pg);
	if (rc == KW_NOTHING)
		kw_fail(&err, rc, "%s has not taken them up: is it running? The requests stay.",
			area->service);
	if (rc != KW_OK)
		return ctl_failed(area->service, &err);
	printf(ctl->json ? "{\"asked\":%" PRId64 ",\"replayed\":%" PRId64 ",\"left\":%" PRId64 "}\n"
			 : "asked for %" PRId64 "; replayed in all %" PRId64
			   ", left to try %" PRId64 "\n",
		asked.n, outcomes.replayed, outcomes.left);
	return outcomes.left == 0 ? CTL_OK : CTL_FOUND;
}

int ctl_dlq_replay(struct ctl *ctl)
{
	for (size_t i = 0; i < AREAS; i++)
		if (strcmp(areas[i].service, ctl->argv[0]) == 0)
			return replay_service(ctl, &areas[i]);
	return replay_one(ctl);
}
