/* What providers say of one payment: words come twice, late and in any order. Pure. */
#include "rules.h"

#include <string.h>

#include "states.h"

int64_t payment_net(int64_t captured, int64_t refunded)
{
	return refunded < captured ? captured - refunded : 0;
}

bool payment_matches(const struct expectation *e, const struct payment *p, bool bound)
{
	return bound && e->channel && !e->test && strcmp(e->currency, p->currency) == 0;
}

static bool step(struct payment *p, int event, struct payment_change *change)
{
	const struct kw_edge *edge = kw_fsm_find(&payment_fsm, p->state, event);
	kw_assert(edge); /* the table has every pair */
	if (edge->to == KW_SAME)
		return false;
	p->state = edge->to;
	if (edge->emit) {
		p->version++;
		change->emit[change->emit[0] ? 1 : 0] = edge->emit;
	}
	return true;
}

static struct payment_change refused(struct payment *p, int fault)
{
	struct payment_change change = { .changed = !p->disputed, .fault = fault };
	p->disputed = true;
	return change;
}

struct payment_change payment_apply(struct payment *p, const struct payment_word *word)
{
	struct payment_change change = { .fault = -1 };

	if (p->currency[0] && strcmp(p->currency, word->amount.currency) != 0)
		return refused(p, FAULT_CAPTURE_CONFLICT);
	if (word->order_id.s[0] && p->order_id.s[0] && strcmp(word->order_id.s, p->order_id.s) != 0)
		return refused(p, FAULT_REFERENCE_CONFLICT);
	if (word->kind == KIND_SUCCEEDED && p->captured && p->captured != word->amount.minor)
		return refused(p, FAULT_CAPTURE_CONFLICT);

	memcpy(p->currency, word->amount.currency, sizeof(p->currency));
	if (word->order_id.s[0] && !p->order_id.s[0]) {
		p->order_id = word->order_id;
		change.changed = true;
	}
	if (!p->home.s[0])
		p->home = p->order_id.s[0] ? p->order_id : p->payment_id;

	bool refund = false;
	switch (word->kind) {
	case KIND_FAILED:
		change.changed |= step(p, PAY_FAILED, &change);
		break;
	case KIND_SUCCEEDED:
		if (step(p, PAY_CAPTURED, &change)) {
			p->captured = word->amount.minor;
			refund = p->refunded > 0; /* it was told before */
			change.changed = true;
		}
		break;
	case KIND_REFUNDED: /* the sum so far: an older word is a smaller one */
		refund = word->amount.minor > p->refunded;
		if (refund)
			p->refunded = word->amount.minor;
		change.changed |= refund;
		break;
	}
	if (refund)
		step(p, p->refunded < p->captured ? PAY_REFUNDED_PART : PAY_REFUNDED_ALL, &change);
	return change;
}
