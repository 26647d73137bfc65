/* Channels that are left alone; see rest.h. */
#include "rest.h"

#include <stdio.h>
#include <string.h>

#include "core/clock.h"

#define CHANNELS_MAX 64
#define NAME_MAX_BYTES 33 /* of a partner, and NUL */
#define FIRST_S 5
#define LONGEST_S 300

static struct resting {
	char channel[NAME_MAX_BYTES]; /* "": free */
	int64_t until_us, pause_s;
} table[CHANNELS_MAX];

/* name "": a free one. */
static struct resting *find(const char *name)
{
	for (size_t i = 0; i < CHANNELS_MAX; i++)
		if (strcmp(table[i].channel, name) == 0)
			return &table[i];
	return NULL;
}

bool rest_has(const char *channel, int64_t now_us)
{
	const struct resting *r = find(channel);

	return r && now_us < r->until_us;
}

void rest_learn(const char *channel, bool hung, int64_t now_us)
{
	struct resting *r = find(channel);

	if (!hung) {
		if (r)
			*r = (struct resting) { 0 };
		return;
	}
	if (!r) {
		r = find("");
		if (!r)
			return;
		snprintf(r->channel, sizeof(r->channel), "%s", channel);
	}
	r->pause_s = r->pause_s == 0 ? FIRST_S : 2 * r->pause_s;
	if (r->pause_s > LONGEST_S)
		r->pause_s = LONGEST_S;
	r->until_us = now_us + r->pause_s * KW_US_PER_S;
}
