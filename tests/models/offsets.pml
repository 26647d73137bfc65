/* The offset row of an `in` topic: a batch moves it in its own transaction from the value that it expects. Two consumers, each of
 * which may believe that the partition is its own; SIGKILL at any point; COMMITs whose reply is lost, with both outcomes; a broker
 * that comes back without its tail, which the edges have filled again (rule 3).
 *
 * step          in the code
 * load          kw_reload(), place_part() of common/flow/assign.c; verify() of common/flow/items.c
 * look          step() of common/flow/runner.c: kw_consumer_take_lost()
 * poll          kw_consumer_poll(); step() asks again what was lost before it believes what came
 * begin         batch_tx() of common/flow/batch.c: move_offsets() of common/flow/sql/000_flow.sql, which raises KW001
 * COMMIT        commit() of common/pg/tx.c; the backend ends what it was told, also when nobody hears the reply
 * landed        batch_landed(): FOR UPDATE waits for that backend
 *
 * scope all: four messages; one SIGKILL, two lost replies, one lost tail
 *
 * without NO_EXPECTED (all): the row moves only from the value that the batch expects
 * without NO_SERVER_RAISE (all): a row that did not move is an error in the server, so nothing behind it is committed
 * without NO_ROW_IN_TX (all): the row moves in the transaction of what it stands for
 * without NO_ROW_LOCK (all): a second transaction waits for the first, and then looks at the row
 * without NO_HASH (all): what is read goes on only behind the message that was read last
 * without NO_LOST_AFTER_POLL (all): what came is believed only if no connection was lost before it came
 * without NO_HASH_IN_LANDED (all): a lost COMMIT has landed only where the row remembers this batch's last message
 */
#ifndef CUTS
#define CUTS 1
#endif
#define CONSUMERS 2
#define IDS 4        /* messages that edges append, each once */
#define BATCH 2
#define NOBODY 0

mtype = { FREE, LOADED, FETCHED, BEGUN, UNKNOWN, STOPPED };

byte kills = 1, replies = 1, cuts = CUTS, ids;
byte log_id[IDS], log_len;
byte row_next, row_last;             /* table offsets: next_offset; last_hash and last_time (0: none) */
byte row_lock;                       /* the consumer whose backend holds it */
byte applied[IDS + 1], last_applied; /* what the handlers did, by message */
bool committing[CONSUMERS + 1];      /* a backend that was told to commit, and whose client hears nothing more */
byte from[CONSUMERS + 1], to[CONSUMERS + 1], batch[(CONSUMERS + 1) * BATCH];
bool up[CONSUMERS + 1] = true, lost[CONSUMERS + 1], stopped[CONSUMERS + 1];
bool gone;                           /* what was applied is not in the log any more */

#ifdef NO_LOST_AFTER_POLL
#define unbelieved(c) false
#else
#define unbelieved(c) lost[c]
#endif
#ifdef NO_ROW_LOCK
#define row_free true
#else
#define row_free (row_lock == NOBODY)
#endif
#ifdef NO_HASH_IN_LANDED
#define same_last true
#else
#define same_last (row_last == message(me, to[me] - from[me] - 1))
#endif
#define message(c, k) batch[(c) * BATCH + (k)]

/* What COMMIT makes visible. */
inline apply(c)
{
	for (k : 0 .. BATCH - 1) {
		if
		:: k < to[c] - from[c] ->
			assert(applied[message(c, k)] == 0 && message(c, k) > last_applied); /* once, in order */
			applied[message(c, k)]++; last_applied = message(c, k)
		:: else
		fi
	}
	k = 0
}

inline move_row(c)
{
#ifdef NO_SERVER_RAISE
	if
	:: row_next == from[c] -> row_next = to[c]; row_last = message(c, to[c] - from[c] - 1)
	:: else
	fi
#else
	row_next = to[c]; row_last = message(c, to[c] - from[c] - 1)
#endif
}

inline commit(c)
{
	apply(c);
#ifndef NO_ROW_IN_TX
	move_row(c);
#endif
	row_lock = (row_lock == c -> NOBODY : row_lock)
}

inline forget(c)
{
	for (k : 0 .. BATCH - 1) {
		message(c, k) = 0
	}
	k = 0; from[c] = 0; to[c] = 0
}

proctype consumer(byte me)
{
	mtype at = FREE;
	byte next, k, seen;

end:	do
	:: atomic { at == FREE && up[me] && !committing[me] ->
		lost[me] = false;
		next = row_next;
#ifndef NO_HASH
		if
		:: next > log_len || (next > 0 && log_id[next - 1] != row_last) -> at = STOPPED; stopped[me] = true
		:: else -> at = LOADED
		fi
#else
		at = (next > log_len -> STOPPED : LOADED); stopped[me] = (at == STOPPED)
#endif
		}

	/* look; and a rebalance, which only loads again */
	:: atomic { at == LOADED && lost[me] -> at = FREE; next = 0 }

	/* poll */
	:: atomic { at == LOADED && up[me] && next < log_len && !unbelieved(me) -> from[me] = next; to[me] = next;
		do
		:: to[me] < log_len && to[me] - from[me] < BATCH -> message(me, to[me] - from[me]) = log_id[to[me]]; to[me]++
		:: to[me] > from[me] -> break
		od;
		at = FETCHED }

	/* begin */
	:: atomic { at == FETCHED && row_free ->
		if
#if !defined(NO_EXPECTED) && !defined(NO_SERVER_RAISE)
		:: row_next != from[me] -> at = FREE; next = 0; true; d_step { forget(me) }
#endif
		:: else ->
#ifndef NO_ROW_LOCK
			row_lock = me;
#endif
			at = BEGUN
		fi }

	/* COMMIT: done; its reply is lost; it failed */
	:: atomic { at == BEGUN -> true; d_step { commit(me); next = to[me] };
#ifdef NO_ROW_IN_TX
		};
		atomic {
		if
		:: to[me] > 0 -> move_row(me)
		:: else -> goto killed
		fi;
#endif
		at = LOADED; true; d_step { forget(me) } }
	:: atomic { at == BEGUN && replies > 0 -> replies--; committing[me] = true; at = UNKNOWN }
	:: atomic { at == BEGUN && replies > 0 -> replies--; row_lock = (row_lock == me -> NOBODY : row_lock); at = FETCHED }

	/* landed */
	:: atomic { at == UNKNOWN && row_lock == NOBODY && !committing[me] ->
		if
		:: row_next == to[me] && same_last -> next = to[me]; at = LOADED; true; d_step { forget(me) }
		:: else -> at = FETCHED
		fi }

	/* SIGKILL; it is started again */
	:: atomic { kills > 0 && at != STOPPED -> kills--;
		if
		:: at == BEGUN -> row_lock = (row_lock == me -> NOBODY : row_lock)
		:: else
		fi;
		next = 0; up[me] = true; lost[me] = false; at = FREE;
		if
		:: !committing[me] -> d_step { forget(me) }
		:: else
		fi }

	:: atomic { !up[me] && at != STOPPED -> up[me] = true; lost[me] = true }
	od;
killed:	skip
}

/* PostgreSQL's backend of a client that hears nothing. */
proctype backend(byte me)
{
	byte k;

end:	do
	:: atomic { committing[me] -> committing[me] = false;
		if
		:: true; d_step { commit(me) }
		:: row_lock = (row_lock == me -> NOBODY : row_lock)
		fi }
	od
}

proctype log()
{
	byte k, c;

end:	do
	/* an edge appends */
	:: atomic { ids < IDS -> ids++; log_id[log_len] = ids; log_len++ }
	/* the broker dies and comes back without any part of its tail */
	:: atomic { cuts > 0 -> cuts--;
		do
		:: c < log_len -> c++
		:: break
		od;
		true;
		d_step {
			for (k : 0 .. IDS - 1) {
				if
				:: k >= c && k < log_len -> gone = gone || applied[log_id[k]] > 0; log_id[k] = 0
				:: else
				fi
			}
			log_len = c; c = 0; k = 0; up[1] = false; up[2] = false
		} }
	:: atomic { kills + replies + cuts > 0 || ids < IDS -> kills = 0; replies = 0; cuts = 0; ids = IDS }
	:: atomic { timeout ->
		if
		:: stopped[1] || stopped[2] -> assert(CUTS > 0)
		:: else ->
			assert(row_next == log_len);
			for (k : 0 .. IDS - 1) {
				assert(k >= log_len || applied[log_id[k]] == 1) /* nothing of the log was passed over */
			}
		fi;
		break }
	od
}

init
{
	atomic { run consumer(1); run consumer(2); run backend(1); run backend(2); run log() }
}
