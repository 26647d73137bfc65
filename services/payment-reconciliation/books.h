/* The orders that a batch handler works on: collected from its messages, locked, settled by the
 * rules, written with all that follows. books_collect · books_lock · facts, books_load ·
 * books_settle · books_write Everything lives in the batch's arena. */
#ifndef PAYMENT_BOOKS_H
#define PAYMENT_BOOKS_H

#include "messages.h"
#include "rules.h"
#include "store.h"

/* What a person decided about the exception of this version. */
struct decision {
	int64_t version;
	const char *resolution, *by, *note;
};

struct entry {
	struct book book;
	const void *message; /* the first message about this order */
	const struct kw_meta
		*cause; /* the same: a message begins with its meta; of a timer: its trace */
	const struct decision *decision; /* by which it is paid, or NULL */
	bool load;                       /* its lines and shares matter */
	bool fresh;                      /* its row was inserted as it is now */
	bool skip;                       /* nothing to do */
};

/* In order of the order id, each once. */
struct books {
	struct entry *entries;
	size_t n;
};

/* From n messages of the size, with their order id at the offset. */
void books_collect(struct kw_batch *b, const void *messages, size_t n, size_t size,
	size_t id_offset, struct books *ret);
struct entry *books_find(const struct books *books, const struct kw_uuid *order_id);
enum kw_rc books_lock(struct kw_batch *b, struct books *books, struct kw_err *err);
/* Lines and shares of the entries that are marked. */
enum kw_rc books_load(struct kw_batch *b, struct books *books, struct kw_err *err);
enum kw_rc books_settle(struct kw_batch *b, struct books *books, struct kw_err *err);
/* Rows, ledger, earnings, exceptions, events. kind: enum entry_kind. */
enum kw_rc books_write(struct kw_batch *b, struct books *books, int kind, struct kw_err *err);
/* The three, with what can be earned now that could not before. */
enum kw_rc books_finish(struct kw_batch *b, struct books *books, int kind, struct kw_err *err);

/* ---- exceptions ---- */

struct fault {
	struct kw_uuid exception_id, home, order_id, payment_id;
	int kind;
	bool ends;                       /* else it arises */
	const struct decision *decision; /* why it ends; or, where it does not, that it stands */
	struct kw_money expected, received;
	const struct kw_meta *cause;
};

/* Opens, accepts and resolves by the state table; what is so already stays. */
enum kw_rc faults_write(struct kw_batch *b, struct fault *faults, size_t n, struct kw_err *err);

/* A person says which order a payment without one belongs to. */
struct assignment {
	struct kw_uuid payment_id, exception_id;
	const char *channel, *external_id;
	const struct decision *decision;
	const struct kw_meta *cause;
};
/* n > 0. */
enum kw_rc assign_payments(
	struct kw_batch *b, const struct assignment *rows, size_t n, struct kw_err *err);

#endif
