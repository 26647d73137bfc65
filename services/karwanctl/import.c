/* import: a file to the edge of listing-ingestion, part by part, and what became of it. The
 * import's id is a function of the file, so that an interrupted one is simply run again. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/clock.h"
#include "core/id.h"
#include "ctl.h"
#include "http/client.h"
#include "http/crypto.h"
#include "parts.h"
#include "json/json.h"

#define CALL_DEADLINE_MS 120000
#define TRIES_MAX 30
#define TRY_PAUSE_MAX_MS 4000
#define POLL_MS 200
#define STILL_MAX_US (120 * KW_US_PER_S) /* without any row taken */
#define ANSWER_MAX (1024 * 1024)
#define SHOWN_MAX 20 /* problems */

struct problem {
	int64_t line;
	const char *pointer, *reason;
};

struct view {
	struct kw_uuid run_id;
	const char *state;
	int64_t rows, appended, refused, changed, same, stale, set_aside;
	const struct problem *problems;
	size_t n_problems;
};

static const struct kw_field problem_fields[] = {
	KW_I64(struct problem, line, KW_REQUIRED, 1, INT64_MAX),
	KW_STR(struct problem, pointer, KW_OPTIONAL, 0, 200),
	KW_STR(struct problem, reason, KW_REQUIRED, 0, 400),
	KW_END,
};
static const struct kw_field view_fields[] = {
	KW_UUID(struct view, run_id, KW_REQUIRED),
	KW_STR(struct view, state, KW_REQUIRED, 1, 40),
	KW_I64(struct view, rows, KW_REQUIRED, 0, INT64_MAX),
	KW_I64(struct view, appended, KW_REQUIRED, 0, INT64_MAX),
	KW_I64(struct view, refused, KW_REQUIRED, 0, INT64_MAX),
	KW_I64(struct view, changed, KW_REQUIRED, 0, INT64_MAX),
	KW_I64(struct view, same, KW_REQUIRED, 0, INT64_MAX),
	KW_I64(struct view, stale, KW_REQUIRED, 0, INT64_MAX),
	KW_I64(struct view, set_aside, KW_REQUIRED, 0, INT64_MAX),
	KW_ARRAY(struct view, problems, KW_REQUIRED, struct problem, problem_fields, 0, 1000),
	KW_END,
};

struct answer {
	struct kw_uuid import_id;
};
static const struct kw_field answer_fields[] = { KW_UUID(struct answer, import_id, KW_REQUIRED),
	KW_END };

struct refusal {
	const char *detail;
};
static const struct kw_field refusal_fields[] = {
	KW_STR(struct refusal, detail, KW_OPTIONAL, 0, 1000), KW_END
};

struct import {
	struct ctl *ctl;
	const char *path;
	enum file_format format;
	const char *kind, *authorization;
	char digest[65], as_of[KW_TIME_TEXT];
	struct kw_uuid run_id, import_id;
	int64_t bytes;
	struct stat stat;
	struct kw_client *client;
	struct kw_arena *arena; /* of one call */
};

/* ---- the file ---- */

static enum kw_rc digest_file(struct import *im, struct kw_err *err)
{
	FILE *file = fopen(im->path, "re");
	char piece[65536];
	uint8_t hash[KW_SHA256_SIZE];

	if (!file || fstat(fileno(file), &im->stat) != 0) {
		if (file)
			fclose(file);
		return kw_fail(err, KW_INVALID, "%s: %s", im->path, strerror(errno));
	}
	if (!S_ISREG(im->stat.st_mode)) {
		fclose(file);
		return kw_fail(err, KW_INVALID, "%s is no regular file", im->path);
	}
	struct kw_digest *digest = kw_digest_new();
	for (size_t n; (n = fread(piece, 1, sizeof(piece), file)) > 0; im->bytes += (int64_t)n)
		kw_digest_add(digest, (struct kw_bytes) { piece, n });
	kw_digest_end(digest, hash);
	bool failed = ferror(file) != 0;
	fclose(file);
	if (failed)
		return kw_fail(err, KW_INVALID, "%s cannot be read", im->path);
	snprintf(im->digest, sizeof(im->digest), "%s",
		kw_hex(im->arena, (struct kw_bytes) { hash, sizeof(hash) }));
	return KW_OK;
}

static enum kw_rc check_unchanged(const struct import *im, struct kw_err *err)
{
	struct stat now;

	if (stat(im->path, &now) != 0 || now.st_size != im->stat.st_size ||
		now.st_mtim.tv_sec != im->stat.st_mtim.tv_sec ||
		now.st_mtim.tv_nsec != im->stat.st_mtim.tv_nsec)
		return kw_fail(err, KW_INVALID, "%s was changed meanwhile: run it again", im->path);
	return KW_OK;
}

/* ---- calls ---- */

static void add_argument(struct kw_buf *url, const char *name, const char *value, size_t n)
{
	kw_buf_printf(url, "&%s=", name);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)value[i];
		if (isalnum(c) || strchr("-._~", c))
			kw_buf_char(url, (char)c);
		else
			kw_buf_printf(url, "%%%02X", c);
	}
}

static void add_text(struct kw_buf *url, const char *name, const char *value)
{
	add_argument(url, name, value, strlen(value));
}

static void add_number(struct kw_buf *url, const char *name, int64_t value)
{
	kw_buf_printf(url, "&%s=%" PRId64, name, value);
}

static char *url_of_part(struct import *im, const struct part *part)
{
	const char *name = strrchr(im->path, '/') ? strrchr(im->path, '/') + 1 : im->path;
	KW_CLEANUP(kw_buf_done) struct kw_buf url;

	kw_buf_init(&url, 8192);
	kw_buf_printf(&url, "%s/v1/imports?kind=%s", im->ctl->urls[0], im->kind);
	add_number(&url, "part", part->number);
	add_text(&url, "last", part->last ? "true" : "false");
	if (part->line > 0)
		add_number(&url, "line", part->line);
	if (im->bytes > 0)
		add_number(&url, "bytes", im->bytes);
	add_text(&url, "digest", im->digest);
	add_text(&url, "run", im->run_id.s);
	add_text(&url, "as_of", im->as_of);
	add_argument(&url, "name", name, strnlen(name, 200));
	for (size_t i = 0; i < im->ctl->n_with; i++) {
		const char *with = im->ctl->with[i], *equals = strchr(with, '=');
		add_text(&url, kw_arena_strn(im->arena, with, (size_t)(equals - with)), equals + 1);
	}
	return kw_arena_strn(im->arena, url.p, url.n);
}

static void pause_ms(int ms)
{
	nanosleep(&(struct timespec) { ms / 1000, (ms % 1000) * 1000000L }, NULL);
}

static enum kw_rc refused(struct import *im, const struct kw_call *call, struct kw_err *err)
{
	struct refusal refusal = { 0 };
	struct kw_err why;

	if (call->rc != KW_OK)
		return kw_fail(err, call->rc == KW_INVALID ? KW_INVALID : KW_RETRY, "%s: %s",
			im->ctl->urls[0], call->err.reason);
	(void)kw_json_decode(
		refusal_fields, call->answer.p, call->answer.n, im->arena, &refusal, &why);
	return kw_fail(err, KW_INVALID, "answered %d: %s", call->status,
		refusal.detail ? refusal.detail : "no reason given");
}

/* A part is sent until it is acknowledged: a repeat is harmless. */
static enum kw_rc send_part(void *ctx, const struct part *part, struct kw_err *err)
{
	struct import *im = ctx;
	const char *headers[] = { im->authorization,
		im->format == FILE_CSV ? "Content-Type: text/csv; charset=utf-8"
				       : "Content-Type: application/x-ndjson; charset=utf-8",
		"Expect:", NULL };
	struct answer answer;

	kw_arena_reset(im->arena);
	struct kw_call call = {
		.method = "POST", .url = url_of_part(im, part), .headers = headers
	};
	for (int i = 0, pause = 100;; i++) {
		call.body = part->bytes;
		kw_client_run(im->client, im->arena, &call, 1, CALL_DEADLINE_MS, ANSWER_MAX);
		bool again = call.rc == KW_RETRY || call.rc == KW_NOTHING ||
			     (call.rc == KW_OK && (call.status == 503 || call.status == 429));
		if (!again || i == TRIES_MAX)
			break;
		pause_ms(pause);
		pause = pause * 2 > TRY_PAUSE_MAX_MS ? TRY_PAUSE_MAX_MS : pause * 2;
	}
	if (call.rc != KW_OK || call.status != 202)
		return refused(im, &call, err);
	KW_TRY(kw_json_decode(
		answer_fields, call.answer.p, call.answer.n, im->arena, &answer, err));
	im->import_id = answer.import_id;
	if (!im->ctl->json)
		fprintf(stderr, "part %" PRId64 ": %" PRId64 " of %" PRId64 " bytes sent\n",
			part->number, part->end, im->bytes);
	return KW_OK;
}

/* ---- the outcome ---- */

static enum kw_rc look(
	struct import *im, struct view *ret, const char **ret_text, struct kw_err *err)
{
	const char *headers[] = { im->authorization, NULL };
	struct kw_call call = { .method = "GET", .headers = headers };

	kw_arena_reset(im->arena);
	*ret = (struct view) { .state = "RECEIVING" };
	*ret_text = "{}";
	call.url =
		kw_arena_printf(im->arena, "%s/v1/imports/%s", im->ctl->urls[0], im->import_id.s);
	kw_client_run(im->client, im->arena, &call, 1, CALL_DEADLINE_MS, ANSWER_MAX);
	/* not there yet, or PostgreSQL is away */
	if (call.rc != KW_OK || call.status == 404 || call.status >= 500)
		return KW_OK;
	if (call.status != 200)
		return refused(im, &call, err);
	*ret_text = kw_arena_strn(im->arena, call.answer.p, call.answer.n);
	KW_TRY(kw_json_decode(view_fields, call.answer.p, call.answer.n, im->arena, ret, err));
	if (strcmp(ret->run_id.s, im->run_id.s) != 0) /* an earlier one is still shown */
		*ret = (struct view) { .state = "RECEIVING" };
	return KW_OK;
}

static void show(const struct import *im, const struct view *view, const char *text)
{
	size_t n = view->n_problems < SHOWN_MAX ? view->n_problems : SHOWN_MAX;

	if (im->ctl->json) {
		printf("%s\n", text);
		return;
	}
	printf("import %s %s: %" PRId64 " rows: %" PRId64 " changed, %" PRId64 " same, %" PRId64
	       " stale, %" PRId64 " set aside, %" PRId64 " refused\n",
		im->import_id.s, view->state, view->rows, view->changed, view->same, view->stale,
		view->set_aside, view->refused);
	for (size_t i = 0; i < n; i++)
		printf("  line %" PRId64 "%s%s: %s\n", view->problems[i].line,
			view->problems[i].pointer ? " " : "",
			view->problems[i].pointer ? view->problems[i].pointer : "",
			view->problems[i].reason);
	if (view->n_problems > n)
		printf("  … all of them: GET /v1/imports/%s\n", im->import_id.s);
}

/* Until all is done, as long as something moves. */
static enum kw_rc wait_for_outcome(struct import *im, bool *ret_clean, struct kw_err *err)
{
	int64_t taken = -1, moved_us = kw_monotonic_us();
	struct view view;
	const char *text;

	for (;; pause_ms(POLL_MS)) {
		KW_TRY(look(im, &view, &text, err));
		int64_t now = view.rows + view.changed + view.same + view.stale + view.set_aside;
		if (strcmp(view.state, "DONE") == 0 || strcmp(view.state, "CUT_SHORT") == 0)
			break;
		if (now != taken) {
			taken = now;
			moved_us = kw_monotonic_us();
		} else if (kw_monotonic_us() - moved_us > STILL_MAX_US) {
			return kw_fail(err, KW_RETRY,
				"all was sent, and nothing happens: GET /v1/imports/%s says how far it is",
				im->import_id.s);
		}
	}
	*ret_clean = strcmp(view.state, "DONE") == 0 && view.refused + view.set_aside == 0;
	show(im, &view, text);
	return KW_OK;
}

/* ---- the command ---- */

static enum kw_rc settle_kind(struct import *im, struct kw_err *err)
{
	const char *guess = NULL;
	char *kind;

	KW_TRY(look_at_file(im->path, &im->format, &guess, err));
	if (!im->ctl->kind && !guess)
		return kw_fail(err, KW_INVALID,
			"%s: its first line names no maker_id, hub_id, listing_id or Handle: say --kind",
			im->path);
	kind = kw_arena_str(im->ctl->arena, im->ctl->kind ? im->ctl->kind : guess);
	for (char *p = kind; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	im->kind = kind;
	return KW_OK;
}

static enum kw_rc settle_time(struct import *im, struct kw_err *err)
{
	kw_time at =
		(kw_time)im->stat.st_mtim.tv_sec * KW_US_PER_S + im->stat.st_mtim.tv_nsec / 1000;

	if (im->ctl->as_of && strcmp(im->ctl->as_of, "now") == 0)
		at = kw_now(&kw_clock_system);
	else if (im->ctl->as_of)
		KW_TRY(kw_time_parse(im->ctl->as_of, &at, err));
	kw_time_format(at, im->as_of);
	return KW_OK;
}

static enum kw_rc import(struct import *im, bool *ret_clean, struct kw_err *err)
{
	if (!im->ctl->urls[0][0])
		return kw_fail(err, KW_INVALID, "KARWAN_LISTING_URL is not set");
	KW_TRY(ctl_authorization(im->ctl, &im->authorization, err));
	KW_TRY(digest_file(im, err));
	KW_TRY(settle_kind(im, err));
	KW_TRY(settle_time(im, err));
	KW_TRY(send_parts(
		im->path, im->format, strcmp(im->kind, "SHOPIFY") == 0, send_part, im, err));
	KW_TRY(check_unchanged(im, err));
	return wait_for_outcome(im, ret_clean, err);
}

int ctl_import(struct ctl *ctl)
{
	struct import im = { .ctl = ctl,
		.path = ctl->argv[0],
		.run_id = kw_uuid_random(),
		.arena = kw_arena_new((size_t)64 * 1024 * 1024),
		.client = kw_client_new(true) };
	struct kw_err err = { 0 };
	bool clean = false;
	enum kw_rc rc = import(&im, &clean, &err);

	kw_client_free(im.client);
	kw_arena_free(im.arena);
	if (rc != KW_OK)
		return ctl_failed("import", &err);
	return clean ? CTL_OK : CTL_FOUND;
}
