/* --healthcheck: is the service that runs with this environment ready? Asked as anybody may, over
 * its admin port, so that an image needs no other program for it. Main thread. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/client.h"
#include "svc/impl.h"

#define ASK_MS 2000
#define ANSWER_MAX 4096

/* Who listens on every address is asked on the loopback. */
static const char *url_of(struct kw_arena *a, const char *listen)
{
	const char *colon = strrchr(listen, ':');
	int n = colon ? (int)(colon - listen) : 0;

	if (!colon)
		return NULL;
	if (n == 0 || (n == 7 && strncmp(listen, "0.0.0.0", 7) == 0))
		return kw_arena_printf(a, "http://127.0.0.1%s/readyz", colon);
	if (n == 4 && strncmp(listen, "[::]", 4) == 0)
		return kw_arena_printf(a, "http://[::1]%s/readyz", colon);
	return kw_arena_printf(a, "http://%s/readyz", listen);
}

static const char *listens_on(void)
{
	for (const struct kw_config_key *key = kw_common_keys; key->env; key++)
		if (strcmp(key->env, "KARWAN_ADMIN_LISTEN") == 0)
			return getenv(key->env) ? getenv(key->env) : key->fallback;
	kw_assert(!"a service has an admin port");
	return NULL;
}

int kw_ask_ready(const struct kw_service *service, FILE *out, FILE *errors)
{
	KW_CLEANUP(kw_arena_freep) struct kw_arena *a = kw_arena_new(64 * 1024);
	const char *url = url_of(a, listens_on());
	struct kw_call call = { .method = "GET", .url = url };

	if (!url) {
		fprintf(errors, "%s: KARWAN_ADMIN_LISTEN: not host:port\n", service->name);
		return EXIT_CONFIG;
	}
	struct kw_client *client = kw_client_new(true);
	kw_client_run(client, a, &call, 1, ASK_MS, ANSWER_MAX);
	kw_client_free(client);
	if (call.rc != KW_OK) {
		fprintf(errors, "%s: %s: %s\n", service->name, url, call.err.reason);
		return 1;
	}
	fprintf(out, "%.*s\n", (int)call.answer.n, (const char *)call.answer.p);
	return call.status == 200 ? 0 : 1;
}
