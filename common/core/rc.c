/* What the caller does next: the one result type of all code that can fail. */
#include "core/rc.h"

static const char *const names[] = {
	[KW_OK] = "OK",
	[KW_NOTHING] = "NOTHING",
	[KW_DUPLICATE] = "DUPLICATE",
	[KW_INVALID] = "INVALID",
	[KW_CONFLICT] = "CONFLICT",
	[KW_RETRY] = "RETRY",
	[KW_FATAL] = "FATAL",
};

const char *kw_rc_name(enum kw_rc rc)
{
	return (unsigned)rc < KW_LEN(names) ? names[rc] : "UNKNOWN";
}
