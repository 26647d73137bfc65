#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/json.h"

#define ARENA_MAX ((size_t)4 * 1024 * 1024)

static const char *const edge_names[EDGES] = { "listing-ingestion", "order-routing",
	"payment-reconciliation", "courier-dispatch" };

void die(const char *fmt, ...)
{
	va_list ap;

	fputs("chaos-load: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static const char *setting(const char *name)
{
	const char *value = getenv(name);

	if (!value || !*value)
		die("%s is not set", name);
	return value;
}

/* "order-routing" or "order-routing.2", not its admin port. */
static bool is_replica(const char *name, const char *service)
{
	size_t n = strlen(service);

	return strncmp(name, service, n) == 0 && (!name[n] || name[n] == '.') &&
	       !strchr(name + n, '-');
}

static size_t add_target(struct world *w, const char *name, int port)
{
	if (w->n_targets == TARGETS_MAX)
		die("more than %d replicas", TARGETS_MAX);
	struct target *t = &w->targets[w->n_targets];
	snprintf(t->name, sizeof(t->name), "%s", name);
	t->port = port;
	return w->n_targets++;
}

static void read_ports(struct world *w, const char *dir)
{
	char path[1000], name[64];
	int port;

	snprintf(path, sizeof(path), "%s/ports", dir);
	FILE *file = fopen(path, "r");
	if (!file)
		die("%s cannot be read", path);
	w->shops = TARGETS_MAX;
	while (fscanf(file, "%63s %d", name, &port) == 2) {
		for (int e = 0; e < EDGES; e++)
			if (is_replica(name, edge_names[e]))
				w->replicas[e][w->n_replicas[e]++] = add_target(w, name, port);
		if (strcmp(name, "shops") == 0)
			w->shops = add_target(w, name, port);
	}
	fclose(file);
	if (w->shops == TARGETS_MAX)
		die("no port of shops in %s", path);
	for (int e = 0; e < EDGES; e++)
		if (w->n_replicas[e] == 0)
			die("no port of %s in %s", edge_names[e], path);
}

static bool read_partners(struct world *w, struct kw_err *err)
{
	struct kw_partners read;

	kw_arena_reset(w->arenas[1]);
	if (kw_partners_load(w->partners_file, w->arenas[1], &read, err) != KW_OK)
		return false;
	struct kw_arena *older = w->arenas[0];
	w->arenas[0] = w->arenas[1];
	w->arenas[1] = older;
	w->partners = read;
	return true;
}

void world_open(struct world *w)
{
	struct kw_err err = { 0 };

	*w = (struct world) { .partners_file = setting("KARWAN_PARTNERS_FILE") };
	kw_json_init();
	for (int i = 0; i < 2; i++)
		w->arenas[i] = kw_arena_new(ARENA_MAX);
	read_ports(w, setting("RUN_DIR"));
	if (!read_partners(w, &err))
		die("partners: %s", err.reason);
}

void world_close(struct world *w)
{
	for (int i = 0; i < 2; i++)
		kw_arena_free(w->arenas[i]);
}

void world_refresh(struct world *w)
{
	struct kw_err err = { 0 };

	(void)read_partners(w, &err);
}

size_t world_target(const struct world *w, enum edge edge, unsigned lane)
{
	return w->replicas[edge][lane % w->n_replicas[edge]];
}

struct kw_bytes world_key(
	const struct world *w, enum kw_partner_kind kind, const char *name, unsigned lane)
{
	const struct kw_partner *p = kw_partners_find(&w->partners, kind, name);

	if (!p || p->secrets.n == 0)
		die("the partners file declares no %s", name);
	return p->secrets.keys[lane % p->secrets.n];
}
