"""What lies between topics and tables: invariants 4, 9, 10, 12 and 14. A reader of our own, by the rule of places, is laid
beside the journal row by row."""

import collections
import re

from seen import AREAS, BARRIER, RESOLVE, Offender, microseconds, partition_of, uuid_of

RANGE = re.compile(r"(\S+)/(\d+):(-?\d+)-(-?\d+)")
JOURNAL_RANGE = 1000000
PARTITIONS = 12
ANEW = ("tail", "anew")  # faults after which a log is another one


def group_of(area):
    return f"karwan.{area.service}"


# ---- 4 ----

def moves_of(seen, area):
    """{(topic, partition): [(from, to, batch)]} of the batches that were committed, in their order."""
    moves = collections.defaultdict(list)
    for row in sorted(seen.rows(f"{area.schema}.batches"), key=lambda row: row["id"]):
        for topic, partition, first, last in RANGE.findall(row["ranges"]):
            moves[topic, int(partition)].append((int(first), int(last) + 1, row["id"]))
    return moves


def lost(seen, topic):
    """The faults by which this log became another one."""
    return [fault for fault in seen.had(*ANEW) if fault.get("target") == topic]


def offsets_chain(seen, saw, area):
    """Each batch began where the one before ended; in an in topic none went back; the row is where the last one ended."""
    rows = {(row["topic"], row["partition"]): row for row in seen.rows(f"{area.schema}.offsets")}
    for at, moves in moves_of(seen, area).items():
        place, topic = None, at[0]
        starts = {0, *(record.offset for record in seen.topics[topic].get(at[1], [])[:1])} if lost(seen, topic) else ()
        for first, after, batch in moves:
            saw()
            if place is not None and first != place and first not in starts:
                yield Offender(at, f"{area.service}: batch {batch} of {topic} {at[1]} begins at {first}, the one before ended "
                                   f"at {place}")
            if after < first and topic == area.in_topic:
                yield Offender(at, f"{area.service}: batch {batch} of {topic} {at[1]} goes back from {first} to {after}")
            place = after
        row = rows.get(at)
        if not row or row["next_offset"] != place:
            yield Offender(at, f"{area.service}: the offset of {topic} {at[1]} is {row and row['next_offset']}, "
                           f"its batches ended at {place}")
        if topic == area.in_topic and moves and moves[0][0] != 0:
            yield Offender(at, f"{area.service}: {topic} {at[1]} was read from {moves[0][0]} on")


def events_place(seen, saw, area):
    """What was read of others' events ends at the last event that a reader takes."""
    for row in seen.rows(f"{area.schema}.offsets"):
        if row["topic"] == area.in_topic:
            continue
        saw()
        taken = seen.taken(row["topic"]).get(row["partition"], [])
        last = taken[-1].place if taken else (0, 0)
        if (row["place_epoch"], row["place_number"]) != last:
            yield Offender((row["topic"], row["partition"]),
                           f"{area.service} has read {row['topic']} {row['partition']} to "
                           f"{row['place_epoch']}-{row['place_number']}, "
                           f"it ends with {last[0]}-{last[1]}")


def has_effect(seen, record):
    """Is there a row that says what became of a message?"""
    data, of = record.data, record.type
    is_order = data.get("order_id") in seen.by("routing.orders", "order_id")
    if of == "karwan.order.submitted.v1":
        order = seen.by("routing.orders", "order_id").get(data["order_id"])
        at = microseconds(data["source_time"])
        if order and (order["first_kind"], order["first_hash"]) == (data["kind"], data["content_hash"]) \
                and microseconds(order["first_time"]) == at:
            return True
        return any((row["kind"], row["content_hash"]) == (data["kind"], data["content_hash"])
                   and microseconds(row["source_time"]) == at
                   for row in seen.all_by("routing.order_messages", "order_id").get(data["order_id"], ()))
    if of == "karwan.order.noticed.v1":
        return is_order or data["order_id"] in seen.by("routing.intents", "entity")
    if of == "karwan.order.withdrawn.v1":
        return is_order or data["order_id"] in seen.by("routing.withdrawn", "order_id")
    if of == "karwan.order.cancel_requested.v1":
        return (data["order_id"], data["request_id"]) in seen.by("routing.cancel_requests", "order_id", "request_id")
    if of == "karwan.payment.reported.v1":
        at = data["provider"], data["provider_event_id"]
        return at in seen.by("payment.provider_events", "provider", "provider_event_id")
    if of == "karwan.tracking.reported.v1":
        return (data["courier"], data["event_id"]) in seen.by("dispatch.scans", "courier", "event_id")
    if of == "karwan.parcel.cancel_requested.v1":
        return (record.id, data["parcel_id"]) in seen.by("dispatch.requests", "request_id", "parcel_id")
    if of in ("karwan.import.started.v1", "karwan.import.reported.v1"):
        return data["import_id"] in seen.by("listing.imports", "import_id")
    if of == RESOLVE:
        return True  # an exception that is at another version by now stays as it is
    kind = of.split(".")[1] if of.count(".") > 1 else ""
    row = seen.by("listing.records", "kind", "id").get((kind, record.key))
    if row and row["source_version"] >= data.get("version", 0):
        return True
    return (record.key, data.get("version", 0)) in seen.by("listing.exceptions", "entity_id", "source_version")


def outcomes(seen, saw, area):
    """Each message of the in topic has left its row, or is a dead letter."""
    dead = {(row["partition"], row["at_offset"]): row for row in seen.rows(f"{area.schema}.dead_letters")
            if row["topic"] == area.in_topic and row["replayed_at"] is None}
    for record in seen.records(area.in_topic):
        saw()
        if dead.pop((record.partition, record.offset), None) is None and not has_effect(seen, record):
            yield Offender(record.key, f"{record.where()}, {record.type} of {record.key}: neither a row nor a dead letter")
    for (partition, offset), row in dead.items():
        yield Offender(row["id"], f"dead letter {row['id']}: there is no message at {area.in_topic} {partition}@{offset}")


def offsets(seen, saw):
    """4: offsets never go back or skip; every message has one outcome."""
    for area in AREAS:
        yield from offsets_chain(seen, saw, area)
        yield from events_place(seen, saw, area)
        yield from outcomes(seen, saw, area)


# ---- 9 ----

def journal_of(seen, area):
    """{partition: rows in order of number}."""
    cache = seen.__dict__.setdefault("journals", {})
    if area.schema not in cache:
        cache[area.schema] = collections.defaultdict(list)
        for row in seen.rows(f"{area.schema}.journal"):
            cache[area.schema][row["partition"]].append(row)
        for rows in cache[area.schema].values():
            rows.sort(key=lambda row: row["number"])
    return cache[area.schema]


def all_sent(seen, saw):
    """9: every committed event is in Kafka, none without its transaction; a reader sees each once."""
    for area in AREAS:
        journal = {row["id"]: row for row in seen.rows(f"{area.schema}.journal")}
        times = collections.Counter(record.id for records in seen.taken(area.events_topic).values() for record in records)
        for row in journal.values():
            saw()
            if times[row["id"]] != 1:
                yield Offender(row["key"], f"event {row['type']} {row['id']} of {row['key']} (number {row['number']}): a reader "
                                           f"of {area.events_topic} {row['partition']} sees it {times[row['id']]} times")
        epochs = max((row["epoch"] for row in seen.rows(f"{area.schema}.head")), default=1)
        for record in seen.records(area.events_topic):
            if record.id not in journal and record.place[0] >= epochs:
                yield Offender(record.key, f"{record.where()}: {record.type} of {record.key} was committed by no transaction")
        emitted = sum(row["events"] for row in seen.rows(f"{area.schema}.batches"))
        if emitted > len(journal):
            yield Offender(area.schema, f"{area.service}: its batches emitted {emitted} events, its journal has {len(journal)}")


# ---- 10 ----

def raw_order(seen, saw, area, partition):
    """The log as it lies there: numbers grow, but for what was sent again; a hole only where Kafka lost its end."""
    lossy, last, epoch, known = lost(seen, area.events_topic), 0, 0, {}
    for record in seen.topics[area.events_topic][partition]:
        saw()
        e, n = record.place
        if e == 0:
            yield Offender(record.key, f"{record.where()}: an event without a place")
            continue
        what = record.id, record.payload
        if (e, n) in known and known[e, n] != what:
            yield Offender(record.key, f"{record.where()}: number {e}-{n} was another event before")
        if e > epoch:
            if epoch and record.type != BARRIER and not lossy:
                yield Offender(record.key, f"{record.where()}: epoch {e} begins without its barrier")
            epoch, last = e, n - 1 if not epoch else last
        if n > last + 1 and not lossy:
            yield Offender(record.key, f"{record.where()}: number {n} comes after {last}")
        if n <= last and (e, n) not in known and e == epoch and record.type != BARRIER and not lossy:
            yield Offender(record.key, f"{record.where()}: number {n} comes for the first time after {last}")
        known[e, n] = what
        last = n if record.type == BARRIER else max(last, n) if e == epoch else last


def versions(seen, saw):
    """Each entity's events are 1, 2, 3 …: the id of an event is a function of entity, version and type."""
    for area in AREAS:
        for entity, records in seen.histories(area.events_topic).items():
            for version, record in enumerate(records, 1):
                saw()
                if record.id != uuid_of("event", entity, str(version), record.type):
                    yield Offender(record.key, f"{record.where()}: {record.type} of {entity} is not its version {version}")
                    break


def order_of_events(seen, saw):
    """10: per partition numbers grow but for re-sent ones; per entity versions are 1, 2, 3 …"""
    for area in AREAS:
        for partition in sorted(seen.topics[area.events_topic]):
            yield from raw_order(seen, saw, area, partition)
    yield from versions(seen, saw)


# ---- 12 ----

def journal_numbers(seen, saw, area):
    heads = seen.by(f"{area.schema}.head", "partition")
    for partition in range(PARTITIONS):
        rows = journal_of(seen, area).get(partition, [])
        saw(len(rows))
        numbers = [row["number"] for row in rows]
        first = numbers[0] if numbers else 1
        if numbers != list(range(first, first + len(numbers))) or (first > 1 and first % JOURNAL_RANGE):
            hole = next((n for n, m in zip(numbers, range(first, first + len(numbers) + 1)) if n != m), first)
            yield Offender((area.events_topic, partition), f"the journal of {area.events_topic} {partition} has a hole before "
                                                           f"{hole}")
        head = heads.get(partition, {}).get("number")
        if head != (numbers[-1] if numbers else 0):
            yield Offender((area.events_topic, partition), f"the head of {area.events_topic} {partition} is {head}, its journal "
                                                           f"ends with {numbers[-1] if numbers else 0}")


def differences(row, record, murmur):
    """Where a row of the journal and the record of its number differ."""
    yield "id", row["id"], record.id
    yield "epoch", row["epoch"], record.place[0]
    yield "type", row["type"], record.type
    yield "key", row["key"], record.key
    yield "entity", row["entity"], record.headers.get("ce_subject")
    yield "payload", row["payload"], record.payload
    if row["type"] != BARRIER:
        yield "partition", murmur(row["key"], PARTITIONS), record.partition


def topic_is_journal(seen, saw, area):
    placed = {}

    def murmur(key, partitions):
        if key not in placed:
            placed[key] = partition_of(key, partitions)
        return placed[key]

    for partition in range(PARTITIONS):
        rows = {row["number"]: row for row in journal_of(seen, area).get(partition, [])}
        taken = {record.place[1]: record for record in seen.taken(area.events_topic).get(partition, [])}
        saw(len(rows))
        for number in sorted(rows.keys() | taken.keys()):
            row, record = rows.get(number), taken.get(number)
            if not row or not record:
                yield Offender((row["key"] if row else record.key), f"number {number} of {area.events_topic} {partition} is in "
                                                                    f"the {'journal' if row else 'topic'} alone")
                break
            wrong = next((what for what in differences(row, record, murmur) if what[1] != what[2]), None)
            if wrong:
                yield Offender(row["key"], f"number {number} of {area.events_topic} {partition}: {wrong[0]} is {wrong[1]!r} in "
                                           f"the journal, {wrong[2]!r} in the topic")


def remembered(seen, saw, area):
    """What the publisher remembers was acknowledged: the record of that number lies at that offset."""
    heads = seen.by(f"{area.schema}.head", "partition")
    for row in seen.rows(f"{area.schema}.published"):
        saw()
        partition, number = row["partition"], row["number"]
        at = area.events_topic, partition
        if number > heads[partition]["number"]:
            yield Offender(at, f"{number} of {area.events_topic} {partition} is remembered as sent, the journal ends before")
        if number == 0:
            continue
        record = next((r for r in seen.topics[area.events_topic].get(partition, ()) if r.offset == row["kafka_offset"]), None)
        if record is None or record.place[1] != number:
            yield Offender(at, f"{number} of {area.events_topic} {partition} is remembered at offset {row['kafka_offset']}, "
                               f"there is {record.place[1] if record else 'nothing'}")


def journals(seen, saw):
    """12: journal numbers are 1..n; each topic partition, read by rule 5, is that journal; only what was sent is remembered."""
    for area in AREAS:
        yield from journal_numbers(seen, saw, area)
        yield from topic_is_journal(seen, saw, area)
        yield from remembered(seen, saw, area)


# ---- 14 ----

def no_lag(seen, saw):
    for area in AREAS:
        rows = {(row["topic"], row["partition"]): row for row in seen.rows(f"{area.schema}.offsets")}
        for topic in (area.in_topic, *area.reads):
            for partition in range(PARTITIONS):
                saw()
                end, row = seen.end(topic, partition), rows.get((topic, partition))
                if (row["next_offset"] if row else 0) < end:
                    yield Offender((topic, partition), f"{area.service} is at {row['next_offset'] if row else 0} of {topic} "
                                   f"{partition}, which ends at {end}")
        heads = seen.by(f"{area.schema}.head", "partition")
        for row in seen.rows(f"{area.schema}.published"):
            if row["number"] < heads[row["partition"]]["number"]:
                yield Offender((area.events_topic, row["partition"]), f"{area.events_topic} {row['partition']}: sent to "
                               f"{row['number']} of {heads[row['partition']]['number']}")


def dead_letters_whole(seen, saw, area):
    """A dead letter is the record that it says, so that it can be sent again; what was sent again came to its end."""
    for row in seen.rows(f"{area.schema}.dead_letters"):
        saw()
        record = next((r for r in seen.topics[row["topic"]].get(row["partition"], ()) if r.offset == row["at_offset"]), None)
        what = f"dead letter {row['id']} of {area.service} ({row['topic']} {row['partition']}@{row['at_offset']})"
        if not row["reason"] or row["attempts"] < 1:
            yield Offender(row["id"], f"{what}: without a reason or attempts")
        if record is None:
            yield Offender(row["id"], f"{what}: there is no such record")
        elif bytes.fromhex(row["value"][2:]) != record.payload.encode("utf-8", "surrogateescape"):
            yield Offender(row["id"], f"{what}: its bytes are not the record's")
        if row["requested"]:
            yield Offender(row["id"], f"{what}: asked to be sent again, and was not")
        if row["replayed_at"] and row["outcome"] != "OK: done":
            yield Offender(row["id"], f"{what}: it was sent again, and its outcome says {row['outcome']}")


def no_block(seen, saw):
    """14: poison never blocks: nothing is left to read or to send; dead letters are whole."""
    yield from no_lag(seen, saw)
    for area in AREAS:
        yield from dead_letters_whole(seen, saw, area)

