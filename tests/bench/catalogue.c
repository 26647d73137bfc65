/* What is sold in the benchmark: HUBS hubs, MAKERS makers, SKUS pieces with plenty of stock. */
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "core/clock.h"
#include "http/client.h"

#define DEADLINE_MS 60000
#define ANSWER_MAX 65536
#define TRIES 20

static void put(struct place *p, struct kw_call *call, const char *path, const char *body)
{
	const char **headers = kw_new(p->arena, const char *, 3);

	headers[0] = "Content-Type: application/json";
	headers[1] = kw_arena_printf(p->arena, "Authorization: Bearer %s", p->token);
	*call = (struct kw_call) {
		.method = "PUT",
		.url = kw_arena_printf(p->arena, "%s%s", p->listing_url, path),
		.headers = headers,
		.body = { body, strlen(body) },
	};
}

static void put_hub(struct place *p, struct kw_call *call, int i)
{
	put(p, call, kw_arena_printf(p->arena, "/v1/hubs/hub-%d", i),
		kw_arena_printf(p->arena,
			"{\"version\":1,\"name\":\"Craft House %d\",\"region\":\"Punjab\",\"address\":"
			"{\"name\":\"Craft House %d\",\"line1\":\"12 Hussain Agahi Bazaar\","
			"\"city\":\"Multan\",\"postcode\":\"60000\",\"country\":\"PK\","
			"\"phone\":\"+923005550102\"}}",
			i, i));
}

static void put_maker(struct place *p, struct kw_call *call, int i)
{
	put(p, call, kw_arena_printf(p->arena, "/v1/makers/maker-%d", i),
		kw_arena_printf(p->arena,
			"{\"version\":1,\"name\":\"Maker %d\",\"hub_id\":\"hub-%d\",\"skills\":[\"khes\"],"
			"\"weekly_capacity\":20,\"state\":\"ACTIVE\"}",
			i, i % HUBS));
}

static void put_listing(struct place *p, struct kw_call *call, int i)
{
	put(p, call, kw_arena_printf(p->arena, "/v1/listings/listing-%04d", i),
		kw_arena_printf(p->arena,
			"{\"version\":1,\"sku\":\"KW-%04d\",\"title\":\"Multani khes %d\","
			"\"kind\":\"STOCKED\",\"maker_id\":\"maker-%d\",\"hub_id\":\"hub-%d\","
			"\"weight_g\":700,\"quantity\":1000000,\"quantity_version\":1,"
			"\"price\":{\"amount\":\"1200.00\",\"currency\":\"PKR\"},\"state\":\"APPROVED\","
			"\"publications\":[{\"channel\":\"pavilion\",\"channel_sku\":\"BEN-%04d\","
			"\"state\":\"PUBLISHED\",\"price\":{\"amount\":\"1200.00\",\"currency\":\"PKR\"}}]}",
			i, i, i / SKUS_A_MAKER, i / SKUS_A_MAKER % HUBS, i));
}

/* Those that are to be sent again come first; returns how many. */
static int keep_refused(struct kw_call *calls, int n)
{
	int left = 0;

	for (int i = 0; i < n; i++) {
		if (calls[i].rc == KW_OK && calls[i].status == 202)
			continue;
		if (calls[i].rc == KW_OK && calls[i].status != 503 && calls[i].status != 429)
			die("PUT %s: status %d: %.*s", calls[i].url, calls[i].status,
				(int)calls[i].answer.n, (const char *)calls[i].answer.p);
		calls[left++] = calls[i];
	}
	return left;
}

/* What a round speaks of was in an earlier one. */
static void send(struct place *p, int n, void (*one)(struct place *, struct kw_call *, int))
{
	struct kw_client *client = kw_client_new(true);
	struct kw_call *calls = kw_new(p->arena, struct kw_call, (size_t)n);

	for (int i = 0; i < n; i++)
		one(p, &calls[i], i);
	for (int left = n, try = 0; left > 0; try++) {
		kw_client_run(client, p->arena, calls, (size_t)left, DEADLINE_MS, ANSWER_MAX);
		left = keep_refused(calls, left);
		if (left > 0 && try == TRIES)
			die("PUT %s: status %d", calls[0].url, calls[0].status);
		if (left > 0)
			pause_us(KW_US_PER_S / 2);
	}
	kw_client_free(client);
}

void run_catalogue(struct place *p)
{
	send(p, HUBS, put_hub);
	send(p, MAKERS, put_maker);
	send(p, SKUS, put_listing);
	/* order-routing has read them all when it has them from every edge's topic */
	for (int i = 0; metric_of(p, ROUTING, "karwan_messages_total") < HUBS + MAKERS + SKUS;
		i++) {
		if (i == 600)
			die("order-routing does not learn of the listings");
		pause_us(100000);
	}
	tell("registered %d hubs, %d makers, %d listings", HUBS, MAKERS, SKUS);
}
