/* karwan-bench: one step of `./karwan bench` (infra/dev/bench.sh), which starts and stops what is
 * measured. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "core/log.h"

static const char usage[] =
	"usage: karwan-bench catalogue | warm N | hold RATE | path | half | accept N | read | publish |\n"
	"                    seek NAME | grown NAME RATE | soak N | killed RATE | overload RATE | book | replay SERVICE SCHEMA DSN |\n"
	"                    stage SERVICE | publisher SERVICE | report CHECK [--json]\n";

static int64_t number(const char *text)
{
	int64_t n = text ? strtoll(text, NULL, 10) : 0;

	if (n <= 0 || n > ORDERS_MAX)
		die("not a number of orders: %s", text ? text : "");
	return n;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	const char *words[4] = { NULL };

	for (int i = 2; i < argc && i < 6; i++)
		words[i - 2] = argv[i];
	kw_log_init("bench", KW_WARNING);
	struct place p = place_read();
	if (strcmp(verb, "catalogue") == 0)
		run_catalogue(&p);
	else if (strcmp(verb, "warm") == 0)
		run_warm(&p, number(words[0]));
	else if (strcmp(verb, "hold") == 0)
		run_hold(&p, (double)number(words[0]));
	else if (strcmp(verb, "seek") == 0 && words[0])
		run_seek(&p, words[0]);
	else if (strcmp(verb, "grown") == 0 && words[1])
		run_grown(&p, words[0], (double)number(words[1]));
	else if (strcmp(verb, "soak") == 0)
		run_soak(&p, number(words[0]));
	else if (strcmp(verb, "killed") == 0)
		run_killed(&p, (double)number(words[0]));
	else if (strcmp(verb, "overload") == 0)
		run_overload(&p, (double)number(words[0]));
	else if (strcmp(verb, "path") == 0)
		run_path(&p);
	else if (strcmp(verb, "half") == 0)
		run_half(&p);
	else if (strcmp(verb, "accept") == 0)
		run_accept(&p, number(words[0]));
	else if (strcmp(verb, "read") == 0)
		run_read(&p);
	else if (strcmp(verb, "publish") == 0)
		run_publish(&p);
	else if (strcmp(verb, "book") == 0)
		run_book(&p);
	else if (strcmp(verb, "replay") == 0 && words[2])
		run_replay(&p, words[0], words[1], words[2]);
	else if (strcmp(verb, "stage") == 0 && words[0])
		run_stage(&p, words[0]);
	else if (strcmp(verb, "publisher") == 0 && words[0])
		run_publisher(&p, words[0]);
	else if (strcmp(verb, "report") == 0 && words[0])
		run_report(&p, words[0], words[1] && strcmp(words[1], "--json") == 0);
	else {
		fputs(usage, stderr);
		return 64;
	}
	return 0;
}
