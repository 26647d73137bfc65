/* A state machine is a table of edges; what is absent is refused. */
#include "core/fsm.h"

const struct kw_edge *kw_fsm_find(const struct kw_fsm *fsm, int from, int event)
{
	for (size_t i = 0; i < fsm->n; i++)
		if (fsm->edges[i].from == from && fsm->edges[i].event == event)
			return &fsm->edges[i];
	return NULL;
}
