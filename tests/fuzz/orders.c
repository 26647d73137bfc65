/* Each marketplace's bodies: what is taken becomes a message that is written and read again as it
 * was, does not depend on blanks around the body, and carries no national id in what a buyer
 * writes; what is refused is refused at a place in the body. A first line names a topic; without it
 * all that are known are tried. The first line "answers" makes the rest what an API answers: one
 * after a blank line behind the other. */
#include <ctype.h>
#include <string.h>

#include "adapters/adapter.h"
#include "fields.h"
#include "fuzz.h"
#include "handlers.h"
#include "told.h"

/* One line per marketplace whose header names the kind of message: what it may say. */
static const char *const topics[] = {
	"orders/create", "orders/updated", "orders/cancelled", "orders/paid", /* shopify */
	"order.created", "order.updated", "order.deleted",                    /* woocommerce */
};

#define NOW (1772445600 * KW_US_PER_S)

static const struct kw_partner partner = {
	.name = "shop",
	.kind = KW_CHANNEL,
	.fee_bps = 300,
	.park_days = 7,
	.url = "https://shop.example",
	.app_key = "123456",
	.currency = "PKR",
};

/* 12345-1234567-1 and no digit around it. */
static bool has_national_id(const char *text)
{
	static const char form[] = "ddddd-ddddddd-d";

	for (const char *p = text; text && *p; p++) {
		size_t n = 0;
		while (form[n] &&
			(form[n] == 'd' ? isdigit((unsigned char)p[n]) != 0 : p[n] == form[n]))
			n++;
		if (!form[n] && !isdigit((unsigned char)p[n]) &&
			(p == text || !isdigit((unsigned char)p[-1])))
			return true;
	}
	return false;
}

static void check_private(const struct submitted *s)
{
	const struct address *to = s->ship_to;

	for (size_t i = 0; i < s->n_lines; i++)
		FUZZ_CHECK(!has_national_id(s->lines[i].title), "%s", s->lines[i].title);
	FUZZ_CHECK(!has_national_id(s->number), "%s", s->number);
	FUZZ_CHECK(!has_national_id(s->cancel_reason), "%s", s->cancel_reason);
	if (!to)
		return;
	const char *const texts[] = { to->name, to->line1, to->line2, to->line3, to->city,
		to->postcode, to->region, to->phone };
	for (size_t i = 0; i < KW_LEN(texts); i++)
		FUZZ_CHECK(!has_national_id(texts[i]), "%s", texts[i]);
}

/* As it is appended. */
static const char *written(struct kw_arena *a, const struct order_adapter *adapter,
	const struct heard *heard, struct kw_err *err)
{
	const struct kw_topic_row *row = routing_topics;
	struct told told;

	if (told_of(&partner, adapter, a, heard, &told, err) != KW_OK)
		return NULL;
	if (told.order)
		check_private(told.order);
	while (strcmp(row->type, told.type) != 0)
		row++;
	return fuzz_stable(row->fields, row->size, told.data, a);
}

/* NULL: it was not taken. */
static const char *parsed(struct kw_arena *a, const struct kw_adapter *row, const char *topic,
	const char *p, size_t n, struct kw_err *err)
{
	const struct order_input input = { &partner, topic, { p, n }, NOW };
	const struct order_adapter *adapter = row->more;
	struct heard heard = { 0 };

	*err = (struct kw_err) { 0 };
	enum kw_rc rc = adapter->parse(&input, a, &heard, err);
	FUZZ_CHECK(rc == KW_OK || rc == KW_NOTHING || rc == KW_INVALID, "%s: %s", row->name,
		kw_rc_name(rc));
	return rc == KW_OK ? written(a, adapter, &heard, err) : NULL;
}

static void check(const struct kw_adapter *row, const char *topic, const struct fuzz_rest *in)
{
	struct kw_arena *a = fuzz_arena();
	struct kw_err err;
	const char *text = parsed(a, row, topic, in->p, in->n, &err);

	if (!text) {
		if (err.rc != KW_OK)
			fuzz_refused(&err, in->p, in->n);
		return;
	}
	/* the same within blanks */
	char *wide = kw_arena_alloc(a, in->n + 2, 1);
	wide[0] = ' ';
	memcpy(wide + 1, in->p, in->n);
	wide[in->n + 1] = '\n';
	const char *again = parsed(a, row, topic, wide, in->n + 2, &err);
	FUZZ_CHECK(again && strcmp(text, again) == 0, "%s:\n%s\n%s", row->name, text,
		again ? again : err.reason);
}

static void check_page(const struct order_adapter *adapter, const struct kw_call *call)
{
	struct kw_arena *a = fuzz_arena();
	struct page_read page = { 0 };
	struct kw_err err = { 0 };

	if (adapter->api->read_page(&partner, call, NOW, a, &page, &err) != KW_OK) {
		FUZZ_CHECK(err.reason[0], "a page is refused without a reason");
		return;
	}
	FUZZ_CHECK(page.n <= API_PAGE, "%zu orders", page.n);
	for (size_t i = 0; i < page.n; i++) {
		FUZZ_CHECK(page.found[i].external_id[0] && page.found[i].changed_at > 0,
			"order %zu", i);
		(void)written(a, adapter, &page.found[i].heard, &err);
	}
}

static void check_answers(const struct order_adapter *adapter, const struct fuzz_rest *in)
{
	const char *second = memmem(in->p, in->n, "\n\n", 2);
	size_t n = second ? (size_t)(second - in->p) : in->n;
	struct kw_call calls[API_CALLS_MAX] = {
		{ .rc = KW_OK, .status = 200, .answer = { in->p, n } },
		{ .rc = KW_OK, .status = 200, .answer = { in->p + n, in->n - n } },
	};
	struct kw_arena *a = fuzz_arena();
	struct heard heard = { 0 };
	struct kw_err err = { 0 };
	enum kw_rc rc = adapter->api->read_order(&partner, calls, NOW, a, &heard, &err);

	if (rc == KW_OK)
		(void)written(a, adapter, &heard, &err);
	else
		FUZZ_CHECK(rc == KW_NOTHING || err.reason[0], "refused without a reason");
	check_page(adapter, &calls[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kw_arena *own = kw_arena_new(1 << 20);
	KW_CLEANUP(fuzz_rest_done) struct fuzz_rest in = fuzz_split(own, data, size);
	bool answers = in.line && strcmp(in.line, "answers") == 0;

	for (const struct kw_adapter *row = routing_adapters; row->name; row++) {
		const struct order_adapter *adapter = row->more;
		if (answers && adapter->api)
			check_answers(adapter, &in);
		else if (!answers && (!adapter->topic_header || in.line))
			check(row, in.line, &in);
		else
			for (size_t i = 0; !answers && i < KW_LEN(topics); i++)
				check(row, topics[i], &in);
	}
	kw_arena_free(own);
	return 0;
}
