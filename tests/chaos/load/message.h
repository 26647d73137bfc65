/* One message of somebody's, as it was planned, and what came of it. What it says is a function of
 * these members and the run's seed and start alone, so that it can be sent again at any time. */
#ifndef LOAD_MESSAGE_H
#define LOAD_MESSAGE_H

#include "core/clock.h"
#include "sale.h"

enum kind { ORDER, CANCEL, PAID, REFUND, TRACKING, HUB, MAKER, LISTING, KINDS };
extern const char *const kind_names[KINDS];

enum forgery { GENUINE, UNSIGNED, WRONG_KEY, EXPIRED, TAMPERED, FORGERIES };
extern const char *const forgery_names[FORGERIES];

enum change { FIRST, REPEAT, CHANGED, UPDATED, CHANGES };
extern const char *const change_names[CHANGES];

/* What a channel says of an order: enum word; orders and cancels. */
enum word { SAYS_CREATED, SAYS_UPDATED, SAYS_PAID, SAYS_CANCELLED, SAYS_GONE, WORDS };
extern const char *const word_names[WORDS];

/* Whose word a cancel is. */
enum { BY_CHANNEL, BY_OPERATOR };

/* Who tells of a scan. */
enum teller { COURIER_A, COURIER_B, AFTERSHIP, EASYPOST, TELLERS };
extern const char *const teller_names[TELLERS];

#define SCANS 7 /* words of a carrier */

struct message {
	enum kind kind;
	enum change change;
	enum forgery forgery;
	enum flaw flaw;
	uint64_t n;       /* number of the sale, or of the hub, maker, listing */
	uint64_t serial;  /* of an event, of a request: whoever names it, names it by this */
	enum word word;   /* ORDER, CANCEL */
	int by;           /* CANCEL: whose; TRACKING: enum teller */
	unsigned differs; /* ORDER, CANCEL: from the sale */
	int64_t version;  /* of an order's messages, of a record: 1, 2 … */
	int64_t amount;   /* PAID, REFUND: minor units; LISTING: pieces */
	int64_t count;    /* LISTING: version of that count; PAID, REFUND: which payment of the
			     order; TRACKING: which of the carrier's words */
	int carrier;      /* TRACKING: which courier's parcel; COURIER_A, COURIER_B */
	bool lost;        /* PAID, REFUND: names no order that there is */
	bool foreign;     /* PAID: in another currency than the order's */
	bool away;        /* MAKER: on leave; LISTING: its publications are paused */
	kw_time said_at;  /* TRACKING: scanned */
	unsigned lane;    /* which replica it is sent to first */
	bool slow;        /* byte by byte, nearly */
	bool at_once;     /* with the one before it */

	/* what came of it */
	int tries, status;
};

#endif
