/* The statement table of payment-reconciliation: SQL is here and in sql/ only. All of it is
 * prepared by a test. */
#ifndef PAYMENT_STATEMENTS_H
#define PAYMENT_STATEMENTS_H

#include "pg/pg.h"

enum {
	COUNT_ORDERS,
	LOCK_ORDERS,
	MAKE_ORDERS,
	INSERT_ORDERS,
	UPDATE_ORDERS,
	WRITE_LINES,
	CANCEL_LINES,
	ROUTE_SHARES,
	DELIVER_SHARES,
	CANCEL_SHARES,
	LOAD_LINES,
	LOAD_SHARES,
	SEE_EVENTS,
	REFUSE_EVENTS,
	LOCK_PAYMENTS,
	INSERT_PAYMENTS,
	UPDATE_PAYMENTS,
	LOAD_PAYMENTS,
	BOOK_TRANSACTIONS,
	BOOK_POSTINGS,
	EARN,
	FIND_EXCEPTIONS,
	LOCK_EXCEPTIONS,
	WRITE_EXCEPTIONS,
	FIND_MISSING,
	READ_PAYMENT,
	READ_STATEMENT,
	N_STMTS
};

extern const struct kw_stmt payment_stmts[N_STMTS];

#define STMT(name) (&payment_stmts[name])

#endif
