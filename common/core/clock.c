/* Time: UTC microseconds since 1970, and RFC 3339 texts. The calendar is the proleptic Gregorian
 * one. https://www.rfc-editor.org/rfc/rfc3339#section-5.6 */
#include "core/clock.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#define DAY_S 86400LL
#define FIRST_S (-62167219200LL) /* 0000-01-01T00:00:00Z */
#define LAST_S 253402300799LL    /* 9999-12-31T23:59:59Z */

struct parts {
	int year, month, day, hour, minute, second, us, offset_s;
};

static kw_time read_system(const struct kw_clock *clock);
static kw_time read_fixed(const struct kw_clock *clock);
static bool read_parts(const char *s, struct parts *p);
static bool read_digits(const char **s, int n, int *ret);
static bool read_offset(const char **s, int *ret_s);
static int days_in_month(int year, int month);
static int64_t days_of(int year, int month, int day);
static void write_digits(char *out, int n, int64_t v);

const struct kw_clock kw_clock_system = { .now = read_system };

struct kw_clock kw_clock_fixed(kw_time at)
{
	return (struct kw_clock) { .now = read_fixed, .fixed = at };
}

int64_t kw_monotonic_us(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * KW_US_PER_S + ts.tv_nsec / 1000;
}

static kw_time read_system(const struct kw_clock *clock)
{
	(void)clock;
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * KW_US_PER_S + ts.tv_nsec / 1000;
}

static kw_time read_fixed(const struct kw_clock *clock)
{
	return clock->fixed;
}

void kw_time_format(kw_time t, char out[KW_TIME_TEXT])
{
	int64_t us = t % KW_US_PER_S, s = t / KW_US_PER_S;
	if (us < 0) {
		us += KW_US_PER_S;
		s--;
	}
	kw_assert(s >= FIRST_S && s <= LAST_S);
	int64_t day = s / DAY_S, rest = s % DAY_S;
	if (rest < 0) {
		rest += DAY_S;
		day--;
	}
	/* Years begin in March, so that the leap day is the last one; 400 years are one era of
	 * 146,097 days. */
	int64_t z = day + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), m = (5 * doy + 2) / 153;
	int64_t month = m < 10 ? m + 3 : m - 9;
	memcpy(out, "0000-00-00T00:00:00", 19);
	write_digits(out, 4, yoe + era * 400 + (month <= 2));
	write_digits(out + 5, 2, month);
	write_digits(out + 8, 2, doy - (153 * m + 2) / 5 + 1);
	write_digits(out + 11, 2, rest / 3600);
	write_digits(out + 14, 2, rest / 60 % 60);
	write_digits(out + 17, 2, rest % 60);
	out += 19;
	if (us > 0) {
		*out = '.';
		write_digits(out + 1, 6, us);
		out += 7;
	}
	memcpy(out, "Z", 2);
}

enum kw_rc kw_time_parse(const char *text, kw_time *ret, struct kw_err *err)
{
	struct parts p;
	if (!text || !read_parts(text, &p))
		return kw_fail(err, KW_INVALID, "not an RFC 3339 time with offset");
	if (p.month < 1 || p.month > 12 || p.day < 1 || p.day > days_in_month(p.year, p.month) ||
		p.hour > 23 || p.minute > 59 || p.second > 60)
		return kw_fail(err, KW_INVALID, "no such day or time of day");
	int64_t s = days_of(p.year, p.month, p.day) * DAY_S + p.hour * 3600 + p.minute * 60 +
		    p.second - p.offset_s;
	/* a leap second ends a day of UTC: counted as the following second, it is a whole day */
	if (p.second == 60 && s % DAY_S != 0)
		return kw_fail(err, KW_INVALID, "second 60 is only at 23:59:60 UTC");
	if (s < FIRST_S || s > LAST_S)
		return kw_fail(err, KW_INVALID, "outside the years 0000 to 9999 of UTC");
	*ret = s * KW_US_PER_S + p.us;
	return KW_OK;
}

static bool read_parts(const char *s, struct parts *p)
{
	if (!read_digits(&s, 4, &p->year) || *s++ != '-' || !read_digits(&s, 2, &p->month) ||
		*s++ != '-' || !read_digits(&s, 2, &p->day) || (*s != 'T' && *s != 't'))
		return false;
	s++;
	if (!read_digits(&s, 2, &p->hour) || *s++ != ':' || !read_digits(&s, 2, &p->minute) ||
		*s++ != ':' || !read_digits(&s, 2, &p->second))
		return false;
	p->us = 0;
	if (*s == '.') {
		s++;
		if (*s < '0' || *s > '9')
			return false;
		for (int unit = 100000; *s >= '0' && *s <= '9'; s++, unit /= 10)
			p->us += (*s - '0') * unit;
	}
	return read_offset(&s, &p->offset_s) && *s == '\0';
}

static bool read_offset(const char **s, int *ret_s)
{
	char c = *(*s)++;
	if (c == 'Z' || c == 'z') {
		*ret_s = 0;
		return true;
	}
	int hours, minutes;
	if ((c != '+' && c != '-') || !read_digits(s, 2, &hours) || **s != ':')
		return false;
	(*s)++;
	if (!read_digits(s, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*ret_s = (hours * 3600 + minutes * 60) * (c == '-' ? -1 : 1);
	return true;
}

static bool read_digits(const char **s, int n, int *ret)
{
	int v = 0;
	for (; n > 0; n--, (*s)++) {
		if (**s < '0' || **s > '9')
			return false;
		v = v * 10 + (**s - '0');
	}
	*ret = v;
	return true;
}

static int days_in_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return days[month - 1] + (month == 2 && leap);
}

/* Days since 1970-01-01; the reverse of the calendar in kw_time_format. */
static int64_t days_of(int year, int month, int day)
{
	int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
	int64_t doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void write_digits(char *out, int n, int64_t v)
{
	for (; n > 0; v /= 10)
		out[--n] = (char)('0' + v % 10);
}
