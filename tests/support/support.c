#include "support.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <librdkafka/rdkafka.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

#define TEXTS 8
#define LOOK_MS 10

static _Noreturn void give_up(const char *what, const char *detail)
{
	fprintf(stderr, "test support: %s: %s\n", what, detail);
	exit(1);
}

static char *text(void)
{
	static char texts[TEXTS][1024];
	static int next;

	return texts[next++ % TEXTS];
}

const char *kt_need(const char *name)
{
	const char *value = getenv(name);

	if (!value || !value[0])
		give_up(name,
			"not set: start the test servers (./karwan servers up; eval \"$(./karwan servers env)\")");
	return value;
}

const char *kt_unique(const char *name)
{
	char *out = text();

	snprintf(out, 1024, "%s-%ld", name, (long)getpid());
	return out;
}

pid_t kt_spawn(const char *const argv[], const char *const env[], const char *output)
{
	posix_spawn_file_actions_t actions;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	if (output) {
		posix_spawn_file_actions_addopen(
			&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0644);
		posix_spawn_file_actions_adddup2(&actions, 1, 2);
	}
	/* posix_spawn takes the arrays without const but does not write to them */
	if (posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv,
		    env ? (char *const *)(uintptr_t)env : environ) != 0)
		give_up("cannot start", argv[0]);
	posix_spawn_file_actions_destroy(&actions);
	return pid;
}

int kt_wait(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		give_up("waitpid", "no such child");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int kt_run(const char *const argv[], const char *output)
{
	return kt_wait(kt_spawn(argv, NULL, output));
}

bool kt_again(int64_t until_us)
{
	struct timespec now;

	(void)poll(NULL, 0, LOOK_MS);
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000 < until_us;
}

/* Of the one counter of this checkout: no test that runs beside us gets the same. */
int kt_free_port(void)
{
	char path[600], line[32] = "";

	snprintf(path, sizeof(path), "%s/port-%d", kt_need("TEST_RUN_DIR"), (int)getpid());
	(void)kt_need("TEST_SERVERS_DIR");
	int code = kt_run((const char *const[]) { "bash", "-c",
				  ". \"$TEST_SERVERS_DIR/lib.sh\" && free_port", NULL },
		path);
	FILE *file = fopen(path, "r");
	bool got = file && fgets(line, sizeof(line), file);
	if (file)
		fclose(file);
	unlink(path);
	if (code != 0 || !got)
		give_up("no free port", line);
	return (int)strtol(line, NULL, 10);
}

const char *kt_dsn_of(const char *dsn, const char *database)
{
	const char *host = strstr(dsn, "://"), *slash = host ? strchr(host + 3, '/') : NULL;
	const char *query = slash ? strchr(slash, '?') : NULL;
	char *out = text();

	if (!slash)
		give_up("DSN", "not a URI with a database");
	snprintf(out, 1024, "%.*s/%s%s", (int)(slash - dsn), dsn, database, query ? query : "");
	return out;
}

static void sql(const char *dsn, const char *statement)
{
	PGconn *conn = PQconnectdb(dsn);
	PGresult *result = PQexec(conn, statement);
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		give_up(statement, PQerrorMessage(conn));
	PQclear(result);
	PQfinish(conn);
}

const char *kt_database(const char *name)
{
	const char *dsn = kt_need("TEST_POSTGRES_DSN");
	char statement[256];

	snprintf(statement, sizeof(statement), "DROP DATABASE IF EXISTS \"%s\" WITH (FORCE)", name);
	sql(dsn, statement);
	snprintf(statement, sizeof(statement), "CREATE DATABASE \"%s\"", name);
	sql(dsn, statement);
	return kt_dsn_of(dsn, name);
}

/* ---- private servers ---- */

void kt_server_new(struct kt_server *s, const char *script, const char *name)
{
	memset(s, 0, sizeof(*s));
	s->script = script;
	s->port = kt_free_port();
	snprintf(
		s->dir, sizeof(s->dir), "%s/%s-%ld", kt_need("TEST_RUN_DIR"), name, (long)getpid());
	snprintf(s->address, sizeof(s->address), "127.0.0.1:%d", s->port);
}

void kt_server(struct kt_server *s, const char *verb)
{
	char script[512], port[16], log[600];

	snprintf(script, sizeof(script), "%s/%s", kt_need("TEST_SERVERS_DIR"), s->script);
	snprintf(port, sizeof(port), "%d", s->port);
	snprintf(log, sizeof(log), "%s.verbs", s->dir);
	if (kt_run((const char *const[]) { script, s->dir, port, verb, NULL }, log) != 0)
		give_up(script, verb);
}

void kt_server_end(struct kt_server *s)
{
	char log[600];

	kt_server(s, "kill");
	snprintf(log, sizeof(log), "%s.verbs", s->dir);
	(void)kt_run((const char *const[]) { "rm", "-rf", s->dir, log, NULL }, NULL);
}

const char *kt_server_dsn(const struct kt_server *s)
{
	char *out = text();

	snprintf(out, 1024, "postgresql://postgres@%s/postgres?passfile=%s/superuser.pgpass",
		s->address, s->dir);
	return out;
}

/* ---- a partner ---- */

static rd_kafka_t *client(rd_kafka_type_t type, const char *brokers)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[512];

	if (rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof(why)) !=
		RD_KAFKA_CONF_OK)
		give_up("bootstrap.servers", why);
	if (type == RD_KAFKA_CONSUMER) {
		rd_kafka_conf_set(conf, "group.id", "karwan.test.partner", why, sizeof(why));
		rd_kafka_conf_set(conf, "enable.auto.commit", "false", why, sizeof(why));
		rd_kafka_conf_set(conf, "enable.partition.eof", "true", why, sizeof(why));
		rd_kafka_conf_set(conf, "auto.offset.reset", "earliest", why, sizeof(why));
	} else {
		rd_kafka_conf_set(conf, "acks", "all", why, sizeof(why));
	}
	rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof(why));
	if (!rk)
		give_up("librdkafka", why);
	return rk;
}

static void header(const rd_kafka_message_t *m, const char *name, char *out, size_t size)
{
	rd_kafka_headers_t *headers;
	const void *value;
	size_t n;

	out[0] = '\0';
	if (rd_kafka_message_headers(m, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR &&
		rd_kafka_header_get_last(headers, name, &value, &n) == RD_KAFKA_RESP_ERR_NO_ERROR)
		snprintf(out, size, "%.*s", (int)n, (const char *)value);
}

static void keep(struct kt_event **events, size_t *n, size_t *cap, const struct kt_event *event)
{
	if (*n == *cap) {
		*cap = *cap ? *cap * 2 : 256;
		*events = realloc(*events, *cap * sizeof(**events));
		if (!*events)
			give_up("memory", "none");
	}
	(*events)[(*n)++] = *event;
}

/* What was taken of this partition after last_good is void. */
static void void_after(struct kt_partner *p, int partition, int64_t last_good)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->n; i++) {
		struct kt_event *event = &p->events[i];
		if (event->partition == partition && event->number > last_good)
			keep(&p->voided, &p->n_voided, &p->cap_voided, event);
		else
			p->events[kept++] = *event;
	}
	p->n = kept;
}

/* Rule 5. */
static void take(struct kt_partner *p, const rd_kafka_message_t *m)
{
	struct kt_event event = { .partition = m->partition, .offset = m->offset };
	char sequence[64];

	header(m, "ce_sequence", sequence, sizeof(sequence));
	header(m, "ce_id", event.id, sizeof(event.id));
	header(m, "ce_type", event.type, sizeof(event.type));
	if (sscanf(sequence, "%d-%" SCNd64, &event.epoch, &event.number) != 2)
		give_up("an event without ce_sequence", event.type);
	int epoch = p->place[m->partition].epoch;
	int64_t number = p->place[m->partition].number;
	bool barrier = strcmp(event.type, "karwan.epoch.started.v1") == 0;

	if (barrier && event.epoch > epoch && event.number <= number) {
		void_after(p, m->partition, event.number - 1);
	} else if (event.epoch < epoch || event.number <= number) {
		p->repeats++;
		return;
	} else if (epoch > 0 && event.number != number + 1) {
		p->gaps++;
		return;
	}
	p->place[m->partition].epoch = event.epoch;
	p->place[m->partition].number = event.number;
	snprintf(event.key, sizeof(event.key), "%.*s", (int)m->key_len, (const char *)m->key);
	event.payload = strndup(m->payload, m->len);
	keep(&p->events, &p->n, &p->cap, &event);
}

void kt_partner_read(struct kt_partner *p, const char *brokers, const char *topic, int partitions)
{
	rd_kafka_t *rk = client(RD_KAFKA_CONSUMER, brokers);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
	int at_end = 0;

	memset(p, 0, sizeof(*p));
	for (int i = 0; i < partitions; i++)
		rd_kafka_topic_partition_list_add(list, topic, i)->offset =
			RD_KAFKA_OFFSET_BEGINNING;
	rd_kafka_poll_set_consumer(rk);
	rd_kafka_assign(rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	for (int silent = 0; at_end < partitions && silent < 60; silent++) {
		rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 1000);

		if (!m)
			continue;
		silent = 0;
		if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
			at_end++;
		else if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR)
			take(p, m);
		rd_kafka_message_destroy(m);
	}
	if (at_end < partitions)
		give_up("Kafka was silent", topic);
	rd_kafka_consumer_close(rk);
	rd_kafka_destroy(rk);
}

void kt_partner_done(struct kt_partner *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->events[i].payload);
	for (size_t i = 0; i < p->n_voided; i++)
		free(p->voided[i].payload);
	free(p->events);
	free(p->voided);
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	(void)rk;
	(void)opaque;
	if (m->err)
		give_up("send", rd_kafka_err2str(m->err));
}

static rd_kafka_t *producer(const char *brokers, const char *transactional_id)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[512];
	rd_kafka_t *rk;

	rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof(why));
	if (transactional_id)
		rd_kafka_conf_set(conf, "transactional.id", transactional_id, why, sizeof(why));
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	if (!rk)
		give_up("producer", why);
	return rk;
}

/* Takes the headers. */
static void send_with(rd_kafka_t *rk, const char *topic, int partition, const char *key,
	rd_kafka_headers_t *headers, const char *value)
{
	rd_kafka_vu_t record[] = {
		{ .vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic },
		{ .vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition },
		{ .vtype = RD_KAFKA_VTYPE_KEY, .u.mem = { (void *)(uintptr_t)key, strlen(key) } },
		{ .vtype = RD_KAFKA_VTYPE_VALUE,
			.u.mem = { (void *)(uintptr_t)value, strlen(value) } },
		{ .vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers },
		{ .vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY },
	};
	if (rd_kafka_produceva(rk, record, sizeof(record) / sizeof(record[0])))
		give_up("produce", topic);
	if (rd_kafka_flush(rk, 30000) != 0)
		give_up("flush", topic);
}

static void send_one(rd_kafka_t *rk, const char *topic, int partition, const char *key,
	const char *type, const char *sequence, const char *value)
{
	rd_kafka_headers_t *headers = rd_kafka_headers_new(5);

	if (type) {
		rd_kafka_header_add(headers, "ce_specversion", -1, "1.0", -1);
		rd_kafka_header_add(
			headers, "ce_id", -1, "6f1d3c52-0b7e-4e0e-9a55-2b1f6a7c9d10", -1);
		rd_kafka_header_add(headers, "ce_source", -1, "/test", -1);
		rd_kafka_header_add(headers, "ce_type", -1, type, -1);
	}
	if (sequence)
		rd_kafka_header_add(headers, "ce_sequence", -1, sequence, -1);
	send_with(rk, topic, partition, key, headers, value);
}

void kt_send_headers(const char *brokers, const char *topic, int partition, const char *key,
	const struct kt_header *list, size_t n, const char *value)
{
	rd_kafka_headers_t *headers = rd_kafka_headers_new(n);
	rd_kafka_t *rk = producer(brokers, NULL);

	for (size_t i = 0; i < n; i++)
		rd_kafka_header_add(headers, list[i].name, -1, list[i].value, -1);
	send_with(rk, topic, partition, key, headers, value);
	rd_kafka_destroy(rk);
}

void kt_send_event(const char *brokers, const char *topic, int partition, const char *key,
	const char *type, const char *sequence, const char *value)
{
	static rd_kafka_t *rk;
	static char connected[128];

	if (!rk || strcmp(connected, brokers) != 0) {
		rk = producer(brokers, NULL);
		snprintf(connected, sizeof(connected), "%s", brokers);
	}
	send_one(rk, topic, partition, key, type, sequence, value);
}

void kt_send(const char *brokers, const char *topic, int partition, const char *key,
	const char *type, const char *value)
{
	kt_send_event(brokers, topic, partition, key, type, NULL, value);
}

static void must_be_done(rd_kafka_error_t *error)
{
	if (error)
		give_up("transaction", rd_kafka_error_string(error));
}

void kt_send_in_transaction(const char *brokers, const char *topic, int partition, const char *key,
	const char *type, const char *value)
{
	const char *id = kt_unique("transaction");
	rd_kafka_t *rk = producer(brokers, id);

	must_be_done(rd_kafka_init_transactions(rk, 60000));
	must_be_done(rd_kafka_begin_transaction(rk));
	send_one(rk, topic, partition, key, type, NULL, value);
	must_be_done(rd_kafka_commit_transaction(rk, 60000));
	rd_kafka_destroy(rk);
	/* the marker is in when the next one may begin */
	rk = producer(brokers, id);
	must_be_done(rd_kafka_init_transactions(rk, 60000));
	rd_kafka_destroy(rk);
}

void kt_delete_topic(const char *brokers, const char *topic)
{
	rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, brokers);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_DeleteTopic_t *del = rd_kafka_DeleteTopic_new(topic);
	rd_kafka_event_t *event;

	rd_kafka_DeleteTopics(rk, &del, 1, NULL, queue);
	event = rd_kafka_queue_poll(queue, 30000);
	if (!event || rd_kafka_event_error(event))
		give_up("delete topic", topic);
	rd_kafka_event_destroy(event);
	rd_kafka_DeleteTopic_destroy(del);
	rd_kafka_queue_destroy(queue);
	rd_kafka_destroy(rk);
}
