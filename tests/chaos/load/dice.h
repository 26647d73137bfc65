/* Seeded chance: splitmix64. Everything that the generator decides is thrown with these, so that a
 * seed is a run. Values; one thread each. */
#ifndef LOAD_DICE_H
#define LOAD_DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice {
	uint64_t state;
};

static inline uint64_t dice_next(struct dice *d)
{
	uint64_t x = d->state += 0x9e3779b97f4a7c15u;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

/* Dice of one thing of many: the same for the same seed, whatever was thrown before. */
static inline struct dice dice_of(uint64_t seed, uint64_t what, uint64_t number)
{
	struct dice d = { seed };

	d.state = dice_next(&d) ^ what;
	d.state = dice_next(&d) ^ number;
	return d;
}

/* 0 to n - 1. */
static inline int64_t dice_below(struct dice *d, int64_t n)
{
	return (int64_t)(dice_next(d) % (uint64_t)n);
}

static inline bool dice_percent(struct dice *d, int percent)
{
	return dice_below(d, 100) < percent;
}

#endif
