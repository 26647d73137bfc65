/* The partners file: a good one, and each way to be bad. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "svc/partners.h"
#include "json/json.h"

static char folder[64];
static struct kw_arena *arena;
static struct kw_err err;

static const char *path_of(const char *name)
{
	return kw_arena_printf(arena, "%s/%s", folder, name);
}

static void write_file(const char *name, const char *text, mode_t mode)
{
	FILE *f = fopen(path_of(name), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path_of(name), mode), 0);
}

static int setup(void **state)
{
	(void)state;
	arena = kw_arena_new(16 * 1024 * 1024);
	snprintf(folder, sizeof(folder), "/tmp/svc-partners-XXXXXX");
	assert_non_null(mkdtemp(folder));
	write_file("plain", "hello\n", 0600);
	write_file("second", "other", 0400);
	write_file("webhook", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3\n", 0600);
	write_file("public", "hello\n", 0604);
	write_file("empty", "\n", 0600);
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = { "plain", "second", "webhook", "public", "empty",
		"partners.json" };

	(void)state;
	for (size_t i = 0; i < KW_LEN(names); i++)
		unlink(path_of(names[i]));
	rmdir(folder);
	kw_arena_free(arena);
	return 0;
}

static enum kw_rc load(const char *text, struct kw_partners *ret)
{
	write_file("partners.json", text, 0644);
	memset(&err, 0, sizeof(err));
	return kw_partners_load(path_of("partners.json"), arena, ret, &err);
}

static void test_good(void **state)
{
	struct kw_partners p;

	(void)state;
	assert_int_equal(
		load("{\"channels\":[{\"name\":\"pavilion\",\"adapter\":\"karwan\","
		     "\"secret_files\":[\"webhook\"],"
		     "\"fee_bps\":300,\"park_days\":14},"
		     "{\"name\":\"shopify-demo\",\"adapter\":\"shopify\","
		     "\"secret_files\":[\"plain\",\"./second\"],"
		     "\"fee_bps\":0,\"park_days\":1,\"shop_domain\":\"demo.example\"}],"
		     "\"providers\":[{\"name\":\"stripe-demo\",\"adapter\":\"stripe\","
		     "\"secret_files\":[\"plain\"]}],"
		     "\"couriers\":[{\"name\":\"pavilion\",\"adapter\":\"karwan\","
		     "\"secret_files\":[\"webhook\"],"
		     "\"url\":\"http://127.0.0.1:1\",\"batch_max\":100,"
		     "\"rates\":[{\"zone\":\"PK\",\"max_weight_g\":2000,"
		     "\"price\":{\"amount\":\"250.00\",\"currency\":\"PKR\"},\"cod\":true},"
		     "{\"zone\":\"*\",\"max_weight_g\":1,"
		     "\"price\":{\"amount\":\"0.00\",\"currency\":\"PKR\"}}],"
		     "\"known_as\":[\"Pavilion Post\",\"pp\"]},"
		     "{\"name\":\"aggregator\",\"adapter\":\"easypost\","
		     "\"secret_files\":[\"plain\"]}],"
		     "\"operators\":[{\"name\":\"operator\",\"secret_files\":[\"plain\"]}],"
		     "\"allow_private_urls\":true}",
			&p),
		KW_OK);
	assert_int_equal(p.n_channels, 2);
	const struct kw_partner *shop = kw_partners_find(&p, KW_CHANNEL, "shopify-demo");
	assert_non_null(shop);
	assert_int_equal(shop->kind, KW_CHANNEL);
	assert_int_equal(shop->secrets.n, 2);
	assert_int_equal(shop->secrets.keys[0].n, 5);
	assert_memory_equal(shop->secrets.keys[0].p, "hello", 5);
	assert_memory_equal(shop->secrets.keys[1].p, "other", 5);
	assert_string_equal(shop->shop_domain, "demo.example");
	assert_int_equal(shop->park_days, 1);
	/* a name is unique within its kind only */
	const struct kw_partner *courier = kw_partners_find(&p, KW_COURIER, "pavilion");
	assert_non_null(courier);
	assert_int_equal(courier->kind, KW_COURIER);
	assert_int_equal(courier->n_rates, 2);
	assert_int_equal(courier->rates[0].price.minor, 25000);
	assert_true(courier->rates[0].cod);
	assert_false(courier->rates[1].cod);
	assert_int_equal(courier->batch_max, 100);
	assert_int_equal(courier->n_known_as, 2);
	assert_string_equal(courier->known_as[0], "Pavilion Post");
	/* what only reports has no price */
	assert_null(kw_partners_find(&p, KW_COURIER, "aggregator")->url);
	assert_int_equal(kw_partners_find(&p, KW_CHANNEL, "pavilion")->fee_bps, 300);
	assert_non_null(kw_partners_find(&p, KW_PROVIDER, "stripe-demo"));
	assert_non_null(kw_partners_find(&p, KW_OPERATOR, "operator"));
	assert_null(kw_partners_find(&p, KW_OPERATOR, "pavilion"));
	assert_null(kw_partners_find(&p, KW_CHANNEL, ""));
	assert_true(p.allow_private_urls);
	assert_int_equal(load("{}", &p), KW_OK);
	assert_int_equal(p.n_channels, 0);
	assert_false(p.allow_private_urls);
}

static void test_a_channel_that_is_asked(void **state)
{
	struct kw_partners p;

	(void)state;
	assert_int_equal(
		load("{\"channels\":[{\"name\":\"daraz\",\"adapter\":\"lazada\","
		     "\"secret_files\":[\"plain\"],\"fee_bps\":0,\"park_days\":1,"
		     "\"app_key\":\"123456\",\"seller_id\":\"9\",\"currency\":\"PKR\","
		     "\"url\":\"https://api.example/rest\",\"api_secret_files\":[\"second\","
		     "\"plain\"],\"poll_s\":60}]}",
			&p),
		KW_OK);
	const struct kw_partner *c = kw_partners_find(&p, KW_CHANNEL, "daraz");
	assert_string_equal(c->url, "https://api.example/rest");
	assert_string_equal(c->app_key, "123456");
	assert_string_equal(c->seller_id, "9");
	assert_string_equal(c->currency, "PKR");
	assert_int_equal(c->poll_s, 60);
	assert_int_equal(c->secrets.n, 1);
	assert_int_equal(c->api_secrets.n, 2);
	assert_memory_equal(c->api_secrets.keys[0].p, "other", 5);
	assert_memory_equal(c->api_secrets.keys[1].p, "hello", 5);
}

/* A channel that is good but for what the test changes. */
#define CHANNEL(name, adapter, secrets, fee)                           \
	"{\"channels\":[{\"name\":\"" name "\",\"adapter\":\"" adapter \
	"\",\"secret_files\":[" secrets "],\"fee_bps\":" fee ",\"park_days\":14}]}"
#define ASKED(more)                                                                \
	"{\"channels\":[{\"name\":\"a\",\"adapter\":\"lazada\",\"secret_files\":[" \
	"\"plain\"],\"fee_bps\":1,\"park_days\":14," more "}],\"allow_private_urls\":false}"
#define COURIER(url, zone, price)                                                               \
	"{\"couriers\":[{\"name\":\"c\",\"adapter\":\"karwan\",\"secret_files\":[\"webhook\"]," \
	"\"url\":\"" url "\",\"rates\":[{\"zone\":\"" zone                                      \
	"\",\"max_weight_g\":1,\"price\":{\"amount\":\"" price "\",\"currency\":\"PKR\"}}]}]}"

static void test_each_kind_of_bad(void **state)
{
	static const struct {
		const char *text, *pointer, *reason;
	} bad[] = {
		{ "", "", "" },
		{ "[]", "", "" },
		{ CHANNEL("Pavilion", "shopify", "\"plain\"", "1"), "/channels/0/name", "a-z" },
		{ CHANNEL("pa vilion", "shopify", "\"plain\"", "1"), "/channels/0/name", "a-z" },
		{ CHANNEL("", "shopify", "\"plain\"", "1"), "/channels/0/name", "" },
		{ CHANNEL("abcdefghijklmnopqrstuvwxyz0123456", "shopify", "\"plain\"", "1"),
			"/channels/0/name", "" },
		{ CHANNEL("a", "", "\"plain\"", "1"), "/channels/0/adapter", "" },
		{ CHANNEL("a", "shopify", "", "1"), "/channels/0/secret_files", "" },
		{ CHANNEL("a", "shopify", "\"plain\",\"plain\",\"plain\",\"plain\",\"plain\"", "1"),
			"/channels/0/secret_files", "" },
		{ CHANNEL("a", "shopify", "\"plain\"", "10001"), "/channels/0/fee_bps", "" },
		{ CHANNEL("a", "shopify", "\"plain\"", "-1"), "/channels/0/fee_bps", "" },
		{ CHANNEL("a", "shopify", "\"absent\"", "1"), "/channels/0/secret_files/0",
			"No such file" },
		{ CHANNEL("a", "shopify", "\"plain\",\"public\"", "1"),
			"/channels/0/secret_files/1", "everybody may read it" },
		{ CHANNEL("a", "shopify", "\"empty\"", "1"), "/channels/0/secret_files/0",
			"empty" },
		{ CHANNEL("a", "karwan", "\"plain\"", "1"), "/channels/0/secret_files/0",
			"Standard Webhooks" },
		{ ASKED("\"url\":\"https://a\""), "/channels/0/url", "api_secret_files" },
		{ ASKED("\"api_secret_files\":[\"plain\"]"), "/channels/0/url",
			"api_secret_files" },
		{ ASKED("\"poll_s\":5"), "/channels/0/url", "poll_s" },
		{ ASKED("\"poll_s\":0"), "/channels/0/poll_s", "" },
		{ ASKED("\"url\":\"http://a\",\"api_secret_files\":[\"plain\"]"), "/channels/0/url",
			"https" },
		{ ASKED("\"url\":\"https://a/\",\"api_secret_files\":[\"plain\"]"),
			"/channels/0/url", "ends with /" },
		{ ASKED("\"url\":\"@shops@\",\"api_secret_files\":[\"plain\"]"), "/channels/0/url",
			"https" },
		{ ASKED("\"url\":\"https://a\",\"api_secret_files\":[\"plain\",\"public\"]"),
			"/channels/0/api_secret_files/1", "everybody may read it" },
		{ ASKED("\"currency\":\"XYZ\""), "/channels/0/currency", "ISO 4217" },
		{ COURIER("ftp://a", "PK", "1.00"), "/couriers/0/url", "http" },
		{ COURIER("http://a", "pk", "1.00"), "/couriers/0/rates/0/zone", "capital" },
		{ COURIER("http://a", "P", "1.00"), "/couriers/0/rates/0/zone", "capital" },
		{ COURIER("http://a", "PK", "-1.00"), "/couriers/0/rates/0/price", "below" },
		{ COURIER("http://a", "PK", "1.005"), "/couriers/0/rates/0/price", "" },
		{ "{\"couriers\":[{\"name\":\"c\",\"adapter\":\"karwan\",\"secret_files\":["
		  "\"webhook\"],\"url\":\"http://a\"}]}",
			"/couriers/0/url", "rates" },
		{ "{\"couriers\":[{\"name\":\"c\",\"adapter\":\"karwan\",\"secret_files\":["
		  "\"webhook\"],\"rates\":[{\"zone\":\"PK\",\"max_weight_g\":1,\"price\":{"
		  "\"amount\":\"1.00\",\"currency\":\"PKR\"}}]}]}",
			"/couriers/0/url", "rates" },
		{ "{\"operators\":[{\"name\":\"o\",\"secret_files\":[\"plain\"]},"
		  "{\"name\":\"o\",\"secret_files\":[\"second\"]}]}",
			"/operators/1/name", "taken" },
	};
	struct kw_partners p;

	(void)state;
	for (size_t i = 0; i < KW_LEN(bad); i++) {
		memset(&p, 0x5a, sizeof(p));
		if (load(bad[i].text, &p) != KW_INVALID)
			fail_msg("taken: %s", bad[i].text);
		if (strncmp(err.pointer, bad[i].pointer, strlen(bad[i].pointer)) != 0 ||
			!strstr(err.reason, bad[i].reason))
			fail_msg("%s: %s: %s", bad[i].text, err.pointer, err.reason);
		/* nothing is handed out */
		assert_int_equal(p.n_channels, 0x5a5a5a5a5a5a5a5a);
		/* a secret's text is never part of a reason */
		assert_null(strstr(err.reason, "hello"));
	}
	assert_int_equal(kw_partners_load(path_of("absent.json"), arena, &p, &err), KW_INVALID);
	assert_non_null(strstr(err.reason, "absent.json: No such file"));
}

static void test_all_errors_at_once(void **state)
{
	struct kw_partners p;

	(void)state;
	assert_int_equal(load("{\"operators\":[{\"name\":\"A\",\"secret_files\":[\"empty\"]},"
			      "{\"name\":\"b\",\"secret_files\":[\"absent\"]}]}",
				 &p),
		KW_INVALID);
	assert_string_equal(err.pointer, "/operators/0/name");
	assert_non_null(strstr(err.reason, "/operators/0/secret_files/0: "));
	assert_non_null(strstr(err.reason, "/operators/1/secret_files/0: "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_good, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_channel_that_is_asked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_each_kind_of_bad, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_errors_at_once, setup, teardown),
	};

	kw_json_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
