#include "record.h"

#include <inttypes.h>
#include <string.h>

#include "core/id.h"
#include "write.h"

#define LINE_MAX ((size_t)64 * 1024)

void record_open(struct record_file *r, const char *path)
{
	*r = (struct record_file) { .file = fopen(path, "ae") };
	if (!r->file)
		die("%s cannot be written", path);
}

void record_close(struct record_file *r)
{
	if (fclose(r->file) != 0)
		die("the attempts cannot be written");
}

static void count(struct record_sums *s, int status)
{
	s->attempts++;
	if (status == 202)
		s->accepted++;
	else if (status)
		s->refused++;
	else
		s->unknown++;
}

/* The id in {"order_id": "…"} and the like, of which an answer has at most one. */
static void write_id(struct kw_buf *b, struct kw_bytes answer)
{
	static const char before[] = "_id\":\"";
	const char *at = memmem(answer.p, answer.n, before, sizeof(before) - 1);
	char id[100];
	size_t n = 0;

	if (!at)
		return;
	at += sizeof(before) - 1;
	const char *end = (const char *)answer.p + answer.n;
	while (at + n < end && at[n] != '"' && n < sizeof(id) - 1) {
		id[n] = at[n];
		n++;
	}
	id[n] = '\0';
	write_text(b, "id", id);
}

static void write_sale(struct kw_buf *b, const struct sale *s)
{
	write_text(b, "currency", s->currency);
	write_i64(b, "total", s->total);
	write_bool(b, "cod", s->cod);
	write_bool(b, "test", s->test);
	write_open(b, "lines", '[');
	for (size_t i = 0; i < s->n_lines; i++) {
		write_open(b, NULL, '{');
		write_text(b, "sku", s->lines[i].sku);
		write_i64(b, "quantity", s->lines[i].quantity);
		write_i64(b, "price", s->lines[i].price);
		write_close(b, '}');
	}
	write_close(b, ']');
}

/* Where the message is a notice, what is told of it counts. */
static void write_content(struct kw_buf *b, const struct letter *l)
{
	struct kw_bytes body = l->record_path ? l->record : l->body;
	char text[20];

	snprintf(text, sizeof(text), "%016" PRIx64, kw_hash64(body.p, body.n, 0));
	write_text(b, "content", text);
}

/* What the kinds have of their own. */
static void write_more(struct kw_buf *b, const struct message *m, const struct letter *l)
{
	static const char *const flaws[FLAWS] = { [UNKNOWN_SKU] = "unknown_sku",
		[BAD_CURRENCY] = "currency",
		[BAD_QUANTITY] = "quantity",
		[TWICE_A_LINE] = "line_twice",
		[BROKEN_JSON] = "broken",
		[DOUBLE_MEMBER] = "double_member",
		[TOO_DEEP] = "too_deep",
		[TOO_LARGE] = "too_large" };

	write_text(b, "change", change_names[m->change]);
	write_i64(b, "version", m->version);
	if (m->flaw != NO_FLAW)
		write_text(b, "flaw", flaws[m->flaw]);
	if (l->sale) {
		write_text(b, "word", word_names[m->word]);
		if (m->word != SAYS_GONE)
			write_sale(b, l->sale);
	}
	if (m->kind == CANCEL)
		write_text(b, "by", m->by == BY_OPERATOR ? "operator" : "channel");
	if (m->kind == CANCEL && m->by == BY_OPERATOR)
		write_text(b, "request", l->id);
	if (m->kind == PAID || m->kind == REFUND) {
		if (l->order)
			write_text(b, "order", l->order);
		write_i64(b, "amount", m->amount);
		write_text(b, "currency", l->currency);
	}
	if (m->kind == TRACKING) {
		write_text(b, "order", l->order);
		write_text(b, "scan", l->scan);
	}
	if (m->kind == LISTING)
		write_i64(b, "quantity", m->amount);
	if (l->national_id)
		write_text(b, "national_id", l->national_id);
}

void record_attempt(struct record_file *r, const struct message *m, const struct letter *l,
	const struct attempt *attempt)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf b;

	kw_buf_init(&b, LINE_MAX);
	write_open(&b, NULL, '{');
	write_i64(&b, "t", attempt->at);
	write_i64(&b, "us", attempt->us);
	write_text(&b, "to", attempt->to);
	write_text(&b, "kind", m->forgery ? "forged" : kind_names[m->kind]);
	if (m->forgery) {
		write_text(&b, "of", kind_names[m->kind]);
		write_text(&b, "how", forgery_names[m->forgery]);
	}
	write_text(&b, "ref", l->ref);
	write_content(&b, l);
	write_i64(&b, "try", m->tries);
	write_i64(&b, "status", attempt->status);
	write_id(&b, attempt->answer);
	write_more(&b, m, l);
	write_close(&b, '}');
	kw_buf_char(&b, '\n');
	kw_assert(!b.full);
	if (fwrite(b.p, 1, b.n, r->file) != b.n || fflush(r->file) != 0)
		die("the attempts cannot be written");
	count(m->forgery ? &r->forged : &r->sums[m->kind], attempt->status);
}

static void write_sums(struct kw_buf *b, const struct record_sums *s)
{
	write_i64(b, "attempts", s->attempts);
	write_i64(b, "accepted", s->accepted);
	write_i64(b, "refused", s->refused);
	write_i64(b, "unknown", s->unknown);
}

static void write_named(struct kw_buf *b, const char *name, const struct record_sums *s)
{
	write_open(b, name, '{');
	write_sums(b, s);
	write_close(b, '}');
}

void record_totals(
	const struct record_file *r, uint64_t seed, const struct record_sums *orders, FILE *out)
{
	KW_CLEANUP(kw_buf_done) struct kw_buf b;
	struct record_sums all = r->forged;

	for (int k = 0; k < KINDS; k++) {
		all.attempts += r->sums[k].attempts;
		all.accepted += r->sums[k].accepted;
		all.refused += r->sums[k].refused;
		all.unknown += r->sums[k].unknown;
	}
	kw_buf_init(&b, LINE_MAX);
	write_open(&b, NULL, '{');
	kw_buf_printf(&b, "\"seed\":%" PRIu64, seed);
	write_sums(&b, &all);
	write_named(&b, "forged", &r->forged);
	write_open(&b, "kinds", '{');
	for (int k = 0; k < KINDS; k++)
		write_named(&b, kind_names[k], &r->sums[k]);
	write_close(&b, '}');
	write_open(&b, "orders", '{');
	write_i64(&b, "sent", orders->attempts);
	write_i64(&b, "accepted", orders->accepted);
	write_i64(&b, "refused", orders->refused);
	write_i64(&b, "unknown", orders->unknown);
	write_close(&b, '}');
	write_close(&b, '}');
	fprintf(out, "%.*s\n", (int)b.n, b.p);
	fflush(out);
}
