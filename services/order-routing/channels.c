/* Asking channels; see channels.h. */
#include "channels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "flow/lease.h"
#include "notices.h"
#include "recent.h"
#include "store_channels.h"
#include "told.h"
#include "json/json.h"

#define NOTICED 100 /* beside enum order_kind, for the edge's memory */
/* What one round takes: all calls side by side, and their answers fit into the jobs' arena. */
#define POLLS_MAX 8
#define PAGE_MAX ((size_t)4 * 1024 * 1024)
#define FETCH_CHANNELS_MAX 4
#define FETCHES_MAX 4 /* orders of one channel */
#define ORDER_MAX ((size_t)1024 * 1024)
/* Their times have whole seconds: of a notice that is newer than this, something more may happen in
 * the same second after it was fetched, and would look the same. It is left for the next poll. */
#define FRESH_US (5 * KW_US_PER_S)
#define EXCEPTION_AFTER 5 /* failed fetches of an order that can be read by nobody */
#define GIVE_UP_AFTER 30  /* about four days */
#define PAUSE_MIN_S 5
#define PAUSE_MAX_S 600           /* where the channel is away */
#define PAUSE_INVALID_MAX_S 14400 /* where its answer cannot be read */

const struct kw_config_key channels_config[] = {
	KW_INT_KEY(struct channels_config, channel_deadline_ms, "KARWAN_CHANNEL_DEADLINE_MS",
		"5000", 50, 60000, "how long a channel's API may take to answer, in milliseconds"),
	{ 0 },
};

static struct kw_metric polls = {
	.name = "karwan_channel_polls_total",
	.help = "Pages of changed orders that channels were asked for: good, or why not",
	.kind = KW_COUNTER,
	.labels = { "channel", "outcome" },
};

static struct kw_metric fetches = {
	.name = "karwan_channel_fetches_total",
	.help = "Orders that channels were asked for: good, or why not",
	.kind = KW_COUNTER,
	.labels = { "channel", "outcome" },
};

static struct kw_metric failing = {
	.name = "karwan_channel_failing",
	.help = "1 where the last page that a channel was asked for was not good",
	.kind = KW_GAUGE,
	.labels = { "channel" },
};

/* What both jobs work with. */
struct asking {
	struct kw_svc *svc;
	const struct kw_partners *partners; /* the same ones for the whole round */
	struct kw_arena *a;
	kw_time now;
	int deadline_ms;
	/* to be appended when all answers are read */
	struct kw_job_message *messages;
	size_t n_messages;
};

static struct asking asking_of(struct kw_svc *svc, struct kw_arena *a)
{
	const struct channels_config *config = kw_svc_config(svc);

	return (struct asking) { .svc = svc,
		.partners = kw_svc_partners(svc),
		.a = a,
		.now = kw_now(kw_svc_flow(svc)->clock),
		.deadline_ms = (int)config->channel_deadline_ms };
}

static int lease_ms(const struct asking *q)
{
	return 4 * q->deadline_ms + 20000; /* the broker may take its time, too */
}

static const struct order_api *api_of(const struct kw_partner *channel)
{
	const struct order_adapter *adapter = order_adapter_find(channel->adapter);

	return channel->url && adapter ? adapter->api : NULL;
}

static const char *word_for(const struct kw_err *err)
{
	return err->code[0] ? err->code : "RUBBISH";
}

/* What is wrong, for a person; no words of theirs but those that a reader of ours made. */
static const char *told_why(struct kw_arena *a, const struct kw_err *err)
{
	return kw_arena_printf(a, "%s%s%s: %s", word_for(err), err->pointer[0] ? " " : "",
		err->pointer, err->reason);
}

/* Under what the edge's memory keeps it: an order as it is, a notice by its moment. */
static const struct submitted *hint_of(
	struct kw_arena *a, const struct found *f, const struct told *told)
{
	struct submitted *hint;

	if (told->order)
		return told->order;
	hint = kw_new(a, struct submitted, 1);
	hint->order_id = told->order_id;
	hint->kind = NOTICED;
	hint->source_time = f->changed_at;
	hint->content_hash = "";
	return hint;
}

static void will_append(struct asking *q, const struct told *told, const char *trace)
{
	q->messages[q->n_messages++] = (struct kw_job_message) { told->type, trace,
		{ kw_arena_str(q->a, told->order_id.s), told->order_id, told->data } };
}

/* ---- poll ---- */

struct poll {
	const struct poll_row *row;
	const struct kw_partner *channel;
	const struct order_adapter *adapter;
	struct kw_call *call;
	struct page_read page;
	size_t first, n;                /* its messages */
	const struct submitted **hints; /* of each */
	enum kw_rc rc;
	struct kw_err err;
	struct poll_outcome outcome;
};

struct poll_round {
	struct asking q;
	struct poll polls[POLLS_MAX];
	size_t n;
	bool more;
};

static size_t polled_channels(
	const struct kw_partners *partners, struct kw_arena *a, struct text_row **ret)
{
	struct text_row *rows = kw_new(a, struct text_row, partners->n_channels);
	size_t n = 0;

	for (size_t i = 0; i < partners->n_channels; i++)
		if (partners->channels[i].poll_s > 0 && api_of(&partners->channels[i]))
			rows[n++].text = partners->channels[i].name;
	*ret = rows;
	return n;
}

/* What the page holds, as messages; what the edge knows to be appended is left out. */
static enum kw_rc take_page(struct asking *q, struct poll *p, struct kw_err *err)
{
	const struct order_api *api = p->adapter->api;

	KW_TRY(api_answered(p->call, err));
	KW_TRY(api->read_page(p->channel, p->call, q->now, q->a, &p->page, err));
	p->first = q->n_messages;
	p->hints = kw_new(q->a, const struct submitted *, p->page.n);
	for (size_t i = 0; i < p->page.n; i++) {
		struct found *f = &p->page.found[i];
		struct told told;

		/* an order that cannot be true is fetched alone, where its reason is kept */
		if (told_of(p->channel, p->adapter, q->a, &f->heard, &told, NULL) != KW_OK) {
			f->heard = (struct heard) { .kind = HEARD_NOTICE };
			f->heard.order.external_id = f->external_id;
			f->heard.notice.noticed_at = f->changed_at;
			KW_TRY(told_of(p->channel, p->adapter, q->a, &f->heard, &told, err));
		}
		const struct submitted *hint = hint_of(q->a, f, &told);
		bool fresh = !told.order && f->changed_at > q->now - FRESH_US;
		if (fresh || recent_knows(hint))
			continue;
		p->hints[p->n] = hint;
		will_append(q, &told, NULL);
		p->n++;
	}
	return KW_OK;
}

static kw_time newest_of(const struct page_read *page)
{
	kw_time newest = 0;

	for (size_t i = 0; i < page->n; i++)
		if (page->found[i].changed_at > newest)
			newest = page->found[i].changed_at;
	return newest;
}

/* Where to go on, or why not. */
static void decide(struct poll_round *r, struct poll *p)
{
	struct poll_outcome *o = &p->outcome;
	enum walk_step step = WALK_END;

	*o = (struct poll_outcome) {
		.channel = p->channel->name, .token = p->row->token, .walk = p->row->walk
	};
	if (p->rc == KW_OK) {
		o->orders = (int64_t)p->page.n;
		step = walk_on(&o->walk, newest_of(&p->page), p->page.full, r->q.now);
		if (step == WALK_ENDLESS)
			p->rc = kw_fail_code(&p->err, KW_INVALID, "ENDLESS_PAGES",
				"%d full pages without a newer change", WALK_PAGES_MAX);
	}
	if (p->rc != KW_OK) {
		o->failures = p->row->failures + 1;
		o->reason = told_why(r->q.a, &p->err);
	}
	o->read_to_end = p->rc == KW_OK && step == WALK_END;
	if (p->rc != KW_OK || step == WALK_END)
		o->pause_ms = walk_pause_us(o->failures, p->channel->poll_s) / 1000;
	r->more |= p->rc == KW_OK && step == WALK_MORE;
}

static void tell_poll(const struct poll *p)
{
	const char *channel = p->channel->name;
	bool well = p->rc == KW_OK;

	kw_count(&polls, 1, KW_LABELS(channel, well ? "good" : word_for(&p->err)));
	kw_gauge(&failing, !well, KW_LABELS(channel));
	if (!well && p->row->failures == 0)
		kw_log_err(KW_WARNING, "a channel's changes cannot be read", &p->err,
			KW_LS("channel", channel));
	else if (well && p->row->failures > 0)
		kw_log(KW_INFO, "a channel's changes are read again", KW_LS("channel", channel));
}

static enum kw_rc save_polls(struct kw_batch *b, void *arg, struct kw_err *err)
{
	const struct poll_round *r = arg;
	struct poll_outcome *rows = kw_new(b->arena, struct poll_outcome, r->n);

	for (size_t i = 0; i < r->n; i++)
		rows[i] = r->polls[i].outcome;
	return store_save_polls(b, rows, r->n, err);
}

static void ask_polls(struct poll_round *r, const struct poll_row *rows, size_t n)
{
	struct kw_call *calls = kw_new(r->q.a, struct kw_call, n);

	for (size_t i = 0; i < n; i++) {
		struct poll *p = &r->polls[r->n];
		struct page page = { rows[i].walk.since, rows[i].walk.page };

		p->row = &rows[i];
		p->channel = kw_partners_find(r->q.partners, KW_CHANNEL, rows[i].channel);
		kw_assert(p->channel != NULL); /* it was in the list that was leased from */
		p->adapter = order_adapter_find(p->channel->adapter);
		p->call = &calls[r->n++];
		p->adapter->api->ask_page(p->channel, &page, r->q.now, r->q.a, p->call);
	}
	kw_client_run(kw_svc_client(r->q.svc), r->q.a, calls, r->n, r->q.deadline_ms, PAGE_MAX);
}

enum kw_rc poll_job(struct kw_svc *svc, struct kw_pg *pg, struct kw_arena *a, struct kw_err *err)
{
	struct poll_round *r = kw_new(a, struct poll_round, 1);
	struct text_row *channels;
	struct poll_row *rows;
	size_t n;

	if (!kw_svc_appends(svc))
		return KW_NOTHING;
	r->q = asking_of(svc, a);
	n = polled_channels(r->q.partners, a, &channels);
	if (n == 0)
		return KW_NOTHING;
	KW_TRY(store_take_polls(
		pg, a, channels, n, POLLS_MAX, r->q.now, lease_ms(&r->q), &rows, &n, err));
	if (n == 0)
		return KW_NOTHING;
	ask_polls(r, rows, n);
	r->q.messages = kw_new(a, struct kw_job_message, r->n * API_PAGE);
	for (size_t i = 0; i < r->n; i++)
		r->polls[i].rc = take_page(&r->q, &r->polls[i], &r->polls[i].err);
	for (size_t i = 0; i < r->n; i++) {
		struct poll *p = &r->polls[i];
		if (p->rc == KW_OK)
			p->rc = kw_svc_append_now(svc, a, &r->q.messages[p->first], p->n, &p->err);
		for (size_t k = 0; p->rc == KW_OK && k < p->n; k++)
			recent_learn(p->hints[k]);
		decide(r, p);
	}
	KW_TRY(kw_outcome_run(kw_svc_flow(svc), pg, a, save_polls, r, err));
	for (size_t i = 0; i < r->n; i++)
		tell_poll(&r->polls[i]);
	return r->more ? KW_OK : KW_NOTHING;
}

/* ---- fetch ---- */

/* One order that is asked for, on behalf of one intent or several. */
struct fetch {
	const struct kw_partner *channel;
	const struct order_adapter *adapter;
	const char *external_id, *trace;
	struct kw_uuid order_id;
	struct kw_call *calls;
	size_t first, n; /* its messages */
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

/* Some of each channel, so that one that hangs leaves room for the others. Intents of a channel
 * that is not declared wait. */
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

		if (!channel || !api_of(channel))
			continue;
		enum kw_rc rc = kw_lease_take(
			pg, r->q.a, kinds[i].text, FETCHES_MAX, lease_ms(&r->q), &intents, &n, err);
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
	f->first = q->n_messages;
	f->n = 1;
	will_append(q, &told, f->trace);
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

/* Once for each order: a person sees it, while it goes on being tried. */
static struct exception_row not_fetched(struct kw_batch *b, const struct fetch *f)
{
	return (struct exception_row) {
		.exception_id = kw_uuid_of("exception", "NOT_FETCHED", f->order_id.s),
		.kind = EXCEPTION_NOT_FETCHED,
		.channel = f->channel->name,
		.external_id = f->external_id,
		.detail = kw_arena_printf(b->arena, "%.380s", told_why(b->arena, &f->err)),
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
		outcomes[i].detail = told_why(b->arena, &f->err);
		if (unreadable && intent->attempts >= EXCEPTION_AFTER)
			rows[n++] = not_fetched(b, f);
	}
	KW_TRY(kw_lease_finish(b, outcomes, r->n_intents, err));
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
	struct kw_err lost;
	enum kw_rc rc = kw_svc_append_now(svc, a, r->q.messages, r->q.n_messages, &lost);
	for (size_t i = 0; i < r->n; i++) {
		struct fetch *f = &r->fetches[i];
		if (rc != KW_OK && f->rc == KW_OK && f->n > 0) {
			f->rc = KW_RETRY;
			f->err = lost;
		}
		kw_count(&fetches, 1,
			KW_LABELS(f->channel->name, f->rc == KW_OK ? "good" : word_for(&f->err)));
	}
	return kw_outcome_run(kw_svc_flow(svc), pg, a, save_fetches, r, err);
}
