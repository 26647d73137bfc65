/* Asserts that a call ends the process: in a child, whose messages are thrown away. */
#ifndef KW_TESTS_UNIT_DIES_H
#define KW_TESTS_UNIT_DIES_H

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define assert_dies(call)                                                        \
	do {                                                                     \
		pid_t child = fork();                                            \
		assert_true(child >= 0);                                         \
		if (child == 0) {                                                \
			dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);        \
			call;                                                    \
			_exit(0);                                                \
		}                                                                \
		int status;                                                      \
		assert_int_equal(waitpid(child, &status, 0), child);             \
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT); \
	} while (0)

#endif
