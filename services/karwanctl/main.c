/* karwanctl: what an operator does to the whole system. One table of commands. */
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "ctl.h"
#include "svc/config.h"
#include "svc/partners.h"
#include "json/json.h"

extern const struct kw_migration listing_migrations[], routing_migrations[], payment_migrations[],
	dispatch_migrations[];

const struct area areas[AREAS] = {
	{ "listing-ingestion", "listing", "karwan_listing", "karwan.listings.in",
		"karwan.listings.events", listing_migrations },
	{ "order-routing", "routing", "karwan_routing", "karwan.orders.in", "karwan.orders.events",
		routing_migrations },
	{ "payment-reconciliation", "payment", "karwan_payment", "karwan.payments.in",
		"karwan.payments.events", payment_migrations },
	{ "courier-dispatch", "dispatch", "karwan_dispatch", "karwan.dispatch.in",
		"karwan.dispatch.events", dispatch_migrations },
};

#define REPLAY_MAX 10000

static int print_version(struct ctl *ctl)
{
	if (ctl->json)
		printf("{\"version\":\"%s\"}\n", KW_VERSION);
	else
		printf("karwanctl %s\n", KW_VERSION);
	return CTL_OK;
}

static const struct command {
	const char *first, *second; /* second NULL: one word */
	int words;                  /* that must follow */
	int (*run)(struct ctl *ctl);
	const char *usage, *help;
} commands[] = {
	{ "explain", NULL, 2, ctl_explain, "explain CHANNEL EXTERNAL_ID",
		"the whole story of one order: every event, decision and reason in order, with times" },
	{ "check", NULL, 0, ctl_check, "check [--attempts FILE]",
		"recomputes the invariants from tables and topics and names each row that drifts; exit 1 if one does" },
	{ "import", NULL, 1, ctl_import,
		"import [--kind KIND] [--as-of TIME] [--with NAME=VALUE]… FILE",
		"makers, hubs or listings from a CSV or NDJSON file, or Shopify's product CSV; waits for the outcome; again changes nothing" },
	{ "dlq", "list", 0, ctl_dlq_list, "dlq list",
		"what could not be done, by service, newest last" },
	{ "dlq", "show", 1, ctl_dlq_show, "dlq show SERVICE/ID",
		"one dead letter: bytes, headers, reason, attempts" },
	{ "dlq", "replay", 1, ctl_dlq_replay, "dlq replay [--dry-run] SERVICE/ID | SERVICE",
		"hands it to its service's handler again, and waits for the outcome; SERVICE: its oldest ones, at most --max (100); run again, it goes on" },
	{ "exceptions", "list", 0, ctl_exceptions_list, "exceptions list [--all]",
		"what a person must look at, oldest first, with kind, age and owner; --all: what has ended too" },
	{ "exceptions", "show", 1, ctl_exceptions_show, "exceptions show ID",
		"one exception: reason, what it is about, the message that was set aside, who ended it and why" },
	{ "exceptions", "resolve", 2, ctl_exceptions_resolve,
		"exceptions resolve ID KEEP|CANCEL_ORDER|ASSIGN_ORDER|RELEASE|MAP --reason TEXT [--channel NAME --external-id ID] [--status STATUS]",
		"ends it through the edge of its service: what we have stands, the order is cancelled, money gets its order, what was paid too little goes, or a carrier's word its meaning" },
	{ "epoch", NULL, 0, ctl_epoch, "epoch",
		"after PostgreSQL went back (restore, failover that lost something): starts a new epoch of every journal" },
	{ "accept", NULL, 0, ctl_accept, "accept [--topic TOPIC]",
		"this database is the right one and lost nothing; with --topic: this topic is the right one, read it from its start" },
	{ "topics", "apply", 0, ctl_topics_apply, "topics apply",
		"creates the topics that are absent" },
	{ "migrate", NULL, 0, ctl_migrate, "migrate",
		"brings the schemas of all services up to date; run twice, it changes nothing" },
	{ "version", NULL, 0, print_version, "version", "prints the version" },
};

static void usage(FILE *out)
{
	fprintf(out,
		"karwanctl: the operators' command of Karwan\n\nusage: karwanctl [--json] COMMAND\n\n");
	for (size_t i = 0; i < KW_LEN(commands); i++)
		fprintf(out, "  %s\n      %s\n", commands[i].usage, commands[i].help);
	fprintf(out,
		"\n  --json          the last line of the output is one JSON object or array\n"
		"  --by NAME       who asks, for the record (default: the login name)\n"
		"  --kind KIND     import: makers, hubs, listings, shopify (default: what the columns say)\n"
		"  --as-of TIME    import: when the file was true (default: its last change); of rows without a version, an older\n"
		"                  file never overwrites a newer one; now: it overwrites what is there\n"
		"  --with N=V      import: maker_id, hub_id, currency, channel, skill, weight_g, listing_kind of Shopify's products\n\n"
		"exit: 0 done and clean, 1 something was found or refused, 2 it failed, 64 wrong usage, 78 wrong configuration\n\n"
		"environment:\n");
}

static const struct kw_config_key keys[] = {
	KW_TEXT_KEY(struct ctl, dsn, "KARWAN_POSTGRES_DSN", NULL, 1, 1000, "PostgreSQL, as a URI"),
	KW_TEXT_KEY(struct ctl, brokers, "KARWAN_KAFKA_BROKERS", "", 0, 1000,
		"Kafka, host:port, comma-separated"),
	KW_TEXT_KEY(struct ctl, topics_file, "KARWAN_TOPICS_FILE", "schemas/topics.json", 1, 4000,
		"the topics of the system"),
	KW_TEXT_KEY(struct ctl, partners_file, "KARWAN_PARTNERS_FILE", "", 0, 4000,
		"the partners file: its first operator's token is used"),
	KW_TEXT_KEY(struct ctl, urls[0], "KARWAN_LISTING_URL", "", 0, 1000,
		"the edge of listing-ingestion"),
	KW_TEXT_KEY(struct ctl, urls[1], "KARWAN_ROUTING_URL", "", 0, 1000,
		"the edge of order-routing"),
	KW_TEXT_KEY(struct ctl, urls[2], "KARWAN_PAYMENT_URL", "", 0, 1000,
		"the edge of payment-reconciliation"),
	KW_TEXT_KEY(struct ctl, urls[3], "KARWAN_DISPATCH_URL", "", 0, 1000,
		"the edge of courier-dispatch"),
	KW_CHOICE_KEY(struct ctl, log_level, "KARWAN_LOG_LEVEL", "warning",
		"debug|info|warning|error", "the least that is logged"),
	{ 0 },
};

struct kw_pg *ctl_connect(const struct ctl *ctl, const char *schema)
{
	/* a check of millions of orders takes minutes, and whoever started it can end it */
	return kw_pg_new(&(struct kw_pg_config) { .dsn = ctl->dsn,
		.schema = schema,
		.application = "karwanctl",
		.patient = true,
		.trial = true });
}

int ctl_failed(const char *what, const struct kw_err *err)
{
	fprintf(stderr, "karwanctl: %s: %s%s%s\n", what, err->code, err->code[0] ? " " : "",
		err->reason);
	return CTL_FAILED;
}

enum kw_rc ctl_authorization(struct ctl *ctl, const char **ret_header, struct kw_err *err)
{
	struct kw_partners partners;

	if (!ctl->partners_file[0])
		return kw_fail(err, KW_INVALID, "KARWAN_PARTNERS_FILE is not set");
	KW_TRY(kw_partners_load(ctl->partners_file, ctl->arena, &partners, err));
	if (partners.n_operators == 0)
		return kw_fail(err, KW_INVALID, "%s declares no operator", ctl->partners_file);
	struct kw_bytes token = partners.operators[0].secrets.keys[0];
	*ret_header = kw_arena_printf(
		ctl->arena, "Authorization: Bearer %.*s", (int)token.n, (const char *)token.p);
	return KW_OK;
}

enum kw_rc ctl_topics(struct ctl *ctl, struct kw_topics *ret, struct kw_err *err)
{
	return kw_topics_load(ctl->topics_file, ctl->arena, ret, err);
}

static const struct command *find_command(struct ctl *ctl)
{
	for (size_t i = 0; i < KW_LEN(commands); i++) {
		const struct command *command = &commands[i];
		int words = command->second ? 2 : 1;

		if (ctl->argc < words || strcmp(ctl->argv[0], command->first) != 0 ||
			(command->second && strcmp(ctl->argv[1], command->second) != 0))
			continue;
		if (ctl->argc != words + command->words)
			return NULL;
		ctl->argc -= words;
		ctl->argv += words;
		return command;
	}
	return NULL;
}

/* false: it is wrong. */
static bool take_option(struct ctl *ctl, int c)
{
	char *end;

	switch (c) {
	case 'j':
		ctl->json = true;
		break;
	case 'n':
		ctl->dry_run = true;
		break;
	case 'a':
		ctl->attempts_file = optarg;
		break;
	case 't':
		ctl->topic = optarg;
		break;
	case 'b':
		ctl->by = optarg;
		break;
	case 'A':
		ctl->all = true;
		break;
	case 'm':
		ctl->max = (int)strtol(optarg, &end, 10);
		if (*end || ctl->max < 1 || ctl->max > REPLAY_MAX)
			return false;
		break;
	case 'r':
		ctl->reason = optarg;
		break;
	case 'c':
		ctl->channel = optarg;
		break;
	case 'e':
		ctl->external_id = optarg;
		break;
	case 's':
		ctl->status = optarg;
		break;
	case 'k':
		ctl->kind = optarg;
		break;
	case 'o':
		ctl->as_of = optarg;
		break;
	case 'w':
		if (ctl->n_with == CTL_WITH_MAX || !strchr(optarg, '='))
			return false;
		ctl->with[ctl->n_with++] = optarg;
		break;
	case 'h':
		usage(stdout);
		kw_config_help((const struct kw_config_key *const[]) { keys, NULL }, stdout);
		exit(CTL_OK);
	default:
		return false;
	}
	return true;
}

static bool parse_options(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "dry-run", no_argument, NULL, 'n' },
		{ "attempts", required_argument, NULL, 'a' },
		{ "topic", required_argument, NULL, 't' },
		{ "by", required_argument, NULL, 'b' },
		{ "all", no_argument, NULL, 'A' },
		{ "max", required_argument, NULL, 'm' },
		{ "reason", required_argument, NULL, 'r' },
		{ "channel", required_argument, NULL, 'c' },
		{ "external-id", required_argument, NULL, 'e' },
		{ "status", required_argument, NULL, 's' },
		{ "kind", required_argument, NULL, 'k' },
		{ "as-of", required_argument, NULL, 'o' },
		{ "with", required_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const struct passwd *user = getpwuid(getuid());

	ctl->by = user ? user->pw_name : "unknown";
	ctl->max = 100;
	for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;)
		if (!take_option(ctl, c))
			return false;
	ctl->argc = argc - optind;
	ctl->argv = argv + optind;
	return true;
}

int main(int argc, char **argv)
{
	KW_CLEANUP(kw_arena_freep)
	struct kw_arena *a = kw_arena_new((size_t)2048 * 1024 * 1024);
	struct ctl ctl = { .arena = a };
	const struct command *command;

	kw_log_init("karwanctl", KW_WARNING);
	kw_json_init();
	if (!parse_options(&ctl, argc, argv) || !(command = find_command(&ctl))) {
		usage(stderr);
		return CTL_USAGE;
	}
	if (command->run != print_version &&
		kw_config_load((const struct kw_config_key *const[]) { keys, NULL },
			(void *const[]) { &ctl }, a, stderr) != KW_OK)
		return 78;
	if (ctl.log_level)
		kw_log_init("karwanctl", kw_log_level_of(ctl.log_level));
	return command->run(&ctl);
}
