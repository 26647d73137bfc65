#include "place.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/clock.h"
#include "figures.h"
#include "svc/partners.h"
#include "json/json.h"

#define ARENA_MAX ((size_t)64 * 1024 * 1024)

const char *const program_names[PROGRAMS] = { "postgres", "kafka", "redis", "listing-ingestion",
	"order-routing", "payment-reconciliation", "courier-dispatch", "courier-a", "generator" };

void die(const char *fmt, ...)
{
	va_list ap;

	fputs("bench: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

void tell(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void need(enum kw_rc rc, const struct kw_err *err, const char *what)
{
	if (rc != KW_OK)
		die("%s: %s", what, err->reason);
}

void pause_us(int64_t us)
{
	int64_t until = kw_monotonic_us() + us;

	for (int64_t left = us; left > 0; left = until - kw_monotonic_us())
		(void)poll(NULL, 0, (int)((left + 999) / 1000));
}

static const char *setting(const char *name)
{
	const char *value = getenv(name);

	if (!value || !*value)
		die("%s is not set: ./karwan bench sets it", name);
	return value;
}

static struct kw_bytes secret_of(
	const struct kw_partners *partners, enum kw_partner_kind kind, const char *name)
{
	const struct kw_partner *partner = kw_partners_find(partners, kind, name);

	if (!partner || partner->secrets.n == 0)
		die("the partners file declares no %s", name);
	return partner->secrets.keys[0];
}

struct place place_read(void)
{
	struct place p = { .arena = kw_arena_new(ARENA_MAX) };
	struct kw_partners partners;
	struct kw_err err = { 0 };

	kw_json_init();
	p.dir = setting("RUN_DIR");
	p.listing_url = setting("KARWAN_LISTING_URL");
	p.routing_url = setting("KARWAN_ROUTING_URL");
	p.payment_url = setting("KARWAN_PAYMENT_URL");
	p.brokers = setting("KARWAN_KAFKA_BROKERS");
	need(kw_partners_load(setting("KARWAN_PARTNERS_FILE"), p.arena, &partners, &err), &err,
		"partners");
	p.order_key = secret_of(&partners, KW_CHANNEL, "pavilion");
	p.stripe_key = secret_of(&partners, KW_PROVIDER, "stripe-demo");
	p.courier_key = secret_of(&partners, KW_COURIER, "courier-a");
	struct kw_bytes token = secret_of(&partners, KW_OPERATOR, "operator");
	p.token = kw_arena_strn(p.arena, token.p, token.n);
	return p;
}

static FILE *open_in(const struct place *p, const char *mode, const char *name, const char *end)
{
	char path[1000];

	snprintf(path, sizeof(path), "%s/%s%s", p->dir, name, end);
	return fopen(path, mode);
}

int place_port(const struct place *p, const char *name)
{
	FILE *file = open_in(p, "r", "ports", "");
	char found[100];
	int port, result = 0;

	if (!file)
		die("no ports in %s", p->dir);
	while (fscanf(file, "%99s %d", found, &port) == 2)
		if (strcmp(found, name) == 0)
			result = port;
	fclose(file);
	if (!result)
		die("no port of %s in %s", name, p->dir);
	return result;
}

void place_keep(const struct place *p, const char *name, double value)
{
	FILE *file = open_in(p, "a", "figures", "");

	if (!file)
		die("figures cannot be written in %s", p->dir);
	fprintf(file, "%s %.6f\n", name, value);
	fclose(file);
}

size_t place_figures(const struct place *p, const char *name, double values[FIGURES_MAX])
{
	FILE *file = open_in(p, "r", "figures", "");
	char found[100];
	double value;
	size_t n = 0;

	while (file && n < FIGURES_MAX && fscanf(file, "%99s %lf", found, &value) == 2)
		if (strcmp(found, name) == 0)
			values[n++] = value;
	if (file)
		fclose(file);
	return n;
}

double place_figure(const struct place *p, const char *name)
{
	double values[FIGURES_MAX];
	size_t n = place_figures(p, name, values);

	if (n == 0)
		die("no figure %s was measured", name);
	return figures_median(values, n);
}

/* ---- /proc ---- */

/* Fields after the command's name: 3 is the state (proc(5)). */
static bool read_stat(int pid, int *ret_parent, double *ret_us, double *ret_reaped_us)
{
	char path[64], text[1024];
	unsigned long long user, system;
	long long reaped_user, reaped_system;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	FILE *file = fopen(path, "r");
	if (!file)
		return false;
	size_t n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = '\0';
	const char *after = strrchr(text, ')');
	if (!after ||
		sscanf(after + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %lld %lld",
			ret_parent, &user, &system, &reaped_user, &reaped_system) != 5)
		return false;
	double tick_us = 1e6 / (double)sysconf(_SC_CLK_TCK);
	*ret_us = (double)(user + system) * tick_us;
	*ret_reaped_us = (double)(reaped_user + reaped_system) * tick_us;
	return true;
}

static int pid_of(const struct place *p, int program)
{
	int pid = 0;

	if (program == GENERATOR)
		return (int)getpid();
	FILE *file = open_in(
		p, "r", kw_arena_printf(p->arena, "run/%s", program_names[program]), ".pid");
	if (!file)
		return 0;
	if (fscanf(file, "%d", &pid) != 1)
		pid = 0;
	fclose(file);
	return pid;
}

/* With its children: PostgreSQL is a process for each session. */
static double usage_of(int pid)
{
	double us, reaped, sum;
	int parent;
	DIR *dir = opendir("/proc");

	if (!dir || !read_stat(pid, &parent, &us, &reaped)) {
		if (dir)
			closedir(dir);
		return 0;
	}
	sum = us + reaped;
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		int child = (int)strtol(entry->d_name, NULL, 10);

		if (child > 0 && read_stat(child, &parent, &us, &reaped) && parent == pid)
			sum += us + reaped;
	}
	closedir(dir);
	return sum;
}

static double own_usage(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e6 +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

struct usage usage_now(const struct place *p)
{
	struct usage u = { { 0 } };

	for (int i = 0; i < PROGRAMS; i++) {
		int pid = pid_of(p, i);

		if (i == GENERATOR)
			u.us[i] = own_usage();
		else if (pid > 0)
			u.us[i] = usage_of(pid);
	}
	return u;
}

struct usage usage_since(const struct place *p, const struct usage *then)
{
	struct usage u = usage_now(p);

	for (int i = 0; i < PROGRAMS; i++)
		u.us[i] -= then->us[i];
	return u;
}

double usage_sum(const struct usage *u)
{
	double sum = 0;

	for (int i = 0; i < PROGRAMS; i++)
		sum += u->us[i];
	return sum;
}

void place_kill(const struct place *p, int program)
{
	int pid = pid_of(p, program);

	if (pid <= 0 || kill(pid, SIGKILL) != 0)
		die("%s does not run", program_names[program]);
}

double resident_mb(const struct place *p, int program)
{
	char path[64];
	long pages = 0;
	int pid = pid_of(p, program);

	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	FILE *file = pid > 0 ? fopen(path, "r") : NULL;
	if (!file)
		return 0;
	if (fscanf(file, "%*d %ld", &pages) != 1)
		pages = 0;
	fclose(file);
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1024.0 * 1024.0);
}
