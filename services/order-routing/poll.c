/* What changed at channels, page by page; see asking.h and walk.h. */
#include "asking.h"
#include "core/log.h"
#include "figures.h"
#include "recent.h"
#include "store_channels.h"

/* What one round takes: all calls side by side, and their answers fit into the jobs' arena. */
#define POLLS_MAX 8
#define PAGE_MAX ((size_t)4 * 1024 * 1024)
/* Their times have whole seconds: of a notice that is newer than this, something more may happen in
 * the same second after it was fetched, and would look the same. It is left for the next poll. */
#define FRESH_US (5 * KW_US_PER_S)
#define NOTICED 100 /* beside enum order_kind, for the edge's memory */

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

static size_t polled_channels(
	const struct kw_partners *partners, struct kw_arena *a, struct text_row **ret)
{
	struct text_row *rows = kw_new(a, struct text_row, partners->n_channels);
	size_t n = 0;

	for (size_t i = 0; i < partners->n_channels; i++)
		if (partners->channels[i].poll_s > 0 && asking_api(&partners->channels[i]))
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
		asking_append(q, &told, NULL);
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
		o->reason = asking_why(r->q.a, &p->err);
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

	kw_count(&figure_polls, 1, KW_LABELS(channel, well ? "good" : asking_word(&p->err)));
	kw_gauge(&figure_failing, !well, KW_LABELS(channel));
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
		pg, a, channels, n, POLLS_MAX, r->q.now, asking_lease_ms(&r->q), &rows, &n, err));
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
