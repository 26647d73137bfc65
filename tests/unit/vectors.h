/* Tables of test vectors: tests/vectors/<name>, lines of columns separated by tabs, # begins a
 * comment. */
#ifndef KW_TESTS_UNIT_VECTORS_H
#define KW_TESTS_UNIT_VECTORS_H

#include <stddef.h>

#define VECTOR_COLUMNS 4

/* Calls check for each row, with its columns (absent ones are "") and its line for messages. Fails
 * the test when the file holds fewer than at_least rows. */
void each_vector(const char *name, size_t at_least,
	void (*check)(const char *const column[VECTOR_COLUMNS], int line));

#endif
