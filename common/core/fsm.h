/* A state machine is a table of edges; what is absent is refused. Const tables; any thread. */
#ifndef KW_CORE_FSM_H
#define KW_CORE_FSM_H

#include <stddef.h>

struct kw_event_type; /* flow/journal.h */

#define KW_SAME (-1) /* to: stay, no new version, no event: a repeat or a late message */

struct kw_edge {
	int from;
	int event;
	int to;
	const struct kw_event_type *emit; /* NULL: none */
};

struct kw_fsm {
	const struct kw_edge *edges;
	size_t n;
};

#define KW_FSM(array)                                       \
	{                                                   \
		(array), sizeof(array) / sizeof((array)[0]) \
	}

/* The edge, or NULL: refused. */
const struct kw_edge *kw_fsm_find(const struct kw_fsm *fsm, int from, int event);

#endif
