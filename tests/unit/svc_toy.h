/* The smallest whole service, run as a process of its own: two ways to post a toy, one to read it,
 * a handler that keeps it, emits an event and intends an errand, a job that runs the errand, and
 * one apart that appends. And what a test does to it: start, ask over HTTP, read its log, signal.
 * Failures end the test. */
#ifndef KT_SVC_TOY_H
#define KT_SVC_TOY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/arena.h"
#include "svc/svc.h"

#define LOG_MAX (8 * 1024 * 1024) /* of a toy's log */
#define TOY_TOKEN "token-of-the-operator"
#define TOY_SECRET "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"

struct toy {
	struct kw_arena *arena;
	char name[64], in[80], events[80];
	char dir[512]; /* of its files */
	const char *brokers, *dsn;
	char *env[40];
	size_t n_env;
	int port, admin;
	pid_t pid; /* 0: not running */
	int fd;    /* its output */
	char *log;
	size_t n_log, read; /* read: what waiting has consumed */
};

struct answer {
	int status;
	char head[4096];
	char body[1024 * 1024];
};

/* main of the process: the service. */
int toy_main(int argc, char **argv);
/* True in that process. */
bool toy_is_me(void);

/* Fresh database, topics, partners file. brokers, dsn NULL: those of the run; a dsn that is given
 * is not touched. */
void toy_make(struct toy *toy, const char *name, const char *brokers, const char *dsn);
void toy_done(struct toy *toy);
/* Makes the topics of its file; brokers that were given have none yet. */
void toy_apply_topics(struct toy *toy);
void toy_topics(struct toy *toy, int partitions);
void toy_file(struct toy *toy, const char *name, const char *text, mode_t mode);
/* What the partners file says when nothing is wrong; more operators, as JSON, ",{…}". */
void toy_partners(struct toy *toy, const char *more_operators);
/* NAME=value for the process; the same name again replaces it, value NULL removes it. */
void toy_set(struct toy *toy, const char *name, const char *value);

void toy_start(struct toy *toy, const char *option);
/* Waits for "started", and the ports that it says. */
void toy_up(struct toy *toy);
/* Waits for a line of its output with that text, after the one that was waited for before. */
void toy_wait_line(struct toy *toy, const char *text);
/* Reads the rest of its output, returns its exit status. */
int toy_wait_end(struct toy *toy);
int toy_stop(struct toy *toy);
bool toy_logged(struct toy *toy, const char *text);
/* Fails when it has logged an error. */
void toy_no_errors(struct toy *toy);

/* One request on a connection of its own. headers: "Name: value\r\n…" or "". */
void toy_ask(int port, const char *method, const char *path, const char *headers, const char *body,
	struct answer *ret);
/* As the operator; returns the status. */
int toy_post(struct toy *toy, const char *name, int number, struct answer *ret);
int toy_get(struct toy *toy, const char *name, struct answer *ret);
/* Asks an admin path until the answer has that status and text; the test ends after 60 s. */
void toy_until(struct toy *toy, const char *path, int status, const char *text, struct answer *ret);

/* One number from the toy's schema. */
int64_t toy_count(struct toy *toy, const char *sql);

#endif
