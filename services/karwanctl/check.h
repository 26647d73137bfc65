/* The checker: recomputes what must hold from tables and topics, and names each row that drifts. */
#ifndef KARWANCTL_CHECK_H
#define KARWANCTL_CHECK_H

#include "ctl.h"

/* What a check found, gathered over all of them. */
struct findings {
	struct ctl *ctl;
	struct kw_topics topics;
	bool settled;   /* every reader is at the end and every journal is published */
	int64_t behind; /* messages and events on their way */
	int64_t rows;   /* what was looked at: a check that saw nothing fails */
	size_t n;       /* drifts */
	struct drift *first, **last;
	const char *skipped[16]; /* what could not be verified */
	size_t n_skipped;
};

struct drift {
	const char *rule, *entity, *part, *should, *is;
	struct drift *next;
};

void check_drift(struct findings *f, const char *rule, const char *entity, const char *part,
	const char *should, const char *is);
void check_skip(struct findings *f, const char *what);

/* Each looks at one thing; not OK: it could not look. */
enum kw_rc check_settled(struct findings *f, struct kw_err *err);
enum kw_rc check_journals(struct findings *f, struct kw_err *err);
enum kw_rc check_drift_views(struct findings *f, struct kw_err *err);
enum kw_rc check_topics(struct findings *f, struct kw_err *err);
enum kw_rc check_between(struct findings *f, struct kw_err *err);
enum kw_rc check_outcomes(struct findings *f, struct kw_err *err);
enum kw_rc check_attempts(struct findings *f, struct kw_err *err);

#endif
