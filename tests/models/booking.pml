/* Booking a parcel at a courier by a leased intent: two workers, killed or paused anywhere; replies and calls that are lost or late;
 * an operator who cancels meanwhile. The courier books a parcel at most once, and holds nothing of a cancelled one.
 *
 * step            in the code
 * take            kw_lease_take() of common/flow/lease.c: token, attempts, leased; `inquire` is what leased was
 * inquire         inquire() of services/courier-dispatch/jobs.c
 * call            book(), make_chunks() of jobs.c, with an Idempotency-Key that is a function of the row (adapters/)
 * finish          record_bookings(), judge_bookings(), book_accepted() of outcomes.c; kw_lease_finish() of lease.c, one transaction
 * cancel          desk_cancel(), drop_bookings() of desk.c; call off: cancel_round() of jobs.c, the same again is harmless
 * courier         it knows a key for longer than a call may be under way or a lease lasts, and a booking for ever
 *
 * scope all: two leases that expire, one SIGKILL, two lost replies or calls, one call that does not go out, one cancellation
 *
 * without NO_COMMIT_BEFORE_CALL (all): the lease is committed before the call
 * without NO_TOKEN (all): an outcome counts only under its lease's token
 * without NO_INQUIRY (all): what was perhaps asked is inquired before it is asked again
 * without NO_CARRIER_KEY (all): the courier knows a repeated call by its key
 * without NO_STAY_UNKNOWN (all): what was perhaps asked once stays to be inquired, also when a repeat surely did not go out
 * without NO_CALL_OFF (all): what is accepted for a cancelled parcel is called off
 * without NO_LEASE_CLOCK (all): nobody calls by a lease that is over
 * without NO_GRACE (all): what is cancelled is inquired only when no former call can land any more
 */
#define WORKERS 2
#define NOBODY 0

mtype = { IDLE, TAKEN, ABSENT, ANSWERED };                 /* a worker */
mtype = { PENDING, DONE, FAILED };                         /* the intent */
mtype = { READY, BOOKED, CANCELLED };                      /* the parcel */
mtype = { ACCEPTED, UNKNOWN, NOT_ASKED };                  /* an answer; NOT_ASKED: the call surely did not go out */

byte expiries = 2, kills = 1, losses = 2, failures = 1;
bool cancels = true;

/* tables intents, parcels */
mtype intent = PENDING, parcel = READY;
bool leased, call_off, tried;            /* tried: attempts > 0 */
byte token;                              /* the worker of the last lease; NOBODY: that one is over, whoever it was */
byte under_way;                          /* calls that nobody waits for any more and that may still land */
mtype at[WORKERS + 1] = IDLE;
/* the courier's */
byte bookings;
bool booked_ever, key;

#ifdef NO_GRACE
#define too_early false
#else
/* what is not wanted any more is inquired when no call of a former lease can land any more */
#define too_early (!wanted && under_way > 0)
#endif

inline land()
{
	if
	:: key -> skip                   /* the same answer again */
	:: else ->
		assert(!booked_ever);    /* once */
		bookings++; booked_ever = true;
#ifndef NO_CARRIER_KEY
		key = true
#endif
	fi
}

proctype worker(byte me)
{
	mtype answer = NOT_ASKED;
	bool inquire, asked, wanted;

end:	do
	/* take: it is due, or its lease has expired */
	:: atomic { at[me] == IDLE && intent == PENDING && token == NOBODY ->
		token = me; tried = true; inquire = leased; leased = true; at[me] = TAKEN;
		wanted = (parcel == READY); asked = inquire; answer = NOT_ASKED }

	/* inquire */
	:: atomic { at[me] == TAKEN && !inquire -> at[me] = ABSENT }
#ifdef NO_INQUIRY
	:: atomic { at[me] == TAKEN && inquire -> at[me] = ABSENT; asked = false }
#else
	:: atomic { at[me] == TAKEN && inquire && !too_early ->
		if
		:: bookings > 0 -> answer = ACCEPTED; at[me] = ANSWERED
		:: bookings == 0 -> asked = false; at[me] = ABSENT
		:: losses > 0 -> losses--; answer = UNKNOWN; at[me] = ANSWERED
		fi }
#endif

	/* call */
	:: atomic { at[me] == ABSENT && !wanted -> at[me] = ANSWERED }
#ifdef NO_LEASE_CLOCK
	:: atomic { at[me] == ABSENT && wanted -> asked = true;
#else
	:: atomic { at[me] == ABSENT && wanted && token != me -> at[me] = IDLE; answer = NOT_ASKED; inquire = false; asked = false; wanted = false }
	:: atomic { at[me] == ABSENT && wanted && token == me -> asked = true;
#endif
		if
		:: land(); answer = ACCEPTED
		:: losses > 0 -> losses--; answer = UNKNOWN; under_way++
		:: failures > 0 -> failures--; answer = NOT_ASKED
		fi;
		at[me] = ANSWERED }

	/* finish */
	:: atomic { at[me] == ANSWERED ->
		if
#ifndef NO_TOKEN
		:: token != me || intent != PENDING -> skip
#else
		:: intent != PENDING -> skip
#endif
		:: else ->
			if
			:: answer == ACCEPTED -> intent = DONE;
				if
				:: parcel == READY -> parcel = BOOKED
#ifndef NO_CALL_OFF
				:: parcel == CANCELLED -> call_off = true
#endif
				:: else
				fi
			:: answer == UNKNOWN -> token = NOBODY
#ifndef NO_STAY_UNKNOWN
			:: answer == NOT_ASKED && asked && inquire -> token = NOBODY
			:: answer == NOT_ASKED && !(asked && inquire) && parcel == READY -> token = NOBODY; leased = false
			:: answer == NOT_ASKED && !(asked && inquire) && parcel != READY -> intent = FAILED
#else
			:: answer == NOT_ASKED && parcel == READY -> token = NOBODY; leased = false
			:: answer == NOT_ASKED && parcel != READY -> intent = FAILED
#endif
			fi
		fi;
		at[me] = IDLE; answer = NOT_ASKED; inquire = false; asked = false; wanted = false }

	/* SIGKILL */
	:: atomic { kills > 0 && at[me] != IDLE -> kills--;
		if
		:: token == me -> token = NOBODY; /* once it has expired */
#ifdef NO_COMMIT_BEFORE_CALL
			leased = inquire
#endif
		:: else
		fi;
		at[me] = IDLE; answer = NOT_ASKED; inquire = false; asked = false; wanted = false }
	od
}

proctype world()
{
end:	do
	/* a lease expires while its worker is paused */
	:: atomic { expiries > 0 && token != NOBODY && intent == PENDING -> expiries--; token = NOBODY }
	/* a call lands of which nobody hears, or is lost */
	:: atomic { under_way > 0 -> under_way--; land() }
	:: atomic { under_way > 0 -> under_way-- }
	/* the courier forgets keys */
	:: atomic { key && under_way == 0 && at[1] != ABSENT && at[2] != ABSENT -> key = false }
	/* an operator cancels */
	:: atomic { cancels && parcel != CANCELLED -> cancels = false;
		if
		:: parcel == BOOKED -> call_off = true
		:: parcel == READY && !tried -> intent = FAILED
		:: else
		fi;
		parcel = CANCELLED }
	:: atomic { call_off -> call_off = false; bookings = 0 }
	:: atomic { cancels || expiries + kills + losses + failures > 0 -> cancels = false; expiries = 0; kills = 0; losses = 0; failures = 0 }
	:: atomic { timeout ->
		assert(intent != PENDING);
		assert(parcel != READY);
		assert(bookings == (parcel == BOOKED -> 1 : 0));
		break }
	od
}

init
{
	atomic { run worker(1); run worker(2); run world() }
}
