/* Imports through the program itself, on Apache Kafka and PostgreSQL as its own login: what the
 * edge refuses and takes, what karwanctl sends, and that a national id is nowhere in clear. */
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bus/bus.h"
#include "bus/consumer.h"
#include "core/clock.h"
#include "core/log.h"
#include "flow/schema.h"
#include "http/client.h"
#include "pg/migrate.h"
#include "store.h"
#include "support.h"
#include "json/json.h"

extern const struct kw_migration listing_migrations[];

#define TOKEN "operator-token-of-the-edge-test"
#define KEY "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static struct kw_arena *arena;
static struct kw_pg *pg;
static struct kt_server kafka;
static struct kw_client *client;
static struct kw_topics topics;
static char dsn[1024], folder[64], api[64], admin[64], service_log[128];
static pid_t service;

static void must(enum kw_rc rc, const struct kw_err *err)
{
	if (rc != KW_OK)
		fail_msg("%s %s %s (%s:%d)", kw_rc_name(rc), err->code, err->reason, err->file,
			err->line);
}

static void write_bytes(const char *name, const char *text, size_t n)
{
	const char *path = kw_arena_printf(arena, "%s/%s", folder, name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, n, file), n);
	fclose(file);
	assert_int_equal(chmod(path, 0600), 0);
}

static void write_text(const char *name, const char *text)
{
	write_bytes(name, text, strlen(text));
}

static const char *read_text(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = kw_new(arena, char, 1 << 20);

	assert_non_null(file);
	text[fread(text, 1, (1 << 20) - 1, file)] = '\0';
	fclose(file);
	return text;
}

static const char *service_dsn(void)
{
	const char *host = strchr(strstr(dsn, "://"), '@'), *end = strchr(host, '?');

	return kw_arena_printf(arena, "postgresql://karwan_listing%.*s?passfile=%s",
		(int)(end - host), host, kt_need("TEST_PGPASSFILE"));
}

static pid_t start(void)
{
	const char *argv[] = { LISTING_PROGRAM, NULL };
	const char *env[] = {
		kw_arena_printf(arena, "KARWAN_KAFKA_BROKERS=%s", kafka.address),
		kw_arena_printf(arena, "KARWAN_POSTGRES_DSN=%s", service_dsn()),
		kw_arena_printf(arena, "KARWAN_PARTNERS_FILE=%s/partners.json", folder),
		kw_arena_printf(arena, "KARWAN_NATIONAL_ID_KEY_FILE=%s/key", folder),
		kw_arena_printf(arena, "KARWAN_NATIONAL_ID_HASH_KEY_FILE=%s/key", folder),
		"KARWAN_TOPICS_FILE=" KW_SOURCE_DIR "/schemas/topics.json",
		"KARWAN_ACCESS_LOG=true",
		kw_arena_printf(arena, "KARWAN_LISTEN=%s", api),
		kw_arena_printf(arena, "KARWAN_ADMIN_LISTEN=%s", admin),
		kw_arena_printf(arena, "KARWAN_REDIS_URL=%s", kt_need("TEST_REDIS_URL")),
		NULL,
	};

	return kt_spawn(argv, env, service_log);
}

/* ---- HTTP ---- */

static struct kw_call call(const char *method, const char *base, const char *path,
	const char *media, const char *authorization, struct kw_bytes body)
{
	const char **headers = kw_new(arena, const char *, 3);
	size_t n = 0;

	if (media)
		headers[n++] = kw_arena_printf(arena, "Content-Type: %s", media);
	if (authorization)
		headers[n++] = authorization;
	struct kw_call c = { .method = method,
		.url = kw_arena_printf(arena, "http://%s%s", base, path),
		.headers = headers,
		.body = body };
	kw_client_run(client, arena, &c, 1, 60000, 1 << 20);
	return c;
}

static const char *text_of(const struct kw_call *c)
{
	return kw_arena_strn(arena, c->answer.p ? c->answer.p : "", c->answer.n);
}

static void answered(struct kw_call c, int status, const char *part)
{
	if (c.rc != KW_OK || c.status != status || !strstr(text_of(&c), part))
		fail_msg("%s %s: %d %d %s, not %d with %s", c.method, c.url, c.rc, c.status,
			text_of(&c), status, part);
}

static struct kw_call post_once(const char *query, const char *media, const char *body)
{
	return call("POST", api, kw_arena_printf(arena, "/v1/imports%s", query), media,
		"Authorization: Bearer " TOKEN, (struct kw_bytes) { body, strlen(body) });
}

/* As a sender does it: what is answered 503 is sent again. */
static struct kw_call post(const char *query, const char *media, const char *body)
{
	int64_t until = kw_monotonic_us() + 60 * KW_US_PER_S;
	struct kw_call c;

	do
		c = post_once(query, media, body);
	while (c.rc == KW_OK && c.status == 503 && kt_again(until));
	return c;
}

static struct kw_call get(const char *path)
{
	return call(
		"GET", api, path, NULL, "Authorization: Bearer " TOKEN, (struct kw_bytes) { 0 });
}

static const char *becomes(const char *path, const char *part)
{
	struct kw_call c = { 0 };

	for (int64_t end = kw_monotonic_us() + 60 * KW_US_PER_S; kw_monotonic_us() < end;) {
		c = get(path);
		if (c.rc == KW_OK && c.status == 200 && strstr(text_of(&c), part))
			return text_of(&c);
	}
	fail_msg("%s: %d %s does not become %s", path, c.status, text_of(&c), part);
	return NULL;
}

struct answer {
	struct kw_uuid import_id;
};

static const char *import_of(struct kw_call c)
{
	static const struct kw_field fields[] = { KW_UUID(struct answer, import_id, KW_REQUIRED),
		KW_END };
	struct answer *answer = kw_new(arena, struct answer, 1);
	struct kw_err err = { 0 };

	answered(c, 202, "import_id");
	must(kw_json_decode(fields, c.answer.p, c.answer.n, arena, answer, &err), &err);
	return kw_arena_printf(arena, "/v1/imports/%s", answer->import_id.s);
}

/* The answer to a head alone that announces a body of so many bytes. */
static int status_of_head(int64_t length)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)strtol(strchr(api, ':') + 1, NULL, 10)) };
	const char *head = kw_arena_printf(arena,
		"POST /v1/imports?kind=makers HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer " TOKEN
		"\r\nContent-Type: text/csv\r\nContent-Length: %lld\r\n\r\n",
		api, (long long)length);
	char answer[64] = "";
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(send(fd, head, strlen(head), 0), (ssize_t)strlen(head));
	assert_true(recv(fd, answer, 12, MSG_WAITALL) == 12);
	close(fd);
	return (int)strtol(answer + strlen("HTTP/1.1 "), NULL, 10);
}

/* ---- set-up ---- */

static int set_up(void **state)
{
	struct kw_err err = { 0 };
	size_t n;

	(void)state;
	kw_log_init("listing-edge-test", KW_WARNING);
	kw_json_init();
	arena = kw_arena_new((size_t)512 * 1024 * 1024);
	snprintf(dsn, sizeof(dsn), "%s", kt_database(kt_unique("listing-edge")));
	pg = kw_pg_new(&(struct kw_pg_config) {
		.dsn = dsn, .schema = "listing", .application = "listing-edge-test" });
	struct kw_migrate_target target = { .schema = "listing",
		.sets = (const struct kw_migration *const[]) {
			kw_flow_migrations, listing_migrations, NULL } };
	must(kw_pg_migrate(pg, &target, &n, &err), &err);
	kt_server_new(&kafka, "kafka-server", "listing-edge");
	kt_server(&kafka, "start");
	must(kw_topics_load(KW_SOURCE_DIR "/schemas/topics.json", arena, &topics, &err), &err);
	must(kw_topics_apply(kafka.address, &topics, &n, &err), &err);
	snprintf(folder, sizeof(folder), "/tmp/listing-edge-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(service_log, sizeof(service_log), "%s/log", folder);
	write_text("key", KEY "\n");
	write_text("operator", TOKEN "\n");
	write_text("partners.json",
		"{\"channels\":[],\"providers\":[],\"couriers\":[],"
		"\"operators\":[{\"name\":\"office\",\"secret_files\":[\"operator\"]}]}");
	snprintf(api, sizeof(api), "127.0.0.1:%d", kt_free_port());
	snprintf(admin, sizeof(admin), "127.0.0.1:%d", kt_free_port());
	client = kw_client_new(true);
	service = start();
	for (int64_t end = kw_monotonic_us() + 60 * KW_US_PER_S; kw_monotonic_us() < end;) {
		struct kw_call c =
			call("GET", admin, "/readyz", NULL, NULL, (struct kw_bytes) { 0 });
		if (c.rc == KW_OK && c.status == 200)
			return 0;
	}
	print_error("the service does not get ready, see %s\n", service_log);
	return -1;
}

static int tear_down(void **state)
{
	const char *argv[] = { "rm", "-rf", folder, NULL };

	(void)state;
	if (service > 0) {
		kill(service, SIGTERM);
		if (kt_wait(service) != 0)
			print_error("the service did not leave in order\n");
	}
	kt_server_end(&kafka);
	kw_client_free(client);
	kw_pg_free(pg);
	kw_arena_free(arena);
	return kt_run(argv, NULL);
}

struct one {
	int64_t value;
};

static int64_t count(const char *sql)
{
	static const struct kw_col cols[] = { KW_COL_I64(struct one, value), KW_COL_END };
	struct kw_stmt *stmt = kw_new(arena, struct kw_stmt, 1);
	struct kw_args args = kw_args_of(arena);
	struct kw_err err = { 0 };
	struct one row = { -1 };

	stmt->sql = sql;
	must(kw_pg_fetch_one(pg, stmt, &args, cols, sizeof(row), &row, &err), &err);
	return row.value;
}

/* ---- tests ---- */

#define CSV "text/csv; charset=utf-8"
#define HEADER "maker_id,name,hub_id,weekly_capacity,state,national_id\n"

static void what_cannot_be_an_import_is_refused_whole(void **state)
{
	static const struct {
		const char *query, *media, *body, *part;
		int status;
	} rows[] = {
		{ "?kind=MAKERS", "application/json", "{}", "\"status\":415", 415 },
		{ "?kind=MAKERS", "text/csv; charset=iso-8859-1", "x", "\"status\":415", 415 },
		{ "", CSV, HEADER, "#/kind", 422 },
		{ "?kind=goats", CSV, HEADER, "#/kind", 422 },
		{ "?kind=makers", CSV, "", "the file is empty", 400 },
		{ "?kind=makers", "application/x-ndjson", "\n \n", "the file is empty", 400 },
		{ "?kind=makers", CSV, HEADER, "a header and no rows", 422 },
		{ "?kind=makers", CSV, "maker,name\na,b\n", "unknown column 'maker'", 422 },
		{ "?kind=makers&as_of=yesterday", CSV, HEADER "a", "#/as_of", 422 },
		{ "?kind=makers&as_of=2999-01-01T00:00:00Z", CSV, HEADER "a", "#/as_of", 422 },
		{ "?kind=makers&part=2", CSV, HEADER "a", "#/part", 422 },
		{ "?kind=makers&part=x", CSV, HEADER "a", "#/part", 422 },
		{ "?kind=makers&digest=abc", CSV, HEADER "a", "#/digest", 422 },
		{ "?kind=shopify&hub_id=h", CSV, HEADER "a", "#/currency", 422 },
		{ "?kind=shopify&currency=PKR", CSV, HEADER "a", "#/hub_id", 422 },
		{ "?kind=shopify&hub_id=h&currency=PKR", CSV, HEADER "a",
			"column 'Handle' is absent", 422 },
		{ "?kind=shopify&hub_id=h&currency=PKR", "application/x-ndjson", "{}", "#/kind",
			422 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		answered(post(rows[i].query, rows[i].media, rows[i].body), rows[i].status,
			rows[i].part);
	answered(call("POST", api, "/v1/imports?kind=makers", CSV, NULL,
			 (struct kw_bytes) { HEADER, 8 }),
		401, "");
	answered(call("POST", api, "/v1/imports?kind=makers", CSV,
			 "Authorization: Bearer " TOKEN "x", (struct kw_bytes) { HEADER, 8 }),
		401, "");
	answered(call("PUT", api, "/v1/imports", CSV, "Authorization: Bearer " TOKEN,
			 (struct kw_bytes) { HEADER, 8 }),
		405, "");
	assert_int_equal(status_of_head(16 * 1024 * 1024 + 1), 413);
	answered(get("/v1/imports/00000000-0000-5000-8000-000000000000"), 404, "");
	answered(get("/v1/imports/x"), 404, "");
}

static void good_rows_go_in_and_bad_ones_are_listed(void **state)
{
	static const char makers[] = HEADER "amina,Amina Bibi,hub-a,4,ACTIVE,34201-0891231-8\n"
					    "bano,Bano,hub-a,four,ACTIVE,\n"
					    "\"cut,Cut,hub-a\n"
					    "dil,\"Dil\nJan\",hub-a,2,ACTIVE,8420108912318\n"
					    "eman,Eman,hub-a,1,ACTIVE,34201-0891231-0\n";
	static const char hubs[] =
		"{\"hub_id\":\"hub-a\",\"version\":3,\"name\":\"Hub\",\"region\":\"Sindh\",\"address\":"
		"{\"name\":\"Hub\",\"line1\":\"Road 1\",\"city\":\"Sukkur\",\"country\":\"PK\"}}\n";
	const char *path, *view;

	(void)state;
	path = import_of(post("?kind=hubs", "application/x-ndjson", hubs));
	becomes(path, "\"state\":\"DONE\"");
	becomes("/v1/hubs/hub-a", "\"version\":3");
	path = import_of(post("?kind=makers&name=register.csv", CSV, makers));
	view = becomes(path, "\"state\":\"DONE\"");
	assert_non_null(strstr(view, "\"by\":\"office\""));
	assert_non_null(strstr(view, "\"name\":\"register.csv\""));
	assert_non_null(strstr(view, "\"rows\":5,\"appended\":1,\"refused\":4,\"changed\":1,"));
	assert_non_null(strstr(view,
		"{\"line\":3,\"pointer\":\"/weekly_capacity\",\"reason\":\"is no integer\"}"));
	assert_non_null(strstr(
		view, "{\"line\":4,\"reason\":\"goes on behind a closing quote (to line 5)\"}"));
	assert_non_null(
		strstr(view, "{\"line\":7,\"pointer\":\"/national_id\",\"reason\":\"ends in 0\"}"));
	becomes("/v1/makers/amina", "\"masked\":\"34201-*******-8\"");
	answered(get("/v1/makers/bano"), 404, "");
	/* again, byte by byte */
	assert_string_equal(import_of(post("?kind=makers", CSV, makers)), path);
	view = becomes(path, "\"same\":1");
	assert_non_null(strstr(view, "\"changed\":0,\"same\":1"));
	assert_int_equal(count("SELECT version FROM records WHERE id = 'amina'"), 1);
	assert_int_equal(count("SELECT count(*) FROM national_ids"), 1);
	/* other options are another import */
	assert_string_not_equal(import_of(post("?kind=makers&skill=x", CSV, makers)), path);
}

static void products_of_a_shop_become_listings(void **state)
{
	static const char products[] =
		"Handle,Title,Vendor,Published,Option1 Value,Variant SKU,Variant Grams,Variant Inventory Qty,"
		"Variant Price,Image Src,Status\n"
		"shawl,Shawl,amina,TRUE,Red,SH-R,500,4,12500.00,a.jpg,active\n"
		"shawl,,,,Blue,SH-B,500,2,12500.00,b.jpg,\n"
		"shawl,,,,,,,,,c.jpg,\n";
	const char *path;

	(void)state;
	path = import_of(post(
		"?kind=shopify&hub_id=hub-a&currency=PKR&channel=shopify-demo", CSV, products));
	becomes(path, "\"rows\":2,\"appended\":2,\"refused\":0,\"changed\":2");
	becomes("/v1/listings/SH-B", "\"title\":\"Shawl - Blue\"");
	becomes("/v1/listings/SH-B", "\"channel_sku\":\"SH-B\",\"state\":\"PUBLISHED\"");
}

/* ---- karwanctl ---- */

static int run_import(const char *name, const char *option, const char *value)
{
	const char *argv[] = { "env", kw_arena_printf(arena, "KARWAN_POSTGRES_DSN=%s", dsn),
		kw_arena_printf(arena, "KARWAN_LISTING_URL=http://%s", api),
		kw_arena_printf(arena, "KARWAN_PARTNERS_FILE=%s/partners.json", folder), KARWANCTL,
		"import", kw_arena_printf(arena, "%s/%s", folder, name), option, value, NULL };

	return kt_run(argv, kw_arena_printf(arena, "%s/out", folder));
}

static void printed(const char *part)
{
	const char *text = read_text(kw_arena_printf(arena, "%s/out", folder));

	if (!strstr(text, part))
		fail_msg("%s\ndoes not have %s", text, part);
}

#define N_ROWS 24000

/* Parts are cut between rows: lines and ids are the whole file's. */
static void karwanctl_sends_a_file_in_parts(void **state)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf file;

	(void)state;
	kw_buf_init(&file, 4 * 1024 * 1024);
	kw_buf_str(&file, "\xef\xbb\xbf"
			  "maker_id;name;hub_id;weekly_capacity;state\r\n");
	for (int i = 0; i < N_ROWS; i++)
		kw_buf_printf(&file,
			"maker-%d;\"Maker\r\nnumber %d, with \"\"quotes\"\"\";hub-a;%s;ACTIVE\r\n",
			i, i, i == 20000 ? "many" : "3");
	write_bytes("large.csv", file.p, file.n);
	assert_true(file.n > 1024 * 1024 + 400000);
	assert_int_equal(run_import("large.csv", NULL, NULL), 1);
	printed("part 2: ");
	printed("DONE: 24000 rows: 23999 changed, 0 same, 0 stale, 0 set aside, 1 refused\n"
		"  line 40002 /weekly_capacity: is no integer\n");
	assert_int_equal(count("SELECT count(*) FROM records WHERE id LIKE 'maker-%'"), N_ROWS - 1);
	assert_int_equal(run_import("large.csv", NULL, NULL), 1);
	printed("DONE: 24000 rows: 0 changed, 23999 same, 0 stale, 0 set aside, 1 refused\n");
	assert_int_equal(
		count("SELECT count(*) FROM journal WHERE key LIKE 'maker-%'"), N_ROWS - 1);
}

static void karwanctl_says_what_became_of_a_file(void **state)
{
	(void)state;
	write_text("old.csv",
		"maker_id,name,hub_id,weekly_capacity,state\namina,Amina Old,hub-a,4,ACTIVE\n");
	assert_int_equal(run_import("old.csv", "--as-of", "2020-01-01T00:00:00Z"), 0);
	printed("DONE: 1 rows: 0 changed, 0 same, 1 stale");
	assert_int_equal(run_import("old.csv", "--as-of", "now"), 0);
	printed("DONE: 1 rows: 1 changed");
	write_text("new.ndjson",
		"\n{\"maker_id\":\"amina\",\"name\":\"Amina N\",\"hub_id\":\"hub-a\",\"weekly_capacity\":4,"
		"\"state\":\"INVITED\"}\n{\"maker_id\":\"amina\"}\n");
	assert_int_equal(run_import("new.ndjson", "--as-of", "now"), 1);
	printed("1 set aside, 1 refused\n  line 2: no way leads from the kept state to this one\n  line 3 /name: is required\n");
	write_text("cut.csv",
		"maker_id,name,hub_id,weekly_capacity,state\nfari,\"Fari,hub-a,4,ACTIVE\n");
	assert_int_equal(run_import("cut.csv", NULL, NULL), 1);
	printed("CUT_SHORT: 1 rows");
	write_text("empty.csv", "");
	assert_int_equal(run_import("empty.csv", "--kind", "makers"), 2);
	printed("answered 400: the file is empty");
	assert_int_equal(run_import("empty.csv", NULL, NULL), 2);
	printed("say --kind");
	assert_int_equal(run_import("absent.csv", NULL, NULL), 2);
	printed("No such file");
}

/* ---- what nobody may see ---- */

static void national_ids_are_nowhere_in_clear(void **state)
{
	static const char *const ids[] = { "34201-0891231-8", "3420108912318", "8420108912318" };
	struct kw_reader *reader;
	struct kw_err err = { 0 };
	size_t messages = 0;

	(void)state;
	must(kw_reader_open(kafka.address, "test", &reader, &err), &err);
	for (int partition = 0; partition < 12; partition++) {
		struct kw_message m;
		must(kw_reader_begin(reader, "karwan.listings.in", partition, 0, &err), &err);
		for (; kw_reader_next(reader, &m, &err) == KW_OK; messages++)
			for (size_t i = 0; i < 3; i++)
				assert_null(memmem(m.value.p, m.value.n, ids[i], strlen(ids[i])));
	}
	kw_reader_close(reader);
	assert_true(messages > 2 * N_ROWS);
	for (size_t i = 0; i < 3; i++)
		assert_null(strstr(read_text(service_log), ids[i]));
	assert_int_equal(count("SELECT count(*) FROM drift"), 0);
	assert_int_equal(count("SELECT count(*) FROM dead_letters"), 0);
}

static void one_of_a_record_is_refused_where_it_does_not_belong(void **state)
{
	static const char *const hubs[] = { "34201-0891231-8", "34201\\u002d0891231-8" };

	(void)state;
	for (size_t i = 0; i < KW_LEN(hubs); i++) {
		const char *body = kw_arena_printf(arena,
			"{\"version\":1,\"name\":\"Hub\",\"region\":\"Sindh\",\"address\":{\"name\":\"Hub\","
			"\"line1\":\"of %s\",\"city\":\"Sukkur\",\"country\":\"PK\"}}",
			hubs[i]);

		answered(call("PUT", api, "/v1/hubs/hub-x", "application/json",
				 "Authorization: Bearer " TOKEN,
				 (struct kw_bytes) { body, strlen(body) }),
			422, "a national id stands outside of national_id");
	}
}

/* Redis has the one before by then. */
static void what_is_read_is_what_is_kept(void **state)
{
	static const char *const names[] = { "Bazaar House", "House of the Bazaar" };
	/* the folder's name, as Redis outlives this run */
	const char *id = kw_arena_printf(arena, "kept-%s", strrchr(folder, '-') + 1);
	const char *path = kw_arena_printf(arena, "/v1/hubs/%s", id);

	(void)state;
	for (int i = 0; i < 2; i++) {
		const char *body = kw_arena_printf(arena,
			"{\"version\":%d,\"name\":\"%s\",\"region\":\"Punjab\",\"address\":{\"name\":\"%s\",\"line1\":"
			"\"Bank Road 3\",\"city\":\"Multan\",\"country\":\"PK\"}}",
			i + 1, names[i], names[i]);
		const char *kept = kw_arena_printf(arena,
			"SELECT count(*) FROM records WHERE id = '%s' AND source_version = %d", id,
			i + 1);
		int64_t end = kw_monotonic_us() + 60 * KW_US_PER_S;

		answered(call("PUT", api, path, "application/json", "Authorization: Bearer " TOKEN,
				 (struct kw_bytes) { body, strlen(body) }),
			202, id);
		while (count(kept) == 0 && kt_again(end))
			;
		for (int k = 0; k < 2; k++)
			answered(get(path), 200, names[i]);
	}
}

static void without_kafka_nothing_is_taken(void **state)
{
	static const char row[] =
		"maker_id,name,hub_id,weekly_capacity,state\ngul,Gul,hub-a,1,ACTIVE\n";
	struct kw_call c;

	(void)state;
	kt_server(&kafka, "kill");
	c = post_once("?kind=makers", CSV, row);
	answered(c, 503, "");
	kt_server(&kafka, "start");
	for (int64_t end = kw_monotonic_us() + 60 * KW_US_PER_S;
		c.status == 503 && kw_monotonic_us() < end;)
		c = post_once("?kind=makers", CSV, row);
	becomes(import_of(c), "\"state\":\"DONE\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cannot_be_an_import_is_refused_whole),
		cmocka_unit_test(good_rows_go_in_and_bad_ones_are_listed),
		cmocka_unit_test(products_of_a_shop_become_listings),
		cmocka_unit_test(karwanctl_sends_a_file_in_parts),
		cmocka_unit_test(karwanctl_says_what_became_of_a_file),
		cmocka_unit_test(one_of_a_record_is_refused_where_it_does_not_belong),
		cmocka_unit_test(national_ids_are_nowhere_in_clear),
		cmocka_unit_test(what_is_read_is_what_is_kept),
		cmocka_unit_test(without_kafka_nothing_is_taken),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
