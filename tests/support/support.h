/* What tests share: the real servers (those of the run, and private ones that a test may kill),
 * scratch databases, and a partner who reads an events topic by rule 5 with librdkafka alone, not
 * with our bus library. Failures end the test program. */
#ifndef KT_SUPPORT_H
#define KT_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Value of the environment variable; the program fails when it is absent: a missing server is a
 * failure, not a skip. */
const char *kt_need(const char *name);
/* "name-<pid>", unique to this run; static storage, 8 at a time. */
const char *kt_unique(const char *name);
/* Runs a program to its end; output to the file (NULL: inherited). Returns the exit status, or 128
 * + signal. */
int kt_run(const char *const argv[], const char *output);
pid_t kt_spawn(const char *const argv[], const char *const env[], const char *output);
int kt_wait(pid_t pid);
int kt_free_port(void);
/* Between two looks at what others change: a moment that leaves them the processor. False after
 * until_us of the monotonic clock. */
bool kt_again(int64_t until_us);
/* Makes (again) an empty database on TEST_POSTGRES_DSN's server; the DSN in static storage, 8 at a
 * time. */
const char *kt_database(const char *name);
/* The same DSN with another database name. */
const char *kt_dsn_of(const char *dsn, const char *database);

/* A private server under TEST_RUN_DIR, by the scripts of infra/dev: verbs as theirs (start, stop,
 * kill, wipe, init). */
struct kt_server {
	const char *script; /* "kafka-server", "postgres-server", "redis-server" */
	char dir[512];
	int port;
	char address[32]; /* 127.0.0.1:port */
};
void kt_server_new(struct kt_server *s, const char *script, const char *name);
void kt_server(struct kt_server *s, const char *verb);
/* Stops it and removes its folder. */
void kt_server_end(struct kt_server *s);
/* Superuser DSN of a private postgres-server. */
const char *kt_server_dsn(const struct kt_server *s);

/* ---- a partner ---- */

struct kt_event {
	int partition, epoch;
	int64_t number, offset;
	char id[40], type[80], key[80];
	char *payload;
};

struct kt_partner {
	struct kt_event *events; /* taken by rule 5, in the order of the log */
	size_t n, cap;
	struct kt_event *voided; /* taken, then declared void by a barrier */
	size_t n_voided, cap_voided;
	size_t repeats, gaps; /* records not taken */
	struct {
		int epoch;
		int64_t number;
	} place[64];
};

/* Reads all partitions from the log's start to its end. */
void kt_partner_read(struct kt_partner *p, const char *brokers, const char *topic, int partitions);
void kt_partner_done(struct kt_partner *p);
/* Sends one raw record to an in topic and waits for it. type NULL: no headers. */
void kt_send(const char *brokers, const char *topic, int partition, const char *key,
	const char *type, const char *value);

/* The same with headers of its own. */
struct kt_header {
	const char *name, *value;
};
void kt_send_headers(const char *brokers, const char *topic, int partition, const char *key,
	const struct kt_header *list, size_t n, const char *value);

/* The same with a place: a record of an events topic. */
void kt_send_event(const char *brokers, const char *topic, int partition, const char *key,
	const char *type, const char *sequence, const char *value);
/* The same in a transaction of its own: its marker takes an offset at which readers find nothing.
 */
void kt_send_in_transaction(const char *brokers, const char *topic, int partition, const char *key,
	const char *type, const char *value);

/* Deletes a topic; the broker may go on to know it for a moment. */
void kt_delete_topic(const char *brokers, const char *topic);

#endif
