#include "script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bus/bus.h"
#include "core/clock.h"

#define SEND_US (60 * KW_US_PER_S)

static const struct command *labelled(const struct command *commands, const char *label)
{
	for (const struct command *c = commands; c->verb != V_END; c++)
		if (c->label && strcmp(c->label, label) == 0)
			return c;
	fail_msg("no label %s", label);
	return NULL;
}

static void expect_status(const struct command *c, const struct kw_call *call)
{
	if (call->rc != KW_OK || call->status != c->status)
		fail_msg("%s: the answer is %s %d, not %d: %.*s", c->label, kw_rc_name(call->rc),
			call->status, c->status, (int)call->answer.n, (const char *)call->answer.p);
}

/* As a marketplace does it: what is answered 503 is sent again. */
static void run_orders(
	struct system *s, const struct command *c, const struct order *orders, size_t n)
{
	struct kw_call *calls = kw_new(s->arena, struct kw_call, n);
	struct order *left = kw_new(s->arena, struct order, n);
	int64_t until = kw_monotonic_us() + SEND_US;
	size_t n_left = n;

	memcpy(left, orders, n * sizeof(*left));
	do {
		size_t refused = 0;

		for (size_t i = 0; i < n_left; i++)
			calls[i] =
				system_order_call(s, &left[i], 1 + (int)(i % (size_t)s->replicas));
		system_run(s, calls, left, n_left);
		for (size_t i = 0; i < n_left; i++) {
			if (calls[i].rc == KW_OK && calls[i].status == 503)
				left[refused++] = left[i];
			else
				expect_status(c, &calls[i]);
		}
		n_left = refused;
	} while (n_left > 0 && kt_again(until));
	if (n_left > 0)
		fail_msg("%s: %zu orders are answered 503 again and again", c->label, n_left);
}

static void run_again(struct system *s, const struct command *c, const struct order *order)
{
	struct order *orders = kw_new(s->arena, struct order, (size_t)c->n);

	for (int64_t i = 0; i < c->n; i++)
		orders[i] = *order;
	run_orders(s, c, orders, (size_t)c->n);
}

static void run_many(struct system *s, const struct command *c)
{
	static const char *const channels[] = { "pavilion", "dibs", "ahaan" };
	struct order *orders = kw_new(s->arena, struct order, (size_t)c->n);

	for (int64_t i = 0; i < c->n; i++)
		orders[i] = (struct order) { .channel = channels[i % 3],
			.sku = c->b,
			.quantity = 1,
			.external_id = kw_arena_printf(s->arena, "%s-%lld", c->a, (long long)i) };
	run_orders(s, c, orders, (size_t)c->n);
}

/* "karwan.orders.in key" */
static void run_raw(struct system *s, const struct command *c)
{
	char topic[100], key[100];

	assert_int_equal(sscanf(c->a, "%99s %99s", topic, key), 2);
	system_wrong(s, c->a);
	kt_send(system_brokers(s), topic,
		kw_partition_of((struct kw_bytes) { key, strlen(key) }, 12), key, c->b, c->c);
}

static void run_ctl(struct system *s, const struct command *c)
{
	char *words = kw_arena_str(s->arena, c->a), *save = NULL;
	const char *argv[16] = { NULL }, *output;
	size_t n = 0;
	int code;

	for (char *word = strtok_r(words, " ", &save); word && n < 15;
		word = strtok_r(NULL, " ", &save))
		argv[n++] = word;
	code = system_ctl(s, &output, argv);
	if (code != c->status || !strstr(output, c->c))
		fail_msg("%s: karwanctl %s: %d, not %d, or without '%s':\n%s", c->label, c->a, code,
			c->status, c->c, output);
}

static void expect_number(struct system *s, const struct command *c, int64_t wait_us)
{
	int64_t until = kw_monotonic_us() + wait_us, value;

	do
		value = system_number(s, c->a, c->b);
	while (value != c->n && kt_again(until));
	if (value != c->n)
		fail_msg("%s: %s is %lld, not %lld", c->label, c->b, (long long)value,
			(long long)c->n);
}

static void run_one(struct system *s, const struct command *commands, const struct command *c)
{
	char service[64];
	int path = 0;

	switch (c->verb) {
	case V_PUT:
		assert_int_equal(sscanf(c->a, "%63s %n", service, &path), 1);
		(void)system_call(
			s, system_operator_call(s, "PUT", service, c->a + path, c->b), c->status);
		break;
	case V_POST:
		run_orders(s, c, &c->order, 1);
		break;
	case V_AGAIN:
		run_again(s, c, &labelled(commands, c->a)->order);
		break;
	case V_MANY:
		run_many(s, c);
		break;
	case V_PAY:
		(void)system_call(s,
			c->c ? system_event_call(s, c->c, c->a, c->b, c->n)
			     : system_payment_call(s, c->a, c->b, c->n),
			c->status);
		break;
	case V_SETTLE:
		system_settle(s);
		break;
	case V_CHECK:
		system_check(s);
		break;
	case V_NUMBER:
		expect_number(s, c, 0);
		break;
	case V_WITHIN:
		expect_number(s, c, 5 * KW_US_PER_S);
		break;
	case V_RAW:
		run_raw(s, c);
		break;
	case V_CTL:
		run_ctl(s, c);
		break;
	case V_END:
		break;
	}
}

void script_run(struct system *s, const struct command *commands)
{
	for (const struct command *c = commands; c->verb != V_END; c++)
		run_one(s, commands, c);
}
