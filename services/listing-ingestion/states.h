/* The states of makers and listings as tables of edges; an event is the state that an operator asks
 * for. */
#ifndef LISTING_STATES_H
#define LISTING_STATES_H

#include "core/fsm.h"
#include "model.h"

extern const struct kw_fsm maker_fsm, listing_fsm;

#endif
