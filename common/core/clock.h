/* Time: UTC microseconds since 1970, from a clock that is handed in.
 * Values; any thread. RFC 3339 texts in and out. */
#ifndef KW_CORE_CLOCK_H
#define KW_CORE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

typedef int64_t kw_time; /* us; 0 = no value */

#define KW_US_PER_S 1000000LL

struct kw_clock {
	kw_time (*now)(const struct kw_clock *clock);
	kw_time fixed; /* for kw_clock_fixed */
};

extern const struct kw_clock kw_clock_system;
/* A clock that stands still, for tests and --once. */
struct kw_clock kw_clock_fixed(kw_time at);
static inline kw_time kw_now(const struct kw_clock *clock)
{
	return clock->now(clock);
}
/* Monotonic microseconds, for durations only. */
int64_t kw_monotonic_us(void);

#define KW_TIME_TEXT 32
/* "2026-01-31T10:00:00.123456Z"; the fraction is left out when it is zero. */
void kw_time_format(kw_time t, char out[KW_TIME_TEXT]);
/* RFC 3339 with offset; T and Z in any case; digits past the microsecond are cut; second 60 only at
 * 23:59:60 UTC (kept as the following second). INVALID otherwise. */
enum kw_rc kw_time_parse(const char *text, kw_time *ret, struct kw_err *err);

#endif
