/* What others than channels write: a payment provider in Stripe's words
 * (https://docs.stripe.com/api/events), operators about hubs, makers and listings. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dice.h"
#include "request.h"
#include "write.h"

#define EVENT_DICE 31
#define STRAYS 3

const char *event_id(const struct run *run, const char *prefix, uint64_t number, struct kw_arena *a)
{
	struct dice d = dice_of(run->seed, EVENT_DICE, 0);

	return kw_arena_printf(
		a, "%s_%08" PRIx64 "%010" PRIu64, prefix, dice_next(&d) & 0xffffffff, number);
}

const char *payment_id(const struct run *run, const struct message *m, struct kw_arena *a)
{
	return kw_arena_printf(a, "%s_%" PRId64, event_id(run, "pi", m->n, a), m->count);
}

const char *payment_currency(const struct run *run, const struct message *m)
{
	bool rupees = strcmp(channel_rows[sale_channel(run->seed, m->n)].currency, "PKR") == 0;

	return rupees != m->foreign ? "PKR" : "USD";
}

/* ---- Stripe ---- */

/* A payment of no order: it names none, or one of a channel that nobody declared, or one that
 * nobody made. */
static void metadata(const struct run *run, const struct message *m, struct kw_buf *b)
{
	enum channel channel = sale_channel(run->seed, m->n);
	char external_id[32];

	sale_external_id(run->seed, m->n, external_id);
	write_open(b, "metadata", '{');
	if (!m->lost || m->serial % STRAYS != 0) {
		write_text(b, "channel",
			m->lost && m->serial % STRAYS == 1 ? "bazaar" : channel_rows[channel].name);
		write_text(b, "order_id", external_id);
	}
	write_close(b, '}');
}

static void intent(const struct message *m, const char *id, struct kw_buf *b)
{
	write_text(b, "id", id);
	write_text(b, "object", "payment_intent");
	write_i64(b, "amount", m->amount);
	write_i64(b, "amount_received", m->amount);
	write_text(b, "status", "succeeded");
}

/* amount_refunded: the sum of a charge's refunds so far. */
static void charge(const struct run *run, const struct message *m, const char *intent_id,
	struct kw_arena *a, struct kw_buf *b)
{
	write_text(b, "id", event_id(run, "ch", m->n, a));
	write_text(b, "object", "charge");
	write_text(b, "payment_intent", intent_id);
	write_i64(b, "amount", m->amount);
	write_i64(b, "amount_refunded", m->amount);
}

void body_of_payment(
	const struct run *run, const struct message *m, struct kw_arena *a, struct kw_buf *b)
{
	const char *id = payment_id(run, m, a);
	bool succeeded = m->kind == PAID;

	write_open(b, NULL, '{');
	write_text(b, "id", event_id(run, "evt", m->serial, a));
	write_text(b, "object", "event");
	write_i64(b, "created", run->start / KW_US_PER_S + (int64_t)(m->serial % 1000000) / 50);
	write_bool(b, "livemode", false);
	write_text(b, "type", succeeded ? "payment_intent.succeeded" : "charge.refunded");
	write_open(b, "data", '{');
	write_open(b, "object", '{');
	if (succeeded)
		intent(m, id, b);
	else
		charge(run, m, id, a, b);
	write_text(b, "currency", payment_currency(run, m)[0] == 'P' ? "pkr" : "usd");
	metadata(run, m, b);
	write_close(b, '}');
	write_close(b, '}');
	write_close(b, '}');
}

/* ---- operators ---- */

void body_of_hub(const struct message *m, struct kw_buf *b)
{
	char id[ID_MAX], line[96];

	hub_id((int)m->n, id);
	snprintf(line, sizeof(line), "12 Hussain Agahi Bazaar, floor %" PRId64, m->version);
	write_open(b, NULL, '{');
	write_i64(b, "version", m->version);
	write_text(b, "name", id);
	write_text(b, "region", "Punjab");
	write_open(b, "address", '{');
	write_text(b, "name", id);
	write_text(b, "line1", line);
	write_text(b, "city", "Multan");
	write_text(b, "postcode", "60000");
	write_text(b, "country", "PK");
	write_text(b, "phone", "+923005550102");
	write_close(b, '}');
	write_close(b, '}');
}

void body_of_maker(const struct run *run, const struct message *m, struct kw_buf *b)
{
	char id[ID_MAX], hub[ID_MAX], national_id[NATIONAL_ID_MAX];

	maker_id((int)m->n, id);
	hub_id(maker_hub((int)m->n), hub);
	write_open(b, NULL, '{');
	write_i64(b, "version", m->version);
	write_text(b, "name", id);
	write_text(b, "hub_id", hub);
	write_open(b, "skills", '[');
	write_text(b, NULL, "ralli");
	write_close(b, ']');
	write_i64(b, "weekly_capacity", 20 + m->version % 10);
	write_text(b, "state", m->away ? "ON_LEAVE" : "ACTIVE");
	if (m->away)
		write_text(b, "leave_until", "2099-01-01T00:00:00Z");
	if (maker_national_id(run->seed, (int)m->n, national_id))
		write_text(b, "national_id", national_id);
	write_close(b, '}');
}

void body_of_listing(const struct run *run, const struct message *m, struct kw_buf *b)
{
	static const char *const kinds[] = { "STOCKED", "ONE_OF_A_KIND", "MADE_TO_ORDER" };
	char maker[ID_MAX], hub[ID_MAX], sku[ID_MAX];
	struct listing l;

	listing_of(run->seed, (int)m->n, &l);
	maker_id(l.maker, maker);
	hub_id(maker_hub(l.maker), hub);
	write_open(b, NULL, '{');
	write_i64(b, "version", m->version);
	write_text(b, "sku", l.sku);
	write_text(b, "title", l.title);
	write_text(b, "kind", kinds[l.kind]);
	write_text(b, "maker_id", maker);
	write_text(b, "hub_id", hub);
	write_text(b, "skill", "ralli");
	write_money(b, "price", l.rupees * 100, "PKR");
	write_i64(b, "weight_g", l.weight_g);
	write_i64(b, "quantity", m->amount);
	write_i64(b, "quantity_version", m->count);
	if (l.kind == MADE_TO_ORDER)
		write_i64(b, "lead_days", 10);
	write_text(b, "state", "APPROVED");
	write_open(b, "publications", '[');
	for (int c = 0; c < CHANNELS; c++) {
		listing_channel_sku(&l, c, sku);
		write_open(b, NULL, '{');
		write_text(b, "channel", channel_rows[c].name);
		write_text(b, "channel_sku", sku);
		write_text(b, "state", m->away ? "PAUSED" : "PUBLISHED");
		write_money(b, "price", listing_price(&l, c), channel_rows[c].currency);
		write_close(b, '}');
	}
	write_close(b, ']');
	write_close(b, '}');
}
