/* The batch runner when it does not know whether its COMMIT is in, and when it sleeps while another
 * replica takes its partitions: every message takes effect once. */
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "toy.h"

/* ---- a COMMIT whose reply is lost ---- */

struct cutter {
	bool arrives; /* the server gets it, we do not get the reply */
	atomic_bool armed, sent;
	atomic_int cuts;
};

static enum kt_verdict cut_commit(
	void *ctx, int connection, bool to_server, const void *bytes, size_t n)
{
	struct cutter *c = ctx;

	(void)connection;
	if (!atomic_load(&c->armed))
		return KT_PASS;
	if (to_server && kt_bytes_contain(bytes, n, "COMMIT")) {
		if (c->arrives) {
			atomic_store(&c->sent, true);
			return KT_PASS;
		}
	} else if (to_server || !atomic_load(&c->sent)) {
		return KT_PASS;
	}
	atomic_store(&c->armed, false);
	atomic_fetch_add(&c->cuts, 1);
	return KT_CUT;
}

static int handler_runs;

static void count_runs(struct toy *toy)
{
	(void)toy;
	handler_runs++;
}

static void lose_a_commit(bool arrives)
{
	struct toy toy;
	struct cutter cutter = { .arrives = arrives };
	struct kt_proxy *proxy;
	struct toy_ear ear;

	toy_make(&toy, arrives ? "reply" : "commit", NULL, NULL);
	proxy = toy_through(&toy, cut_commit, &cutter);
	toy.before = count_runs;
	toy.config.batch_max = 10;
	for (int i = 1; i <= 10; i++)
		toy_send(&toy, "one", i, "");
	handler_runs = 0;
	atomic_store(&cutter.armed, true);
	toy_hear(&ear);
	toy_consume(&toy);
	/* it asked the offset row: what is in is not tried again */
	assert_int_equal(toy_heard(&ear, "KW001"), 0);
	assert_int_equal(atomic_load(&cutter.cuts), 1);
	assert_int_equal(
		toy_count(&toy, "SELECT count(*) FROM batches") + (arrives ? 0 : 1), handler_runs);
	assert_int_equal(toy_count(&toy, "SELECT count(*) FROM deeds"), 10);
	assert_int_equal(toy_count(&toy, "SELECT sum(messages)::bigint FROM batches"), 10);
	assert_int_equal(toy_count(&toy, "SELECT count(*) FROM dead_letters"), 0);
	/* and it goes on */
	for (int i = 11; i <= 20; i++)
		toy_send(&toy, "one", i, "");
	toy_consume(&toy);
	kt_proxy_close(proxy);
	toy.config.dsn = toy.dsn;
	toy_publish(&toy);
	assert_int_equal(toy_verify(&toy), 20);
	toy_done(&toy);
}

static void a_commit_that_did_not_arrive(void **state)
{
	(void)state;
	lose_a_commit(false);
}

static void a_commit_that_is_in(void **state)
{
	(void)state;
	lose_a_commit(true);
}

/* ---- a zombie ---- */

/* Asked once a batch, after the poll and before the transaction: there it stops, with the messages
 * in hand. */
static kw_time stopping_now(const struct kw_clock *clock)
{
	static bool stopped;

	(void)clock;
	if (!stopped) {
		stopped = true;
		raise(SIGSTOP);
	}
	return kw_now(&kw_clock_system);
}

static pid_t start_zombie(struct toy *toy, const char *log)
{
	pid_t pid = fork();

	if (pid == 0) {
		static const struct kw_clock stopping = { .now = stopping_now };
		struct kw_runner *r;
		struct kw_err err = { 0 };

		if (!freopen(log, "w", stderr))
			_exit(2);
		toy->config.clock = &stopping;
		if (kw_runner_open(&toy->config, &r, &err) == KW_OK)
			(void)kw_runner_run(r, false, &err);
		_exit(1);
	}
	return pid;
}

static bool file_has(const char *path, const char *text)
{
	FILE *file = fopen(path, "r");
	char line[2000];
	bool found = false;

	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file))
		found = strstr(line, text) != NULL;
	fclose(file);
	return found;
}

static void a_zombie_is_refused_in_the_server(void **state)
{
	struct toy toy;
	struct toy_member member;
	char log[600];
	int64_t until = kw_monotonic_us() + 60 * KW_US_PER_S;
	int status;

	(void)state;
	toy_make(&toy, "zombie", NULL, NULL);
	snprintf(log, sizeof(log), "%s/%s.log", kt_need("TEST_RUN_DIR"), kt_unique("zombie"));
	toy_send_many(&toy, "a", 20, 2);
	pid_t pid = start_zombie(&toy, log);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(toy_count(&toy, "SELECT count(*) FROM deeds"), 0);
	/* its session at the broker ends, and the other one takes all there is */
	toy_start(&member, &toy);
	toy_wait(&toy, "SELECT count(*) FROM deeds", 40);
	assert_int_equal(kill(pid, SIGCONT), 0);
	while (!file_has(log, "KW001") && kw_monotonic_us() < until)
		sched_yield();
	assert_true(file_has(log, "KW001"));
	/* it joins again, and both work */
	toy_send_many(&toy, "b", 20, 2);
	toy_wait(&toy, "SELECT count(*) FROM deeds", 80);
	toy_end(&member);
	toy_send_many(&toy, "c", 20, 2);
	toy_wait(&toy, "SELECT count(*) FROM deeds", 120);
	kill(pid, SIGKILL);
	kt_wait(pid);
	unlink(log);
	assert_int_equal(toy_count(&toy, "SELECT sum(messages)::bigint FROM batches"), 120);
	assert_int_equal(toy_count(&toy, "SELECT count(*) FROM dead_letters"), 0);
	toy_publish(&toy);
	assert_int_equal(toy_verify(&toy), 120);
	toy_done(&toy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* first: it forks */
		cmocka_unit_test(a_zombie_is_refused_in_the_server),
		cmocka_unit_test(a_commit_that_did_not_arrive),
		cmocka_unit_test(a_commit_that_is_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
