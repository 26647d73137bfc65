/* Metrics: lock-free tables of series, and their Prometheus text.
 * https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format */
#include "svc/metrics.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "core/id.h"

#define SLOTS (4 * KW_METRIC_SERIES_MAX)
#define VALUE_MAX 100 /* bytes of a label's value that are kept */
#define KEY_MAX (KW_METRIC_LABELS_MAX * (VALUE_MAX + 1))
#define FAMILIES_MAX 200

static const struct {
	int64_t us;
	const char *text;
} bounds[KW_METRIC_BUCKETS] = {
	{ 5000, "0.005" },
	{ 10000, "0.01" },
	{ 25000, "0.025" },
	{ 50000, "0.05" },
	{ 75000, "0.075" },
	{ 100000, "0.1" },
	{ 250000, "0.25" },
	{ 500000, "0.5" },
	{ 750000, "0.75" },
	{ 1000000, "1" },
	{ 2500000, "2.5" },
	{ 5000000, "5" },
	{ 7500000, "7.5" },
	{ 10000000, "10" },
};

struct series {
	char key[KEY_MAX]; /* label values joined by U+001F */
	_Atomic int64_t value, sum_us;
	_Atomic int64_t buckets[KW_METRIC_BUCKETS + 1]; /* not cumulative; the last is +Inf */
};

struct kw_metric_table {
	_Atomic size_t n;
	struct series other; /* for those beyond the maximum */
	atomic_bool others;
	_Atomic(struct series *) slots[SLOTS];
};

/* Only grows; a family is complete before it is listed. */
static _Atomic(struct kw_metric *) families;

static struct series *find(struct kw_metric *m, const char *const *values);
static struct kw_metric_table *table_of(struct kw_metric *m);
static void render_family(const struct kw_metric *m, struct kw_buf *out);
static void render_series(const struct kw_metric *m, struct series *s, struct kw_buf *out);
static void add_labels(
	const struct kw_metric *m, const char *key, const char *le, struct kw_buf *out);
static void add_value(int64_t value, int64_t per_unit, struct kw_buf *out);

void kw_count(struct kw_metric *m, int64_t n, const char *const *values)
{
	kw_assert(m->kind == KW_COUNTER && n >= 0);
	atomic_fetch_add_explicit(&find(m, values)->value, n, memory_order_relaxed);
}

void kw_gauge(struct kw_metric *m, int64_t value, const char *const *values)
{
	kw_assert(m->kind != KW_HISTOGRAM);
	atomic_store_explicit(&find(m, values)->value, value, memory_order_relaxed);
}

void kw_gauge_all(struct kw_metric *m, const struct kw_gauge_row *rows, size_t n)
{
	struct kw_metric_table *t = table_of(m);
	bool set[SLOTS] = { false };

	for (size_t i = 0; i < n; i++) {
		const struct series *s = find(m, rows[i].values);
		kw_gauge(m, rows[i].value, rows[i].values);
		for (size_t at = 0; at < SLOTS; at++)
			set[at] = set[at] || atomic_load(&t->slots[at]) == s;
	}
	for (size_t at = 0; at < SLOTS; at++) {
		struct series *s = atomic_load(&t->slots[at]);
		if (s && !set[at])
			atomic_store_explicit(&s->value, 0, memory_order_relaxed);
	}
}

void kw_observe_us(struct kw_metric *m, int64_t us, const char *const *values)
{
	struct series *s = find(m, values);
	size_t i = 0;

	kw_assert(m->kind == KW_HISTOGRAM);
	while (i < KW_METRIC_BUCKETS && us > bounds[i].us)
		i++;
	atomic_fetch_add_explicit(&s->buckets[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->sum_us, us, memory_order_relaxed);
}

static size_t n_labels(const struct kw_metric *m)
{
	size_t n = 0;

	while (n < KW_METRIC_LABELS_MAX && m->labels[n])
		n++;
	return n;
}

static void make_key(const struct kw_metric *m, const char *const *values, char key[KEY_MAX])
{
	size_t n = 0, labels = n_labels(m);

	for (size_t i = 0; i < labels; i++) {
		kw_assert(values[i] != NULL);
		if (i > 0)
			key[n++] = '\x1f';
		size_t cut = strlen(values[i]);
		if (cut > VALUE_MAX)
			for (cut = VALUE_MAX; cut > 0 && (values[i][cut] & 0xc0) == 0x80;)
				cut--; /* not within a character */
		for (size_t k = 0; k < cut; k++)
			key[n++] = values[i][k] == '\x1f' ? '?' : values[i][k];
	}
	key[n] = '\0';
}

static struct series *find(struct kw_metric *m, const char *const *values)
{
	struct kw_metric_table *t = table_of(m);
	struct series *fresh = NULL;
	char key[KEY_MAX];

	make_key(m, values, key);
	size_t at = kw_hash64(key, strlen(key), 0) % SLOTS;
	for (;; at = (at + 1) % SLOTS) {
		struct series *there = atomic_load(&t->slots[at]);
		if (!there) {
			if (!fresh && atomic_fetch_add(&t->n, 1) >= KW_METRIC_SERIES_MAX) {
				atomic_fetch_sub(&t->n, 1);
				atomic_store(&t->others, true);
				return &t->other;
			}
			if (!fresh) {
				fresh = calloc(1, sizeof(*fresh));
				kw_assert(fresh != NULL);
				memcpy(fresh->key, key, sizeof(key));
			}
			if (atomic_compare_exchange_strong(&t->slots[at], &there, fresh))
				return fresh;
		}
		if (strcmp(there->key, key) == 0) {
			/* another thread made it while we did */
			if (fresh)
				atomic_fetch_sub(&t->n, 1);
			free(fresh);
			return there;
		}
	}
}

static struct kw_metric_table *table_of(struct kw_metric *m)
{
	struct kw_metric_table *t = atomic_load(&m->table), *fresh;

	if (t)
		return t;
	fresh = calloc(1, sizeof(*fresh));
	kw_assert(fresh != NULL);
	make_key(m, (const char *const[]) { "other", "other", "other", "other" }, fresh->other.key);
	if (!atomic_compare_exchange_strong(&m->table, &t, fresh)) {
		free(fresh);
		return t;
	}
	m->next = atomic_load(&families);
	while (!atomic_compare_exchange_weak(&families, &m->next, m))
		;
	return fresh;
}

static int by_name(const void *a, const void *b)
{
	const struct kw_metric *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

void kw_metrics_render(struct kw_buf *out)
{
	const struct kw_metric *all[FAMILIES_MAX];
	size_t n = 0;

	for (const struct kw_metric *m = atomic_load(&families); m; m = m->next) {
		kw_assert(n < FAMILIES_MAX);
		all[n++] = m;
	}
	qsort(all, n, sizeof(*all), by_name);
	for (size_t i = 0; i < n; i++)
		render_family(all[i], out);
}

static int by_key(const void *a, const void *b)
{
	struct series *const *x = a, *const *y = b;

	return strcmp((*x)->key, (*y)->key);
}

static void render_family(const struct kw_metric *m, struct kw_buf *out)
{
	static const char *const kinds[] = { "counter", "gauge", "histogram" };
	struct kw_metric_table *t = atomic_load(&m->table);
	struct series *all[KW_METRIC_SERIES_MAX + 1];
	size_t n = 0;

	for (size_t i = 0; i < SLOTS && n < KW_METRIC_SERIES_MAX; i++) {
		struct series *s = atomic_load(&t->slots[i]);
		if (s)
			all[n++] = s;
	}
	qsort(all, n, sizeof(struct series *), by_key);
	if (atomic_load(&t->others))
		all[n++] = &t->other;
	kw_buf_printf(out, "# HELP %s ", m->name);
	for (const char *p = m->help; *p; p++)
		kw_buf_str(out, *p == '\\' ? "\\\\" : *p == '\n' ? "\\n" : (char[2]) { *p, 0 });
	kw_buf_printf(out, "\n# TYPE %s %s\n", m->name, kinds[m->kind]);
	for (size_t i = 0; i < n; i++)
		render_series(m, all[i], out);
}

static void render_series(const struct kw_metric *m, struct series *s, struct kw_buf *out)
{
	int64_t count = 0;

	if (m->kind != KW_HISTOGRAM) {
		kw_buf_str(out, m->name);
		add_labels(m, s->key, NULL, out);
		add_value(atomic_load_explicit(&s->value, memory_order_relaxed),
			m->per_unit ? m->per_unit : 1, out);
		return;
	}
	for (size_t i = 0; i <= KW_METRIC_BUCKETS; i++) {
		count += atomic_load_explicit(&s->buckets[i], memory_order_relaxed);
		kw_buf_printf(out, "%s_bucket", m->name);
		add_labels(m, s->key, i < KW_METRIC_BUCKETS ? bounds[i].text : "+Inf", out);
		add_value(count, 1, out);
	}
	kw_buf_printf(out, "%s_sum", m->name);
	add_labels(m, s->key, NULL, out);
	add_value(atomic_load_explicit(&s->sum_us, memory_order_relaxed), KW_PER_SECOND, out);
	kw_buf_printf(out, "%s_count", m->name);
	add_labels(m, s->key, NULL, out);
	add_value(count, 1, out);
}

static void add_labels(
	const struct kw_metric *m, const char *key, const char *le, struct kw_buf *out)
{
	size_t n = n_labels(m);

	if (n == 0 && !le)
		return;
	for (size_t i = 0; i < n; i++) {
		kw_buf_printf(out, "%c%s=\"", i == 0 ? '{' : ',', m->labels[i]);
		for (; *key && *key != '\x1f'; key++) {
			if (*key == '\n')
				kw_buf_str(out, "\\n");
			else if (*key == '\\' || *key == '"')
				kw_buf_printf(out, "\\%c", *key);
			else
				kw_buf_char(out, *key);
		}
		if (*key)
			key++;
		kw_buf_char(out, '"');
	}
	if (le)
		kw_buf_printf(out, "%cle=\"%s\"", n == 0 ? '{' : ',', le);
	kw_buf_char(out, '}');
}

static void add_value(int64_t value, int64_t per_unit, struct kw_buf *out)
{
	kw_buf_char(out, ' ');
	if (per_unit == 1)
		kw_buf_i64(out, value);
	else
		kw_buf_printf(out, "%.6f", (double)value / (double)per_unit);
	kw_buf_char(out, '\n');
}
