/* Enum values and their UPPER_SNAKE names, both ways. */
#include "core/strtab.h"

#include <string.h>

const char *kw_strtab_name(const struct kw_strtab *t, int value)
{
	return value >= 0 && value < t->n ? t->names[value] : NULL;
}

int kw_strtab_value(const struct kw_strtab *t, const char *name)
{
	for (int i = 0; name && i < t->n; i++)
		if (strcmp(t->names[i], name) == 0)
			return i;
	return -1;
}
