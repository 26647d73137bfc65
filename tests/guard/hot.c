/* What is done for every message, over fixed input, for a count of its instructions: each hot_…
 * function is one row of bounds.json. Built as a release is, without sanitizers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/adapter.h"
#include "bus/envelope.h"
#include "fields.h"
#include "pg/pg.h"
#include "told.h"
#include "json/json.h"

#define ROUNDS 200 /* of each */
#define ROWS 100
#define NOW (1772445600 * KW_US_PER_S)

static const struct kw_partner partner = {
	.name = "shop", .kind = KW_CHANNEL, .fee_bps = 300, .park_days = 7
};

static struct kw_arena *arena;
static struct kw_buf out;
static struct kw_bytes karwan_body, shopify_body, order;
static struct kw_message message;
static struct kw_envelope envelope = { .type = "karwan.order.received.v1",
	.source = "/karwan/order-routing",
	.time = NOW,
	.place = { 1, 42 },
	.trace = { "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" } };
static volatile int64_t sink;

static void need(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "hot: %s\n", what);
	exit(1);
}

/* A webhook's body becomes the message that is appended. */
static void append(const char *adapter_name, const char *topic, struct kw_bytes body)
{
	const struct order_adapter *adapter = order_adapter_find(adapter_name);
	const struct order_input input = { &partner, topic, body, NOW };

	for (int i = 0; i < ROUNDS; i++) {
		struct heard heard = { 0 };
		struct told told;
		struct kw_err err;

		need(adapter->parse(&input, arena, &heard, &err) == KW_OK, adapter_name);
		need(told_of(&partner, adapter, arena, &heard, &told, &err) == KW_OK, adapter_name);
		kw_buf_clear(&out);
		kw_json_encode(submitted_fields, told.data, &out);
		kw_arena_reset(arena);
	}
}

void hot_append_karwan(void);
void hot_append_karwan(void)
{
	append("karwan", NULL, karwan_body);
	sink++; /* a call at the end would be a jump, and not counted here */
}

void hot_append_shopify(void);
void hot_append_shopify(void)
{
	append("shopify", "orders/create", shopify_body);
	sink++;
}

/* A message is read. */
void hot_decode(void);
void hot_decode(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		struct submitted s = { 0 };
		struct kw_err err;

		need(kw_json_decode(submitted_fields, order.p, order.n, arena, &s, &err) == KW_OK,
			"decode");
		kw_arena_reset(arena);
	}
}

/* An event's headers are made, and read. */
void hot_envelope(void);
void hot_envelope(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		struct kw_envelope read;
		struct kw_err err;

		message.n_headers = kw_envelope_headers(&envelope, arena, message.headers);
		need(kw_envelope_parse(&message, arena, &read, &err) == KW_OK, "envelope");
		kw_arena_reset(arena);
	}
}

/* Where a message goes, and what the offset row remembers of it. */
void hot_place(void);
void hot_place(void)
{
	for (int i = 0; i < ROUNDS; i++)
		sink += (int64_t)kw_message_hash(&message) + kw_partition_of(message.key, 12);
}

struct row {
	struct kw_uuid id;
	const char *text;
	int64_t number;
	kw_time time;
};
static const struct kw_col row_cols[] = { KW_COL_UUID(struct row, id),
	KW_COL_TEXT(struct row, text), KW_COL_I64(struct row, number),
	KW_COL_TIME(struct row, time), KW_COL_END };

/* Rows become the arrays of a statement. */
void hot_rows(void);
void hot_rows(void)
{
	struct row rows[ROWS];

	for (int i = 0; i < ROWS; i++)
		rows[i] = (struct row) { kw_uuid_of("row", "a", "b"), "a text of some length", i,
			NOW + i };
	for (int i = 0; i < ROUNDS / 10; i++) {
		struct kw_args args = kw_args_of(arena);

		kw_args_rows(&args, row_cols, rows, ROWS, sizeof(*rows));
		kw_arena_reset(arena);
	}
}

static struct kw_bytes file(const char *root, const char *name)
{
	char path[4096];
	FILE *f;
	char *p = malloc(65536);
	size_t n;

	snprintf(path, sizeof(path), "%s/services/order-routing/adapters/%s", root, name);
	f = fopen(path, "r");
	need(f && p, path);
	n = fread(p, 1, 65536, f);
	fclose(f);
	return (struct kw_bytes) { p, n };
}

int main(int argc, char **argv)
{
	need(argc == 2, "usage: hot CHECKOUT");
	arena = kw_arena_new((size_t)64 << 20);
	kw_buf_init(&out, 1024 * 1024);
	karwan_body = file(argv[1], "karwan/fixtures/created/payload.json");
	shopify_body = file(argv[1], "shopify/fixtures/create/payload.json");
	envelope.id = kw_uuid_of("event", "a", "b");
	envelope.subject = kw_arena_str(kw_arena_new(4096), envelope.id.s);
	append("karwan", NULL, karwan_body); /* libraries set themselves up at the first use */
	order = (struct kw_bytes) { malloc(out.n), out.n };
	memcpy((char *)(uintptr_t)order.p, out.p, out.n);
	message = (struct kw_message) { .topic = "karwan.orders.events",
		.key = { envelope.subject, strlen(envelope.subject) },
		.value = order };
	hot_append_karwan();
	hot_append_shopify();
	hot_decode();
	hot_envelope();
	hot_place();
	hot_rows();
	return 0;
}
