/* The three messages of channels. */
#include "told.h"

#include <string.h>

#include "core/err.h"
#include "fields.h"

static enum kw_rc order(const struct kw_partner *partner, const struct order_adapter *adapter,
	struct kw_arena *a, const struct submitted *from, struct told *ret, struct kw_err *err)
{
	struct submitted_message *m = kw_new(a, struct submitted_message, 1);

	m->order = *from;
	KW_TRY(order_canonical(partner, adapter, a, &m->order, err));
	*ret = (struct told) { "karwan.order.submitted.v1", m->order.order_id, m, &m->order };
	return KW_OK;
}

enum kw_rc told_of(const struct kw_partner *partner, const struct order_adapter *adapter,
	struct kw_arena *a, const struct heard *heard, struct told *ret, struct kw_err *err)
{
	const char *external_id = heard->order.external_id;
	struct kw_uuid id = kw_uuid_of("order", partner->name, external_id);
	struct withdrawal_message *w;
	struct notice_message *n;

	switch (heard->kind) {
	case HEARD_NOTICE:
		n = kw_new(a, struct notice_message, 1);
		n->notice = heard->notice;
		n->notice.order_id = id;
		n->notice.channel = partner->name;
		n->notice.external_id = external_id;
		*ret = (struct told) { "karwan.order.noticed.v1", id, n, NULL };
		return KW_OK;
	case HEARD_WITHDRAWAL:
		w = kw_new(a, struct withdrawal_message, 1);
		w->withdrawal = (struct withdrawal) { id, partner->name, external_id };
		*ret = (struct told) { "karwan.order.withdrawn.v1", id, w, NULL };
		return KW_OK;
	default:
		return order(partner, adapter, a, &heard->order, ret, err);
	}
}
