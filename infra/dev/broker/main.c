/* The embedded broker of `./karwan demo`: librdkafka's mock cluster as a program of its own, with
 * the topics of topics.json. It listens on loopback only, keeps nothing on disk and at most 5 MB or
 * 100,000 messages of a partition; it proves nothing about retention or restart (Apache Kafka does
 * that, see infra/dev/kafka-server). */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MAX_TOPICS 100
#define MAX_PARTITIONS 1000
#define FIRST_SOCKETS 256 /* the cluster's listening socket is among the first */
#define EX_CONFIG 78

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "dev-broker: %s: %s\n", what, why);
	return -1;
}

static int make_topic(rd_kafka_mock_cluster_t *cluster, json_t *topic)
{
	const char *name;
	int partitions;
	json_error_t jerr;
	if (json_unpack_ex(
		    topic, &jerr, 0, "{s:s, s:i}", "name", &name, "partitions", &partitions) < 0)
		return fail("topics", jerr.text);
	if (partitions < 1 || partitions > MAX_PARTITIONS)
		return fail(name, "number of partitions out of range");
	rd_kafka_resp_err_t rerr = rd_kafka_mock_topic_create(cluster, name, partitions, 1);
	return rerr ? fail(name, rd_kafka_err2str(rerr)) : 0;
}

static int make_topics(rd_kafka_mock_cluster_t *cluster, const char *path)
{
	json_error_t jerr;
	json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &jerr);
	if (!root)
		return fail(path, jerr.text);
	json_t *topics = json_object_get(root, "topics");
	size_t n = json_array_size(topics);
	int rc = n > 0 && n <= MAX_TOPICS ? 0 : fail(path, "needs 1 to 100 topics");
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = make_topic(cluster, json_array_get(topics, i));
	json_decref(root);
	return rc;
}

/* Whole or not at all: whoever waits for the file may read it as soon as it is there. */
static int write_bootstrap(const char *path, const char *servers)
{
	char tmp[4096];
	if (snprintf(tmp, sizeof(tmp), "%s.new", path) >= (int)sizeof(tmp))
		return fail(path, "path too long");
	FILE *file = fopen(tmp, "we");
	if (!file)
		return fail(tmp, strerror(errno));
	int printed = fprintf(file, "%s\n", servers);
	if (fclose(file) != 0 || printed < 0 || rename(tmp, path) < 0)
		return fail(path, strerror(errno));
	return 0;
}

/* Small answers leave at once. Without it a second answer waits for the client's acknowledgement of
 * the first, which comes 40 ms later (Nagle and delayed ACK): in every hop of the demo, and in
 * every request for watermarks. The mock cluster has no switch for it; on Linux, what is accepted
 * has the options of the socket that listens. */
static void answer_at_once(void)
{
	int on = 1;
	for (int fd = 0; fd < FIRST_SOCKETS; fd++) {
		int listens = 0;
		socklen_t size = sizeof(listens);
		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens)
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	}
}

static int serve(rd_kafka_mock_cluster_t *cluster, const char *topics, const char *bootstrap)
{
	sigset_t stop;
	int signal_number;
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
#ifdef HAVE_MOCK_REBALANCE_DELAY
	rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0);
#endif
	answer_at_once();
	const char *servers = rd_kafka_mock_cluster_bootstraps(cluster);
	if (make_topics(cluster, topics) < 0)
		return EX_CONFIG;
	if (write_bootstrap(bootstrap, servers) < 0)
		return EXIT_FAILURE;
	fprintf(stderr, "dev-broker: serving on %s\n", servers);
	sigwait(&stop, &signal_number);
	remove(bootstrap);
	return EXIT_SUCCESS;
}

/* Before any thread is made: all of them leave these signals to sigwait. */
static void block_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static int run(const char *topics, const char *bootstrap)
{
	char errstr[256];
	block_signals();
	rd_kafka_t *rk =
		rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), errstr, sizeof(errstr));
	if (!rk) {
		fail("librdkafka", errstr);
		return EXIT_FAILURE;
	}
	rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(rk, 1);
	int status = EXIT_FAILURE;
	if (cluster) {
		status = serve(cluster, topics, bootstrap);
		rd_kafka_mock_cluster_destroy(cluster);
	} else {
		fail("librdkafka", "no mock cluster");
	}
	rd_kafka_destroy(rk);
	return status;
}

static void usage(FILE *to)
{
	fputs("usage: dev-broker --topics FILE --bootstrap-file FILE\n"
	      "A Kafka broker in memory on loopback, until SIGTERM.\n"
	      "  --topics FILE          topics.json: makes its topics with their partitions\n"
	      "  --bootstrap-file FILE  written once it serves: the address for "
	      "bootstrap.servers\n",
		to);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "topics", required_argument, NULL, 't' },
		{ "bootstrap-file", required_argument, NULL, 'b' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *topics = NULL, *bootstrap = NULL;
	int option;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 't':
			topics = optarg;
			break;
		case 'b':
			bootstrap = optarg;
			break;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		default:
			usage(stderr);
			return EX_CONFIG;
		}
	}
	if (!topics || !bootstrap || optind != argc) {
		usage(stderr);
		return EX_CONFIG;
	}
	return run(topics, bootstrap);
}
