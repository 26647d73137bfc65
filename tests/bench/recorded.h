/* The file of statements that record.c writes and replay.c reads: for each statement, when its
 * answer was complete, a head and then its texts. Both run on one machine: its own byte order. */
#ifndef BENCH_RECORDED_H
#define BENCH_RECORDED_H

#include <stdint.h>

enum { RECORD_QUERY, RECORD_PREPARE, RECORD_EXECUTE };
#define RECORD_NULL UINT32_MAX

struct recorded {
	uint32_t size;    /* of what follows the head */
	uint32_t session; /* process id of the server's end */
	uint32_t kind, n_args;
	uint32_t rows; /* that came back, or were touched */
	uint32_t failed;
	/* query: text; prepare: name, text; execute: name, then each argument. Each with its length
	 * (4 bytes) before it; texts without NUL. */
};

#endif
