/* What the commands of karwanctl share. One thread; everything lives in one arena until the command
 * ends. */
#ifndef KARWANCTL_CTL_H
#define KARWANCTL_CTL_H

#include "bus/bus.h"
#include "core/arena.h"
#include "pg/migrate.h"
#include "pg/tx.h"

#define AREAS 4

/* One service, as an operator sees it. */
struct area {
	const char *service, *schema, *login, *in_topic, *events_topic;
	const struct kw_migration *migrations;
};
extern const struct area areas[AREAS];

#define CTL_WITH_MAX 16

struct ctl {
	struct kw_arena *arena;
	const char *dsn, *brokers, *topics_file, *log_level;
	bool json, dry_run;
	const char *attempts_file;                           /* check */
	const char *topic;                                   /* accept */
	const char *by;                                      /* who asks, for the record */
	const char *reason, *channel, *external_id, *status; /* exceptions resolve */
	int max;                                             /* dlq replay SERVICE */
	bool all;                                            /* exceptions list: ended ones too */
	const char *kind, *as_of;                            /* import */
	const char *with[CTL_WITH_MAX];                      /* import: NAME=VALUE */
	size_t n_with;
	const char *partners_file, *urls[AREAS]; /* the operator's token, the edges */
	int argc;                                /* words after the command */
	char **argv;
};

/* Exit codes of all commands. */
enum {
	CTL_OK = 0,
	CTL_FOUND = 1 /* the check found something; nothing to replay … */,
	CTL_FAILED = 2,
	CTL_USAGE = 64
};

/* A connection with the schema in its search path (NULL: none). */
struct kw_pg *ctl_connect(const struct ctl *ctl, const char *schema);
/* Says on standard error what failed and returns CTL_FAILED. */
int ctl_failed(const char *what, const struct kw_err *err);
/* The Authorization header of the first operator that the partners file declares. */
enum kw_rc ctl_authorization(struct ctl *ctl, const char **ret_header, struct kw_err *err);
/* The topics file. */
enum kw_rc ctl_topics(struct ctl *ctl, struct kw_topics *ret, struct kw_err *err);

int ctl_migrate(struct ctl *ctl);
int ctl_topics_apply(struct ctl *ctl);
int ctl_dlq_list(struct ctl *ctl);
int ctl_dlq_show(struct ctl *ctl);
int ctl_dlq_replay(struct ctl *ctl);
int ctl_exceptions_list(struct ctl *ctl);
int ctl_exceptions_show(struct ctl *ctl);
int ctl_exceptions_resolve(struct ctl *ctl);
int ctl_epoch(struct ctl *ctl);
int ctl_accept(struct ctl *ctl);
int ctl_explain(struct ctl *ctl);
int ctl_check(struct ctl *ctl);
int ctl_import(struct ctl *ctl);

#endif
