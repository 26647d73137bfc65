/* Counters, gauges and histograms as const tables of atomics; rendered as Prometheus text format 0.0.4. Any thread. */
#ifndef KW_SVC_METRICS_H
#define KW_SVC_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "core/buf.h"

enum kw_metric_kind { KW_COUNTER, KW_GAUGE, KW_HISTOGRAM };

#define KW_METRIC_SERIES_MAX 64
#define KW_METRIC_BUCKETS 14 /* .005 .01 .025 .05 .075 .1 .25 .5 .75 1 2.5 5 7.5 10 s */

/* One family. A series is found by its label values joined with U+001F; the first KW_METRIC_SERIES_MAX are kept, others count under "other". */
struct kw_metric {
	const char *name, *help;
	enum kw_metric_kind kind;
	const char *labels[4]; /* names; NULL-terminated */
	struct kw_metric_series *series; /* made at first use */
	_Atomic(struct kw_metric *) next;
	atomic_flag lock;
};

/* Registers itself at first use. values: one per label. */
void kw_count(struct kw_metric *m, int64_t n, const char *const *values);
void kw_gauge(struct kw_metric *m, int64_t value, const char *const *values);
void kw_observe_us(struct kw_metric *m, int64_t us, const char *const *values);
#define KW_LABELS(...) ((const char *const[]) { __VA_ARGS__, NULL })
#define KW_NO_LABELS ((const char *const[]) { NULL })

/* All registered families. */
void kw_metrics_render(struct kw_buf *out);

#endif
