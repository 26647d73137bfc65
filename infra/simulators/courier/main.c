/* courier-simulator: a courier to try Karwan against. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/log.h"
#include "courier.h"

#define USAGE 64

static const struct {
	const char *name, *help;
	size_t offset;
} probabilities[] = {
	{ "refuse", "a parcel is refused", offsetof(struct courier_options, refuse) },
	{ "time-out", "a parcel is booked, and the answer comes after --hang-ms",
		offsetof(struct courier_options, time_out) },
	{ "drop", "a parcel is not booked at the first call, which hangs too",
		offsetof(struct courier_options, drop) },
	{ "attempt", "a delivery fails once before it succeeds",
		offsetof(struct courier_options, attempt) },
	{ "undeliverable", "a delivery fails three times before it succeeds",
		offsetof(struct courier_options, undeliverable) },
	{ "return", "a parcel goes back in the end", offsetof(struct courier_options, returned) },
	{ "lose", "a parcel is lost", offsetof(struct courier_options, lost) },
	{ "odd", "a scan has a word that nobody knows", offsetof(struct courier_options, odd) },
	{ "duplicate", "a scan is told twice", offsetof(struct courier_options, duplicate) },
	{ "reorder", "a scan is told after the next one",
		offsetof(struct courier_options, reorder) },
	{ "delay", "a scan is told --delay-ms late", offsetof(struct courier_options, delay) },
};

static const struct {
	const char *name, *help;
	size_t offset;
} durations[] = {
	{ "hang-ms", "how long an answer is kept back", offsetof(struct courier_options, hang_ms) },
	{ "step-ms", "from one scan of a parcel to the next",
		offsetof(struct courier_options, step_ms) },
	{ "delay-ms", "how late a delayed scan is told",
		offsetof(struct courier_options, delay_ms) },
};

enum { NAME = 1000, LISTEN, SECRET_FILE, TRACKING_URL, SEED, HELP };

static void print_help(FILE *out)
{
	struct courier_options defaults = courier_defaults();

	fputs("courier-simulator --name NAME --secret-file FILE [--listen ADDRESS:PORT] "
	      "[--tracking-url URL]\n"
	      "  [--seed N] [--<probability> P] [--<duration> MS]\n\n"
	      "  --listen         where it serves (127.0.0.1, any port)\n"
	      "  --secret-file    one line: the Standard Webhooks secret of both directions\n"
	      "  --tracking-url   where scans are told; without it none are\n"
	      "  --seed           decides everything (of the clock; it is "
	      "printed)\n\nprobabilities, 0 to 1:\n",
		out);
	for (size_t i = 0; i < KW_LEN(probabilities); i++)
		fprintf(out, "  --%-14s %s (0)\n", probabilities[i].name, probabilities[i].help);
	fputs("\ndurations in milliseconds:\n", out);
	for (size_t i = 0; i < KW_LEN(durations); i++)
		fprintf(out, "  --%-14s %s (%d)\n", durations[i].name, durations[i].help,
			*(int *)((char *)&defaults + durations[i].offset));
}

static int wrong(const char *what, const char *value)
{
	fprintf(stderr, "courier-simulator: %s: %s\n", what, value);
	return USAGE;
}

/* The first line, as it is; lives until the process ends. */
static bool read_secret(const char *name, struct kw_bytes *ret)
{
	static char line[512];
	FILE *file = fopen(name, "r");

	if (!file)
		return false;
	bool good = fgets(line, sizeof(line), file) != NULL;
	fclose(file);
	line[strcspn(line, "\r\n")] = '\0';
	*ret = (struct kw_bytes) { line, strlen(line) };
	return good && ret->n > 0;
}

static bool take_number(struct courier_options *o, int option, const char *value)
{
	char *end;

	errno = 0;
	if (option < (int)KW_LEN(probabilities)) {
		double p = strtod(value, &end);

		*(double *)((char *)o + probabilities[option].offset) = p;
		return end != value && *end == '\0' && p >= 0 && p <= 1;
	}
	long ms = strtol(value, &end, 10);
	*(int *)((char *)o + durations[option - (int)KW_LEN(probabilities)].offset) = (int)ms;
	return end != value && *end == '\0' && ms >= 0 && ms <= 3600000;
}

static int take_options(int argc, char **argv, struct courier_options *o)
{
	struct option longs[KW_LEN(probabilities) + KW_LEN(durations) + 7] = {
		{ "name", required_argument, NULL, NAME },
		{ "listen", required_argument, NULL, LISTEN },
		{ "secret-file", required_argument, NULL, SECRET_FILE },
		{ "tracking-url", required_argument, NULL, TRACKING_URL },
		{ "seed", required_argument, NULL, SEED },
		{ "help", no_argument, NULL, HELP },
	};
	size_t n = 6;
	char *end;

	for (size_t i = 0; i < KW_LEN(probabilities); i++)
		longs[n++] =
			(struct option) { probabilities[i].name, required_argument, NULL, (int)i };
	for (size_t i = 0; i < KW_LEN(durations); i++)
		longs[n++] = (struct option) { durations[i].name, required_argument, NULL,
			(int)(KW_LEN(probabilities) + i) };
	for (int option; (option = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
		switch (option) {
		case NAME:
			o->name = optarg;
			break;
		case LISTEN:
			o->listen = optarg;
			break;
		case SECRET_FILE:
			if (!read_secret(optarg, &o->secret))
				return wrong("no secret can be read", optarg);
			break;
		case TRACKING_URL:
			o->tracking_url = optarg;
			break;
		case SEED:
			o->seed = strtoull(optarg, &end, 10);
			if (*optarg == '\0' || *end != '\0')
				return wrong("not a seed", optarg);
			break;
		case HELP:
			print_help(stdout);
			exit(0);
		case '?':
			return USAGE;
		default:
			if (!take_number(o, option, optarg))
				return wrong("out of range", optarg);
		}
	}
	if (optind < argc)
		return wrong("unexpected", argv[optind]);
	if (o->secret.n == 0 || o->name[0] == '\0')
		return wrong("is missing", "--name and --secret-file are required");
	return 0;
}

int main(int argc, char **argv)
{
	struct courier_options options = courier_defaults();
	struct courier *courier;
	struct kw_err err = { 0 };
	sigset_t signals;
	int signal_taken;

	options.seed = (uint64_t)kw_now(&kw_clock_system) / KW_US_PER_S;
	options.name = "";
	int status = take_options(argc, argv, &options);
	if (status != 0)
		return status;
	kw_log_init(options.name, KW_INFO);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (courier_start(&options, &courier, &err) != KW_OK) {
		kw_log_err(KW_ERROR, "cannot start", &err, KW_NO_FIELDS);
		return 1;
	}
	kw_log(KW_INFO, "listening", KW_LI("port", courier_port(courier)),
		KW_LI("seed", (int64_t)options.seed));
	sigwait(&signals, &signal_taken);
	courier_stop(courier);
	return 0;
}
