/* What a test does to the toy service. */
#include "svc_toy.h"

#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "flow/schema.h"
#include "support.h"

#define PATIENCE_MS 60000

static const struct kw_migration toy_migrations[] = {
	{ "001_toys.sql",
		"CREATE TABLE toys (name text NOT NULL, number bigint NOT NULL);"
		"CREATE TABLE exception_list (kind text, state text, opened_at timestamptz);" },
	{ 0 },
};

/* cmocka would cut the log */
static _Noreturn void give_up(const struct toy *toy, const char *why)
{
	fprintf(stderr, "%s", toy->log);
	fail_msg("%s", why);
	abort();
}

static void must(enum kw_rc rc, const struct kw_err *err)
{
	if (rc != KW_OK)
		fail_msg("%s: %s (%s:%d)", kw_rc_name(rc), err->reason, err->file, err->line);
}

/* ---- make ---- */

static void migrate(const char *dsn)
{
	struct kw_pg *pg =
		kw_pg_new(&(struct kw_pg_config) { .dsn = dsn, .application = "toy-migrate" });
	struct kw_migrate_target target = { .schema = "toy",
		.sets = (const struct kw_migration *const[]) {
			kw_flow_migrations, toy_migrations, NULL } };
	struct kw_err err;
	size_t n;

	must(kw_pg_migrate(pg, &target, &n, &err), &err);
	kw_pg_free(pg);
}

void toy_file(struct toy *toy, const char *name, const char *text, mode_t mode)
{
	char path[600], fresh[610];

	snprintf(path, sizeof(path), "%s/%s", toy->dir, name);
	snprintf(fresh, sizeof(fresh), "%s.new", path);
	FILE *f = fopen(fresh, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(fresh, mode), 0);
	assert_int_equal(rename(fresh, path), 0);
}

void toy_partners(struct toy *toy, const char *more_operators)
{
	toy_file(toy, "partners.json",
		kw_arena_printf(toy->arena,
			"{\"channels\":[{\"name\":\"shop\",\"adapter\":\"karwan\","
			"\"secret_files\":[\"shop\"],\"fee_bps\":0,\"park_days\":14}],"
			"\"couriers\":[{\"name\":\"other\",\"adapter\":\"not-ours\",\"url\":\"http://x\","
			"\"secret_files\":[\"shop\"],\"rates\":[{\"zone\":\"*\",\"max_weight_g\":1,"
			"\"price\":{\"amount\":\"1.00\",\"currency\":\"PKR\"}}]}],"
			"\"operators\":[{\"name\":\"op\",\"secret_files\":[\"op\"]}%s]}",
			more_operators),
		0644);
}

void toy_topics(struct toy *toy, int partitions)
{
	toy_file(toy, "topics.json",
		kw_arena_printf(toy->arena,
			"{\"topics\":[{\"name\":\"%s\",\"partitions\":%d,\"retention_ms\":-1,"
			"\"kind\":\"in\"},{\"name\":\"%s\",\"partitions\":%d,"
			"\"retention_ms\":2592000000,\"kind\":\"events\"}]}",
			toy->in, partitions, toy->events, partitions),
		0644);
}

void toy_set(struct toy *toy, const char *name, const char *value)
{
	size_t i = 0, n = strlen(name);

	while (i < toy->n_env && !(strncmp(toy->env[i], name, n) == 0 && toy->env[i][n] == '='))
		i++;
	if (value) {
		assert_true(i + 1 < KW_LEN(toy->env));
		toy->env[i] = kw_arena_printf(toy->arena, "%s=%s", name, value);
		toy->n_env += i == toy->n_env;
	} else if (i < toy->n_env) {
		toy->env[i] = toy->env[--toy->n_env];
		toy->env[toy->n_env] = NULL;
	}
}

void toy_apply_topics(struct toy *toy)
{
	char file[600];
	struct kw_topics topics;
	struct kw_err err;
	enum kw_rc rc = KW_RETRY;
	size_t n;

	snprintf(file, sizeof(file), "%s/topics.json", toy->dir);
	must(kw_topics_load(file, toy->arena, &topics, &err), &err);
	for (int i = 0; i < 6 && rc == KW_RETRY; i++) /* each waits for leaders */
		rc = kw_topics_apply(toy->brokers, &topics, &n, &err);
	must(rc, &err);
}

void toy_make(struct toy *toy, const char *name, const char *brokers, const char *dsn)
{
	char text[600];

	memset(toy, 0, sizeof(*toy));
	toy->arena = kw_arena_new(64 * 1024 * 1024);
	toy->log = malloc(LOG_MAX);
	assert_non_null(toy->log);
	snprintf(toy->name, sizeof(toy->name), "%s", kt_unique(name));
	snprintf(toy->in, sizeof(toy->in), "%s.in", toy->name);
	snprintf(toy->events, sizeof(toy->events), "%s.events", toy->name);
	snprintf(toy->dir, sizeof(toy->dir), "%s/%s", kt_need("TEST_RUN_DIR"), toy->name);
	assert_int_equal(mkdir(toy->dir, 0755), 0);
	toy->brokers = kw_arena_str(toy->arena, brokers ? brokers : kt_need("TEST_KAFKA_BROKERS"));
	toy->dsn = kw_arena_str(toy->arena, dsn ? dsn : kt_database(toy->name));
	if (!dsn)
		migrate(toy->dsn);
	toy_topics(toy, 12);
	snprintf(text, sizeof(text), "%s/topics.json", toy->dir);
	toy_set(toy, "KARWAN_TOPICS_FILE", text);
	if (!brokers)
		toy_apply_topics(toy);
	toy_file(toy, "shop", TOY_SECRET "\n", 0600);
	toy_file(toy, "op", TOY_TOKEN "\n", 0600);
	toy_partners(toy, "");
	snprintf(text, sizeof(text), "%s/partners.json", toy->dir);
	toy_set(toy, "KARWAN_PARTNERS_FILE", text);
	toy_set(toy, "KARWAN_KAFKA_BROKERS", toy->brokers);
	toy_set(toy, "KARWAN_POSTGRES_DSN", toy->dsn);
	toy_set(toy, "KARWAN_REDIS_URL", kt_need("TEST_REDIS_URL"));
	toy_set(toy, "KARWAN_LISTEN", "127.0.0.1:0");
	toy_set(toy, "KARWAN_ADMIN_LISTEN", "127.0.0.1:0");
	toy_set(toy, "KARWAN_SESSION_MS", "2000");
	toy_set(toy, "TOY_SERVICE", toy->name);
	for (const char *const *keep = (const char *const[]) { "PATH", "ASAN_OPTIONS",
		     "LSAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", NULL };
		*keep; keep++)
		if (getenv(*keep))
			toy_set(toy, *keep, getenv(*keep));
}

void toy_done(struct toy *toy)
{
	static const char *const files[] = { "topics.json", "partners.json", "shop", "op", "op2" };
	char path[600];

	if (toy->pid > 0) {
		kill(toy->pid, SIGKILL);
		waitpid(toy->pid, NULL, 0);
		close(toy->fd);
	}
	for (size_t i = 0; i < KW_LEN(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", toy->dir, files[i]);
		unlink(path);
	}
	rmdir(toy->dir);
	kw_arena_free(toy->arena);
	free(toy->log);
}

/* ---- run ---- */

void toy_start(struct toy *toy, const char *option)
{
	char *argv[] = { toy->name, (char *)(uintptr_t)option, NULL };
	posix_spawn_file_actions_t actions;
	int fds[2];

	assert_int_equal(toy->pid, 0);
	assert_int_equal(pipe(fds), 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
	posix_spawn_file_actions_adddup2(&actions, fds[1], 2);
	posix_spawn_file_actions_addclose(&actions, fds[0]);
	posix_spawn_file_actions_addclose(&actions, fds[1]);
	assert_int_equal(
		posix_spawn(&toy->pid, "/proc/self/exe", &actions, NULL, argv, toy->env), 0);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	toy->fd = fds[0];
	toy->n_log = toy->read = 0;
	toy->log[0] = '\0';
}

/* false at the end of its output. */
static bool read_more(struct toy *toy)
{
	struct pollfd fd = { .fd = toy->fd, .events = POLLIN };

	if (poll(&fd, 1, PATIENCE_MS) != 1)
		give_up(toy, "it is silent");
	assert_true(toy->n_log + 1 < LOG_MAX);
	ssize_t got = read(toy->fd, toy->log + toy->n_log, LOG_MAX - 1 - toy->n_log);
	if (got <= 0)
		return false;
	toy->n_log += (size_t)got;
	toy->log[toy->n_log] = '\0';
	return true;
}

void toy_wait_line(struct toy *toy, const char *text)
{
	for (;;) {
		char *found = strstr(toy->log + toy->read, text);
		char *end = found ? strchr(found, '\n') : NULL;

		if (end) {
			toy->read = (size_t)(end + 1 - toy->log);
			return;
		}
		if (!read_more(toy))
			give_up(toy, text);
	}
}

static int number_after(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	assert_non_null(at);
	return (int)strtol(at + strlen(name), NULL, 10);
}

void toy_up(struct toy *toy)
{
	toy_start(toy, NULL);
	toy_wait_line(toy, "\"message\":\"started\"");
	const char *line = strstr(toy->log, "\"message\":\"started\"");
	toy->port = number_after(line, "\"port\":");
	toy->admin = number_after(line, "\"admin_port\":");
}

int toy_wait_end(struct toy *toy)
{
	int status;

	while (read_more(toy))
		;
	close(toy->fd);
	assert_int_equal(waitpid(toy->pid, &status, 0), toy->pid);
	toy->pid = 0;
	if (WIFSIGNALED(status) || (WIFEXITED(status) && strstr(toy->log, "Sanitizer")))
		give_up(toy, "ended by a signal or a sanitizer");
	return WEXITSTATUS(status);
}

int toy_stop(struct toy *toy)
{
	kill(toy->pid, SIGTERM);
	return toy_wait_end(toy);
}

bool toy_logged(struct toy *toy, const char *text)
{
	return strstr(toy->log, text) != NULL;
}

void toy_no_errors(struct toy *toy)
{
	if (toy_logged(toy, "\"level\":\"error\""))
		give_up(toy, "it logged an error");
}

/* ---- ask ---- */

static int connect_to(int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval patience = { PATIENCE_MS / 1000, 0 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
		return fd;
	close(fd);
	return -1;
}

void toy_ask(int port, const char *method, const char *path, const char *headers, const char *body,
	struct answer *ret)
{
	char *request;
	size_t n = 0;
	int fd = connect_to(port);
	int size = asprintf(&request,
		"%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s"
		"Content-Length: %zu\r\n\r\n%s",
		method, path, headers, strlen(body), body);

	ret->status = 0; /* also: nobody listens, or it hung up */
	ret->head[0] = ret->body[0] = '\0';
	assert_true(size > 0);
	if (fd >= 0 && send(fd, request, (size_t)size, MSG_NOSIGNAL) == size) {
		ssize_t got;
		while ((got = recv(fd, ret->body + n, sizeof(ret->body) - 1 - n, 0)) > 0)
			n += (size_t)got;
		ret->body[n] = '\0';
	}
	free(request);
	if (fd >= 0)
		close(fd);
	char *end = strstr(ret->body, "\r\n\r\n");
	if (!end)
		return;
	assert_true((size_t)(end - ret->body) < sizeof(ret->head));
	memcpy(ret->head, ret->body, (size_t)(end - ret->body));
	ret->head[end - ret->body] = '\0';
	memmove(ret->body, end + 4, strlen(end + 4) + 1);
	ret->status = number_after(ret->head, "HTTP/1.1 ");
}

#define OPERATOR "Authorization: Bearer " TOY_TOKEN "\r\n"

int toy_post(struct toy *toy, const char *name, int number, struct answer *ret)
{
	char body[200];

	snprintf(body, sizeof(body), "{\"name\":\"%s\",\"number\":%d}", name, number);
	toy_ask(toy->port, "POST", "/v1/toys", OPERATOR "Content-Type: application/json\r\n", body,
		ret);
	return ret->status;
}

int toy_get(struct toy *toy, const char *name, struct answer *ret)
{
	char path[200];

	snprintf(path, sizeof(path), "/v1/toys/%s", name);
	toy_ask(toy->port, "GET", path, OPERATOR, "", ret);
	return ret->status;
}

void toy_until(struct toy *toy, const char *path, int status, const char *text, struct answer *ret)
{
	int64_t end = kw_monotonic_us() + PATIENCE_MS * 1000LL;

	while (kw_monotonic_us() < end) {
		toy_ask(toy->admin, "GET", path, "", "", ret);
		if (ret->status == status && strstr(ret->body, text))
			return;
		struct pollfd fd = { .fd = toy->fd, .events = POLLIN };
		if (poll(&fd, 1, 50) == 1 && !read_more(toy))
			give_up(toy, "it ended");
	}
	fprintf(stderr, "%s: %d %s\n", path, ret->status, ret->body);
	give_up(toy, text);
}

struct one {
	int64_t value;
};

int64_t toy_count(struct toy *toy, const char *sql)
{
	static const struct kw_col cols[] = { KW_COL_I64(struct one, value), KW_COL_END };
	struct kw_pg *pg = kw_pg_new(&(struct kw_pg_config) {
		.dsn = toy->dsn, .schema = "toy", .application = "toy-test" });
	struct kw_args args = kw_args_of(toy->arena);
	struct kw_stmt stmt = { sql };
	struct kw_err err = { 0 };
	struct one row = { -1 };

	must(kw_pg_fetch_one(pg, &stmt, &args, cols, sizeof(row), &row, &err), &err);
	kw_pg_free(pg);
	return row.value;
}
