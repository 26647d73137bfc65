/* Publishers of one partition: they send the journal in order, remember what was acknowledged and walk the log after every
 * lost connection; they are killed, cross with each other and with requests that land late, and the broker loses its tail
 * (rules 5 and 6). The numbers 1..N are there from the start: that they have no gap is journal.pml's.
 *
 * step                 in the code
 * lead, step down      lead() of common/flow/publisher.c; table leases
 * look                 round_once(), believe(): kw_producer_take_lost()
 * walk                 walk(), kw_producer_renew() (the old instance is gone, what it has on its way may land once more);
 *                      kw_publisher_walk(), walk_from(), first_is(), take() of common/flow/walk.c
 * request              send_journal() and librdkafka's queue, which an instance empties by itself, also when nobody leads by it
 * poll                 kw_producer_poll(), delivered()
 * save                 kw_publisher_save(), save_published() of common/flow/sql/002_published.sql
 * instance             common/bus/instance.c and librdkafka: idempotent, one request in flight, endless retries, and Kafka's
 *                      answer to it: its producer state comes from the log, so one of whom nothing is left begins anywhere
 * reader               place_part(), kw_place_judge(), judge(), mismatch(), kw_gap_rewind() of common/flow: the offset is a
 *                      hint, the place decides
 *
 * scope one -DKILLS=1 -DBREAKS=2 -DFAILS=1 -DINSTS=6: one publisher, killed once; two lost connections; a record that fails
 * scope two -DPUBS=2 -DTAKES=1 -DBREAKS=1: two publishers, the first of which is paused and wakes up; a lost connection
 * scope tail -DPUBS=2 -DTAKES=1 -DCUTS=1 -DN=2: the same, and a broker that loses any part of its tail
 * scope lost (long) -DPUBS=2 -DTAKES=1 -DCUTS=1 -DCUT_FROM=2: the same with three events, of a log that is lost whole
 *
 * without NO_ACKED_ONLY (one): only what was acknowledged is remembered
 * without NO_REPEAT_RULE (one): a reader drops what is not behind its place
 * without NO_ACK_ORDER (one): a report that is not the next one's, or not of a higher offset, is not believed
 * without NO_TOKEN (two): the row is written under the lease's token
 * without NO_WALK_WHEN_LOST (tail): a lost connection is followed by a walk
 * without NO_LOST_BEFORE_SAVE (tail): before what was reported is saved it is asked whether a connection was lost meanwhile
 * without NO_LOG_IN_WALK (tail): the walk looks at the log, not only at the row
 * without NO_REMEMBERED_RECORD (tail): the remembered offset is a guide only where the remembered record is
 * without NO_APPEND_TIME (lost): it is that record by number and append time: others can have come to the same offset
 * without NO_GAP_RULE (tail): a reader takes nothing behind a gap
 * without NO_READER_CHECK (tail): a reader whose last record is not in the log any more reads from the start
 */
#ifndef N
#define N 3      /* events */
#endif
#ifndef PUBS
#define PUBS 1   /* publishers */
#endif
#ifndef TAKES
#define TAKES 0  /* how often the lease of one that lives expires */
#endif
#ifndef KILLS
#define KILLS 0  /* SIGKILL of a publisher */
#endif
#ifndef BREAKS
#define BREAKS 0 /* connections lost, with a request or with its reply */
#endif
#ifndef FAILS
#define FAILS 0  /* a record that is not persisted, while those behind it are */
#endif
#ifndef CUTS
#define CUTS 0   /* the broker dies and comes back without any part of its tail */
#endif
#ifndef CUT_FROM
#define CUT_FROM 0 /* more: the whole log, once so many events are remembered */
#endif
#ifndef INSTS
#define INSTS 4  /* producer instances of which something may still come: asserted to be enough */
#endif
#ifndef LOG
#define LOG 9   /* records: asserted to be enough */
#endif

#define NOBODY 0
mtype = { NONE, LED, ALONE, GONE }; /* an instance: not there; of a leader; of one that leads no more; thrown away */

byte kills = KILLS, breaks = BREAKS, fails = FAILS, cuts = CUTS, takes = TAKES;

byte log_number[LOG], log_by[LOG], log_len;       /* by: instance + 1; 0: of one from whom nothing comes any more */
bit log_era[LOG], era;                            /* the broker's append time: before the loss of its tail, or after */
byte row_number, row_at;                          /* table published; at: Kafka offset + 1 */
bit row_era;
byte holder;                                      /* table leases: the publisher with the last token; NOBODY: it is dead */

mtype state[INSTS] = NONE;
byte next[INSTS], limit[INSTS];                   /* number of the next request; of the last one that was handed over */
byte flight[INSTS];                               /* number of the request on its way; 0: none */
bool up[INSTS], lost[INSTS], bumped[INSTS];       /* bumped: a new producer epoch, after a record that was not persisted */
chan reports[INSTS] = [N + 1] of { byte, byte, bit }; /* number (0: not persisted), offset + 1 (0: not known), era */

byte place, position;                             /* the reader's */
bool rewound, moved;                              /* moved: what it read last is not in the log any more */

inline forget(x)
{
	next[x] = 0; limit[x] = 0; flight[x] = 0; up[x] = false; lost[x] = false; bumped[x] = false; state[x] = NONE;
	for (k : 0 .. LOG - 1) {
		if
		:: log_by[k] == x + 1 -> log_by[k] = 0
		:: else
		fi
	}
	k = 0
}

/* Nobody takes its reports any more. */
inline leave(x, to)
{
	do
	:: nempty(reports[x]) -> reports[x]?_,_,_
	:: empty(reports[x]) -> break
	od;
	if
	:: to == GONE && flight[x] == 0 -> d_step { forget(x) }
	:: to == GONE && flight[x] > 0 -> state[x] = GONE; next[x] = 0; limit[x] = 0; up[x] = false; lost[x] = false
	:: to == ALONE ->
		/* how much was in its queue */
		state[x] = ALONE; lost[x] = false;
		limit[x] = next[x] - 1;
		do
		:: limit[x] < flight[x] || limit[x] < N -> limit[x]++
		:: limit[x] >= flight[x] -> break
		od
	fi
}

inline step_down()
{
	if
	:: me < INSTS && state[me] == LED -> leave(me, ALONE)
	:: else
	fi;
	leads = false; walk = false; acked = 0; acked_at = 0; acked_era = 0; saved = 0
}

/* How far a reader without a place comes. */
inline read_whole(ret)
{
	ret = 0;
	for (k : 0 .. LOG - 1) {
		if
		:: k < log_len && log_number[k] == ret + 1 -> ret++
		:: else
		fi
	}
	k = 0
}

inline save(number, at, when)
{
	if
#ifndef NO_TOKEN
	:: holder != my -> step_down()
#endif
	:: else ->
		d_step {
			/* invariant 12, where the broker keeps its word */
			read_whole(w);
			assert(CUTS > 0 || (number <= w && number >= row_number));
			w = 0;
			row_number = number; row_at = at; row_era = when; saved = number
		}
	fi
}

proctype publisher(byte my)
{
	byte me = INSTS;                 /* its instance */
	byte acked, acked_at, saved, n, at, k, w;
	bool leads, walk;
	bit acked_era, when;

end:	do
	/* lead; its lease was taken over */
	:: atomic { !leads && (holder == NOBODY || takes > 0) ->
		if
		:: holder == NOBODY
		:: else -> takes--
		fi;
		holder = my; leads = true; walk = true }
	:: atomic { leads && holder != my -> step_down() }

#ifndef NO_WALK_WHEN_LOST
	:: atomic { leads && !walk && lost[me] -> walk = true }
#endif

	:: atomic { leads && walk ->
		if
		:: me < INSTS && state[me] != NONE -> leave(me, GONE)
		:: else
		fi;
		true;
		d_step {
		me = 0;
		do
		:: me < INSTS && state[me] != NONE -> me++
		:: else -> break
		od;
		assert(me < INSTS);
		n = row_number; at = row_at; when = row_era; saved = n;
#ifndef NO_LOG_IN_WALK
#ifndef NO_REMEMBERED_RECORD
		/* the remembered offset is a guide only where the remembered record is */
		if
		:: n == 0 || log_len < at || log_number[at - 1] != n -> n = 0; at = 0
#ifndef NO_APPEND_TIME
		:: n > 0 && log_len >= at && log_number[at - 1] == n && log_era[at - 1] != when -> n = 0; at = 0
#endif
		:: else
		fi;
#endif
		for (k : 0 .. LOG - 1) {
			if
			:: k >= at && k < log_len && log_number[k] == n + 1 -> n++; at = k + 1; when = log_era[k]
			:: else
			fi
		}
#endif
		state[me] = LED; up[me] = true; next[me] = n + 1; limit[me] = N; acked = n; acked_at = at; acked_era = when;
		walk = false; k = 0; n = 0; at = 0; when = 0
		};
		if
		:: acked != saved || acked_at != row_at || acked_era != row_era -> save(acked, acked_at, acked_era)
		:: else
		fi }

	/* poll */
	:: atomic { leads && !walk && nempty(reports[me]) -> reports[me]?n,at,when;
		if
#ifdef NO_ACK_ORDER
		:: n == 0 -> skip
#else
		:: n != acked + 1 || at <= acked_at -> walk = true
#endif
		:: else -> acked = n; acked_at = at; acked_era = when
		fi;
		n = 0; at = 0; when = 0 }

	/* save */
#ifdef NO_ACKED_ONLY
	:: atomic { leads && !walk && next[me] - 1 > saved && !lost[me] -> save(next[me] - 1, acked_at, acked_era) }
	:: atomic { leads && !walk && flight[me] > saved && !lost[me] -> save(flight[me], acked_at, acked_era) }
#elif defined(NO_LOST_BEFORE_SAVE)
	:: atomic { leads && !walk && acked != saved -> save(acked, acked_at, acked_era) }
#else
	:: atomic { leads && !walk && acked != saved && !lost[me] -> save(acked, acked_at, acked_era) }
#endif

	/* SIGKILL; it is started again */
	:: atomic { kills > 0 && me < INSTS && state[me] != NONE -> kills--;
		leave(me, GONE);
		if
		:: leads && holder == my -> holder = NOBODY
		:: else
		fi;
		me = INSTS; leads = false; walk = false; acked = 0; acked_at = 0; acked_era = 0; saved = 0 }
	od
}

inline report(number, at)
{
	if
	:: state[i] == LED -> reports[i]!number,at,era
	:: else
	fi;
	if
	:: state[i] == GONE -> d_step { forget(i) }
	:: else -> next[i]++; flight[i] = 0
	fi
}

proctype instance(byte i)
{
	byte k, last;

end:	do
	:: atomic { (state[i] == LED || state[i] == ALONE) && up[i] && flight[i] == 0 && next[i] <= limit[i] -> flight[i] = next[i] }

	/* the broker takes the request */
	:: atomic { flight[i] > 0 && (state[i] == GONE || up[i]) ->
		d_step {
			for (k : 0 .. LOG - 1) {
				if
				:: k < log_len && log_by[k] == i + 1 && log_number[k] > last -> last = log_number[k]
				:: else
				fi
			}
			k = 0
		};
		if
		:: flight[i] <= last -> report(flight[i], 0)
		:: flight[i] > last && (last == 0 || flight[i] == last + 1 || bumped[i]) ->
			assert(log_len < LOG);
			log_number[log_len] = flight[i]; log_by[log_len] = i + 1; log_era[log_len] = era; log_len++;
			if
			:: report(flight[i], log_len)
			:: breaks > 0 && state[i] != GONE -> breaks--; up[i] = false /* and the reply is lost */
			fi
		:: flight[i] > last + 1 && last > 0 && !bumped[i] ->
			/* out of order: it is of no more use */
			if
			:: state[i] == LED -> report(0, 0); next[i] = N + 1; lost[i] = true
			:: state[i] == ALONE -> flight[i] = 0; next[i] = N + 1
			:: state[i] == GONE -> d_step { forget(i) }
			fi
		fi;
		last = 0 }

	:: atomic { state[i] == GONE -> d_step { forget(i) } } /* it never lands */
	:: atomic { (state[i] == LED || state[i] == ALONE) && up[i] && breaks > 0 -> breaks--; up[i] = false }
	:: atomic { (state[i] == LED || state[i] == ALONE) && !up[i] -> up[i] = true; lost[i] = (state[i] == LED) }
	:: atomic { (state[i] == LED || state[i] == ALONE) && up[i] && flight[i] > 0 && fails > 0 -> fails--; bumped[i] = true; report(0, 0) }
	od
}

/* One record by rule 5. */
inline read_one()
{
	n = log_number[position];
	if
#ifndef NO_REPEAT_RULE
	:: n <= place -> position++
#endif
#ifndef NO_GAP_RULE
	:: n > place + 1 && !rewound -> position = 0; rewound = true
	:: n > place + 1 && rewound -> position++
#endif
	:: else -> assert(n == place + 1); /* each event once, in order */
		position++; rewound = false; place = n
	fi;
	n = 0
}

/* The reader, whose steps meet only the loss of a tail: it has read any part of the log before, and reads all at rest. Faults
 * may end at any moment; when nothing moves any more, nothing is missing. */
proctype broker_and_reader()
{
	byte c, k, n, w;

end:	do
	:: atomic { cuts > 0 && row_number >= CUT_FROM ->
		cuts--;
		do
		:: position < log_len -> read_one()
		:: break
		od;
		do
		:: c < log_len && CUT_FROM == 0 -> c++
		:: break
		od;
		true;
		d_step {
			for (k : 0 .. LOG - 1) {
				if
				:: k >= c -> log_number[k] = 0; log_by[k] = 0; log_era[k] = 0
				:: else
				fi
			}
			for (w : 0 .. INSTS - 1) {
				up[w] = false;
				if
				:: state[w] == GONE -> forget(w)
				:: else
				fi
			}
			log_len = c; era = 1; moved = moved || position > c;
			c = 0; k = 0; w = 0
		} }
	:: atomic { kills + breaks + fails + cuts + takes > 0 -> kills = 0; breaks = 0; fails = 0; cuts = 0; takes = 0 }
	:: atomic { timeout ->
		/* its connection was lost: is the record before its offset still the one that it read? asked before, or after some more */
		do
		:: moved && position < log_len -> read_one()
		:: break
		od;
		if
#ifndef NO_READER_CHECK
		:: moved -> position = 0; rewound = true
#endif
		:: else
		fi;
		do
		:: position < log_len -> read_one()
		:: else -> break
		od;
		true;
		d_step {
			read_whole(w);
			assert(place == N && w == N);
			assert(row_number == N && log_number[row_at - 1] == N)
		};
		break }
	od
}

init
{
	byte i;

	atomic {
		for (i : 0 .. INSTS - 1) {
			run instance(i)
		}
		for (i : 1 .. PUBS) {
			run publisher(i)
		}
		run broker_and_reader();
		i = 0
	}
}
