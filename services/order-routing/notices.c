/* Notices become intents, which the job of fetch.c leases; withdrawals become cancellations. */
#include "notices.h"

#include <string.h>

#include "core/err.h"

const struct kw_field fetch_order_fields[] = {
	KW_STR(struct fetch_order, channel, KW_REQUIRED, 1, 64),
	KW_STR(struct fetch_order, external_id, KW_REQUIRED, 1, 128),
	KW_END,
};

static enum kw_rc check_id(const struct kw_uuid *order_id, const char *channel,
	const char *external_id, struct kw_err *err)
{
	struct kw_uuid id = kw_uuid_of("order", channel, external_id);

	if (strcmp(id.s, order_id->s) != 0)
		return kw_fail_at(
			err, KW_INVALID, "/order_id", "is not the id of this channel's order");
	return KW_OK;
}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

/* The same notice again is the same intent. */
static struct kw_uuid intent_id(const struct notice *n)
{
	char at[KW_TIME_TEXT] = "";

	if (n->noticed_at != 0)
		kw_time_format(n->noticed_at, at);
	return kw_uuid_of("fetch", n->order_id.s, at, or_empty(n->status), or_empty(n->line_id),
		or_empty(n->reverse_id));
}

/* Once for each return: what comes back is a person's business, whatever the order says. */
static struct exception_row a_return(struct kw_batch *b, const struct notice *n)
{
	return (struct exception_row) {
		.exception_id = kw_uuid_of(
			"exception", "RETURN_REPORTED", n->order_id.s, or_empty(n->reverse_id)),
		.kind = EXCEPTION_RETURN_REPORTED,
		.channel = n->channel,
		.external_id = n->external_id,
		.field = "lines",
		.detail = kw_arena_printf(b->arena, "the channel reports return %s of line %s: %s",
			n->reverse_id, n->line_id ? n->line_id : "(not told)",
			n->status ? n->status : "(no status)"),
	};
}

enum kw_rc on_noticed(struct kw_batch *b, const void *in, size_t n, struct kw_err *err)
{
	const struct notice_message *messages = in;
	struct exception_row *returns = kw_new(b->arena, struct exception_row, n);
	size_t n_returns = 0;

	for (size_t i = 0; i < n; i++) {
		const struct notice *notice = &messages[i].notice;
		struct fetch_order payload = { notice->channel, notice->external_id };
		struct kw_uuid id = intent_id(notice);

		KW_TRY(check_id(&notice->order_id, notice->channel, notice->external_id, err));
		kw_intend(b, kw_arena_printf(b->arena, FETCH "%s", notice->channel), &id,
			&notice->order_id, b->now, &messages[i].meta, fetch_order_fields, &payload);
		if (notice->reverse_id)
			returns[n_returns++] = a_return(b, notice);
	}
	return store_insert_exceptions(b, returns, n_returns, err);
}

bool cancel_by_channel(struct round *r, struct work *k, const char *reason)
{
	k->o.cancel_asked = k->changed = true;
	if (k->o.state == ORDER_CANCELLED || k->o.state == ORDER_EXPIRED) {
		emit_updated(r, k); /* it is cancelled already */
		return false;
	}
	k->cancel = true;
	k->reason = reason ? reason : "CANCELLED_BY_CHANNEL";
	k->by = "channel";
	return true;
}

enum kw_rc on_withdrawn(struct kw_batch *b, const void *in, size_t n, struct kw_err *err)
{
	const struct withdrawal_message *messages = in;
	struct id_row *ids = kw_new(b->arena, struct id_row, n);
	size_t n_ids;
	struct round r;

	for (size_t i = 0; i < n; i++) {
		const struct withdrawal *w = &messages[i].withdrawal;

		KW_TRY(check_id(&w->order_id, w->channel, w->external_id, err));
		ids[i].id = w->order_id;
	}
	n_ids = ids_distinct(ids, n);
	KW_TRY(round_open(&r, b, ids, n_ids, err));
	for (size_t i = 0; i < r.n; i++)
		r.works[i].load = !r.works[i].is_new && !r.works[i].o.cancel_asked;
	KW_TRY(round_load(&r, err));
	for (size_t i = 0; i < n; i++) {
		struct work *k = round_find(&r, &messages[i].withdrawal.order_id);

		if (!k->load || k->o.cancel_asked)
			continue; /* one that is not there yet is cancelled when it comes */
		k->cause = &messages[i].meta;
		cancel_by_channel(&r, k, WITHDRAWN_REASON);
	}
	KW_TRY(round_decide(&r, err));
	KW_TRY(store_insert_withdrawn(b, ids, n_ids, err));
	return round_write(&r, err);
}
