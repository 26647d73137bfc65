/* Configuration: every error is said at once, unknown names and bad secrets are refused, nothing
 * secret is shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "svc/config.h"

struct common {
	const char *dsn, *level;
	int64_t batch_max;
	bool access_log;
};

struct own {
	struct kw_bytes key;
	const char *note;
};

static const struct kw_config_key common_keys[] = {
	KW_TEXT_KEY(struct common, dsn, "KARWAN_POSTGRES_DSN", NULL, 1, 80, "database, as URI"),
	KW_CHOICE_KEY(struct common, level, "KARWAN_LOG_LEVEL", "info", "debug|info|error",
		"least level that is logged"),
	KW_INT_KEY(struct common, batch_max, "KARWAN_BATCH_MAX", "1000", 1, 2000,
		"messages in a batch"),
	KW_BOOL_KEY(struct common, access_log, "KARWAN_ACCESS_LOG", "false", "a line a request"),
	{ 0 },
};

static const struct kw_config_key own_keys[] = {
	KW_SECRET_KEY(struct own, key, "KARWAN_NATIONAL_ID_KEY", 16, 64, "key of national ids"),
	KW_TEXT_KEY(struct own, note, "KARWAN_NOTE", "", 0, 10, "a note"),
	{ 0 },
};

static const struct kw_config_key *const tables[] = { common_keys, own_keys, NULL };

struct fixture {
	struct common common;
	struct own own;
	struct kw_arena *arena;
	char secret[64];
	char errors[4096];
};

static void write_secret(const char *path, const char *text, size_t n, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

#define SECRET(f, text, mode) write_secret((f)->secret, (text), strlen(text), (mode))

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	clearenv();
	f->arena = kw_arena_new(1024 * 1024);
	snprintf(f->secret, sizeof(f->secret), "/tmp/svc-config-XXXXXX");
	int fd = mkstemp(f->secret);
	assert_true(fd >= 0);
	close(fd);
	SECRET(f, "0123456789abcdef\n", 0600);
	setenv("KARWAN_POSTGRES_DSN", "postgresql://db/karwan", 1);
	setenv("KARWAN_NATIONAL_ID_KEY_FILE", f->secret, 1);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	unlink(f->secret);
	kw_arena_free(f->arena);
	free(f);
	return 0;
}

static enum kw_rc load(struct fixture *f)
{
	FILE *errors = fmemopen(f->errors, sizeof(f->errors), "w");
	enum kw_rc rc =
		kw_config_load(tables, (void *const[]) { &f->common, &f->own }, f->arena, errors);

	fclose(errors);
	return rc;
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void test_defaults(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f), KW_OK);
	assert_string_equal(f->errors, "");
	assert_string_equal(f->common.dsn, "postgresql://db/karwan");
	assert_string_equal(f->common.level, "info");
	assert_int_equal(f->common.batch_max, 1000);
	assert_false(f->common.access_log);
	assert_int_equal(f->own.key.n, 16);
	assert_memory_equal(f->own.key.p, "0123456789abcdef", 16);
	assert_string_equal(f->own.note, "");
}

static void test_all_from_environment(void **state)
{
	struct fixture *f = *state;

	setenv("KARWAN_BATCH_MAX", "2000", 1);
	setenv("KARWAN_ACCESS_LOG", "true", 1);
	setenv("KARWAN_LOG_LEVEL", "debug", 1);
	setenv("KARWAN_NOTE", "ten bytes.", 1);
	assert_int_equal(load(f), KW_OK);
	assert_int_equal(f->common.batch_max, 2000);
	assert_true(f->common.access_log);
	assert_string_equal(f->common.level, "debug");
	assert_string_equal(f->own.note, "ten bytes.");
}

static void test_all_errors_at_once(void **state)
{
	struct fixture *f = *state;

	unsetenv("KARWAN_POSTGRES_DSN");
	unsetenv("KARWAN_NATIONAL_ID_KEY_FILE");
	setenv("KARWAN_BATCH_MAX", "2001", 1);
	setenv("KARWAN_ACCESS_LOG", "yes", 1);
	setenv("KARWAN_LOG_LEVEL", "inf", 1);
	setenv("KARWAN_NOTE", "eleven byte", 1);
	setenv("KARWAN_BATCH_MAXX", "1", 1);
	assert_int_equal(load(f), KW_INVALID);
	assert_int_equal(count_lines(f->errors), 7);
	assert_non_null(strstr(f->errors, "KARWAN_POSTGRES_DSN: required (database, as URI)\n"));
	assert_non_null(strstr(f->errors, "KARWAN_NATIONAL_ID_KEY_FILE: required"));
	assert_non_null(strstr(f->errors, "KARWAN_BATCH_MAX: 2001 is not between 1 and 2000\n"));
	assert_non_null(strstr(f->errors, "KARWAN_ACCESS_LOG: neither true nor false\n"));
	assert_non_null(strstr(f->errors, "KARWAN_LOG_LEVEL: not one of debug|info|error\n"));
	assert_non_null(strstr(f->errors, "KARWAN_NOTE: 11 bytes, not between 0 and 10\n"));
	assert_non_null(strstr(f->errors, "KARWAN_BATCH_MAXX: no such setting"));
}

static void test_numbers_are_strict(void **state)
{
	static const char *const bad[] = { "", " 1", "+1", "1 ", "1.0", "0x10", "1e3", "-",
		"99999999999999999999", "0", "-1" };
	struct fixture *f = *state;

	for (size_t i = 0; i < KW_LEN(bad); i++) {
		setenv("KARWAN_BATCH_MAX", bad[i], 1);
		assert_int_equal(load(f), KW_INVALID);
		assert_non_null(strstr(f->errors, "KARWAN_BATCH_MAX: "));
	}
}

static void test_names(void **state)
{
	struct fixture *f = *state;

	/* what `./karwan env` prints is known, and ignored where it is in no table */
	for (size_t i = 0; kw_config_known[i]; i++)
		setenv(kw_config_known[i], "anything", 1);
	setenv("OTHER", "ignored", 1);
	assert_int_equal(load(f), KW_OK);
	/* a secret itself does not belong into the environment */
	setenv("KARWAN_NATIONAL_ID_KEY", "0123456789abcdef", 1);
	assert_int_equal(load(f), KW_INVALID);
	assert_non_null(strstr(f->errors, "KARWAN_NATIONAL_ID_KEY: no such setting"));
	assert_null(strstr(f->errors, "0123456789abcdef"));
	unsetenv("KARWAN_NATIONAL_ID_KEY");
	/* a prefix of a name, and a name of a text with _FILE, are other names */
	setenv("KARWAN_NOTE_FILE", "x", 1);
	setenv("KARWAN_NOT", "x", 1);
	assert_int_equal(load(f), KW_INVALID);
	assert_int_equal(count_lines(f->errors), 2);
}

static void test_secrets(void **state)
{
	struct fixture *f = *state;

	SECRET(f, "0123456789abcdef", 0640);
	assert_int_equal(load(f), KW_OK);
	assert_int_equal(f->own.key.n, 16);
	/* only one newline is cut: blanks belong to the secret */
	SECRET(f, " 0123456789abcde \n", 0600);
	assert_int_equal(load(f), KW_OK);
	assert_int_equal(f->own.key.n, 17);

	static const struct {
		const char *text;
		mode_t mode;
		const char *reason;
	} bad[] = {
		{ "", 0600, "empty" },
		{ "\n", 0600, "empty" },
		{ "0123456789abcdef\n0123456789abcdef\n", 0600, "one line" },
		{ "0123456789abcdef\r\n", 0600, "one line" },
		{ "0123456789abcdef\n\n", 0600, "one line" },
		{ "0123456789abcdef\n", 0644, "everybody may read it" },
		{ "0123456789abcde\n", 0600, "a secret of 15 bytes, not between 16 and 64" },
	};
	for (size_t i = 0; i < KW_LEN(bad); i++) {
		SECRET(f, bad[i].text, bad[i].mode);
		assert_int_equal(load(f), KW_INVALID);
		assert_int_equal(count_lines(f->errors), 1);
		assert_non_null(strstr(f->errors, "KARWAN_NATIONAL_ID_KEY_FILE: "));
		assert_non_null(strstr(f->errors, bad[i].reason));
		assert_null(strstr(f->errors, "0123456789"));
	}
	write_secret(f->secret, "0123456789\0abcdef", 17, 0600);
	assert_int_equal(load(f), KW_INVALID);
	setenv("KARWAN_NATIONAL_ID_KEY_FILE", "/nonexistent/secret", 1);
	assert_int_equal(load(f), KW_INVALID);
	assert_non_null(strstr(f->errors, "/nonexistent/secret: No such file or directory"));
	setenv("KARWAN_NATIONAL_ID_KEY_FILE", "/tmp", 1);
	assert_int_equal(load(f), KW_INVALID);
	assert_non_null(strstr(f->errors, "not a plain file"));
}

/* A key that would only fail when it is used is refused at the start. */
/* It opens, and to read it is EIO: as a disk that fails. */
static void test_a_secret_that_cannot_be_read_now(void **state)
{
	struct fixture *f = *state;

	setenv("KARWAN_NATIONAL_ID_KEY_FILE", "/proc/self/mem", 1);
	assert_int_equal(load(f), KW_RETRY);
	assert_non_null(strstr(f->errors, "Input/output error"));
}

static void test_secrets_of_hex_digits(void **state)
{
	static const struct kw_config_key hex_keys[] = {
		KW_HEX_SECRET_KEY(struct own, key, "KARWAN_NATIONAL_ID_KEY", 16, "a key"),
		{ 0 },
	};
	static const struct {
		const char *text;
		enum kw_rc rc;
	} cases[] = { { "0123456789abcDEF", KW_OK }, { "0123456789abcdeg", KW_INVALID },
		{ "0123456789abcde", KW_INVALID }, { "0123456789abcd e", KW_INVALID } };
	struct fixture *f = *state;

	clearenv();
	setenv("KARWAN_NATIONAL_ID_KEY_FILE", f->secret, 1);
	for (size_t i = 0; i < KW_LEN(cases); i++) {
		char *said = NULL;
		size_t n;
		FILE *errors = open_memstream(&said, &n);

		write_secret(f->secret, cases[i].text, strlen(cases[i].text), 0600);
		assert_int_equal(
			kw_config_load((const struct kw_config_key *const[]) { hex_keys, NULL },
				(void *const[]) { &f->own }, f->arena, errors),
			cases[i].rc);
		fclose(errors);
		assert_null(strstr(said, cases[i].text));
		free(said);
	}
}

static void test_help_names_everything(void **state)
{
	char text[4096] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");

	(void)state;
	kw_config_help(tables, out);
	fclose(out);
	assert_non_null(strstr(text, "KARWAN_POSTGRES_DSN"));
	assert_non_null(strstr(text, "database, as URI"));
	assert_non_null(strstr(text, "text of 1 to 80 bytes, required\n"));
	assert_non_null(strstr(text, "1 to 2000, default 1000\n"));
	assert_non_null(strstr(text, "true or false, default false\n"));
	assert_non_null(strstr(text, "debug|info|error, default info\n"));
	assert_non_null(strstr(text, "KARWAN_NATIONAL_ID_KEY_FILE"));
	assert_non_null(strstr(text, "name of a file with a line of 16 to 64 bytes, required\n"));
	assert_non_null(strstr(text, "text of 0 to 10 bytes, default empty\n"));
}

static void check_shown(struct fixture *f, const char *dsn, const char *shown)
{
	setenv("KARWAN_POSTGRES_DSN", dsn, 1);
	assert_int_equal(load(f), KW_OK);
	const struct kw_log_field *fields =
		kw_config_show(tables, (void *const[]) { &f->common, &f->own }, f->arena);
	assert_string_equal(fields[0].name, "KARWAN_POSTGRES_DSN");
	assert_string_equal(fields[0].text, shown);
	assert_string_equal(fields[1].text, "info");
	assert_null(fields[2].text);
	assert_int_equal(fields[2].number, 1000);
	assert_string_equal(fields[3].text, "false");
	assert_string_equal(fields[4].name, "KARWAN_NATIONAL_ID_KEY");
	assert_string_equal(fields[4].text, "***");
	assert_string_equal(fields[5].text, "");
	assert_null(fields[6].name);
}

static void test_show_hides_secrets(void **state)
{
	struct fixture *f = *state;

	check_shown(f, "postgresql://db/karwan", "postgresql://db/karwan");
	check_shown(
		f, "postgresql://u@db/karwan?passfile=/p", "postgresql://u@db/karwan?passfile=/p");
	check_shown(f, "postgresql://u:p@w:x@db/karwan", "postgresql://u:***@db/karwan");
	check_shown(f, "postgresql://db/k?user=u&password=pw&x=1",
		"postgresql://db/k?user=u&password=***&x=1");
	check_shown(f, "postgresql://db/k?password=pw", "postgresql://db/k?password=***");
	check_shown(f, "postgresql://db/k?password=", "postgresql://db/k?password=***");
	check_shown(f, "host=db password=pw user=u", "host=db password=*** user=u");
	check_shown(f, "postgresql://db:5432/k?a=b:c@d", "postgresql://db:5432/k?a=b:c@d");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_defaults, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_from_environment, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_errors_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_numbers_are_strict, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_secrets, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_secret_that_cannot_be_read_now, setup, teardown),
		cmocka_unit_test_setup_teardown(test_secrets_of_hex_digits, setup, teardown),
		cmocka_unit_test(test_help_names_everything),
		cmocka_unit_test_setup_teardown(test_show_hides_secrets, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
