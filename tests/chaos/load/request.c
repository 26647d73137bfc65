#include "request.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/id.h"

#define BODY_MAX ((size_t)2 * 1024 * 1024)
#define OVERSIZE ((size_t)1024 * 1024 + 4096) /* an edge takes 1 MiB */
#define DEPTH 64                              /* an edge takes 32 */

const char *const kind_names[KINDS] = { "order", "cancel", "paid", "refund", "tracking", "hub",
	"maker", "listing" };
const char *const forgery_names[FORGERIES] = { "genuine", "unsigned", "wrong_key", "expired",
	"tampered" };
const char *const change_names[CHANGES] = { "first", "repeat", "changed", "updated" };
const char *const word_names[WORDS] = { "created", "updated", "paid", "cancelled", "gone" };

static struct kw_bytes bytes_of(struct kw_arena *a, const struct kw_buf *b)
{
	kw_assert(!b->full);
	return (struct kw_bytes) { kw_arena_copy(a, b->p, b->n), b->n };
}

/* Members before the first of the body, or its end cut off. */
static struct kw_bytes spoiled(struct kw_bytes body, enum flaw flaw, struct kw_arena *a)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf b;

	kw_buf_init(&b, BODY_MAX);
	kw_buf_char(&b, '{');
	switch (flaw) {
	case BROKEN_JSON:
		return (struct kw_bytes) { body.p, body.n - 2 };
	case DOUBLE_MEMBER:
		kw_buf_str(&b, "\"note\":\"a\",\"note\":\"b\",");
		break;
	case TOO_DEEP:
		kw_buf_str(&b, "\"note\":");
		for (int i = 0; i < DEPTH; i++)
			kw_buf_char(&b, '[');
		for (int i = 0; i < DEPTH; i++)
			kw_buf_char(&b, ']');
		kw_buf_char(&b, ',');
		break;
	case TOO_LARGE:
		kw_buf_str(&b, "\"note\":\"");
		while (b.n < OVERSIZE)
			kw_buf_str(&b, "a long note about a shawl; ");
		kw_buf_str(&b, "\",");
		break;
	default:
		return body;
	}
	kw_buf_add(&b, (const char *)body.p + 1, body.n - 1);
	return bytes_of(a, &b);
}

static const char *order_name(const struct run *run, uint64_t n, struct kw_arena *a)
{
	char external_id[32];

	sale_external_id(run->seed, n, external_id);
	return kw_arena_printf(
		a, "%s %s", channel_rows[sale_channel(run->seed, n)].name, external_id);
}

/* ---- letters, by sender ---- */

static void channel_letter(const struct run *run, const struct message *m, struct kw_arena *a,
	struct kw_buf *b, struct letter *ret)
{
	struct sale *s = kw_new(a, struct sale, 1);

	sale_of(run->seed, run->start, m->n, m->flaw, m->differs, s);
	body_of_order(s, m, b);
	*ret = (struct letter) {
		.edge = ORDERS_EDGE,
		.method = "POST",
		.path = kw_arena_printf(a, "/v1/channels/%s/orders", channel_rows[s->channel].name),
		.partner = channel_rows[s->channel].name,
		.signer = KW_CHANNEL,
		.headers = headers_of_order(s, m, a),
		.ref = order_name(run, m->n, a),
		.id = kw_arena_printf(
			a, "msg_%s_%" PRId64 "_%u", s->external_id, m->version, m->differs),
		.currency = s->currency,
		.sale = s,
		.national_id = s->national_id[0] ? s->national_id : NULL,
	};
	if (s->channel == DARAZ && m->flaw <= UNKNOWN_SKU) {
		KW_CLEANUP(kw_buf_done) struct kw_buf record;

		kw_buf_init(&record, BODY_MAX);
		record_of_order(s, m, &record);
		ret->record = bytes_of(a, &record);
		ret->record_path =
			kw_arena_printf(a, "/%s/_orders/%s", ret->partner, s->external_id);
	}
}

static void provider_letter(const struct run *run, const struct message *m, struct kw_arena *a,
	struct kw_buf *b, struct letter *ret)
{
	body_of_payment(run, m, a, b);
	*ret = (struct letter) {
		.edge = PAYMENTS_EDGE,
		.method = "POST",
		.path = "/v1/providers/stripe-demo/events",
		.partner = "stripe-demo",
		.signer = KW_PROVIDER,
		.headers = "",
		.ref = event_id(run, "evt", m->serial, a),
		.order = m->lost ? NULL : order_name(run, m->n, a),
		.currency = payment_currency(run, m),
	};
}

static void tracking_letter(const struct run *run, const struct message *m, struct kw_arena *a,
	struct kw_buf *b, struct letter *ret)
{
	const char *id = event_id(run, "scan", m->serial, a);

	*ret = (struct letter) {
		.edge = DISPATCH_EDGE,
		.method = "POST",
		.path = kw_arena_printf(a, "/v1/couriers/%s/tracking", teller_names[m->by]),
		.partner = teller_names[m->by],
		.signer = KW_COURIER,
		.headers = "",
		.ref = kw_arena_printf(a, "%s %s", teller_names[m->by], id),
		.id = id,
		.order = order_name(run, m->n, a),
		.scan = body_of_tracking(run, m, id, b),
	};
}

static void operator_letter(
	const char *path, const char *ref, enum edge edge, const char *method, struct letter *ret)
{
	*ret = (struct letter) {
		.edge = edge,
		.method = method,
		.path = path,
		.partner = "operator",
		.signer = KW_OPERATOR,
		.headers = "",
		.ref = ref,
	};
}

/* Half of the operators name their request in the body, the others in a header. */
static void cancel_letter(const struct run *run, const struct message *m, struct kw_arena *a,
	struct kw_buf *b, struct letter *ret)
{
	char external_id[32];

	sale_external_id(run->seed, m->n, external_id);
	struct kw_uuid id =
		kw_uuid_of("order", channel_rows[sale_channel(run->seed, m->n)].name, external_id);
	operator_letter(kw_arena_printf(a, "/v1/orders/%s/cancel", id.s), order_name(run, m->n, a),
		ORDERS_EDGE, "POST", ret);
	ret->id = event_id(run, "cancel", m->serial, a);
	kw_buf_str(b, "{\"reason\":\"the buyer called\"");
	if (m->serial % 2 == 0)
		kw_buf_printf(b, ",\"request_id\":\"%s\"", ret->id);
	else
		ret->headers = kw_arena_printf(a, "Idempotency-Key: %s\r\n", ret->id);
	kw_buf_char(b, '}');
}

static void put_letter(const struct run *run, const struct message *m, struct kw_arena *a,
	struct kw_buf *b, struct letter *ret)
{
	char id[ID_MAX], national_id[NATIONAL_ID_MAX];
	struct listing l;

	switch (m->kind) {
	case HUB:
		hub_id((int)m->n, id);
		body_of_hub(m, b);
		break;
	case MAKER:
		maker_id((int)m->n, id);
		body_of_maker(run, m, b);
		break;
	default:
		listing_of(run->seed, (int)m->n, &l);
		memcpy(id, l.id, sizeof(id));
		body_of_listing(run, m, b);
		break;
	}
	operator_letter(kw_arena_printf(a, "/v1/%ss/%s", kind_names[m->kind], id),
		kw_arena_str(a, id), LISTINGS_EDGE, "PUT", ret);
	if (m->kind == MAKER && maker_national_id(run->seed, (int)m->n, national_id))
		ret->national_id = kw_arena_str(a, national_id);
}

void letter_of(
	const struct run *run, const struct message *m, struct kw_arena *a, struct letter *ret)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf b;

	kw_buf_init(&b, BODY_MAX);
	switch (m->kind) {
	case PAID:
	case REFUND:
		provider_letter(run, m, a, &b, ret);
		break;
	case TRACKING:
		tracking_letter(run, m, a, &b, ret);
		break;
	case HUB:
	case MAKER:
	case LISTING:
		put_letter(run, m, a, &b, ret);
		break;
	case CANCEL:
		if (m->by == BY_OPERATOR) {
			cancel_letter(run, m, a, &b, ret);
			break;
		}
		/* fall through */
	default:
		channel_letter(run, m, a, &b, ret);
		break;
	}
	ret->body = spoiled(bytes_of(a, &b), m->flaw, a);
}
