/* Orders of which channels only gave notice; see asking.h. */
#include <string.h>

#include "asking.h"
#include "figures.h"
#include "flow/lease.h"
#include "notices.h"
#include "rest.h"
#include "store_channels.h"
#include "json/json.h"

/* What one round takes: all calls side by side, and their answers fit into the jobs' arena. */
#define FETCH_CHANNELS_MAX 4
#define FETCHES_MAX 4 /* orders of one channel */
#define ORDER_MAX ((size_t)1024 * 1024)
#define EXCEPTION_AFTER 5 /* failed fetches of an order that can be read by nobody */
#define GIVE_UP_AFTER 30  /* about four days */
#define PAUSE_MIN_S 5
#define PAUSE_MAX_S 600           /* where the channel is away */
#define PAUSE_INVALID_MAX_S 14400 /* where its answer cannot be read */

/* One order that is asked for, on behalf of one intent or several. */
struct fetch {
	const struct kw_partner *channel;
	const struct order_adapter *adapter;
	const char *external_id, *trace;
	struct kw_uuid order_id;
	struct kw_call *calls;
	bool appends; /* a message */
	enum kw_rc rc;
	struct kw_err err;
};

struct fetch_round {
	struct asking q;
	struct kw_intent *intents[FETCH_CHANNELS_MAX * FETCHES_MAX];
	size_t of[FETCH_CHANNELS_MAX * FETCHES_MAX]; /* the fetch of each */
	size_t n_intents;
	struct fetch fetches[FETCH_CHANNELS_MAX * FETCHES_MAX];
	size_t n;
};

static enum kw_rc add_intent(struct fetch_round *r, const struct kw_partner *channel,
	struct kw_intent *intent, size_t first, struct kw_err *err)
{
	struct fetch_order payload = { 0 };
	size_t k = first;

	if (kw_json_decode(fetch_order_fields, intent->payload, strlen(intent->payload), r->q.a,
		    &payload, err) != KW_OK)
		return kw_fail(
			err, KW_FATAL, "the payload of intent %s cannot be read", intent->id.s);
	while (k < r->n && strcmp(r->fetches[k].order_id.s, intent->entity.s) != 0)
		k++;
	if (k == r->n) {
		struct fetch *f = &r->fetches[r->n++];
		*f = (struct fetch) { .channel = channel,
			.adapter = order_adapter_find(channel->adapter),
			.external_id = payload.external_id,
			.trace = intent->trace,
			.order_id = intent->entity };
	}
	r->of[r->n_intents] = k;
	r->intents[r->n_intents++] = intent;
	return KW_OK;
}

/* Some of each channel, so that there is room for all. Intents of a channel that is not declared,
 * or is left alone because it hangs, wait. */
static enum kw_rc take_fetches(struct fetch_round *r, struct kw_pg *pg, struct kw_err *err)
{
	struct text_row *kinds;
	size_t n_kinds, n_channels = 0;

	KW_TRY(store_due_fetches(pg, r->q.a, &kinds, &n_kinds, err));
	for (size_t i = 0; i < n_kinds && n_channels < FETCH_CHANNELS_MAX; i++) {
		const struct kw_partner *channel = kw_partners_find(
			r->q.partners, KW_CHANNEL, kinds[i].text + sizeof(FETCH) - 1);
		struct kw_intent *intents;
		size_t n, first = r->n;

		if (!channel || !asking_api(channel) || rest_has(channel->name, kw_monotonic_us()))
			continue;
		enum kw_rc rc = kw_lease_take(pg, r->q.a, kinds[i].text, FETCHES_MAX,
			asking_lease_ms(&r->q), &intents, &n, err);
		if (rc != KW_OK && rc != KW_NOTHING)
			return rc;
		n_channels++;
		for (size_t k = 0; rc == KW_OK && k < n; k++)
			KW_TRY(add_intent(r, channel, &intents[k], first, err));
	}
	return KW_OK;
}

static void ask_fetches(struct fetch_round *r)
{
	struct kw_call *calls = kw_new(r->q.a, struct kw_call, r->n * API_CALLS_MAX);
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++) {
		struct fetch *f = &r->fetches[i];
		f->calls = &calls[n];
		f->adapter->api->ask_order(f->channel, f->external_id, r->q.now, r->q.a, f->calls);
		n += f->adapter->api->n_calls;
	}
	kw_client_run(kw_svc_client(r->q.svc), r->q.a, calls, n, r->q.deadline_ms, ORDER_MAX);
}

/* Which channels let us wait with all that they were asked for? */
static void learn_who_hangs(const struct fetch_round *r)
{
	int64_t now_us = kw_monotonic_us();

	for (size_t i = 0; i < r->n;) {
		const struct kw_partner *channel = r->fetches[i].channel;
		bool hung = true;

		for (; i < r->n && r->fetches[i].channel == channel; i++)
			hung = hung && r->fetches[i].rc == KW_RETRY &&
			       strcmp(r->fetches[i].err.code, "TIMEOUT") == 0;
		rest_learn(channel->name, hung, now_us);
	}
}

static enum kw_rc take_order(struct asking *q, struct fetch *f, struct kw_err *err)
{
	const struct order_api *api = f->adapter->api;
	struct heard heard = { 0 };
	struct told told;

	for (size_t i = 0; i < api->n_calls; i++)
		KW_TRY(api_answered(&f->calls[i], err));
	enum kw_rc rc = api->read_order(f->channel, f->calls, q->now, q->a, &heard, err);
	if (rc == KW_NOTHING)
		return KW_OK; /* it is no order of ours after all */
	if (rc != KW_OK)
		return rc;
	if (strcmp(heard.order.external_id, f->external_id) != 0)
		return kw_fail_code(err, KW_INVALID, "ANOTHER_ORDER", "another order was answered");
	KW_TRY(told_of(f->channel, f->adapter, q->a, &heard, &told, err));
	f->appends = true;
	asking_append(q, &told, f->trace);
	return KW_OK;
}

/* 5, 10, 20 … s. */
static kw_time pause_us(int attempts, int64_t max_s)
{
	int64_t s = PAUSE_MIN_S;

	for (int i = 1; i < attempts && s < max_s; i++)
		s *= 2;
	return (s > max_s ? max_s : s) * KW_US_PER_S;
}

/* Once for each notice: a person sees it, while it goes on being tried. */
static struct exception_row not_fetched(
	struct kw_batch *b, const struct kw_intent *intent, const struct fetch *f)
{
	return (struct exception_row) {
		.exception_id = kw_uuid_of("exception", "NOT_FETCHED", intent->id.s),
		.kind = EXCEPTION_NOT_FETCHED,
		.channel = f->channel->name,
		.external_id = f->external_id,
		.detail = kw_arena_printf(b->arena, "%.380s", asking_why(b->arena, &f->err)),
	};
}

/* A channel that is away is waited for without end; what it answers and nobody can read becomes an
 * exception, and is given up at last. */
static enum kw_rc save_fetches(struct kw_batch *b, void *arg, struct kw_err *err)
{
	const struct fetch_round *r = arg;
	struct kw_intent_outcome *outcomes =
		kw_new(b->arena, struct kw_intent_outcome, r->n_intents);
	struct exception_row *rows = kw_new(b->arena, struct exception_row, r->n_intents);
	size_t n = 0;

	for (size_t i = 0; i < r->n_intents; i++) {
		const struct kw_intent *intent = r->intents[i];
		const struct fetch *f = &r->fetches[r->of[i]];
		bool unreadable = f->rc == KW_INVALID;

		outcomes[i] = (struct kw_intent_outcome) {
			.id = intent->id,
			.token = intent->token,
			.result = KW_INTENT_DONE,
			.detail = "APPENDED",
		};
		if (f->rc == KW_OK)
			continue;
		outcomes[i].result = unreadable && intent->attempts >= GIVE_UP_AFTER
					     ? KW_INTENT_FAILED
					     : KW_INTENT_AGAIN;
		outcomes[i].due = b->now + pause_us(intent->attempts,
						   unreadable ? PAUSE_INVALID_MAX_S : PAUSE_MAX_S);
		outcomes[i].detail = asking_why(b->arena, &f->err);
	}
	KW_TRY(kw_lease_finish(b, outcomes, r->n_intents, err));
	for (size_t i = 0; i < r->n_intents; i++) {
		const struct fetch *f = &r->fetches[r->of[i]];

		if (outcomes[i].held && f->rc == KW_INVALID &&
			r->intents[i]->attempts >= EXCEPTION_AFTER)
			rows[n++] = not_fetched(b, r->intents[i], f);
	}
	return store_insert_exceptions(b, rows, n, err);
}

enum kw_rc fetch_job(struct kw_svc *svc, struct kw_pg *pg, struct kw_arena *a, struct kw_err *err)
{
	struct fetch_round *r = kw_new(a, struct fetch_round, 1);

	if (!kw_svc_appends(svc))
		return KW_NOTHING;
	r->q = asking_of(svc, a);
	KW_TRY(take_fetches(r, pg, err));
	if (r->n_intents == 0)
		return KW_NOTHING;
	ask_fetches(r);
	r->q.messages = kw_new(a, struct kw_job_message, r->n);
	for (size_t i = 0; i < r->n; i++)
		r->fetches[i].rc = take_order(&r->q, &r->fetches[i], &r->fetches[i].err);
	learn_who_hangs(r);
	struct kw_err lost;
	enum kw_rc rc = kw_svc_append_now(svc, a, r->q.messages, r->q.n_messages, &lost);
	for (size_t i = 0; i < r->n; i++) {
		struct fetch *f = &r->fetches[i];
		if (rc != KW_OK && f->rc == KW_OK && f->appends) {
			f->rc = KW_RETRY;
			f->err = lost;
		}
		kw_count(&figure_fetches, 1,
			KW_LABELS(
				f->channel->name, f->rc == KW_OK ? "good" : asking_word(&f->err)));
	}
	return kw_outcome_run(kw_svc_flow(svc), pg, a, save_fetches, r, err);
}
