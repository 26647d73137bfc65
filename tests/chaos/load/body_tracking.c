/* What is said of parcels: by couriers in our own interface, and by aggregators that follow any
 * courier's numbers (https://www.aftership.com/docs/tracking/webhook,
 * https://docs.easypost.com/docs/trackers). */
#include <stdio.h>

#include "core/id.h"
#include "courier.h"
#include "request.h"
#include "write.h"

#define STEP_US (60 * KW_US_PER_S) /* between the scans that an aggregator tells together */
#define STORY 5                    /* words that follow one another */

const char *const teller_names[TELLERS] = { "courier-a", "courier-b", "aftership-demo",
	"easypost-demo" };

/* The last one is a word that nobody knows. */
static const struct word_row {
	const char *karwan, *tag, *subtag, *easypost;
} words[SCANS] = {
	{ "picked_up", "InTransit", "InTransit_002", "in_transit" },
	{ "in_transit", "InTransit", NULL, "in_transit" },
	{ "out_for_delivery", "OutForDelivery", NULL, "out_for_delivery" },
	{ "attempt_failed", "AttemptFail", NULL, "failure" },
	{ "delivered", "Delivered", NULL, "delivered" },
	{ "returning", "Exception", "Exception_010", "return_to_sender" },
	{ "moved_to_mars", "Teleported", NULL, "teleported" },
};

/* As the partners file's known_as. */
static const char *const slugs[] = { [COURIER_A] = "leopards-courier", [COURIER_B] = "tcs" };
static const char *const carriers[] = { [COURIER_A] = "LeopardsCourier", [COURIER_B] = "TCS" };

struct parcel {
	struct kw_uuid id;
	char number[COURIER_NUMBER_MAX];
};

/* The first one of the order. */
static struct parcel parcel_of(const struct run *run, const struct message *m)
{
	char external_id[32];
	struct parcel p;

	sale_external_id(run->seed, m->n, external_id);
	struct kw_uuid order =
		kw_uuid_of("order", channel_rows[sale_channel(run->seed, m->n)].name, external_id);
	p.id = kw_uuid_of("parcel", order.s, "1");
	courier_number(teller_names[m->carrier], p.id.s, p.number);
	return p;
}

static void write_time(struct kw_buf *b, const char *name, kw_time at)
{
	char text[KW_TIME_TEXT];

	kw_time_format(at, text);
	write_text(b, name, text);
}

static void karwan(
	const struct message *m, const struct parcel *p, const char *id, struct kw_buf *b)
{
	write_open(b, NULL, '{');
	write_text(b, "type", "tracking.updated");
	write_time(b, "timestamp", m->said_at);
	write_open(b, "data", '{');
	write_text(b, "event_id", id);
	write_text(b, "reference", p->id.s);
	if (m->serial % 2 == 0)
		write_text(b, "tracking_number", p->number);
	write_text(b, "status", words[m->count].karwan);
	write_time(b, "scanned_at", m->said_at);
	write_text(b, "place", "Lahore hub");
	write_close(b, '}');
	write_close(b, '}');
}

/* An aggregator tells the whole story each time: the words up to this one. */
static int64_t first_word(const struct message *m)
{
	return m->count < STORY ? 0 : m->count;
}

static kw_time time_of_word(const struct message *m, int64_t word)
{
	return (m->said_at - (m->count - word) * STEP_US) / KW_US_PER_S * KW_US_PER_S;
}

static void aftership(
	const struct message *m, const struct parcel *p, const char *id, struct kw_buf *b)
{
	write_open(b, NULL, '{');
	write_text(b, "event", "tracking_update");
	write_text(b, "event_id", id);
	write_i64(b, "ts", m->said_at / KW_US_PER_S);
	write_open(b, "msg", '{');
	write_text(b, "slug", slugs[m->carrier]);
	write_text(b, "tracking_number", p->number);
	write_text(b, "tag", words[m->count].tag);
	write_open(b, "checkpoints", '[');
	for (int64_t i = first_word(m); i <= m->count; i++) {
		write_open(b, NULL, '{');
		write_text(b, "tag", words[i].tag);
		if (words[i].subtag)
			write_text(b, "subtag", words[i].subtag);
		write_time(b, "checkpoint_time", time_of_word(m, i));
		write_text(b, "location", "Lahore");
		write_close(b, '}');
	}
	write_close(b, ']');
	write_close(b, '}');
	write_close(b, '}');
}

static void easypost(
	const struct message *m, const struct parcel *p, const char *id, struct kw_buf *b)
{
	write_open(b, NULL, '{');
	write_text(b, "object", "Event");
	write_text(b, "description", "tracker.updated");
	write_text(b, "id", id);
	write_open(b, "result", '{');
	write_text(b, "object", "Tracker");
	write_text(b, "carrier", carriers[m->carrier]);
	write_text(b, "tracking_code", p->number);
	write_text(b, "status", words[m->count].easypost);
	write_time(b, "updated_at", time_of_word(m, m->count));
	write_open(b, "tracking_details", '[');
	for (int64_t i = first_word(m); i <= m->count; i++) {
		write_open(b, NULL, '{');
		write_text(b, "status", words[i].easypost);
		write_time(b, "datetime", time_of_word(m, i));
		write_close(b, '}');
	}
	write_close(b, ']');
	write_close(b, '}');
	write_close(b, '}');
}

const char *body_of_tracking(
	const struct run *run, const struct message *m, const char *id, struct kw_buf *b)
{
	struct parcel p = parcel_of(run, m);

	switch (m->by) {
	case AFTERSHIP:
		aftership(m, &p, id, b);
		break;
	case EASYPOST:
		easypost(m, &p, id, b);
		break;
	default:
		karwan(m, &p, id, b);
		break;
	}
	return words[m->count].karwan;
}
