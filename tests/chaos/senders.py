"""What who sent may rely on: invariants 1, 2, 3, 15, 20 and 21, from the attempts."""

import collections

from seen import RESOLVE, Offender, order_of, things_sent, uuid_of

SLACK_US = 1000  # Kafka's times have milliseconds
CANCEL = "karwan.order.cancel_requested.v1"
SUBMITTED = "karwan.order.submitted.v1"
WITHDRAWN = "karwan.order.withdrawn.v1"


# ---- where each kind of message lies, and what it becomes ----

def is_cancel(record):
    return record.type in (CANCEL, WITHDRAWN) or record.data.get("kind") == "CANCELLED" or "cancel_reason" in record.data


# kind of attempt: topic, and the refs that a record of it may have
PLACES = {
    "order": ("karwan.orders.in", lambda record: record.key if record.type not in (CANCEL, RESOLVE) else None),
    "cancel": ("karwan.orders.in", lambda record: record.key if is_cancel(record) else None),
    "paid": ("karwan.payments.in", lambda record: record.data.get("provider_event_id")),
    "refund": ("karwan.payments.in", lambda record: record.data.get("provider_event_id")),
    "tracking": ("karwan.dispatch.in", lambda record: f"{record.data.get('courier')} {record.data.get('event_id')}"),
    "hub": ("karwan.listings.in", lambda record: record.key if record.type == "karwan.hub.put.v1" else None),
    "maker": ("karwan.listings.in", lambda record: record.key if record.type == "karwan.maker.put.v1" else None),
    "listing": ("karwan.listings.in", lambda record: record.key if record.type == "karwan.listing.put.v1" else None),
}
SCHEMAS = {"karwan.orders.in": "routing", "karwan.payments.in": "payment", "karwan.dispatch.in": "dispatch",
           "karwan.listings.in": "listing"}


def name_of(kind, ref):
    """What the records of this thing are found under."""
    return order_of(ref) if kind in ("order", "cancel") else ref


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
        rows = collections.defaultdict(list)
        if kind == "order":
            for row in seen.rows("routing.orders"):
                rows[row["order_id"]].append(row)
        elif kind == "cancel":
            for row in seen.rows("routing.cancel_requests"):
                rows[row["order_id"]].append(row)
            for row in seen.rows("routing.withdrawn"):
                rows[row["order_id"]].append(row)
            for row in seen.rows("routing.order_messages"):
                if row["kind"] == "CANCELLED":
                    rows[row["order_id"]].append(row)
            for row in seen.rows("routing.orders"):
                if row["cancel_asked"]:
                    rows[row["order_id"]].append(row)
        elif kind in ("paid", "refund"):
            for row in seen.rows("payment.provider_events"):
                rows[row["provider_event_id"]].append(row)
        elif kind == "tracking":
            for row in seen.rows("dispatch.scans"):
                rows[f"{row['courier']} {row['event_id']}"].append(row)
        else:
            for row in seen.rows("listing.records"):
                if row["kind"] == kind:
                    rows[row["id"]].append(row)
        cache[kind] = rows
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


# ---- 1, 2 ----

def one_effect(seen, saw):
    """1: each 202 is exactly one order (payment, scan, record), or a dead letter with a reason."""
    for thing in honest(seen):
        accepted = thing.accepted()
        if not accepted:
            continue
        saw()
        name = name_of(thing.kind, thing.ref)
        there, dead = effects(seen, thing.kind).get(name, []), dead_letters(seen, thing.kind).get(name, [])
        if not there and not dead:
            yield Offender(name, f"{thing.kind} {thing.ref}: answered 202 and is neither a row nor a dead letter")
        elif len(there) > 1 and thing.kind != "cancel":
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
    sent, told = {}, set()
    for thing in honest(seen):
        sent[thing.kind, name_of(thing.kind, thing.ref)] = thing
        told.add(thing.ref.partition(" ")[0])
        if thing.accepted():
            continue
        saw()
        name = name_of(thing.kind, thing.ref)
        there = effects(seen, thing.kind).get(name, [])
        if len(there) > 1:
            yield Offender(name, f"{thing.kind} {thing.ref}: never answered 202 and is {len(there)} rows")
        if there and thing.refused() and thing.kind != "cancel":
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


def sent_lines(attempt):
    return sorted((line["sku"], line["quantity"], line["price"]) for line in attempt.get("lines", ()))


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
        kept = sorted((line["sku"], line["quantity"], line["price"]) for line in lines[row["order_no"]])
        if told and kept not in [sent_lines(attempt) for attempt in told]:
            yield Offender(row["order_id"], f"order {row['channel']} {row['external_id']}: its lines {kept} were never sent "
                                            f"together")
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
            told[record.data["provider"], record.data["provider_event_id"]].add(record.data["content_hash"])
    known = seen.by("payment.exceptions", "exception_id")
    for (provider, event), contents in told.items():
        saw()
        if len(contents) > 1 and uuid_of("exception", "EVENT_CONFLICT", provider, event) not in known:
            yield Offender(event, f"event {event} of {provider} came with {len(contents)} contents, and is no exception")
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
    clocks = bool(seen.had("clock"))
    for thing in honest(seen):
        answers = sorted(attempt["t"] + attempt["us"] for attempt in thing.accepted())
        if not answers:
            continue
        saw(len(answers))
        name = name_of(thing.kind, thing.ref)
        appended = sorted(record.at for record in records_of(seen, thing.kind).get(name, []))
        if len(appended) < len(answers):
            yield Offender(name, f"{thing.kind} {thing.ref}: {len(answers)} times 202, {len(appended)} records")
            continue
        for at, record in zip(answers, appended):
            if record > at + SLACK_US and not clocks:
                yield Offender(name, f"{thing.kind} {thing.ref}: 202 {record - at} us before its record was appended")
                break


# ---- 20 ----

def forgeries(seen, saw):
    """20: forged, unsigned, expired and tampered requests: none was accepted, none left anything."""
    real = {(thing.kind, name_of(thing.kind, thing.ref)) for thing in honest(seen)}
    for (kind, ref), thing in things_sent(seen).items():
        if kind != "forged":
            continue
        saw(len(thing.attempts))
        for attempt in thing.attempts:
            if 200 <= attempt["status"] < 300:
                yield Offender(ref, f"{attempt.get('how', 'forged')} {attempt.get('of')} {ref}: answered {attempt['status']}")
        of = thing.attempts[0].get("of")
        if of in PLACES and (of, name_of(of, ref)) not in real and records_of(seen, of).get(name_of(of, ref)):
            yield Offender(ref, f"forged {of} {ref}: it lies in {PLACES[of][0]}")


# ---- 21 ----

def totals(seen):
    """Of orders: how many were sent, accepted, refused, and of how many nobody knows."""
    orders = [thing for thing in honest(seen) if thing.kind == "order"]
    accepted = [thing for thing in orders if thing.accepted()]
    refused = [thing for thing in orders if not thing.accepted() and thing.refused()]
    return {"sent": len(orders), "accepted": len(accepted), "refused": len(refused),
            "unknown": len(orders) - len(accepted) - len(refused)}


def sums(seen, saw):
    """21: accepted = orders + dead letters; lines = allocated + backordered + shipped + cancelled."""
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
