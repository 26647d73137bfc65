"""What who sent may rely on: invariants 1, 2, 3, 15, 20 and 21, from the attempts."""

import collections
import json

from seen import Offender, order_of, uuid_of
from told import PLACES, ROWS, SCHEMAS, asked_channels, name_of, things_sent

# Kafka's times have milliseconds; a sender may be halted between its two looks at the clock
SLACK_US = 20000
WITNESS_TRIES = 3
SUBMITTED = "karwan.order.submitted.v1"


def records_of(seen, kind):
    """{name: records} of what was appended of this kind."""
    cache = seen.__dict__.setdefault("appended", {})
    if kind not in cache:
        topic, of = PLACES[kind]
        cache[kind] = collections.defaultdict(list)
        for record in seen.records(topic):
            name = of(record)
            if name is not None:
                cache[kind][name].append(record)
    return cache[kind]


def effects(seen, kind):
    """{name: rows} that messages of this kind have become."""
    cache = seen.__dict__.setdefault("effects", {})
    if kind not in cache:
        cache[kind] = collections.defaultdict(list)
        for table, of in ROWS[kind]:
            for row in seen.rows(table):
                name = of(row)
                if name is not None:
                    cache[kind][name].append(row)
    return cache[kind]


def dead_letters(seen, kind):
    """{name: dead letters} of this kind, by the record that each of them is."""
    cache = seen.__dict__.setdefault("dead", {})
    if kind not in cache:
        topic, of = PLACES[kind]
        rows = {(row["partition"], row["at_offset"]): row for row in seen.rows(f"{SCHEMAS[topic]}.dead_letters")
                if row["topic"] == topic and row["replayed_at"] is None}
        cache[kind] = collections.defaultdict(list)
        for record in seen.records(topic) if rows else ():
            row = rows.get((record.partition, record.offset))
            if row and of(record) is not None:
                cache[kind][of(record)].append(row)
    return cache[kind]


def honest(seen):
    return [thing for (kind, _), thing in things_sent(seen).items() if kind in PLACES]


def is_many(thing):
    """Of these a message may leave several rows: a cancellation in two ways, an aggregator's story as scans."""
    return thing.kind == "cancel" or thing.kind == "tracking" and thing.name != thing.ref


# ---- 1, 2 ----

def one_effect(seen, saw):
    """1: each 202 is exactly one order (payment, scan, record), or a dead letter with a reason."""
    for thing in honest(seen):
        accepted = thing.accepted()
        if not accepted:
            continue
        saw()
        name = thing.name
        there, dead = effects(seen, thing.kind).get(name, []), dead_letters(seen, thing.kind).get(name, [])
        for told in {name_of(attempt) for attempt in accepted}:
            if told not in effects(seen, thing.kind) and told not in dead_letters(seen, thing.kind):
                yield Offender(told, f"{thing.kind} {thing.ref}: answered 202 and is neither a row nor a dead letter")
        if len(there) > 1 and not is_many(thing):
            yield Offender(name, f"{thing.kind} {thing.ref}: answered 202 and is {len(there)} rows")
        for row in dead:
            if not row["reason"]:
                yield Offender(name, f"{thing.kind} {thing.ref}: its dead letter has no reason")
        if thing.kind == "order":
            for attempt in accepted:
                if attempt.get("id") not in (None, name):
                    yield Offender(name, f"order {thing.ref}: answered with the id {attempt['id']}, not {name}")


def at_most_one(seen, saw):
    """2: what was not answered 202 is there once or not at all; what was refused is not there; nothing is from nobody."""
    sent, told, asked = {}, set(), asked_channels(seen.run)
    for thing in honest(seen):
        sent[thing.kind, thing.name] = thing
        told.add(thing.ref.partition(" ")[0])
        if thing.accepted():
            continue
        saw()
        name = thing.name
        there = effects(seen, thing.kind).get(name, [])
        if len(there) > 1 and not is_many(thing):
            yield Offender(name, f"{thing.kind} {thing.ref}: never answered 202 and is {len(there)} rows")
        if there and thing.refused() and not is_many(thing) and thing.ref.partition(" ")[0] not in asked:
            yield Offender(name, f"{thing.kind} {thing.ref}: refused each time, and it is there")
    twice = collections.Counter()
    for row in seen.rows("routing.orders"):
        saw()
        twice[row["channel"], row["external_id"]] += 1
        if twice[row["channel"], row["external_id"]] == 2:
            yield Offender(row["order_id"], f"order {row['channel']} {row['external_id']}: two rows")
        if row["channel"] in told and ("order", row["order_id"]) not in sent and ("cancel", row["order_id"]) not in sent:
            yield Offender(row["order_id"], f"order {row['channel']} {row['external_id']}: nobody has sent it")


# ---- 3 ----

def order_conflicts(seen):
    """{order id: messages with other content than the first of the same kind and time}, by the topic; and the first ones."""
    dead = {(row["partition"], row["at_offset"]) for row in seen.rows("routing.dead_letters")
            if row["topic"] == "karwan.orders.in"}
    first, conflicts, begun = {}, collections.defaultdict(set), {}
    for record in seen.records("karwan.orders.in"):
        if record.type != SUBMITTED or (record.partition, record.offset) in dead:
            continue
        data = record.data
        begun.setdefault(data["order_id"], record)
        at = data["order_id"], data["kind"], data["source_time"]
        if first.setdefault(at, data["content_hash"]) != data["content_hash"]:
            conflicts[data["order_id"]].add((data["kind"], data["source_time"], data["content_hash"]))
    return begun, conflicts


def pieces(lines):
    """What was ordered, whether a channel tells lines or single pieces."""
    found = collections.Counter()
    for line in lines:
        found[line["sku"], line["price"]] += line["quantity"]
    return found


def whole_orders(seen, saw):
    """An order's lines and amounts are one message's, and are what was sent in one piece."""
    begun, _ = order_conflicts(seen)
    lines = seen.all_by("routing.order_lines", "order_no")
    for row in seen.rows("routing.orders"):
        record = begun.get(row["order_id"])
        if not record:
            continue
        saw()
        ours = sorted((line["line_no"], line["line_id"], line["sku"], line["quantity"]) for line in lines[row["order_no"]])
        theirs = [(i, line["line_id"], line["sku"], line["quantity"]) for i, line in enumerate(record.data["lines"], 1)]
        if ours != theirs:
            yield Offender(row["order_id"], f"order {row['channel']} {row['external_id']}: its lines {ours} are not those of the "
                           f"first message, {theirs}")
        sent = things_sent(seen).get(("order", f"{row['channel']} {row['external_id']}"))
        told = [attempt for attempt in sent.attempts if "lines" in attempt] if sent else []
        kept = pieces(lines[row["order_no"]])
        if told and kept not in [pieces(attempt["lines"]) for attempt in told]:
            yield Offender(row["order_id"], f"order {row['channel']} {row['external_id']}: its lines {dict(kept)} were never "
                                            f"sent together")
        totals = {(attempt["currency"], attempt["total"]) for attempt in told if "total" in attempt}
        if totals and (row["currency"], row["total"]) not in totals:
            yield Offender(row["order_id"], f"order {row['channel']} {row['external_id']}: its total {row['currency']} "
                                            f"{row['total']} was never sent")


def quarantined(seen, saw):
    """3: the same id with another body is an exception each, and never merged."""
    _, conflicts = order_conflicts(seen)
    kept = collections.defaultdict(set)
    for row in seen.rows("routing.exceptions"):
        if row["kind"] == "CONFLICT":
            kept[row["order_id"]].add(row["exception_id"])
    for order, told in conflicts.items():
        saw(len(told))
        ids = {uuid_of("exception", "CONFLICT", order, *what) for what in told}
        if ids - kept[order]:
            yield Offender(order, f"order {order}: {len(told)} messages with other content, {len(ids & kept[order])} quarantined")
    for order in kept:
        if order not in conflicts:
            yield Offender(order, f"order {order}: quarantined without a message with other content")
    yield from whole_orders(seen, saw)
    yield from other_conflicts(seen, saw)


def other_conflicts(seen, saw):
    """Events of providers, and scans, that came again with other content."""
    told = collections.defaultdict(set)
    for record in seen.records("karwan.payments.in"):
        if record.type == "karwan.payment.reported.v1":
            data = record.data
            told[data["provider"], data["provider_event_id"]].add((data["content_hash"], data["payment_id"]))
    known = seen.by("payment.exceptions", "exception_id")
    first = seen.by("payment.provider_events", "provider", "provider_event_id")
    for at, contents in told.items():
        saw()
        stands = first[at]["content_hash"] if at in first else None
        for content, payment in contents if len(contents) > 1 else ():
            if content != stands and uuid_of("exception", "EVENT_CONFLICT", *at, payment) not in known:
                yield Offender(at[1], f"event {at[1]} of {at[0]} came with {len(contents)} contents, and is no exception of "
                                      f"payment {payment}")
    scans = collections.defaultdict(set)
    for record in seen.records("karwan.dispatch.in"):
        if record.type == "karwan.tracking.reported.v1":
            scans[record.data["courier"], record.data["event_id"]].add(record.payload)
    known = seen.by("dispatch.exceptions", "exception_id")
    for (courier, event), contents in scans.items():
        saw()
        if len(contents) > 1 and uuid_of("exception", "SCAN_CONFLICT", f"{courier} {event}") not in known:
            yield Offender(event, f"scan {event} of {courier} came with {len(contents)} contents, and is no exception")


# ---- 15 ----

def durable(seen, saw):
    """15: before each 202, a record more of it was in its topic: as many and as early as there are answers."""
    clocks, answered = bool(seen.had("clock")), collections.defaultdict(list)
    for thing in honest(seen):
        for attempt in thing.accepted():
            answered[thing.kind, name_of(attempt)].append(attempt)
    for (kind, name), attempts in answered.items():
        answers = sorted(attempt["t"] + attempt["us"] for attempt in attempts)
        saw(len(answers))
        appended = sorted(record.at for record in records_of(seen, kind).get(name, []))
        if len(appended) < len(answers):
            yield Offender(name, f"{kind} {attempts[0]['ref']}: {len(answers)} times 202, {len(appended)} records")
            continue
        for at, record in zip(answers, appended):
            if record > at + SLACK_US and not clocks:
                yield Offender(name, f"{kind} {attempts[0]['ref']}: 202 {record - at} us before its record was appended")
                break


# ---- 20 ----

def near(kind, name):
    """Who orders and who cancels writes under one key, and a notice does not say which it was; an aggregator tells the words
    before this one, too."""
    return ("order" if kind == "cancel" else kind), " ".join(name.split(" ")[:2])


def forgeries(seen, saw):
    """20: forged, unsigned, expired and tampered requests: none was accepted, none left anything."""
    real = {near(thing.kind, name_of(attempt)) for thing in honest(seen) for attempt in thing.attempts}
    for (kind, ref), thing in things_sent(seen).items():
        if kind != "forged":
            continue
        saw(len(thing.attempts))
        for attempt in thing.attempts:
            if 200 <= attempt["status"] < 300:
                yield Offender(ref, f"{attempt.get('how', 'forged')} {attempt.get('of')} {ref}: answered {attempt['status']}")
        of, name = thing.attempts[0].get("of"), name_of(thing.attempts[0])
        if of in PLACES and near(of, name) not in real and records_of(seen, of).get(name):
            yield Offender(ref, f"forged {of} {ref}: it lies in {PLACES[of][0]}")


# ---- 21 ----

def totals(seen):
    """Of orders: how many were sent, accepted, refused, and of how many nobody knows."""
    orders = [thing for thing in honest(seen) if thing.kind == "order"]
    accepted = [thing for thing in orders if thing.accepted()]
    refused = [thing for thing in orders if not thing.accepted() and thing.refused()]
    return {"sent": len(orders), "accepted": len(accepted), "refused": len(refused),
            "unknown": len(orders) - len(accepted) - len(refused)}


def witness(seen, saw):
    """The operators' own command, with the attempts as it reads them. Where an API is asked, an order that was refused may come
    all the same; a channel's cancellation may be the first that is heard of an order, or all."""
    path, asked = seen.run.dir / "chaos" / "attempts-of-orders.ndjson", asked_channels(seen.run)
    with path.open("w", encoding="utf-8") as file:
        for attempt in seen.attempts:
            if attempt.get("of", attempt["kind"]) != "order" and attempt["kind"] != "cancel":
                continue
            channel, _, external_id = attempt["ref"].partition(" ")
            is_open = attempt["kind"] == "cancel" or channel in asked and attempt["status"] != 202
            status = 0 if is_open else attempt["status"]
            print(json.dumps({"channel": channel, "external_id": external_id, "status": status,
                              "forged": attempt["kind"] == "forged"}), file=file)
    for _ in range(WITNESS_TRIES):
        status, told, err = seen.run.ctl("--json", "check", "--attempts", str(path))
        if status in (0, 1):
            break
    else:  # it could not ask
        yield Offender("karwanctl", f"karwanctl check: status {status}: {err.strip()}")
        return
    told = json.loads(told.splitlines()[-1])
    saw(told["seen"])
    for drift in told["drift"]:
        yield Offender(drift["entity"], f"karwanctl check: {drift['rule']} {drift['entity']} {drift['part']}: should be "
                                        f"{drift['should']}, is {drift['is']}")


def sums(seen, saw):
    """21: accepted = orders + dead letters; lines = allocated + backordered + shipped + cancelled; karwanctl finds nothing."""
    orders, dead = effects(seen, "order"), dead_letters(seen, "order")
    there = alone = accepted = 0
    for thing in honest(seen):
        if thing.kind == "order" and thing.accepted():
            accepted += 1
            there += order_of(thing.ref) in orders
            alone += order_of(thing.ref) not in orders and order_of(thing.ref) in dead
    saw(accepted)
    if accepted != there + alone:
        yield Offender("orders", f"{accepted} orders were accepted; there are {there} of them, and {alone} are dead letters")
    of = seen.by("routing.orders", "order_no")
    for line in seen.rows("routing.order_lines"):
        saw()
        parts = line["allocated"] + line["parked"] + line["shipped"] + line["cancelled"]
        if line["quantity"] != parts:
            order = of.get(line["order_no"], {}).get("order_id", line["order_no"])
            yield Offender(order, f"line {line['line_id']} of order {order}: ordered {line['quantity']}, its parts are {parts}")
    begun, _ = order_conflicts(seen)
    lines = seen.all_by("routing.order_lines", "order_no")
    for row in seen.rows("routing.orders"):
        told = begun.get(row["order_id"])
        if told and len(lines[row["order_no"]]) != len(told.data["lines"]):
            yield Offender(row["order_id"], f"order {row['order_id']}: {len(lines[row['order_no']])} lines, "
                           f"{len(told.data['lines'])} were ordered")
    if seen.is_real:
        yield from witness(seen, saw)
