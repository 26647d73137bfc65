/* Enum values and their UPPER_SNAKE names, both ways. Const tables; any thread. */
#ifndef KW_CORE_STRTAB_H
#define KW_CORE_STRTAB_H

#include <stddef.h>

struct kw_strtab {
	const char *const *names; /* indexed by the enum's value; all filled */
	int n;
};

#define KW_STRTAB(array)                                           \
	{                                                          \
		(array), (int)(sizeof(array) / sizeof((array)[0])) \
	}

/* NULL when out of range. */
const char *kw_strtab_name(const struct kw_strtab *t, int value);
/* -1 when absent. */
int kw_strtab_value(const struct kw_strtab *t, const char *name);

#endif
