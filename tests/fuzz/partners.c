/* The partners file: what is taken has names that are ours, once each, and a secret for everybody;
 * what is refused is refused at a place in it, and leaves what was there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "svc/partners.h"

static char folder[] = "/tmp/fuzz-partners-XXXXXX";

static const char *path_of(struct kw_arena *a, const char *name)
{
	return kw_arena_printf(a, "%s/%s", folder, name);
}

static void write_file(const char *path, const void *bytes, size_t n)
{
	FILE *file = fopen(path, "w");

	kw_assert(file && fwrite(bytes, 1, n, file) == n && fclose(file) == 0);
	kw_assert(chmod(path, 0600) == 0);
}

static void clean(void)
{
	static const char *const names[] = { "plain", "webhook", "partners.json" };
	struct kw_arena *a = kw_arena_new(4096);

	for (size_t i = 0; i < KW_LEN(names); i++)
		unlink(path_of(a, names[i]));
	rmdir(folder);
	kw_arena_free(a);
}

static void begin(struct kw_arena *a)
{
	static const char webhook[] = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3\n";

	kw_assert(mkdtemp(folder));
	atexit(clean);
	write_file(path_of(a, "plain"), "hello\n", 6);
	write_file(path_of(a, "webhook"), webhook, sizeof(webhook) - 1);
}

static void check_all(const struct kw_partners *p, enum kw_partner_kind kind,
	const struct kw_partner *partners, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct kw_partner *one = &partners[i];

		FUZZ_CHECK(one->kind == kind, "%s", one->name);
		FUZZ_CHECK(one->name[0] &&
				   strspn(one->name, "abcdefghijklmnopqrstuvwxyz0123456789-") ==
					   strlen(one->name),
			"%s", one->name);
		/* the first of its name: there is no other */
		FUZZ_CHECK(kw_partners_find(p, kind, one->name) == one, "%s twice", one->name);
		FUZZ_CHECK(one->secrets.n >= 1 && one->secrets.n <= KW_SECRETS_MAX, "%zu secrets",
			one->secrets.n);
		for (size_t k = 0; k < one->secrets.n; k++)
			FUZZ_CHECK(one->secrets.keys[k].n > 0, "%s", one->name);
		for (size_t k = 0; k < one->n_rates; k++)
			FUZZ_CHECK(one->rates[k].price.minor >= 0, "%s", one->name);
		FUZZ_CHECK(kind != KW_COURIER || !one->url == (one->n_rates == 0), "%s", one->name);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool begun;
	struct kw_arena *a = fuzz_arena();
	struct kw_partners p, before;
	struct kw_err err = { 0 };

	if (!begun)
		begin(a);
	begun = true;
	/* its secrets are in its folder, not among the machine's devices */
	if (memmem(data, size, "dev", 3) || memmem(data, size, "proc", 4) ||
		memchr(data, '\\', size))
		return 0;
	write_file(path_of(a, "partners.json"), data, size);
	memset(&p, 0xa5, sizeof(p));
	before = p;
	if (kw_partners_load(path_of(a, "partners.json"), a, &p, &err) != KW_OK) {
		FUZZ_CHECK(memcmp(&p, &before, sizeof(p)) == 0, "%s", err.reason);
		fuzz_refused(&err, (const char *)data, size);
		return 0;
	}
	check_all(&p, KW_CHANNEL, p.channels, p.n_channels);
	check_all(&p, KW_PROVIDER, p.providers, p.n_providers);
	check_all(&p, KW_COURIER, p.couriers, p.n_couriers);
	check_all(&p, KW_OPERATOR, p.operators, p.n_operators);
	return 0;
}
