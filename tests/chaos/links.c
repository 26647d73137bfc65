/* The links between services and servers: a proxy for each, broken by a line on standard input.
 * Each line is answered by one: "ok" and a number, or "no" and why. It ends with its input.
 *
 *   open NAME PORT         a link to 127.0.0.1:PORT; answers the port at which it listens
 *   stall NAME WAY         nothing is forwarded: both, to_server, to_client
 *   delay NAME MS          each piece waits
 *   refuse NAME            new connections are closed
 *   cut | reset | forget NAME   what there is is closed; reset; left open to the client alone
 *   commit NAME WHERE      the next COMMIT loses its connection: before the server has it, after
 *                          the server has it, or when the server answers ("reply")
 *   broken NAME            answers how many COMMITs did
 *   heal NAME              all goes on; what was forgotten is reset */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy.h"

#define LINKS_MAX 64
#define WORDS_MAX 3

enum where { NOWHERE, BEFORE, AFTER, REPLY, AWAITED };

struct chain {
	char name[64];
	struct kt_proxy *proxy;
	_Atomic int where;
	atomic_int broken;
	int connection; /* that a reply is awaited on; of the proxy's thread */
};

static struct chain chains[LINKS_MAX];
static int n_chains;

/* On the proxy's thread. */
static enum kt_verdict on_piece(
	void *ctx, int connection, bool to_server, const void *bytes, size_t n)
{
	struct chain *c = ctx;
	int where = atomic_load(&c->where);

	if (where == NOWHERE)
		return KT_PASS;
	if (where == AWAITED) {
		if (to_server || connection != c->connection)
			return KT_PASS;
	} else if (!to_server || !kt_bytes_contain(bytes, n, "COMMIT")) {
		return KT_PASS;
	}
	if (where == REPLY) {
		c->connection = connection;
		/* unless it was healed meanwhile */
		(void)atomic_compare_exchange_strong(&c->where, &where, AWAITED);
		return KT_PASS;
	}
	if (!atomic_compare_exchange_strong(&c->where, &where, NOWHERE))
		return KT_PASS;
	atomic_fetch_add(&c->broken, 1);
	return where == AFTER ? KT_PASS_THEN_CUT : KT_CUT;
}

static struct chain *find(const char *name)
{
	for (int i = 0; i < n_chains; i++)
		if (strcmp(chains[i].name, name) == 0)
			return &chains[i];
	return NULL;
}

/* ---- the commands: each answers a number, or -1 when its last word is wrong ---- */

static int do_stall(struct chain *c, const char *way)
{
	bool both = strcmp(way, "both") == 0, to_server = strcmp(way, "to_server") == 0;

	if (!both && !to_server && strcmp(way, "to_client") != 0)
		return -1;
	if (both || to_server)
		kt_proxy_stall_way(c->proxy, true, true);
	if (!to_server)
		kt_proxy_stall_way(c->proxy, false, true);
	return 0;
}

static int do_delay(struct chain *c, const char *ms)
{
	kt_proxy_delay(c->proxy, (int)strtol(ms, NULL, 10));
	return 0;
}

static int do_refuse(struct chain *c, const char *none)
{
	(void)none;
	kt_proxy_refuse(c->proxy, true);
	return 0;
}

static int do_cut(struct chain *c, const char *none)
{
	(void)none;
	kt_proxy_cut(c->proxy);
	return 0;
}

static int do_reset(struct chain *c, const char *none)
{
	(void)none;
	kt_proxy_reset(c->proxy);
	return 0;
}

static int do_forget(struct chain *c, const char *none)
{
	(void)none;
	kt_proxy_forget(c->proxy);
	return 0;
}

static int do_commit(struct chain *c, const char *where)
{
	static const char *const names[] = {
		[BEFORE] = "before", [AFTER] = "after", [REPLY] = "reply"
	};

	for (int i = BEFORE; i <= REPLY; i++)
		if (strcmp(names[i], where) == 0) {
			atomic_store(&c->where, i);
			return 0;
		}
	return -1;
}

static int do_broken(struct chain *c, const char *none)
{
	(void)none;
	return atomic_load(&c->broken);
}

static int do_heal(struct chain *c, const char *none)
{
	(void)none;
	atomic_store(&c->where, NOWHERE);
	kt_proxy_delay(c->proxy, 0);
	kt_proxy_refuse(c->proxy, false);
	kt_proxy_end_forgotten(c->proxy);
	kt_proxy_stall(c->proxy, false);
	return 0;
}

static const struct command {
	const char *name;
	int words;
	int (*run)(struct chain *c, const char *word);
} commands[] = {
	{ "stall", 3, do_stall },
	{ "delay", 3, do_delay },
	{ "refuse", 2, do_refuse },
	{ "cut", 2, do_cut },
	{ "reset", 2, do_reset },
	{ "forget", 2, do_forget },
	{ "commit", 3, do_commit },
	{ "broken", 2, do_broken },
	{ "heal", 2, do_heal },
};

static void say_no(const char *why)
{
	printf("no %s\n", why);
}

static void open_link(const char *name, const char *port)
{
	struct chain *c = &chains[n_chains];

	if (n_chains == LINKS_MAX || find(name) || strlen(name) >= sizeof(c->name)) {
		say_no("it is there, or there are too many, or its name is too long");
		return;
	}
	snprintf(c->name, sizeof(c->name), "%s", name);
	c->proxy = kt_proxy_open("127.0.0.1", (int)strtol(port, NULL, 10), on_piece, c);
	n_chains++;
	printf("ok %d\n", kt_proxy_port(c->proxy));
}

static void obey(char **words, int n)
{
	struct chain *c = n > 1 ? find(words[1]) : NULL;

	if (n == 3 && strcmp(words[0], "open") == 0) {
		open_link(words[1], words[2]);
		return;
	}
	for (size_t i = 0; c && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, words[0]) == 0 && commands[i].words == n) {
			int answer = commands[i].run(c, n == 3 ? words[2] : NULL);

			if (answer < 0)
				say_no(words[2]);
			else
				printf("ok %d\n", answer);
			return;
		}
	say_no(c ? "no such command" : "no such link");
}

int main(void)
{
	char line[300];

	while (fgets(line, sizeof(line), stdin)) {
		char *words[WORDS_MAX + 1], *rest = line, *word;
		int n = 0;

		while (n <= WORDS_MAX && (word = strsep(&rest, " \n")))
			if (*word)
				words[n++] = word;
		obey(words, n);
		fflush(stdout);
	}
	for (int i = 0; i < n_chains; i++)
		kt_proxy_close(chains[i].proxy);
	return 0;
}
