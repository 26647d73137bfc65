/* What the tests of bus share: a book of delivery reports, that waits without sleeping; topics of
 * one test. */
#ifndef KW_TESTS_UNIT_BUS_TESTING_H
#define KW_TESTS_UNIT_BUS_TESTING_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bus/bus.h"
#include "bus/producer.h"

#define OK(call)                                                            \
	do {                                                                \
		struct kw_err why = { 0 };                                  \
		if ((call) != KW_OK)                                        \
			fail_msg("%s: %s %s", #call, why.code, why.reason); \
	} while (0)

#define BOOK_MAX 20000
/* The time in which a record reaches a healthy broker, also on a machine that does much else. */
#define BOOK_ENOUGH_MS 5000

/* Record i of a test has its line here; the opaque is its number + 1. */
struct book {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct {
		int reports;
		enum kw_delivery outcome;
		struct kw_landing at;
	} lines[BOOK_MAX];
	int n_reports, n_rounds, in_round;
	int empty_rounds; /* round_done without a report before it */
	int by_outcome[4];
};

void book_init(struct book *book);
void book_delivered(void *ctx, void *opaque, enum kw_delivery outcome, struct kw_landing at);
void book_round(void *ctx);
/* Until so many reports have come in all; the test fails after 60 s. */
void book_wait(struct book *book, int n);
int book_count(struct book *book, enum kw_delivery outcome);
/* Lines [from, to) have one report each. */
void assert_once(struct book *book, int from, int to);

/* Sends record number with the value "<number>" and the key "key". */
enum kw_rc send_number(struct kw_producer *p, const char *topic, int32_t partition, int number,
	struct kw_err *err);
/* The same, again while the answer is RETRY (a full queue, an instance that is replaced). */
void send_surely(struct kw_producer *p, const char *topic, int32_t partition, int number);

/* A short rest on a condition that nobody signals: between two looks at something that others
 * change. */
void pause_ms(int ms);
#define UNTIL(condition, seconds)                                                       \
	do {                                                                            \
		int64_t until_us = kw_monotonic_us() + (seconds)*KW_US_PER_S;           \
		while (!(condition)) {                                                  \
			if (kw_monotonic_us() > until_us)                               \
				fail_msg("not within %d s: %s", (seconds), #condition); \
			pause_ms(5);                                                    \
		}                                                                       \
	} while (0)

/* Makes one topic; the name is kept as it is. */
void make_topic(const char *brokers, const char *name, int partitions);

#endif
