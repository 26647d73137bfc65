/* What the courier answers: bookings, inquiries, cancellations, returns. Handlers run on the
 * server's threads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/signature.h"
#include "impl.h"
#include "json/json.h"

#define BOOKINGS_A_CALL_MAX 100
#define BODY_MAX ((size_t)16 * 1024 * 1024)

struct reference {
	struct kw_uuid reference;
};
static const struct kw_field reference_fields[] = {
	KW_UUID(struct reference, reference, KW_REQUIRED),
	KW_END,
};

struct booking_call {
	struct reference *bookings;
	size_t n_bookings;
};
static const struct kw_field booking_call_fields[] = {
	KW_ARRAY(struct booking_call, bookings, KW_REQUIRED, struct reference, reference_fields, 1,
		BOOKINGS_A_CALL_MAX),
	KW_END,
};

struct result {
	struct kw_uuid reference;
	const char *outcome, *tracking_number, *reason;
};
static const struct kw_field result_fields[] = {
	KW_UUID(struct result, reference, KW_REQUIRED),
	KW_STR(struct result, outcome, KW_REQUIRED, 1, 20),
	KW_STR(struct result, tracking_number, KW_OPTIONAL, 1, 64),
	KW_STR(struct result, reason, KW_OPTIONAL, 1, 200),
	KW_END,
};

struct results {
	struct result *results;
	size_t n_results;
};
static const struct kw_field results_fields[] = {
	KW_ARRAY(struct results, results, KW_REQUIRED, struct result, result_fields, 0,
		BOOKINGS_A_CALL_MAX),
	KW_END,
};

static const struct kw_field stats_fields[] = {
	KW_I64(struct courier_stats, calls, KW_REQUIRED, 0, INT64_MAX),
	KW_I64(struct courier_stats, bookings, KW_REQUIRED, 0, INT64_MAX),
	KW_I64(struct courier_stats, refused, KW_REQUIRED, 0, INT64_MAX),
	KW_I64(struct courier_stats, repeats, KW_REQUIRED, 0, INT64_MAX),
	KW_I64(struct courier_stats, inquiries, KW_REQUIRED, 0, INT64_MAX),
	KW_I64(struct courier_stats, cancelled, KW_REQUIRED, 0, INT64_MAX),
	KW_I64(struct courier_stats, cancels_refused, KW_REQUIRED, 0, INT64_MAX),
	KW_I64(struct courier_stats, recalled, KW_REQUIRED, 0, INT64_MAX),
	KW_I64(struct courier_stats, scans, KW_REQUIRED, 0, INT64_MAX),
	KW_I64(struct courier_stats, rejected, KW_REQUIRED, 0, INT64_MAX),
	KW_I64(struct courier_stats, waiting, KW_REQUIRED, 0, INT64_MAX),
	KW_END,
};

static kw_handler_fn post_bookings, get_booking, post_cancel, post_return, get_statistics;

enum { OPEN, SIGNED };
const struct kw_route courier_routes[] = {
	{ .method = "POST",
		.path = "/v1/bookings",
		.handle = post_bookings,
		.auth = SIGNED,
		.body = KW_JSON_BODY,
		.fields = booking_call_fields,
		.in_size = sizeof(struct booking_call),
		.max_body = BODY_MAX },
	{ .method = "GET",
		.path = "/v1/bookings/:reference",
		.handle = get_booking,
		.auth = SIGNED },
	{ .method = "POST",
		.path = "/v1/bookings/:reference/cancel",
		.handle = post_cancel,
		.auth = SIGNED,
		.body = KW_RAW_BODY },
	{ .method = "POST",
		.path = "/v1/bookings/:reference/return",
		.handle = post_return,
		.auth = SIGNED,
		.body = KW_RAW_BODY },
	{ .method = "GET", .path = "/v1/statistics", .handle = get_statistics, .auth = OPEN },
	{ 0 },
};

enum kw_rc courier_authenticate(struct kw_request *rq, struct kw_err *err)
{
	const struct courier *c = rq->ctx;
	struct kw_secrets secrets = { .keys = { c->options.secret }, .n = 1 };

	return kw_verify_standard_webhook(&secrets, kw_request_header(rq, "webhook-id"),
		kw_request_header(rq, "webhook-timestamp"),
		kw_request_header(rq, "webhook-signature"), rq->body, rq->now, err);
}

/* splitmix64: FNV alone leaves the upper bits of short texts too regular. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

bool courier_rolls(
	const struct courier *c, const char *reference, const char *what, double probability)
{
	uint64_t h = kw_hash64(reference, strlen(reference), c->options.seed);

	h = kw_hash64(what, strlen(what), h);
	h = kw_hash64(c->options.name, strlen(c->options.name), h);
	return (double)(mix(h) >> 11) / (double)(UINT64_C(1) << 53) < probability;
}

/* Under the lock. NULL: not there, or (make) too many. */
static struct booking *find(struct courier *c, const char *reference, bool make)
{
	struct booking **bucket =
		&c->buckets[mix(kw_hash64(reference, strlen(reference), 0)) % BUCKETS];

	for (struct booking *b = *bucket; b; b = b->next)
		if (strcmp(b->reference, reference) == 0)
			return b;
	if (!make || c->n_bookings >= BOOKINGS_MAX)
		return NULL;
	struct booking *b = calloc(1, sizeof(*b));
	kw_assert(b != NULL);
	snprintf(b->reference, sizeof(b->reference), "%s", reference);
	b->next = *bucket;
	*bucket = b;
	c->n_bookings++;
	return b;
}

static const char *encode(struct kw_arena *a, const struct kw_field *fields, const void *data)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf text;

	kw_buf_init(&text, 1024 * 1024);
	kw_json_encode(fields, data, &text);
	kw_assert(!text.full);
	return kw_arena_strn(a, text.p, text.n);
}

static struct kw_bytes bytes_of(const char *text)
{
	return (struct kw_bytes) { text, strlen(text) };
}

static struct result result_of(struct kw_arena *a, const struct booking *b)
{
	struct result r = { .outcome = b->refused ? "refused" : "accepted" };

	memcpy(r.reference.s, b->reference, sizeof(r.reference.s));
	if (b->refused)
		r.reason = "not in our area";
	else
		r.tracking_number = kw_arena_str(a, b->tracking_number);
	return r;
}

void courier_number(const char *name, const char *reference, char out[COURIER_NUMBER_MAX])
{
	uint64_t number = mix(kw_hash64(reference, strlen(reference), 7)) % 1000000000000u;
	char last = name[strlen(name) - 1];
	char letter = last >= 'a' && last <= 'z' ? (char)(last - 'a' + 'A') : 'X';

	snprintf(out, COURIER_NUMBER_MAX, "K%c%012llu", letter, (unsigned long long)number);
}

/* A new reference: booked or refused. Under the lock. */
static void decide(struct courier *c, struct booking *b, kw_time now)
{
	if (courier_rolls(c, b->reference, "refuse", c->options.refuse)) {
		b->refused = true;
		c->stats.refused++;
		return;
	}
	b->accepted = true;
	c->stats.bookings++;
	courier_number(c->options.name, b->reference, b->tracking_number);
	if (c->options.tracking_url)
		courier_plan_story(c, b, now);
}

static enum kw_rc post_bookings(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	struct courier *c = rq->ctx;
	const struct booking_call *in = rq->in;
	struct results results = { kw_new(rq->arena, struct result, in->n_bookings), 0 };
	bool hang = false;

	pthread_mutex_lock(&c->lock);
	c->stats.calls++;
	for (size_t i = 0; i < in->n_bookings; i++) {
		struct booking *b = find(c, in->bookings[i].reference.s, true);

		if (!b)
			break;
		if (b->accepted || b->refused)
			c->stats.repeats++;
		else if (b->posts++ == 0 &&
			 courier_rolls(c, b->reference, "drop", c->options.drop)) {
			hang = true;
			continue;
		} else {
			decide(c, b, rq->now);
			hang = hang ||
			       courier_rolls(c, b->reference, "time-out", c->options.time_out);
		}
		results.results[results.n_results++] = result_of(rq->arena, b);
	}
	pthread_mutex_unlock(&c->lock);
	rs->body = bytes_of(encode(rq->arena, results_fields, &results));
	if (!hang)
		return KW_OK;
	struct hanging *h = calloc(1, sizeof(*h));
	kw_assert(h != NULL);
	*h = (struct hanging) { kw_request_defer(rq), 0, rs->body, NULL };
	if (!h->deferred) {
		free(h);
		return kw_fail(err, KW_RETRY, "too many answers are kept back");
	}
	pthread_mutex_lock(&c->lock);
	h->due = kw_monotonic_us() + c->options.hang_ms * 1000LL;
	h->next = c->hanging;
	c->hanging = h;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	return KW_OK;
}

static enum kw_rc get_booking(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	struct courier *c = rq->ctx;
	struct result result;
	bool found;

	(void)err;
	pthread_mutex_lock(&c->lock);
	c->stats.inquiries++;
	const struct booking *b = find(c, rq->params[0], false);
	found = b && (b->accepted || b->refused);
	if (found)
		result = result_of(rq->arena, b);
	pthread_mutex_unlock(&c->lock);
	if (!found)
		return KW_NOTHING;
	rs->body = bytes_of(encode(rq->arena, result_fields, &result));
	return KW_OK;
}

static enum kw_rc post_cancel(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	struct courier *c = rq->ctx;
	enum kw_rc rc = KW_OK;

	pthread_mutex_lock(&c->lock);
	struct booking *b = find(c, rq->params[0], false);
	if (!b || !b->accepted) {
		rc = KW_NOTHING;
	} else if (!b->cancelled && b->left_at > 0 && rq->now >= b->left_at) {
		c->stats.cancels_refused++;
		rc = kw_fail(err, KW_CONFLICT, "it has left");
	} else {
		c->stats.cancelled += !b->cancelled;
		b->cancelled = true;
	}
	pthread_mutex_unlock(&c->lock);
	rs->body = bytes_of("{}");
	return rc;
}

static enum kw_rc post_return(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	struct courier *c = rq->ctx;
	enum kw_rc rc = KW_OK;

	pthread_mutex_lock(&c->lock);
	struct booking *b = find(c, rq->params[0], false);
	bool new = b && !b->recalled;
	if (!b || !b->accepted || b->cancelled)
		rc = KW_NOTHING;
	else if (!courier_recall(c, b, rq->now))
		rc = kw_fail(err, KW_CONFLICT, "it has arrived");
	else
		c->stats.recalled += new;
	pthread_mutex_unlock(&c->lock);
	rs->body = bytes_of("{}");
	return rc;
}

static enum kw_rc get_statistics(struct kw_request *rq, struct kw_response *rs, struct kw_err *err)
{
	struct courier_stats stats;

	(void)err;
	courier_stats(rq->ctx, &stats);
	rs->body = bytes_of(encode(rq->arena, stats_fields, &stats));
	return KW_OK;
}
