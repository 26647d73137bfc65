/* A database that went back: restored from an older copy, then `karwanctl epoch`; twice. One partition: its journal, its log, a
 * reader inside (its tables went back with the journal) and a partner (whose tables did not). A request of the time before may
 * land late (rules 5 and 7).
 *
 * step            in the code
 * commit          journal_append() of common/flow/sql/001_journal.sql: a row keeps the epoch that its head had
 * copy, restore   docs/backup.md; until the epoch the programs are not ready: kw_identity_check() of common/flow/identity.c
 * epoch           find_next(), epoch_tx() of services/karwanctl/epoch.c: begin_epoch(), learn_epoch() of common/flow/sql: the
 *                 barrier, the heads and what readers know, in one transaction
 * walk, send      kw_publisher_walk(), check_seen(), is_void() of common/flow/walk.c; send_journal() of common/flow/publisher.c
 * inside          kw_place_judge() of common/flow/assign.c: it cannot undo, so it is told before it begins
 * partner         README, the rule of places; infra/simulators/partner.py: it undoes what a barrier makes void
 *
 * scope all: four commits; two restores, the second one from the same copy or from one that was made after the first epoch
 *
 * without NO_IDENTITY (all): nothing is committed or sent between restore and epoch
 * without NO_BARRIER (all): the first row of an epoch is its barrier
 * without NO_LEARN (all): readers inside know of the epoch before they read on
 * without NO_ONE_COPY (all): journals and the tables of their readers come from one copy
 * without NO_VOID_IN_WALK (all): the walk passes over what is void
 * without NO_EPOCH_ORDER (all): a reader takes nothing of an epoch before its place's
 * without NO_FRESH_EPOCH (all): no epoch's number is given twice, also where the same copy is restored again: find_next()
 */
#define EPOCHS 3
#define ROWS 6       /* numbers 1..5 */
#define LOG 9        /* asserted to be enough */
#define COMMITS 4
#define BARRIER 10   /* a barrier's event id is a function of its epoch: BARRIER + epoch; others are new with each commit */

byte restores = EPOCHS - 1, commits = COMMITS, walks = 1;
byte ids;

/* the database */
byte head, head_epoch = 1, last_epoch = 1;   /* last_epoch: the topics know */
byte journal_epoch[ROWS], journal_id[ROWS];
byte good[EPOCHS + 2];                       /* table epochs: last_good_number + 1 of an epoch; 0: not known */
byte in_epoch, in_number, in_id[ROWS];       /* the reader inside: its place, and what it did */
bool accepted = true;                        /* table identity is this database's */
/* the copy */
bool copied;
byte copy_head, copy_epoch, copy_in_epoch, copy_in_number;

byte log_epoch[LOG], log_number[LOG], log_id[LOG], log_len;
byte late_epoch, late_number, late_id;       /* a request of a publisher that is gone */
byte sent;
bool walked, blocked;                        /* the publisher's */
byte in_at, out_at;                          /* offsets of the readers */
byte out_epoch, out_number, out_id[ROWS];    /* the partner */

#ifdef NO_IDENTITY
#define ready true
#else
#define ready accepted
#endif
/* By any later epoch that the database knows; there are two. */
#define is_void(epoch, number) ((epoch < 2 && good[2] > 0 && number >= good[2]) || (epoch < 3 && good[3] > 0 && number >= good[3]))
#define is_barrier(id) (id > BARRIER)

inline append(epoch, number, id)
{
	assert(log_len < LOG);
	log_epoch[log_len] = epoch; log_number[log_len] = number; log_id[log_len] = id; log_len++
}

proctype database()
{
	byte k;

end:	do
	/* commit */
	:: atomic { ready && commits > 0 && head < ROWS - 1 ->
		commits--; ids++; head++; journal_epoch[head] = head_epoch; journal_id[head] = ids }

	/* copy */
	:: atomic { accepted && restores > 0 && !copied && head > 0 ->
		copied = true; copy_head = head; copy_epoch = head_epoch; copy_in_epoch = in_epoch; copy_in_number = in_number }

	/* restore; the publisher dies with a request on its way */
	:: atomic { accepted && restores > 0 && copied -> restores--;
		if
		:: walked && sent < head && late_number == 0 ->
			late_epoch = journal_epoch[sent + 1]; late_number = sent + 1; late_id = journal_id[sent + 1]
		:: true
		fi;
		true;
		d_step {
			for (k : 1 .. ROWS - 1) {
				journal_epoch[k] = (k > copy_head -> 0 : journal_epoch[k]);
				journal_id[k] = (k > copy_head -> 0 : journal_id[k]);
#ifndef NO_ONE_COPY
				in_id[k] = (k > copy_in_number -> 0 : in_id[k])
#endif
			}
			k = 0; head = copy_head; head_epoch = copy_epoch;
			good[2] = (copy_epoch < 2 -> 0 : good[2]); good[3] = 0;
#ifndef NO_ONE_COPY
			in_epoch = copy_in_epoch; in_number = copy_in_number;
#endif
			in_at = 0; sent = 0; walked = false; accepted = false
		} }

	/* epoch */
	:: atomic { !accepted && head < ROWS - 1 ->
		if
		:: copied = false /* a new copy, at any time */
		:: true           /* the same again; one of a history that this epoch made void is refused */
		fi;
		d_step {
#ifdef NO_FRESH_EPOCH
			head_epoch++;
#else
			last_epoch++; head_epoch = last_epoch;
#endif
			good[head_epoch] = head + 1;
#ifndef NO_BARRIER
			head++; journal_epoch[head] = head_epoch; journal_id[head] = BARRIER + head_epoch;
#endif
			walked = false; accepted = true
		} }
	od
}

proctype publisher()
{
	byte k, n;
	bool wrong;

end:	do
	/* walk */
	:: atomic { ready && !walked && !blocked -> true;
		d_step {
			for (k : 0 .. LOG - 1) {
				if
				:: k >= log_len -> skip
#ifndef NO_VOID_IN_WALK
				:: k < log_len && is_void(log_epoch[k], log_number[k]) -> skip
#endif
				:: else ->
					wrong = wrong || log_number[k] > head || journal_epoch[log_number[k]] != log_epoch[k] ||
						journal_id[log_number[k]] != log_id[k];
					n = (log_number[k] == n + 1 -> n + 1 : n)
				fi
			}
			blocked = wrong; walked = !wrong; sent = n;
			k = 0; n = 0; wrong = false
		} }
	:: atomic { walks > 0 && walked -> walks--; walked = false; sent = 0 }

	/* send */
	:: atomic { ready && walked && sent < head -> sent++; append(journal_epoch[sent], sent, journal_id[sent]) }

	/* what the one before had on its way lands, or it does not */
	:: atomic { late_number > 0 ->
		if
		:: append(late_epoch, late_number, late_id)
		:: true
		fi;
		late_number = 0; late_epoch = 0; late_id = 0 }
	od
}

proctype inside()
{
	byte e, n;

end:	do
	:: atomic { ready && in_at < log_len -> e = log_epoch[in_at]; n = log_number[in_at];
		if
#ifndef NO_LEARN
		:: is_void(e, n)
#endif
		:: else ->
			if
			:: in_epoch == 0 || (is_barrier(log_id[in_at]) && e > in_epoch && n <= in_number + 1) ||
					(n == in_number + 1 && e >= in_epoch) ->
				in_epoch = e; in_number = n; in_id[n] = log_id[in_at]
			:: else
			fi
		fi;
		in_at++; e = 0; n = 0 }
	od
}

proctype partner()
{
	byte e, n, k;

end:	do
	:: atomic { out_at < log_len -> e = log_epoch[out_at]; n = log_number[out_at];
		if
		:: is_barrier(log_id[out_at]) && e > out_epoch && n <= out_number + 1 ->
			/* last_good_number is n - 1 */
			true;
			d_step {
				for (k : 1 .. ROWS - 1) {
					out_id[k] = (k >= n -> 0 : out_id[k])
				}
				k = 0; out_epoch = e; out_number = n; out_id[n] = log_id[out_at]
			}
#ifdef NO_EPOCH_ORDER
		:: n == out_number + 1 && !(is_barrier(log_id[out_at]) && e > out_epoch) ->
#else
		:: n == out_number + 1 && !(is_barrier(log_id[out_at]) && e > out_epoch) && e >= out_epoch ->
#endif
			out_epoch = e; out_number = n; out_id[n] = log_id[out_at]
		:: else
		fi;
		out_at++; e = 0; n = 0 }
	od
}

/* No more restores or commits from any moment on; when nothing moves any more, all three tell the same. */
proctype rest()
{
	byte k;

end:	do
	:: atomic { restores > 0 || commits > 0 || walks > 0 -> restores = 0; commits = 0; walks = 0 }
	:: atomic { timeout ->
		assert(!blocked);
		/* a run that has no number left for its barrier is none */
		if
		:: accepted ->
			for (k : 1 .. ROWS - 1) {
				assert(in_id[k] == journal_id[k] && out_id[k] == journal_id[k])
			}
		:: else
		fi;
		break }
	od
}

init
{
	atomic { run database(); run publisher(); run inside(); run partner(); run rest() }
}
