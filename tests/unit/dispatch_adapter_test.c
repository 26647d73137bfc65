/* Every courier's and aggregator's adapter over the fixtures beside it: NAME.body.json becomes
 * NAME.message.json, or NAME.messages.json where there may be several, or is refused for
 * NAME.reason.txt (pointer, reason), or is not used, NAME.ignored.txt; signatures.tsv says which
 * signatures of an aggregator are good. And what the answers of the karwan interface mean. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "adapters/adapter.h"
#include "json/json.h"

#define BODY ".body.json"

static struct kw_arena *arena;

static int setup(void **state)
{
	(void)state;
	kw_json_init();
	arena = kw_arena_new(64 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kw_arena_free(arena);
	return 0;
}

/* NULL where there is no such file. */
static const char *read_file(const char *folder, const char *name, const char *end, size_t *ret_n)
{
	FILE *file = fopen(kw_arena_printf(arena, "%s/%s%s", folder, name, end), "rb");
	char *text = kw_arena_alloc(arena, 65536, 1);

	if (!file)
		return NULL;
	*ret_n = fread(text, 1, 65535, file);
	fclose(file);
	return text;
}

/* What an adapter fills of the message. */
static const struct kw_field mapped_fields[] = {
	KW_UUID(struct tracking_reported, parcel_id, KW_OPTIONAL),
	KW_STR(struct tracking_reported, event_id, KW_REQUIRED, 1, 128),
	KW_STR(struct tracking_reported, reference, KW_OPTIONAL, 1, 64),
	KW_STR(struct tracking_reported, carrier, KW_OPTIONAL, 1, 64),
	KW_STR(struct tracking_reported, tracking_number, KW_OPTIONAL, 1, 64),
	KW_STR(struct tracking_reported, status, KW_REQUIRED, 1, 64),
	KW_TIME(struct tracking_reported, scanned_at, KW_REQUIRED),
	KW_STR(struct tracking_reported, place, KW_OPTIONAL, 1, 200),
	KW_STR(struct tracking_reported, note, KW_OPTIONAL, 1, 500),
	KW_END,
};

struct messages {
	struct tracking_reported *messages;
	size_t n_messages;
};
static const struct kw_field messages_fields[] = {
	KW_ARRAY(struct messages, messages, KW_REQUIRED, struct tracking_reported, mapped_fields, 0,
		REPORTS_MAX),
	KW_END,
};

static const char *encode(const struct messages *m)
{
	struct kw_buf text;
	kw_buf_init(&text, 65536);
	kw_json_encode(messages_fields, m, &text);
	const char *copy = kw_arena_strn(arena, text.p, text.n);
	kw_buf_done(&text);
	return copy;
}

/* The line at *at, without its end; moves on. */
static const char *next_line(const char **at)
{
	const char *end = *at + strcspn(*at, "\n");
	const char *line = kw_arena_strn(arena, *at, (size_t)(end - *at));
	*at = *end ? end + 1 : end;
	return line;
}

static bool check_body(const struct courier_adapter *adapter, const char *folder, const char *name)
{
	struct messages m = { 0 }, wanted = { 0 };
	struct kw_err err = { 0 };
	const char *text;
	size_t n, n_body;
	const char *body = read_file(folder, name, BODY, &n_body);
	enum kw_rc rc = adapter->read_tracking(
		arena, (struct kw_bytes) { body, n_body }, &m.messages, &m.n_messages, &err);

	if ((text = read_file(folder, name, ".message.json", &n))) {
		wanted = (struct messages) { kw_new(arena, struct tracking_reported, 1), 1 };
		assert_int_equal(
			kw_json_decode(mapped_fields, text, n, arena, wanted.messages, &err),
			KW_OK);
	} else if ((text = read_file(folder, name, ".messages.json", &n))) {
		assert_int_equal(
			kw_json_decode(messages_fields, text, n, arena, &wanted, &err), KW_OK);
		assert_true(wanted.n_messages > 0);
	}
	if (text || read_file(folder, name, ".ignored.txt", &n)) {
		if (rc != KW_OK)
			fail_msg("%s: %s %s", name, err.pointer, err.reason);
		assert_string_equal(encode(&m), encode(&wanted));
		return true;
	}
	text = read_file(folder, name, ".reason.txt", &n);
	if (!text)
		fail_msg("nothing says what %s must become", name);
	if (rc != KW_INVALID)
		fail_msg("%s was taken", name);
	if (strcmp(err.pointer, next_line(&text)) != 0)
		fail_msg("%s: %s %s", name, err.pointer, err.reason);
	const char *reason = next_line(&text);
	if (!strstr(err.reason, reason))
		fail_msg("%s: '%s' is not '%s'", name, err.reason, reason);
	return false;
}

static const char *folder_of(const struct courier_adapter *adapter)
{
	return kw_arena_printf(arena, "%s/services/courier-dispatch/adapters/%s/fixtures",
		KW_SOURCE_DIR, adapter->name);
}

static void test_bodies(void **state)
{
	(void)state;
	for (const struct kw_adapter *row = dispatch_adapters; row->name; row++) {
		const struct courier_adapter *adapter = row->more;
		const char *folder = folder_of(adapter);
		DIR *dir = opendir(folder);
		size_t taken = 0, refused = 0;

		assert_string_equal(row->name, adapter->name);
		assert_int_equal(row->kind, KW_COURIER);
		assert_non_null(row->verify);
		assert_non_null(dir);
		for (const struct dirent *entry; (entry = readdir(dir));) {
			size_t length = strlen(entry->d_name), end = strlen(BODY);
			if (length <= end || strcmp(entry->d_name + length - end, BODY) != 0)
				continue;
			bool good = check_body(
				adapter, folder, kw_arena_strn(arena, entry->d_name, length - end));
			*(good ? &taken : &refused) += 1;
		}
		closedir(dir);
		print_message("%s: %zu taken, %zu refused\n", adapter->name, taken, refused);
		assert_true(taken >= 5 && refused >= 10);
	}
}

/* A column of a line, without its tab; moves on. */
static const char *column(const char **at)
{
	const char *end = *at + strcspn(*at, "\t");
	const char *text = kw_arena_strn(arena, *at, (size_t)(end - *at));
	*at = *end ? end + 1 : end;
	return text;
}

static void test_signatures(void **state)
{
	(void)state;
	for (const struct kw_adapter *row = dispatch_adapters; row->name; row++) {
		const struct courier_adapter *adapter = row->more;
		size_t n, good = 0, bad = 0, n_body;
		const char *at = read_file(folder_of(adapter), "signatures", ".tsv", &n);

		if (!adapter->verify)
			continue;
		assert_non_null(at);
		while (*at) {
			const char *line = next_line(&at), *col = line;
			struct kw_secrets secrets = { 0 };
			struct kw_err err = { 0 };
			if (line[0] == '#')
				continue;
			bool is_good = strcmp(column(&col), "good") == 0;
			const char *keys = column(&col), *header = column(&col),
				   *file = column(&col);
			while (*keys) {
				size_t length = strcspn(keys, ",");
				secrets.keys[secrets.n++] = (struct kw_bytes) { keys, length };
				keys += length + (keys[length] == ',');
			}
			const char *body = read_file(folder_of(adapter), file, "", &n_body);
			assert_non_null(body);
			enum kw_rc rc = adapter->verify(arena, &secrets,
				strcmp(header, "-") == 0 ? NULL : header,
				(struct kw_bytes) { body, n_body }, &err);
			if (rc != (is_good ? KW_OK : KW_INVALID))
				fail_msg("%s: %s: %s", adapter->name, col, err.reason);
			*(is_good ? &good : &bad) += 1;
		}
		assert_true(good >= 3 && bad >= 8);
	}
}

/* Every word is one of ours, each once; what is not in the table is UNKNOWN. */
static void test_words(void **state)
{
	static const struct kw_partner courier = { .name = "c", .adapter = "karwan" };
	static const struct kw_partners partners = { .couriers = &courier, .n_couriers = 1 };

	(void)state;
	for (const struct kw_adapter *row = dispatch_adapters; row->name; row++) {
		const struct courier_adapter *adapter = row->more;
		for (const struct carrier_word *w = adapter->words; w->word; w++) {
			assert_non_null(kw_strtab_name(&carrier_statuses, w->status));
			for (const struct carrier_word *v = adapter->words; v < w; v++)
				assert_string_not_equal(v->word, w->word);
		}
	}
	assert_int_equal(
		carrier_status_of(&partners, "c", "attempt_failed"), CARRIER_ATTEMPT_FAILED);
	assert_int_equal(carrier_status_of(&partners, "c", "moved_to_mars"), CARRIER_UNKNOWN);
	assert_int_equal(carrier_status_of(&partners, "c", "DELIVERED"), CARRIER_UNKNOWN);
	assert_int_equal(carrier_status_of(&partners, "other", "delivered"), CARRIER_UNKNOWN);
}

/* ---- answers ---- */

#define REF "1c6bfa9b-2f4f-5d5f-9d0a-8a6f3f1f2b11"
#define RESULT(ref, rest) "{\"reference\":\"" ref "\"," rest "}"
#define TAKEN RESULT(REF, "\"outcome\":\"accepted\",\"tracking_number\":\"KA17\"")

static struct kw_call answered(int status, const char *text)
{
	return (struct kw_call) { .rc = KW_OK, .status = status, .answer = { text, strlen(text) } };
}

static int booking_answer(struct kw_call call)
{
	struct parcel p = { .parcel_id = { REF } };
	const struct parcel *parcels[] = { &p };
	struct answer answer = { -1, NULL, NULL };

	karwan_courier.read_bookings(arena, &call, parcels, 1, &answer);
	if (answer.kind == ANSWER_ACCEPTED)
		assert_string_equal(answer.tracking_number, "KA17");
	else
		assert_true(answer.reason && answer.reason[0]);
	return answer.kind;
}

static int inquiry_answer(struct kw_call call)
{
	struct parcel p = { .parcel_id = { REF } };
	struct answer answer = { -1, NULL, NULL };

	karwan_courier.read_inquiry(arena, &call, &p, &answer);
	return answer.kind;
}

static int return_answer(struct kw_call call)
{
	struct parcel p = { .parcel_id = { REF } };
	struct answer answer = { -1, NULL, NULL };

	karwan_courier.read_bring_back(arena, &call, &p, &answer);
	return answer.kind;
}

static int cancel_answer(struct kw_call call)
{
	struct parcel p = { .parcel_id = { REF } };
	struct answer answer = { -1, NULL, NULL };

	karwan_courier.read_cancel(arena, &call, &p, &answer);
	return answer.kind;
}

#define OF(result) "{\"results\":[" result "]}"
#define OTHER RESULT("2c6bfa9b-2f4f-5d5f-9d0a-8a6f3f1f2b11", "\"outcome\":\"refused\"")

/* Only what was surely not done is asked again without an inquiry. */
static void test_booking_answers(void **state)
{
	static const struct {
		int status;
		const char *text;
		int kind;
	} rows[] = {
		{ 200, OF(TAKEN), ANSWER_ACCEPTED },
		{ 200, OF(OTHER "," TAKEN), ANSWER_ACCEPTED },
		{ 200, OF(RESULT(REF, "\"outcome\":\"refused\",\"reason\":\"too heavy\"")),
			ANSWER_REFUSED },
		{ 200, OF(RESULT(REF, "\"outcome\":\"refused\"")), ANSWER_REFUSED },
		{ 200, OF(OTHER), ANSWER_UNKNOWN },
		{ 200, OF(""), ANSWER_UNKNOWN },
		{ 200, OF(RESULT(REF, "\"outcome\":\"accepted\"")), ANSWER_UNKNOWN },
		{ 200, OF(RESULT(REF, "\"outcome\":\"accepted\",\"tracking_number\":\"K A\"")),
			ANSWER_UNKNOWN },
		{ 200, OF(RESULT(REF, "\"outcome\":\"perhaps\"")), ANSWER_UNKNOWN },
		{ 200, "<html>", ANSWER_UNKNOWN },
		{ 200, "", ANSWER_UNKNOWN },
		{ 204, "", ANSWER_UNKNOWN },
		{ 301, "", ANSWER_UNKNOWN },
		{ 400, "", ANSWER_AGAIN },
		{ 401, OF(TAKEN), ANSWER_AGAIN },
		{ 429, "", ANSWER_AGAIN },
		{ 500, OF(TAKEN), ANSWER_UNKNOWN },
		{ 503, "", ANSWER_UNKNOWN },
	};
	struct kw_call silent = { .rc = KW_RETRY }, unsent = { .rc = KW_NOTHING },
		       forbidden = { .rc = KW_INVALID }, large = { .rc = KW_INVALID };

	(void)state;
	for (size_t i = 0; i < KW_LEN(rows); i++)
		if (booking_answer(answered(rows[i].status, rows[i].text)) != rows[i].kind)
			fail_msg("row %zu: %d %s", i, rows[i].status, rows[i].text);
	kw_fail(&silent.err, KW_RETRY, "no answer within the deadline");
	kw_fail(&unsent.err, KW_NOTHING, "refused");
	kw_fail_code(&forbidden.err, KW_INVALID, "ADDRESS", "not a public one");
	kw_fail_code(&large.err, KW_INVALID, "ANSWER_TOO_LARGE", "too large");
	assert_int_equal(booking_answer(silent), ANSWER_UNKNOWN);
	assert_int_equal(booking_answer(unsent), ANSWER_AGAIN);
	assert_int_equal(booking_answer(forbidden), ANSWER_AGAIN);
	assert_int_equal(booking_answer(large), ANSWER_UNKNOWN);
	/* an inquiry that was not answered leaves open what it asked about */
	assert_int_equal(inquiry_answer(silent), ANSWER_UNKNOWN);
	assert_int_equal(inquiry_answer(unsent), ANSWER_UNKNOWN);
}

static void test_other_answers(void **state)
{
	(void)state;
	assert_int_equal(inquiry_answer(answered(200, TAKEN)), ANSWER_ACCEPTED);
	assert_int_equal(inquiry_answer(answered(404, "")), ANSWER_ABSENT);
	assert_int_equal(inquiry_answer(answered(200, OTHER)), ANSWER_UNKNOWN);
	assert_int_equal(inquiry_answer(answered(401, TAKEN)), ANSWER_UNKNOWN);
	assert_int_equal(inquiry_answer(answered(500, "")), ANSWER_UNKNOWN);
	assert_int_equal(cancel_answer(answered(200, "{}")), ANSWER_ACCEPTED);
	assert_int_equal(cancel_answer(answered(404, "")), ANSWER_ACCEPTED);
	assert_int_equal(cancel_answer(answered(409, "")), ANSWER_REFUSED);
	assert_int_equal(cancel_answer(answered(500, "")), ANSWER_UNKNOWN);
	assert_int_equal(cancel_answer(answered(401, "")), ANSWER_AGAIN);
	assert_int_equal(return_answer(answered(200, "{}")), ANSWER_ACCEPTED);
	assert_int_equal(return_answer(answered(404, "")), ANSWER_REFUSED);
	assert_int_equal(return_answer(answered(409, "")), ANSWER_REFUSED);
	assert_int_equal(return_answer(answered(503, "")), ANSWER_UNKNOWN);
	assert_int_equal(return_answer((struct kw_call) { .rc = KW_RETRY }), ANSWER_UNKNOWN);
}

/* The same parcels asked for again are the same request: key, body; only the signature's time
 * differs. */
static void test_same_call(void **state)
{
	static const char secret[] = "whsec_dGhlIHNlY3JldCBvZiBhIGNvdXJpZXIsIDMyIGJ5dGU=";
	struct address to = { .name = "B", .line1 = "S", .city = "Lahore", .country = "PK" };
	struct parcel_line line = { .line_id = "1", .sku = "S", .quantity = 1 };
	struct parcel p = { .parcel_id = { REF },
		.ship_from = &to,
		.ship_to = &to,
		.weight_g = 1,
		.declared_value = { 100, "PKR" },
		.lines = &line,
		.n_lines = 1 };
	const struct parcel *parcels[] = { &p };
	struct kw_partner partner = { .name = "c",
		.url = "http://c.example",
		.secrets = { { { secret, sizeof(secret) - 1 } }, 1 } };
	struct kw_call first, again;
	struct kw_err err;

	(void)state;
	assert_int_equal(
		karwan_courier.book(arena, &partner, parcels, 1, KW_US_PER_S, &first, &err), KW_OK);
	assert_int_equal(
		karwan_courier.book(arena, &partner, parcels, 1, 900 * KW_US_PER_S, &again, &err),
		KW_OK);
	assert_string_equal(first.url, "http://c.example/v1/bookings");
	assert_string_equal(first.headers[1], again.headers[1]);
	assert_int_equal(strncmp(first.headers[1], "Idempotency-Key: ", 17), 0);
	assert_int_equal(first.body.n, again.body.n);
	assert_memory_equal(first.body.p, again.body.p, first.body.n);
	assert_string_not_equal(first.headers[4], again.headers[4]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_signatures),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_booking_answers),
		cmocka_unit_test(test_other_answers),
		cmocka_unit_test(test_same_call),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
