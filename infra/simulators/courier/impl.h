/* What the files of the courier simulator share. */
#ifndef SIM_IMPL_H
#define SIM_IMPL_H

#include <pthread.h>

#include "core/clock.h"
#include "courier.h"
#include "http/client.h"
#include "http/server.h"

#define BUCKETS 65536
#define BOOKINGS_MAX 2000000
#define STORY_MAX 14 /* scans of one parcel */

struct scan_plan {
	const char *status;
	kw_time at;
	bool told, dropped;
};

struct booking {
	char reference[37], tracking_number[24];
	bool accepted, refused, cancelled, recalled;
	int posts;
	kw_time left_at; /* from then on it cannot be cancelled */
	struct scan_plan story[STORY_MAX];
	int n_story;
	struct booking *next; /* in its bucket */
};

/* One telling of one scan. */
struct telling {
	kw_time due;
	struct booking *booking;
	int index, tries;
};

/* An answer that is kept back. */
struct hanging {
	struct kw_deferred *deferred;
	kw_time due;
	struct kw_bytes body;
	struct hanging *next;
};

struct courier {
	struct courier_options options;
	struct kw_server *server;
	struct kw_client *client;
	pthread_t teller;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t wake;
	bool stop;
	struct booking *buckets[BUCKETS];
	int64_t n_bookings;
	struct telling *heap; /* by due */
	size_t n_heap, cap_heap;
	struct hanging *hanging;
	struct courier_stats stats;
};

/* bookings.c: the routes of the server, and what they do */
extern const struct kw_route courier_routes[];
enum kw_rc courier_authenticate(struct kw_request *rq, struct kw_err *err);
/* Decided by the seed, the reference and what is asked: the same every time. */
bool courier_rolls(
	const struct courier *c, const char *reference, const char *what, double probability);

/* story.c; under the lock */
void courier_plan_story(struct courier *c, struct booking *b, kw_time now);
void courier_schedule(struct courier *c, struct telling t);
/* What was to come does not: the parcel goes back. false: it was delivered, or has gone back. */
bool courier_recall(struct courier *c, struct booking *b, kw_time now);
/* The thread that tells scans and lets kept answers go. */
void *courier_tell(void *arg);

#endif
