/* The journal's numbers: transactions that lock the head rows last, in order of partition, until their commit is durable and
 * visible, and a publisher that reads `number > last ORDER BY number` (rules 4 and 10). PostgreSQL dies at any moment.
 *
 * step          in the code
 * lock stock    a handler's statements: rows of tables come before the head rows
 * number        journal_append() of common/flow/sql/001_journal.sql: SELECT … FOR UPDATE, INSERT, UPDATE head; the last
 *               statement: kw_batch_flush() of common/flow/journal.c
 * COMMIT        commit() of common/pg/tx.c; in PostgreSQL: the record is flushed, the rows are seen, the locks are given back
 * roll back     roll_back() of common/pg/tx.c
 * read          READ_JOURNAL of common/flow/publisher.c: one statement, one snapshot
 *
 * scope all: three transactions over two partitions and a row of stock; PostgreSQL dies once
 *
 * without NO_HEAD_LOCK (all): numbers come from a locked head row, not from a sequence
 * without NO_SYNC_COMMIT (all): nothing is visible before it is flushed
 * without NO_LOCK_TO_THE_END (all): a head row stays locked until the commit is visible
 * without NO_LOCK_ORDER (all): head rows are locked in order of partition
 * without NO_HEAD_LAST (all): head rows are locked after all others
 */
#define TXS 3
#define PARTS 2
#define ROWS 5                      /* of a partition: its numbers are 1..TXS, with room for a gap */
#define NOBODY 0
#define at(p, number) ((p) * ROWS + (number))
#define mine(p) ((me - 1) * PARTS + (p))

mtype = { OPEN, FLUSHED, SEEN, DONE };  /* a transaction */
mtype = { NONE, WRITTEN, VISIBLE };     /* a row of the journal */

mtype phase[TXS + 1] = OPEN;
byte head[PARTS], head_lock[PARTS], stock_lock;
mtype row[PARTS * ROWS] = NONE;
byte writer[PARTS * ROWS];
byte numbers[TXS * PARTS];          /* of each transaction in each partition; 0: none */
byte last[PARTS], taken[PARTS * ROWS]; /* the publisher's: it has taken 1..last, of these writers */
bool crashes = true;
#ifdef NO_HEAD_LOCK
byte sequence[PARTS];
#endif

inline lock(what)
{
	atomic { what == NOBODY || phase[me] != OPEN ->
		if
		:: phase[me] != OPEN -> goto out
		:: else -> what = me
		fi }
}

inline number(p)
{
#ifdef NO_HEAD_LOCK
	atomic {
		if
		:: phase[me] != OPEN -> goto out
		:: else -> sequence[p]++; numbers[mine(p)] = sequence[p]
		fi };
#else
	lock(head_lock[p]);
	numbers[mine(p)] = head[p] + 1;
#endif
	atomic {
		if
		:: phase[me] != OPEN -> goto out
		:: else
		fi;
		assert(row[at(p, numbers[mine(p)])] == NONE); /* the primary key */
		row[at(p, numbers[mine(p)])] = WRITTEN;
		writer[at(p, numbers[mine(p)])] = me }
}

inline unlock(me)
{
	stock_lock = (stock_lock == me -> NOBODY : stock_lock);
	head_lock[0] = (head_lock[0] == me -> NOBODY : head_lock[0]);
	head_lock[1] = (head_lock[1] == me -> NOBODY : head_lock[1])
}

inline reveal(me)
{
	for (q : 0 .. PARTS - 1) {
		if
		:: numbers[mine(q)] > 0 -> row[at(q, numbers[mine(q)])] = VISIBLE; head[q] = numbers[mine(q)]
		:: else
		fi
	}
	q = 0
}

inline undo(me)
{
	for (q : 0 .. PARTS - 1) {
		if
		:: numbers[mine(q)] > 0 ->
			head[q] = (row[at(q, numbers[mine(q)])] == VISIBLE -> head[q] - 1 : head[q]);
			row[at(q, numbers[mine(q)])] = NONE; writer[at(q, numbers[mine(q)])] = NOBODY;
			numbers[mine(q)] = 0
		:: else
		fi
	}
	q = 0
}

proctype transaction(byte me)
{
	byte q;

#ifdef NO_HEAD_LAST
	if
	:: me == 1 -> number(0)
	:: else -> skip
	fi;
#endif
	if
	:: true -> lock(stock_lock)
	:: skip
	fi;
#ifdef NO_HEAD_LAST
	if
	:: me == 1 -> goto commit
	:: else -> skip
	fi;
#endif
	if
	:: true -> number(0)
	:: true -> number(1)
#ifdef NO_LOCK_ORDER
	:: me == 1 -> number(1); number(0)
	:: me != 1 -> number(0); number(1)
#else
	:: true -> number(0); number(1)
#endif
	fi;
commit:	skip;
	if
	:: atomic { phase[me] == OPEN -> true; d_step { undo(me); unlock(me); phase[me] = DONE } }
#ifdef NO_SYNC_COMMIT
	:: atomic { phase[me] == OPEN -> true; d_step { reveal(me); unlock(me); phase[me] = SEEN } }
#else
	:: atomic { phase[me] == OPEN -> phase[me] = FLUSHED };
#ifdef NO_LOCK_TO_THE_END
		atomic { phase[me] == FLUSHED -> true; d_step { unlock(me) } };
#endif
		atomic { phase[me] != OPEN ->
			if
			:: phase[me] == FLUSHED -> true; d_step { reveal(me); phase[me] = SEEN }
			:: else -> goto out
			fi }
#endif
	:: phase[me] == DONE -> goto out
	fi;
	atomic { phase[me] == SEEN || phase[me] == DONE -> true; d_step { unlock(me); phase[me] = DONE } };
out:	skip
}

/* Recovery finds what was flushed, and nothing else. */
proctype server()
{
	byte q, i;

end:	do
	:: atomic { crashes -> crashes = false;
		if
		:: true;
			d_step {
				for (i : 1 .. TXS) {
					if
					:: phase[i] == FLUSHED -> reveal(i)
#ifdef NO_SYNC_COMMIT
					:: phase[i] == OPEN || phase[i] == SEEN -> undo(i)
#else
					:: phase[i] == OPEN -> undo(i)
#endif
					:: else
					fi;
					unlock(i); phase[i] = DONE
				}
				i = 0
			}
		:: true
		fi }
	od
}

inline read(p)
{
	atomic { (row[at(p, 1)] == VISIBLE && last[p] < 1) || (row[at(p, 2)] == VISIBLE && last[p] < 2) ||
			(row[at(p, 3)] == VISIBLE && last[p] < 3) ->
		n = last[p] + 1;
		do
		:: row[at(p, n)] == VISIBLE -> break
		:: else -> n++
		od;
		assert(n == last[p] + 1);                     /* none is overtaken */
		last[p] = n; taken[at(p, n)] = writer[at(p, n)]; n = 0 }
}

proctype publisher()
{
	byte p, n;

end:	do
	:: read(0)
	:: read(1)
	:: atomic { timeout ->
		for (p : 0 .. PARTS - 1) {
			assert(last[p] == head[p]);           /* all that is committed, and nothing else */
			for (n : 1 .. TXS) {
				assert(n > head[p] || taken[at(p, n)] == writer[at(p, n)]);
				assert((row[at(p, n)] == VISIBLE) == (n <= head[p]))
			}
		};
		break }
	od
}

init
{
	atomic { run transaction(1); run transaction(2); run transaction(3); run server(); run publisher() }
}
