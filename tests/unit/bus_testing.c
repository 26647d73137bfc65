#include "bus_testing.h"

#include <time.h>

void book_init(struct book *book)
{
	memset(book, 0, sizeof(*book));
	pthread_mutex_init(&book->lock, NULL);
	pthread_cond_init(&book->more, NULL);
}

void book_delivered(void *ctx, void *opaque, enum kw_delivery outcome, struct kw_landing at)
{
	struct book *book = ctx;
	uintptr_t number = (uintptr_t)opaque - 1;

	kw_assert(number < BOOK_MAX);
	pthread_mutex_lock(&book->lock);
	book->lines[number].reports++;
	book->lines[number].outcome = outcome;
	book->lines[number].at = at;
	book->by_outcome[outcome]++;
	book->n_reports++;
	book->in_round++;
	pthread_cond_broadcast(&book->more);
	pthread_mutex_unlock(&book->lock);
}

void book_round(void *ctx)
{
	struct book *book = ctx;

	pthread_mutex_lock(&book->lock);
	book->n_rounds++;
	book->empty_rounds += book->in_round == 0;
	book->in_round = 0;
	pthread_mutex_unlock(&book->lock);
}

static struct timespec in_ms(int ms)
{
	struct timespec at;

	clock_gettime(CLOCK_REALTIME, &at);
	at.tv_nsec += (long)ms % 1000 * 1000000;
	at.tv_sec += ms / 1000 + at.tv_nsec / 1000000000;
	at.tv_nsec %= 1000000000;
	return at;
}

void book_wait(struct book *book, int n)
{
	struct timespec until = in_ms(60000);
	int late = 0, came;

	pthread_mutex_lock(&book->lock);
	while (book->n_reports < n && !late)
		late = pthread_cond_timedwait(&book->more, &book->lock, &until);
	came = book->n_reports;
	pthread_mutex_unlock(&book->lock);
	if (came < n)
		fail_msg("%d reports of %d came", came, n);
}

int book_count(struct book *book, enum kw_delivery outcome)
{
	pthread_mutex_lock(&book->lock);
	int n = book->by_outcome[outcome];
	pthread_mutex_unlock(&book->lock);
	return n;
}

void assert_once(struct book *book, int from, int to)
{
	pthread_mutex_lock(&book->lock);
	for (int i = from; i < to; i++) {
		if (book->lines[i].reports != 1)
			fail_msg("record %d has %d reports", i, book->lines[i].reports);
		if (book->lines[i].outcome != KW_PERSISTED)
			assert_int_equal(book->lines[i].at.offset, -1);
	}
	pthread_mutex_unlock(&book->lock);
}

enum kw_rc send_number(
	struct kw_producer *p, const char *topic, int32_t partition, int number, struct kw_err *err)
{
	struct kw_header headers[] = { { "ce_type", { "test", 4 } }, { "empty", { "", 0 } } };
	char value[16];
	int n = snprintf(value, sizeof(value), "%d", number);

	return kw_producer_send(p, topic, partition, (struct kw_bytes) { "key", 3 },
		(struct kw_bytes) { value, (size_t)n }, headers, KW_LEN(headers),
		(void *)((uintptr_t)number + 1), err);
}

void send_surely(struct kw_producer *p, const char *topic, int32_t partition, int number)
{
	struct kw_err err;
	enum kw_rc rc;

	UNTIL((rc = send_number(p, topic, partition, number, &err)) != KW_RETRY, 60);
	assert_int_equal(rc, KW_OK);
}

void pause_ms(int ms)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t nobody = PTHREAD_COND_INITIALIZER;
	struct timespec until = in_ms(ms);

	pthread_mutex_lock(&lock);
	while (pthread_cond_timedwait(&nobody, &lock, &until) == 0)
		continue;
	pthread_mutex_unlock(&lock);
}

void make_topic(const char *brokers, const char *name, int partitions)
{
	struct kw_topic topic = {
		.name = name,
		.partitions = partitions,
		.retention_ms = -1,
		.kind = "in",
	};
	size_t created;

	OK(kw_topics_apply(brokers, &(struct kw_topics) { &topic, 1 }, &created, &why));
	assert_int_equal(created, 1);
}
