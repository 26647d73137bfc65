/* Counters, gauges and histograms as const tables of atomics; rendered as Prometheus text format
 * 0.0.4. Any thread; no locks. A family and its series live until the process ends. */
#ifndef KW_SVC_METRICS_H
#define KW_SVC_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "core/buf.h"

enum kw_metric_kind { KW_COUNTER, KW_GAUGE, KW_HISTOGRAM };

#define KW_METRIC_SERIES_MAX 256
#define KW_METRIC_BUCKETS 14 /* .005 .01 .025 .05 .075 .1 .25 .5 .75 1 2.5 5 7.5 10 s */
#define KW_METRIC_LABELS_MAX 4
#define KW_PER_SECOND 1000000 /* per_unit of what is counted in microseconds */

/* One family. A series is found by its label values joined with U+001F; the first
 * KW_METRIC_SERIES_MAX are kept, others count under "other". */
struct kw_metric {
	const char *name, *help;
	enum kw_metric_kind kind;
	const char *labels[KW_METRIC_LABELS_MAX]; /* names; ends with NULL where fewer */
	int64_t per_unit; /* values are divided by it when they are shown; 0: 1 */
	_Atomic(struct kw_metric_table *) table; /* made at first use */
	struct kw_metric *next;                  /* set before it is listed */
};

/* Registers itself at first use. values: one per label. */
void kw_count(struct kw_metric *m, int64_t n, const char *const *values);
/* Sets a gauge, or a counter that is kept elsewhere. */
void kw_gauge(struct kw_metric *m, int64_t value, const char *const *values);
void kw_observe_us(struct kw_metric *m, int64_t us, const char *const *values);
#define KW_LABELS(...) ((const char *const[]) { __VA_ARGS__, NULL })
#define KW_NO_LABELS ((const char *const[]) { NULL })

/* Sets the gauges of these rows, and to 0 those of the family that none of them names. */
struct kw_gauge_row {
	const char *values[KW_METRIC_LABELS_MAX]; /* one per label */
	int64_t value;
};
void kw_gauge_all(struct kw_metric *m, const struct kw_gauge_row *rows, size_t n);

/* All registered families, by name. */
void kw_metrics_render(struct kw_buf *out);

#endif
