"""The checker, checked: faults that are seeded in what was read of a clean run, one at a time; each must be found, and by the
invariants that its row names. Faults of tables are made in a transaction of the real database that is rolled back."""

import collections

from flows import lost
from senders import name_of, records_of
from seen import AREAS, Seen, try_change, uuid_of
import check
import machine

CAUGHT = "caught"
TOPIC = "karwan.orders.events"
TRIES = 5


# ---- seeds in topics ----

def longest(seen, topic):
    partition = max(seen.topics[topic], key=lambda p: len(seen.topics[topic][p]))
    return partition, seen.topics[topic][partition]


def with_partition(seen, topic, partition, records):
    return seen.but(topics={topic: {**seen.topics[topic], partition: records}})


def event_dropped(seen):
    partition, records = longest(seen, TOPIC)
    return with_partition(seen, TOPIC, partition, records[:len(records) // 2] + records[len(records) // 2 + 1:])


def event_doubled(seen):
    """Under the next number: by the same one it would be a repeat, which is allowed."""
    partition, records = longest(seen, TOPIC)
    epoch, number = records[-1].place
    again = records[len(records) // 2]
    headers = {**again.headers, "ce_sequence": f"{epoch:06}-{number + 1:019}"}
    return with_partition(seen, TOPIC, partition, [*records, again.but(offset=records[-1].offset + 1, headers=headers)])


def events_swapped(seen):
    """Of a log that is still the one it was, where neither was sent again."""
    for topic in (area.events_topic for area in AREAS):
        partition, records = longest(seen, topic)
        places = collections.Counter(record.place for record in records)
        for at in range(len(records) // 2, len(records) - 1) if not lost(seen, topic) else ():
            first, second = records[at], records[at + 1]
            if places[first.place] == places[second.place] == 1 and first.place < second.place:
                swapped = [second.but(offset=first.offset), first.but(offset=second.offset)]
                return with_partition(seen, topic, partition, records[:at] + swapped + records[at + 2:])
    return seen


def event_of_another_place(seen):
    """A repeat whose content is not the first one's."""
    partition, records = longest(seen, TOPIC)
    again = records[len(records) // 2]
    return with_partition(seen, TOPIC, partition, [*records, again.but(
        offset=records[-1].offset + 1, payload=again.payload.replace('"order_id"', '"order_no"', 1))])


def parcel_jumped(seen):
    """Booked is told as delivered."""
    topic = "karwan.dispatch.events"
    for partition, records in seen.topics[topic].items():
        for at, record in enumerate(records):
            if record.type == "karwan.parcel.booked.v1":
                other = record.but(payload=record.payload.replace('"state":"BOOKED"', '"state":"DELIVERED"', 1))
                return with_partition(seen, topic, partition, records[:at] + [other] + records[at + 1:])
    return seen


def event_untrue(seen):
    """Journal and topic agree on another amount than the row has."""
    topic, column = "karwan.payments.events", "payment.journal"
    for partition, records in seen.topics[topic].items():
        for at, record in enumerate(records):
            if record.type == "karwan.earning.earned.v1":
                payload = record.payload.replace('"amount":{"amount":"', '"amount":{"amount":"1', 1)
                rows = [{**row, "payload": payload} if row["id"] == record.id else row for row in seen.rows(column)]
                other = with_partition(seen, topic, partition, records[:at] + [record.but(payload=payload)] + records[at + 1:])
                return other.but(tables={column: rows})
    return seen


# ---- seeds in the attempts ----

def with_attempts(seen, attempts):
    copy = seen.but()
    copy.attempts = attempts
    return copy


def answered_too_early(seen):
    """A 202 more than there are records: of an order of which each record has its 202."""
    orders = [a for a in seen.attempts if a["kind"] == "order" and a["status"] == 202]
    answers, there = collections.Counter(map(name_of, orders)), records_of(seen, "order")
    attempt = next(a for a in orders if answers[name_of(a)] == len(there.get(name_of(a), ())))
    return with_attempts(seen, [*seen.attempts, attempt])


def order_refused_and_there(seen):
    attempt = next(a for a in seen.attempts if a["kind"] == "order" and a["status"] == 202)
    return with_attempts(seen, [{**a, "status": 422} if (a["kind"], a["ref"]) == ("order", attempt["ref"]) else a
                                for a in seen.attempts])


def forgery_accepted(seen):
    at = next((i for i, a in enumerate(seen.attempts) if a["kind"] == "forged"), None)
    if at is None:
        return seen
    return with_attempts(seen, [*seen.attempts[:at], {**seen.attempts[at], "status": 202}, *seen.attempts[at + 1:]])


def not_believed(seen):
    """A genuine message answered 401 while no clock was wrong."""
    at = next(i for i, a in enumerate(seen.attempts) if a["kind"] == "paid" and a["status"] == 202)
    return with_attempts(seen, [*seen.attempts, {**seen.attempts[at], "status": 401, "t": 0}])


def needs_its_cache(seen):
    """Redis alone was away, and no order was accepted meanwhile."""
    orders = [a for a in seen.attempts if a["kind"] == "order"]
    copy = with_attempts(seen, [{**a, "status": 503} if a["kind"] == "order" else a for a in seen.attempts])
    copy.faults = [{"fault": "redis_away", "target": "redis", "phase": phase, "t": t}
                   for phase, t in (("begin", orders[0]["t"]), ("end", orders[-1]["t"] + 10 ** 7))]
    return copy


# ---- seeds in the machine ----

def files_left_open(seen):
    copy = with_attempts(seen, [*seen.attempts])
    copy.machine = machine.sample(seen.run)
    program = copy.machine["programs"]["order-routing"]
    program["files"] += 1000
    return copy


def national_id_in_a_log(seen):
    """Found where a program might have logged it: the file is gone again when it was looked for."""
    copy = with_attempts(seen, [*seen.attempts])
    words = machine.national_ids(seen)
    if words:
        copy.leak = f"maker {words[0]} was put\n"
    return copy


# ---- seeds in tables ----

FREE = "SET LOCAL session_replication_role = replica; "  # without triggers
ONE = "ctid = (SELECT max(ctid) FROM {} WHERE {})"


class Moved(Exception):
    """What is to be changed has changed by itself since it was read."""


def sql(table, change):
    """Seeds by a statement: what it does to the table is done to the rows that were read."""
    def seed(seen):
        gone, new = try_change(seen.run, table, FREE + change)
        rows = list(seen.rows(table))
        for row in gone:
            if row not in rows:
                raise Moved(table)
            rows.remove(row)
        return seen.but(tables={table: rows + new})

    return seed


def update(table, change, which="true"):
    return sql(table, f"UPDATE {table} SET {change} WHERE {ONE.format(table, which)};")


def delete(table, which="true"):
    return sql(table, f"DELETE FROM {table} WHERE {ONE.format(table, which)};")


BOOKED_AGAIN = sql("dispatch.intents", """INSERT INTO dispatch.intents SELECT gen_random_uuid(), kind, entity,
    replace(payload, 'courier-a', 'courier-b'), trace, state, due, leased, token, attempts, 'ACCEPTED OTHER-1', created_at,
    ended_at FROM dispatch.intents WHERE kind = 'book' AND detail LIKE 'ACCEPTED %' LIMIT 1;""")
ORDER_TWICE = sql("routing.orders", """CREATE TEMP TABLE again ON COMMIT DROP AS SELECT * FROM routing.orders LIMIT 1;
    UPDATE again SET order_id = gen_random_uuid(), order_no = order_no + 1000000000;
    INSERT INTO routing.orders OVERRIDING SYSTEM VALUE SELECT * FROM again;""")
POSTING_TO_ANOTHER = sql("payment.postings", """UPDATE payment.postings SET party = 'somebody-else'
    WHERE (entity_id, revision, n) = (SELECT entity_id, revision, n FROM payment.postings WHERE account = 'MAKER' LIMIT 1);""")

def dead_letter_lost(seen):
    """Or, in a run without one, a message that nobody can take and whose dead letter is not there."""
    if any(row["replayed_at"] is None for row in seen.rows("routing.dead_letters")):
        return sql("routing.dead_letters", "DELETE FROM routing.dead_letters WHERE replayed_at IS NULL;")(seen)
    partition, records = longest(seen, "karwan.orders.in")
    last = records[-1]
    poison = last.but(offset=last.offset + 1, payload=last.payload.replace(last.data["order_id"], uuid_of("order", "nobody's")))
    return with_partition(seen, "karwan.orders.in", partition, [*records, poison])


# name, seed, the invariants that must call it
ROWS = (
    ("event_dropped", event_dropped, (9, 12)),
    ("event_doubled", event_doubled, (9, 12)),
    ("events_swapped", events_swapped, (9, 10, 12)),
    ("repeat_is_another", event_of_another_place, (10,)),
    ("parcel_jumped", parcel_jumped, (8, 12)),
    ("answered_too_early", answered_too_early, (15,)),
    ("refused_and_there", order_refused_and_there, (2,)),
    ("forgery_accepted", forgery_accepted, (20,)),
    ("stock_off_by_one", update("routing.stock", "on_hand = on_hand + 1"), (5,)),
    ("line_reserved_twice", sql("routing.stock_movements", """INSERT INTO routing.stock_movements
        SELECT * FROM routing.stock_movements WHERE kind = 'RESERVE' LIMIT 1;"""), (5,)),
    ("posting_changed", update("payment.postings", "minor = minor + 1"), (6,)),
    ("posting_to_another", POSTING_TO_ANOTHER, (6,)),
    ("offset_moved", update("routing.offsets", "next_offset = next_offset - 1", "topic = 'karwan.orders.in' AND next_offset > 0"),
     (4, 14)),
    ("place_moved", update("payment.offsets", "place_number = place_number - 1", "place_number > 0"), (4,)),
    ("order_lost", delete("routing.orders"), (1, 21)),
    ("order_twice", ORDER_TWICE, (2,)),
    ("line_lost", delete("routing.order_lines"), (3, 21)),
    ("quarantine_lost", delete("routing.exceptions", "kind = 'CONFLICT'"), (3,)),
    ("conflict_lost", delete("payment.exceptions", "kind = 'EVENT_CONFLICT'"), (3,)),
    ("dead_letter_lost", dead_letter_lost, (4,)),
    ("parcel_booked_twice", BOOKED_AGAIN, (11,)),
    ("payment_applied_twice", update("payment.payments", "captured = 2 * captured", "captured > 0"), (7,)),
    ("fulfilment_jumped", update("routing.fulfilments", "state = 'INCOMPLETE'", "state <> 'INCOMPLETE'"), (8,)),
    ("event_untrue", event_untrue, (13,)),
    ("needs_its_cache", needs_its_cache, (16,)),
    ("not_believed", not_believed, (17,)),
    ("files_left_open", files_left_open, (18,)),
    ("national_id_in_a_log", national_id_in_a_log, (19,)),
    ("sent_forgotten", update("routing.published", "number = number - 1", "number > 0"), (12, 14)),
)


def is_seeded(seen, other):
    more = any(hasattr(other, name) for name in ("machine", "leak"))
    return more or any(getattr(other, name) != getattr(seen, name) for name in ("attempts", "faults", "topics", "tables"))


class Leak:
    """A file among the logs, as long as its `with` lasts."""

    def __init__(self, other):
        self.path, self.text = other.run.dir / "logs" / "mutant.log", getattr(other, "leak", None)

    def __enter__(self):
        if self.text:
            self.path.write_text(self.text, encoding="utf-8")

    def __exit__(self, *_):
        self.path.unlink(missing_ok=True)


def try_mutant(seen, seed, numbers):
    other = seed(seen)
    if not is_seeded(seen, other):
        return "there is nothing to seed it in"
    with Leak(other):
        missed = [finding.number for finding in check.judge(other, numbers, 1) if not finding.offenders]
    return CAUGHT if not missed else "missed by " + " ".join(map(str, missed))


def try_mutants(seen):
    """{name: "caught", or what went wrong}"""
    told = {}
    for name, seed, numbers in ROWS:
        for _ in range(TRIES):
            try:
                told[name] = try_mutant(seen, seed, numbers)
                break
            except Moved as error:
                told[name] = f"{error} does not stand still"
                seen = Seen(seen.run)
    return told
