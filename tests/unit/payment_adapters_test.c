/* Every payment provider's adapter over the fixtures beside it: NAME.body.json becomes
 * NAME.message.json, or is refused for NAME.reason.txt (pointer, reason), or is not used,
 * NAME.ignored.txt (its type); signatures.tsv says which signatures are good. No code per vendor.
 */
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
	KW_STR(struct payment_reported, provider_event_id, KW_REQUIRED, 1, 200),
	KW_ENUM(struct payment_reported, kind, KW_REQUIRED, &payment_kinds),
	KW_STR(struct payment_reported, provider_payment_id, KW_REQUIRED, 1, 200),
	KW_MONEY(struct payment_reported, amount, KW_REQUIRED),
	KW_MONEY(struct payment_reported, fee, KW_OPTIONAL),
	KW_STR(struct payment_reported, channel, KW_OPTIONAL, 1, 200),
	KW_STR(struct payment_reported, external_id, KW_OPTIONAL, 1, 200),
	KW_TIME(struct payment_reported, occurred_at, KW_REQUIRED),
	KW_END,
};

static const char *encode(const struct payment_reported *m)
{
	struct kw_buf text;
	kw_buf_init(&text, 65536);
	kw_json_encode(mapped_fields, m, &text);
	const char *copy = kw_arena_strn(arena, text.p, text.n);
	kw_buf_done(&text);
	return copy;
}

/* The line at *at, without its end; moves on. */
static const char *next_line(const char **at)
{
	const char *end = strchr(*at, '\n');
	if (!end)
		end = *at + strlen(*at);
	const char *line = kw_arena_strn(arena, *at, (size_t)(end - *at));
	*at = *end ? end + 1 : end;
	return line;
}

static void check_body(const struct provider_adapter *adapter, const char *folder, const char *name)
{
	struct payment_reported m = { 0 }, wanted = { 0 };
	struct kw_err err = { 0 };
	const char *type = NULL, *text;
	size_t n, n_body;
	const char *body = read_file(folder, name, BODY, &n_body);
	enum kw_rc rc = adapter->map((struct kw_bytes) { body, n_body }, arena, &m, &type, &err);

	if ((text = read_file(folder, name, ".message.json", &n))) {
		if (rc != KW_OK)
			fail_msg("%s: %s %s", name, err.pointer, err.reason);
		assert_int_equal(
			kw_json_decode(mapped_fields, text, n, arena, &wanted, &err), KW_OK);
		assert_string_equal(encode(&m), encode(&wanted));
	} else if ((text = read_file(folder, name, ".reason.txt", &n))) {
		if (rc != KW_INVALID)
			fail_msg("%s was taken", name);
		assert_string_equal(err.pointer, next_line(&text));
		const char *reason = next_line(&text);
		if (!strstr(err.reason, reason))
			fail_msg("%s: '%s' is not '%s'", name, err.reason, reason);
	} else if ((text = read_file(folder, name, ".ignored.txt", &n))) {
		assert_int_equal(rc, KW_NOTHING);
		assert_string_equal(type, next_line(&text));
	} else {
		fail_msg("nothing says what %s must become", name);
	}
}

static const char *folder_of(const struct provider_adapter *adapter)
{
	return kw_arena_printf(arena, "%s/services/payment-reconciliation/adapters/%s/fixtures",
		KW_SOURCE_DIR, adapter->name);
}

static void test_bodies(void **state)
{
	(void)state;
	for (const struct kw_adapter *row = payment_adapters; row->name; row++) {
		const struct provider_adapter *adapter = row->more;
		const char *folder = folder_of(adapter);
		DIR *dir = opendir(folder);
		size_t n = 0;

		assert_string_equal(row->name, adapter->name);
		assert_int_equal(row->kind, KW_PROVIDER);
		assert_non_null(dir);
		for (const struct dirent *entry; (entry = readdir(dir));) {
			size_t length = strlen(entry->d_name), end = strlen(BODY);
			if (length <= end || strcmp(entry->d_name + length - end, BODY) != 0)
				continue;
			check_body(
				adapter, folder, kw_arena_strn(arena, entry->d_name, length - end));
			n++;
		}
		closedir(dir);
		print_message("%s: %zu bodies\n", adapter->name, n);
		assert_true(n >= 10);
	}
}

/* Half a body is never anything, and never more than an error. */
static void test_cut_bodies(void **state)
{
	(void)state;
	for (const struct kw_adapter *row = payment_adapters; row->name; row++) {
		const struct provider_adapter *adapter = row->more;
		size_t n;
		const char *body = read_file(folder_of(adapter), "succeeded", BODY, &n);

		assert_non_null(body);
		for (size_t cut = 0; cut + 3 < n; cut++) {
			struct payment_reported m = { 0 };
			struct kw_err err = { 0 };
			const char *type = NULL;
			/* of its own size, so that reading beyond it is seen */
			char *part = malloc(cut + 1);
			memcpy(part, body, cut);
			assert_int_equal(adapter->map((struct kw_bytes) { part, cut }, arena, &m,
						 &type, &err),
				KW_INVALID);
			assert_string_equal(err.code, "SYNTAX");
			free(part);
		}
	}
}

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
	for (const struct kw_adapter *row = payment_adapters; row->name; row++) {
		const struct provider_adapter *adapter = row->more;
		size_t n, good = 0, bad = 0, n_body;
		const char *at = read_file(folder_of(adapter), "signatures", ".tsv", &n);

		assert_non_null(at);
		while (*at) {
			const char *line = next_line(&at), *col = line;
			struct kw_secrets secrets = { 0 };
			struct kw_err err = { 0 };
			if (line[0] == '#')
				continue;
			bool is_good = strcmp(column(&col), "good") == 0;
			kw_time now = strtoll(column(&col), NULL, 10) * KW_US_PER_S;
			const char *keys = column(&col), *header = column(&col),
				   *file = column(&col);
			while (*keys) {
				size_t length = strcspn(keys, ",");
				secrets.keys[secrets.n++] = (struct kw_bytes) { keys, length };
				keys += length + (keys[length] == ',');
			}
			const char *body = read_file(folder_of(adapter), file, "", &n_body);
			assert_non_null(body);
			enum kw_rc rc =
				adapter->verify(&secrets, strcmp(header, "-") == 0 ? NULL : header,
					(struct kw_bytes) { body, n_body }, now, &err);
			if (rc != (is_good ? KW_OK : KW_INVALID))
				fail_msg("%s: %s: %s", adapter->name, col, err.reason);
			*(is_good ? &good : &bad) += 1;
		}
		assert_true(good >= 3 && bad >= 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_cut_bodies),
		cmocka_unit_test(test_signatures),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
