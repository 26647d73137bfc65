#include "figures.h"

#include <math.h>
#include <stdlib.h>

static int by_value(const void *left, const void *right)
{
	int64_t l = *(const int64_t *)left, r = *(const int64_t *)right;

	return l < r ? -1 : l > r;
}

/* Nearest rank: the least value that so large a share does not exceed. */
static double rank_ms(const int64_t *sorted, size_t n, double share)
{
	size_t rank = (size_t)ceil(share * (double)n);

	return (double)sorted[rank > 0 ? rank - 1 : 0] / 1000.0;
}

struct spread figures_spread(int64_t *us, size_t n)
{
	if (n == 0)
		return (struct spread) { 0 };
	qsort(us, n, sizeof(*us), by_value);
	return (struct spread) { n, rank_ms(us, n, 0.5), rank_ms(us, n, 0.99),
		rank_ms(us, n, 0.999) };
}

int64_t figures_due_us(double rate, int64_t i)
{
	return (int64_t)ceil((double)i * 1e6 / rate);
}

int64_t figures_due(double rate, int64_t elapsed_us)
{
	if (elapsed_us < 0)
		return 0;
	int64_t n = (int64_t)((double)elapsed_us * rate / 1e6) + 1;

	/* rounding: what is due is exactly what figures_due_us says */
	while (n > 0 && figures_due_us(rate, n - 1) > elapsed_us)
		n--;
	while (figures_due_us(rate, n) <= elapsed_us)
		n++;
	return n;
}

double figures_slope(const double *x, const double *y, size_t n)
{
	double mean_x = 0, mean_y = 0, above = 0, below = 0;

	for (size_t i = 0; i < n; i++) {
		mean_x += x[i] / (double)n;
		mean_y += y[i] / (double)n;
	}
	for (size_t i = 0; i < n; i++) {
		above += (x[i] - mean_x) * (y[i] - mean_y);
		below += (x[i] - mean_x) * (x[i] - mean_x);
	}
	return below > 0 ? above / below : 0;
}

bool figures_flat(
	const double *seconds, const double *backlog, size_t n, double rate, double *ret_growth)
{
	*ret_growth = figures_slope(seconds, backlog, n);
	return n > 1 && *ret_growth < FLAT_SHARE * rate;
}

struct recovery figures_recovery(
	const double *seconds, const double *backlog, const double *out, size_t n, double killed_s)
{
	struct recovery r = { 0 };
	double usual = 0;
	size_t i = 0, peak;

	for (; i < n && seconds[i] <= killed_s; i++)
		usual = backlog[i] > usual ? backlog[i] : usual;
	for (peak = i; i < n; i++)
		peak = backlog[i] > backlog[peak] ? i : peak;
	if (peak == n)
		return r;
	r.back_s = seconds[peak] - killed_s;
	r.peak = backlog[peak];
	for (i = peak + 1; i < n && backlog[i] > usual; i++)
		;
	if (i < n)
		r.drain_per_s = (out[i] - out[peak]) / (seconds[i] - seconds[peak]);
	return r;
}

static int by_size(const void *left, const void *right)
{
	double l = *(const double *)left, r = *(const double *)right;

	return l < r ? -1 : l > r;
}

double figures_median(double *values, size_t n)
{
	if (n == 0)
		return 0;
	qsort(values, n, sizeof(*values), by_size);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

double figures_ceiling(double cores, const struct part *parts, size_t n)
{
	double us = 0;

	for (size_t i = 0; i < n; i++)
		us += parts[i].units * parts[i].unit_us;
	return us > 0 ? cores * 1e6 / us : 0;
}
