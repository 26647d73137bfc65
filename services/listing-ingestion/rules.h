/* Pure decisions of listing-ingestion. Any thread. */
#ifndef LISTING_RULES_H
#define LISTING_RULES_H

#include "core/arena.h"
#include "core/err.h"
#include "core/fsm.h"
#include "model.h"

enum put_verdict { PUT_NEW, PUT_REPEAT, PUT_STALE, PUT_CONFLICT, PUT_REFUSED };

/* What a put of (version, body, state, kind) means beside what is kept. fsm NULL: no states. */
enum put_verdict judge_put(const struct kept *kept, int64_t version, const char *body,
	const struct kw_fsm *fsm, int state, int kind);

/* May a put without a version of its own, made from what its source knew at `as_of`, not follow
 * what is kept? Within one file the later line stands, between files (and other puts) the later
 * time. */
bool is_behind(const struct kept *kept, kw_time as_of, const struct origin *origin);

/* 13 digits of a CNIC, with or without the two dashes in place (5-7-1). First digit 1 to 8 (8, said
 * to be Azad Kashmir, is taken), last digit not 0; there is no check digit. INVALID says which
 * rule, never the number. Sources: python-stdnum, press. */
enum kw_rc parse_national_id(const char *text, char ret_digits[14], struct kw_err *err);
/* 34201-*******-8 */
void mask_national_id(const char digits[14], char ret[16]);

/* Makes every run of 13 digits and more (dashes among them do not end it) unreadable. */
void hide_national_ids(char *text);

/* 1 to 64 of A-Z a-z 0-9 . _ - */
bool own_id_ok(const char *id);
/* What the field table cannot say: one piece of a ONE_OF_A_KIND, one publication a channel, known
 * currencies. */
enum kw_rc check_listing(const struct listing *listing, struct kw_err *err);

/* Publications as they are to be seen while `available` pieces are left: those that the operator
 * published are PAUSED at zero. */
const struct publication *pause_publications(
	struct kw_arena *a, const struct listing *listing, int64_t available);

#endif
