/* Gives a target all that is known, without libFuzzer: the files of the folder on its command line,
 * and of each what it becomes when it is cut or a bit of it is flipped. -s N: so many cuts and so
 * many flips of a file at most. The target ends the process where something is not as it must be.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

#define FILE_MAX ((size_t)1024 * 1024)

static size_t n_files, n_inputs, n_sweep = 256;
static uint8_t bytes[FILE_MAX];

/* Of its own size, so that reading beyond it is seen. */
static void give(const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	kw_assert(copy);
	memcpy(copy, p, n);
	(void)LLVMFuzzerTestOneInput(copy, n);
	free(copy);
	n_inputs++;
}

/* At places all over it; which bit, the place says. */
static void sweep(size_t n)
{
	size_t step = n / n_sweep + 1;

	for (size_t i = 0; i < n; i += step)
		give(bytes, i);
	for (size_t i = 0; i < n; i += step) {
		uint8_t bit = (uint8_t)(1u << (i * 5 + 3) % 8);
		bytes[i] ^= bit;
		give(bytes, n);
		bytes[i] ^= bit;
	}
}

static void replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");

	kw_assert(file);
	size_t n = fread(bytes, 1, FILE_MAX, file);
	kw_assert(n < FILE_MAX);
	fclose(file);
	give(bytes, n);
	sweep(n);
	n_files++;
}

static void replay_folder(const char *folder)
{
	struct dirent **names;
	int n = scandir(folder, &names, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		char path[1024];
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
		if (names[i]->d_name[0] != '.')
			replay_file(path);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

int main(int argc, char **argv)
{
	(void)LLVMFuzzerInitialize(&argc, &argv);
	for (int c; (c = getopt(argc, argv, "s:")) == 's';)
		n_sweep = strtoul(optarg, NULL, 10);
	if (optind < argc)
		replay_folder(argv[optind]);
	printf("%zu files, %zu inputs\n", n_files, n_inputs);
	return n_files > 0 && n_sweep > 0 ? 0 : 1;
}
