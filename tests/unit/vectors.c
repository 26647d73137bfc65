/* Tables of test vectors. */
#include "vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

void each_vector(const char *name, size_t at_least,
	void (*check)(const char *const column[VECTOR_COLUMNS], int line))
{
	char path[512], text[1024];
	snprintf(path, sizeof(path), "%s/tests/vectors/%s", KW_SOURCE_DIR, name);
	FILE *file = fopen(path, "r");
	if (!file)
		fail_msg("cannot read %s", path);
	size_t rows = 0;
	for (int line = 1; fgets(text, sizeof(text), file); line++) {
		text[strcspn(text, "\n")] = '\0';
		if (text[0] == '#')
			continue;
		const char *column[VECTOR_COLUMNS] = { "", "", "", "" };
		char *rest = text;
		for (int i = 0; i < VECTOR_COLUMNS && rest; i++)
			column[i] = strsep(&rest, "\t");
		check(column, line);
		rows++;
	}
	fclose(file);
	assert_true(rows >= at_least);
}
