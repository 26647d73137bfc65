/* The generator: orders and their payment events over many keep-alive connections, one thread,
 * epoll. Either against a schedule that does not wait for answers (a request that finds no free
 * connection goes out late, and its latency counts from when it was due), or as fast as answers, or
 * events, come back. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "booked.h"
#include "figures.h"

struct load;

/* connections: to each of the two edges */
struct load *load_new(
	const struct place *p, struct booked *b, const char tag[TAG_LENGTH + 1], int connections);
void load_free(struct load *l);

struct load_plan {
	double rate;    /* orders a second; 0: no schedule */
	int64_t window; /* without a schedule: orders that may be sent and not booked yet; 0: any */
	int64_t orders; /* ends after so many; 0: by time */
	int64_t last_us; /* ends after so long; 0: by orders */
	/* Every second; false ends it. */
	bool (*look)(void *ctx, double seconds);
	void *ctx;
};

struct load_result {
	int64_t first, n; /* the orders: numbers first … first + n - 1 */
	int64_t refused;  /* 503 and 429, both kinds; sent again until they are taken */
	double seconds;
	struct spread accept_ms; /* of order webhooks: from due to 202 */
};

/* Returns when every request has its answer. */
struct load_result load_run(struct load *l, const struct load_plan *plan);
/* Sent and not booked. */
int64_t load_backlog(const struct load *l);
/* Until all are booked; dies when nothing comes for 60 s. */
void load_drain(struct load *l);
/* From due to the event, of these orders; unbooked ones are left out and counted. */
struct spread load_event_ms(struct load *l, int64_t first, int64_t n, int64_t *ret_missing);

#endif
