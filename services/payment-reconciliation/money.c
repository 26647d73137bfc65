/* Batch handlers for money: what providers and channels say was paid, refunded or failed. Each
 * event counts once. */
#include <stdlib.h>
#include <string.h>

#include "books.h"
#include "handlers.h"

/* One thing that was said, of whichever topic. */
struct word {
	const struct kw_meta *cause;
	size_t at; /* in the order of the log */
	struct provider_event event;
	const char *provider_payment_id, *channel, *external_id;
	const struct decision *decision; /* of the person who says it; NULL: a provider */
};

/* An event of a payment, with what it held then. */
struct emission {
	size_t payment;
	const struct kw_event_type *type;
	int64_t version, captured, refunded;
	const struct kw_meta *cause;
};

/* What a batch of words does. */
struct deal {
	struct word *words; /* new ones only, in the order of the log */
	size_t n_words;
	struct payment *payments; /* in order of the id */
	const struct kw_meta **causes;
	const struct decision **decisions;
	bool *fresh, *changed;
	size_t n_payments;
	struct emission *emissions;
	size_t n_emissions;
	struct seen_event *refused;
	size_t n_refused;
	struct fault *faults;
	size_t n_faults;
	struct books books;
};

static int by_event(const void *left, const void *right)
{
	const struct word *a = left, *b = right;
	int order = strcmp(a->event.provider, b->event.provider);
	if (order == 0)
		order = strcmp(a->event.provider_event_id, b->event.provider_event_id);
	return order ? order : (a->at > b->at) - (a->at < b->at);
}

static int by_log(const void *left, const void *right)
{
	const struct word *a = left, *b = right;
	return (a->at > b->at) - (a->at < b->at);
}

static struct kw_money money_of(const struct payment *p, int64_t minor)
{
	struct kw_money m = { .minor = minor };
	memcpy(m.currency, p->currency, sizeof(m.currency));
	return m;
}

static int by_key(const void *left, const void *right)
{
	const struct seen_event *a = left, *b = right;
	int order = strcmp(a->provider, b->provider);
	return order ? order : strcmp(a->provider_event_id, b->provider_event_id);
}

static void add_fault(struct deal *deal, const struct word *word, int kind)
{
	const struct provider_event *event = &word->event;
	const char *name = kw_strtab_name(&exception_kinds, kind);

	deal->faults[deal->n_faults++] = (struct fault) {
		.exception_id = kind == FAULT_EVENT_CONFLICT
					? kw_uuid_of("exception", name, event->provider,
						  event->provider_event_id, event->payment_id.s)
					: kw_uuid_of("exception", name, event->payment_id.s),
		.home = event->order_id.s[0] ? event->order_id : event->payment_id,
		.order_id = event->order_id,
		.payment_id = event->payment_id,
		.kind = kind,
		.received = event->amount,
		.cause = word->cause,
	};
}

static bool same_event(const struct provider_event *a, const struct provider_event *b)
{
	return strcmp(a->provider, b->provider) == 0 &&
	       strcmp(a->provider_event_id, b->provider_event_id) == 0;
}

/* Keeps the words that are new, in the order of the log; the same event id with other content is an
 * exception, for each payment that it speaks of. */
static enum kw_rc see_words(
	struct kw_batch *b, struct word *words, size_t n, struct deal *deal, struct kw_err *err)
{
	struct provider_event *events = kw_new(b->arena, struct provider_event, n);
	struct seen_event *seen;
	size_t distinct = 0;

	qsort(words, n, sizeof(*words), by_event);
	for (size_t i = 0; i < n; i++) {
		if (distinct == 0 || !same_event(&events[distinct - 1], &words[i].event))
			events[distinct++] = words[i].event;
		events[distinct - 1].seen++;
	}
	KW_TRY(store_see_events(b, events, distinct, &seen, err));
	deal->words = kw_new(b->arena, struct word, n);
	for (size_t i = 0, s = 0; i < n; i++) {
		const struct provider_event *event = &words[i].event;
		bool first = i == 0 || !same_event(&events[s], event);
		if (i > 0 && first)
			s++;
		if (strcmp(seen[s].content_hash, event->content_hash) != 0)
			add_fault(deal, &words[i], FAULT_EVENT_CONFLICT);
		else if (first && seen[s].seen == events[s].seen)
			deal->words[deal->n_words++] = words[i];
	}
	qsort(deal->words, deal->n_words, sizeof(*words), by_log);
	return KW_OK;
}

static int by_uuid(const void *left, const void *right)
{
	return strcmp(((const struct kw_uuid *)left)->s, ((const struct kw_uuid *)right)->s);
}

static size_t sort_ids(struct kw_uuid *ids, size_t n)
{
	size_t distinct = 0;
	qsort(ids, n, sizeof(*ids), by_uuid);
	for (size_t i = 0; i < n; i++)
		if (distinct == 0 || strcmp(ids[distinct - 1].s, ids[i].s) != 0)
			ids[distinct++] = ids[i];
	return distinct;
}

/* The payments that the words are about: locked, or new. */
static enum kw_rc open_payments(struct kw_batch *b, struct deal *deal, struct kw_err *err)
{
	struct kw_uuid *ids = kw_new(b->arena, struct kw_uuid, deal->n_words);
	struct payment *known;
	size_t n_known, k = 0;

	for (size_t i = 0; i < deal->n_words; i++)
		ids[i] = deal->words[i].event.payment_id;
	deal->n_payments = sort_ids(ids, deal->n_words);
	KW_TRY(store_lock_payments(b, ids, deal->n_payments, &known, &n_known, err));
	deal->payments = kw_new(b->arena, struct payment, deal->n_payments);
	deal->causes = kw_new(b->arena, const struct kw_meta *, deal->n_payments);
	deal->decisions = kw_new(b->arena, const struct decision *, deal->n_payments);
	deal->fresh = kw_new(b->arena, bool, deal->n_payments);
	deal->changed = kw_new(b->arena, bool, deal->n_payments);
	for (size_t i = 0; i < deal->n_payments; i++) {
		deal->fresh[i] = k == n_known || strcmp(known[k].payment_id.s, ids[i].s) != 0;
		if (deal->fresh[i])
			deal->payments[i] =
				(struct payment) { .payment_id = ids[i], .state = PAYMENT_NEW };
		else
			deal->payments[i] = known[k++];
	}
	kw_assert(k == n_known);
	return KW_OK;
}

static int to_payment(const void *key, const void *element)
{
	return strcmp(
		((const struct kw_uuid *)key)->s, ((const struct payment *)element)->payment_id.s);
}

static void apply_word(struct deal *deal, const struct word *word)
{
	const struct provider_event *event = &word->event;
	struct payment *p = bsearch(
		&event->payment_id, deal->payments, deal->n_payments, sizeof(*p), to_payment);
	size_t at = (size_t)(p - deal->payments);
	struct payment_word what = { event->kind, event->amount, event->order_id };

	p->provider = p->provider ? p->provider : event->provider;
	p->provider_payment_id =
		p->provider_payment_id ? p->provider_payment_id : word->provider_payment_id;
	p->channel = p->channel ? p->channel : word->channel;
	p->external_id = p->external_id ? p->external_id : word->external_id;
	struct payment_change change = payment_apply(p, &what);
	int64_t version = p->version - (change.emit[0] != NULL) - (change.emit[1] != NULL);
	for (int i = 0; i < 2 && change.emit[i]; i++)
		deal->emissions[deal->n_emissions++] = (struct emission) {
			at,
			change.emit[i],
			++version,
			p->captured,
			p->captured - payment_net(p->captured, p->refunded),
			word->cause,
		};
	deal->changed[at] |= change.changed;
	if (!deal->causes[at])
		deal->causes[at] = word->cause;
	if (word->decision)
		deal->decisions[at] = word->decision;
	if (change.fault >= 0) {
		add_fault(deal, word, change.fault);
		deal->refused[deal->n_refused++] =
			(struct seen_event) { .provider = event->provider,
				.provider_event_id = event->provider_event_id };
	}
}

/* Money that has no order, or has got one after all. */
static void judge_references(struct deal *deal)
{
	const char *name = kw_strtab_name(&exception_kinds, FAULT_UNKNOWN_REFERENCE);

	for (size_t i = 0; i < deal->n_payments; i++) {
		const struct payment *p = &deal->payments[i];
		bool bound = p->order_id.s[0] != '\0',
		     arises = !bound && p->captured > 0 && p->was_captured == 0;
		if (!arises && !(bound && !p->was_bound && p->was_captured > 0))
			continue;
		struct fault *fault = &deal->faults[deal->n_faults++];
		*fault = (struct fault) {
			.exception_id = kw_uuid_of("exception", name, p->payment_id.s),
			.home = p->home,
			.payment_id = p->payment_id,
			.kind = FAULT_UNKNOWN_REFERENCE,
			.ends = !arises,
			.decision = arises ? NULL : deal->decisions[i],
			.received = money_of(p, p->captured),
			.cause = deal->causes[i],
		};
	}
}

/* Each new word on its payment, in the order of the log. */
static enum kw_rc apply_words(struct kw_batch *b, struct deal *deal, struct kw_err *err)
{
	deal->refused = kw_new(b->arena, struct seen_event, deal->n_words);
	deal->emissions = kw_new(b->arena, struct emission, 2 * deal->n_words);
	for (size_t i = 0; i < deal->n_words; i++)
		apply_word(deal, &deal->words[i]);
	judge_references(deal);
	qsort(deal->refused, deal->n_refused, sizeof(*deal->refused), by_key);
	return store_refuse_events(b, deal->refused, deal->n_refused, err);
}

/* The orders of the payments, with the payments in their books. */
static enum kw_rc open_books(struct kw_batch *b, struct deal *deal, struct kw_err *err)
{
	struct kw_uuid *ids = kw_new(b->arena, struct kw_uuid, deal->n_payments);
	size_t n = 0;

	for (size_t i = 0; i < deal->n_payments; i++)
		if (deal->changed[i] && deal->payments[i].order_id.s[0])
			ids[n++] = deal->payments[i].order_id;
	n = sort_ids(ids, n);
	deal->books = (struct books) { kw_new(b->arena, struct entry, n), n };
	for (size_t i = 0; i < n; i++)
		deal->books.entries[i].book.before.order_id = ids[i];
	KW_TRY(books_lock(b, &deal->books, err));
	for (size_t i = 0; i < deal->n_payments; i++) {
		if (!deal->changed[i] || !deal->payments[i].order_id.s[0])
			continue;
		struct entry *entry = books_find(&deal->books, &deal->payments[i].order_id);
		struct book *book = &entry->book;
		if (!book->payments)
			book->payments = kw_new(b->arena, struct payment *, deal->n_payments);
		book->payments[book->n_payments++] = &deal->payments[i];
		entry->cause = entry->cause ? entry->cause : deal->causes[i];
	}
	return KW_OK;
}

static enum kw_rc write_payments(struct kw_batch *b, const struct deal *deal, struct kw_err *err)
{
	struct payment *made = kw_new(b->arena, struct payment, deal->n_payments);
	struct payment *updated = kw_new(b->arena, struct payment, deal->n_payments);
	size_t n_made = 0, n_updated = 0;

	for (size_t i = 0; i < deal->n_payments; i++) {
		if (deal->changed[i] && deal->fresh[i])
			made[n_made++] = deal->payments[i];
		else if (deal->changed[i])
			updated[n_updated++] = deal->payments[i];
	}
	KW_TRY(store_insert_payments(b, made, n_made, err));
	return store_update_payments(b, updated, n_updated, err);
}

/* Money of no order has its own transactions. */
static enum kw_rc suspend_payments(struct kw_batch *b, struct deal *deal, struct kw_err *err)
{
	struct ledger_transaction *transactions =
		kw_new(b->arena, struct ledger_transaction, deal->n_payments);
	struct ledger_posting *postings =
		kw_new(b->arena, struct ledger_posting, 2 * deal->n_payments);
	size_t n = 0, n_postings = 0;

	for (size_t i = 0; i < deal->n_payments; i++) {
		struct payment *p = &deal->payments[i];
		struct posting pair[2];
		if (!deal->changed[i] || p->order_id.s[0])
			continue;
		size_t made = suspend_payment(p, pair);
		if (made == 0)
			continue;
		p->revision++;
		transactions[n++] = (struct ledger_transaction) { p->payment_id, p->revision,
			ENTRY_MONEY, deal->causes[i]->id };
		for (size_t j = 0; j < made; j++)
			postings[n_postings++] = (struct ledger_posting) { p->payment_id,
				p->revision, (int64_t)j + 1, pair[j] };
	}
	return store_book(b, transactions, n, postings, n_postings, err);
}

static void emit_payments(struct kw_batch *b, const struct deal *deal)
{
	for (size_t i = 0; i < deal->n_emissions; i++) {
		const struct emission *emission = &deal->emissions[i];
		const struct payment *p = &deal->payments[emission->payment];
		const struct entry *entry =
			p->order_id.s[0] ? books_find(&deal->books, &p->order_id) : NULL;
		struct payment_captured captured = {
			.payment_id = p->payment_id,
			.provider = p->provider,
			.provider_payment_id = p->provider_payment_id,
			.order_id = p->order_id,
			.amount = money_of(p, emission->captured),
			.suspense = !entry || !payment_matches(&entry->book.after, p, true),
		};
		struct payment_refunded refunded = {
			.payment_id = p->payment_id,
			.provider = p->provider,
			.order_id = p->order_id,
			.amount = money_of(p, emission->refunded),
		};
		const void *data = emission->type == &payment_captured_event
					   ? (const void *)&captured
					   : &refunded;
		kw_emit(b, emission->type, p->home.s, &p->payment_id, emission->version,
			emission->cause, data);
	}
}

/* Delivered before it was paid: now it is earned. */
static enum kw_rc settle_again(struct kw_batch *b, struct deal *deal, struct kw_err *err)
{
	bool earns = false;

	for (size_t i = 0; i < deal->books.n; i++) {
		struct entry *entry = &deal->books.entries[i];
		entry->load = book_earns(&entry->book.after);
		earns |= entry->load;
	}
	if (!earns)
		return KW_OK;
	KW_TRY(books_load(b, &deal->books, err));
	for (size_t i = 0; i < deal->books.n; i++) {
		struct entry *entry = &deal->books.entries[i];
		if (!entry->load)
			continue;
		entry->book.after = entry->book.before;
		KW_TRY(book_settle(&entry->book, b->arena, err));
	}
	return KW_OK;
}

static enum kw_rc hear(struct kw_batch *b, struct word *words, size_t n, struct kw_err *err)
{
	struct deal deal = { .faults = kw_new(b->arena, struct fault, 3 * n) };

	KW_TRY(see_words(b, words, n, &deal, err));
	if (deal.n_words > 0) {
		KW_TRY(open_payments(b, &deal, err));
		KW_TRY(apply_words(b, &deal, err));
		KW_TRY(open_books(b, &deal, err));
		KW_TRY(books_settle(b, &deal.books, err));
		KW_TRY(settle_again(b, &deal, err));
		KW_TRY(suspend_payments(b, &deal, err)); /* counts revisions: before the rows */
		KW_TRY(write_payments(b, &deal, err));
		emit_payments(b, &deal);
		KW_TRY(books_write(b, &deal.books, ENTRY_MONEY, err));
	}
	return faults_write(b, deal.faults, deal.n_faults, err);
}

static enum kw_rc check_money(struct kw_money m, int kind, struct kw_err *err)
{
	int64_t min = kind == KIND_REFUNDED;
	if (m.minor < min || m.minor > MONEY_MAX)
		return kw_fail_at(err, KW_INVALID, "/amount", "must be %d to %lld minor units",
			(int)min, MONEY_MAX);
	return KW_OK;
}

enum kw_rc on_payment_reported(struct kw_batch *b, const void *in, size_t n, struct kw_err *err)
{
	const struct payment_reported *messages = in;
	struct word *words = kw_new(b->arena, struct word, n);

	for (size_t i = 0; i < n; i++) {
		const struct payment_reported *m = &messages[i];
		KW_TRY(check_money(m->amount, m->kind, err));
		words[i] = (struct word) {
			.cause = &m->meta,
			.at = i,
			.event = {
				.provider = m->provider,
				.provider_event_id = m->provider_event_id,
				.payment_id = m->payment_id,
				.kind = m->kind,
				.amount = m->amount,
				.fee = m->fee,
				.order_id = m->order_id,
				.occurred_at = m->occurred_at,
				.content_hash = m->content_hash,
			},
			.provider_payment_id = m->provider_payment_id,
			.channel = m->channel,
			.external_id = m->external_id,
		};
	}
	return hear(b, words, n, err);
}

/* The channel is the provider, its reference both the payment and the event; that it tells the same
 * again with a time or without makes no other content. */
enum kw_rc on_order_payment_reported(
	struct kw_batch *b, const void *in, size_t n, struct kw_err *err)
{
	const struct order_payment_reported *messages = in;
	struct word *words = kw_new(b->arena, struct word, n);

	for (size_t i = 0; i < n; i++) {
		const struct order_payment_reported *m = &messages[i];
		struct payment_reported same = {
			.provider = m->channel,
			.kind = KIND_SUCCEEDED,
			.provider_payment_id = m->reference,
			.amount = m->amount,
			.channel = m->channel,
			.external_id = m->external_id,
		};
		KW_TRY(check_money(m->amount, KIND_SUCCEEDED, err));
		words[i] = (struct word) {
			.cause = &m->meta,
			.at = i,
			.event = {
				.provider = m->channel,
				.provider_event_id = m->reference,
				.payment_id = kw_uuid_of("payment", m->channel, m->reference),
				.kind = KIND_SUCCEEDED,
				.amount = m->amount,
				.order_id = m->order_id,
				.occurred_at = m->paid_at,
				.content_hash = payment_content_hash(b->arena, &same),
			},
			.provider_payment_id = m->reference,
			.channel = m->channel,
			.external_id = m->external_id,
		};
	}
	return hear(b, words, n, err);
}

/* The same capture again, and this time with its order. */
enum kw_rc assign_payments(
	struct kw_batch *b, const struct assignment *rows, size_t n, struct kw_err *err)
{
	struct kw_uuid *ids = kw_new(b->arena, struct kw_uuid, n);
	struct word *words = kw_new(b->arena, struct word, n);
	struct payment *payments;
	size_t n_payments;

	for (size_t i = 0; i < n; i++)
		ids[i] = rows[i].payment_id;
	KW_TRY(store_lock_payments(b, ids, sort_ids(ids, n), &payments, &n_payments, err));
	for (size_t i = 0; i < n; i++) {
		const struct assignment *row = &rows[i];
		const struct payment *p =
			bsearch(&row->payment_id, payments, n_payments, sizeof(*p), to_payment);

		kw_assert(p); /* its exception is there */
		struct payment_reported same = {
			.provider = p->provider,
			.kind = KIND_SUCCEEDED,
			.provider_payment_id = p->provider_payment_id,
			.amount = money_of(p, p->captured),
			.channel = row->channel,
			.external_id = row->external_id,
		};
		words[i] = (struct word) {
			.cause = row->cause,
			.at = i,
			.event = {
				.provider = p->provider,
				.provider_event_id = kw_arena_printf(
					b->arena, "assignment/%s", row->exception_id.s),
				.payment_id = p->payment_id,
				.kind = KIND_SUCCEEDED,
				.amount = same.amount,
				.order_id = kw_uuid_of("order", row->channel, row->external_id),
				.occurred_at = b->now,
				.content_hash = payment_content_hash(b->arena, &same),
			},
			.provider_payment_id = p->provider_payment_id,
			.channel = row->channel,
			.external_id = row->external_id,
			.decision = row->decision,
		};
	}
	return hear(b, words, n, err);
}
