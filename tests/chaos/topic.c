/* karwan-chaos-topic BROKERS TOPIC: deletes a topic. Kafka's own tool starts a JVM for it. */
#include <stdio.h>

#include "support.h"

int main(int argc, char **argv)
{
	if (argc != 3) {
		fputs("usage: karwan-chaos-topic BROKERS TOPIC\n", stderr);
		return 64;
	}
	kt_delete_topic(argv[1], argv[2]);
	return 0;
}
