"""Every event equals the function of the row version that it names: invariant 13. The last event of each entity is laid beside
its row, by tables of fields; older ones beside the tables that keep history."""

import collections
import itertools
import json

from seen import ROOT, TOPICS, Judge, Offender, microseconds, money

JUDGED_MAX = 6000  # messages that are laid beside their schemas

# ---- fields: name in the event, the event's value, the row's ----


def same(name, column=None):
    return name, lambda data: data.get(name), lambda row: row[column or name]


def amount(name, column=None):
    return name, lambda data: money(data[name]) if name in data else None, lambda row: row[column or name]


def amount_of(name):
    """One that may be absent: then it has no currency."""
    return (name, lambda data: money(data[name]) if name in data else None,
            lambda row: row[name] if row[f"{name}_currency"] else None)


def moment(name, column=None):
    return (name, lambda data: microseconds(data[name]) if name in data else None,
            lambda row: microseconds(row[column or name]) if row[column or name] else None)


def carrier(name, column, empty=None):
    return (f"carrier/{name}", lambda data: data.get("carrier", {}).get(name),
            lambda row: None if row[column] == empty else row[column])


def content(name):
    return name, lambda data: data.get(name), lambda row: json.loads(row["content"])[name]


PARCEL = (
    *(same(name) for name in ("order_id", "channel", "external_id", "n", "fulfilment_id", "maker_id", "hub_id", "state",
                              "courier", "tracking_number", "label_url", "weight_g", "reason", "version")),
    amount("declared_value"),
    ("amount_due", lambda data: money(data["amount_due"]) if "amount_due" in data else None,
     lambda row: row["amount_due"] if row["due_currency"] else None),
    carrier("status", "carrier_status", "NONE"), carrier("text", "carrier_text"), carrier("place", "carrier_place"),
    content("lines"), content("ship_to"), content("ship_from"), moment("changed_at"),
)
PARCEL_FIXED = ("order_id", "channel", "external_id", "n", "fulfilment_id", "maker_id", "hub_id", "weight_g", "declared_value",
                "amount_due", "lines", "ship_to", "ship_from")
EXPECTATION = (same("state"), amount("expected"), amount("received"), same("cleared"))
CAPTURED = (same("provider"), same("provider_payment_id"), amount("amount", "captured"))
REFUNDED = (same("provider"), ("amount", lambda data: money(data["amount"]), lambda row: min(row["refunded"], row["captured"])))
EXCEPTION = (*(same(name) for name in ("kind", "order_id", "payment_id", "reason", "resolution", "note")),
             same("by", "resolved_by"), amount_of("expected"), amount_of("received"))
EARNING = (*(same(name) for name in ("order_id", "fulfilment_id", "line_id", "maker_id")), amount("amount"), amount("fee"),
           moment("earned_at"))
RECEIVED = (*(same(name) for name in ("channel", "external_id", "number", "test", "cod", "currency", "fee_bps")),
            moment("placed_at"))
OUR_COPY = {
    "maker": ("routing.makers", tuple(same(name) for name in ("version", "hub_id", "weekly_capacity", "state"))),
    "hub": ("routing.hubs", tuple(same(name) for name in ("version", "name", "region"))),
    "listing": ("routing.listings", tuple(same(name) for name in (
        "version", "sku", "title", "kind", "maker_id", "hub_id", "weight_g", "state", "quantity", "quantity_version"))),
}
EXCEPTION_STATES = {"opened": "OPEN", "accepted": "ACCEPTED", "resolved": "RESOLVED"}


def compare(what, record, row, fields, data=None):
    data = record.data if data is None else data
    for name, of_event, of_row in fields:
        told, kept = of_event(data), of_row(row)
        if told != kept:
            yield Offender(record.key, f"{record.where()}: {record.type} of {what} says {name} {told!r}, its row {kept!r}")
            return


def of_type(records, *facts):
    return [record for record in records if record.type.split(".")[2] in facts]


# ---- parcels ----

def parcels(seen, saw):
    rows = seen.by("dispatch.parcels", "parcel_id")
    histories = seen.histories("karwan.dispatch.events")
    for parcel, records in histories.items():
        saw(len(records))
        if parcel not in rows:
            yield Offender(parcel, f"parcel {parcel}: events and no row")
            continue
        yield from compare(parcel, records[-1], rows[parcel], PARCEL)
        for record in records[:-1]:
            if any(record.data.get(name) != records[-1].data.get(name) for name in PARCEL_FIXED):
                yield Offender(parcel, f"{record.where()}: parcel {parcel} was another one at version {record.data['version']}")
                break
    for parcel, row in rows.items():
        if row["version"] and parcel not in histories:
            yield Offender(parcel, f"parcel {parcel} is at version {row['version']}, without an event")


# ---- money ----

def expectations(seen, saw, records, order):
    row = seen.by("payment.expectations", "order_id").get(order)
    saw(len(records))
    if row is None or row["version"] != len(records):
        yield Offender(order, f"expectation {order} is at version {row and row['version']}, it has {len(records)} events")
    # an order that waits for its money changes without being told
    elif row["state"] != "EXPECTED" or row["cod"]:
        yield from compare(order, records[-1], row, EXPECTATION)


def one_payment(seen, saw, records, payment):
    row = seen.by("payment.payments", "payment_id").get(payment)
    saw(len(records))
    if row is None or row["version"] != len(records):
        yield Offender(payment, f"payment {payment} is at version {row and row['version']}, it has {len(records)} events")
        return
    yield from compare(payment, records[0], row, CAPTURED)
    if len(records) > 1:
        yield from compare(payment, records[-1], row, REFUNDED)


def exceptions(seen, saw, records, entity):
    row = seen.by("payment.exceptions", "exception_id").get(entity)
    saw(len(records))
    if row is None or row["version"] != len(records) or row["state"] != EXCEPTION_STATES[records[-1].type.split(".")[2]]:
        yield Offender(records[-1].key, f"exception {entity} is {row and (row['state'], row['version'])}, its {len(records)} "
                                        f"events end with {records[-1].type}")
    else:
        yield from compare(entity, records[-1], row, EXCEPTION)


def earnings(seen, saw, records, entity):
    row = seen.by("payment.earnings", "earning_id").get(entity)
    saw(len(records))
    if row is None or len(records) != 1:
        yield Offender(records[-1].key, f"earning {entity}: {len(records)} events, {'a' if row else 'no'} row")
    else:
        yield from compare(entity, records[0], row, EARNING)


OF_MONEY = {"expectation": expectations, "payment": one_payment, "exception": exceptions, "earning": earnings}
ROWS_OF_MONEY = {"payment.expectations": "order_id", "payment.payments": "payment_id", "payment.exceptions": "exception_id",
                 "payment.earnings": "earning_id"}


def all_money(seen, saw):
    histories = collections.defaultdict(dict)
    for entity, records in seen.histories("karwan.payments.events").items():
        # an order and its expectation have one id
        for kind in OF_MONEY:
            of_kind = [record for record in records if record.type.split(".")[1] == kind]
            if of_kind:
                histories[kind][entity] = of_kind
                yield from OF_MONEY[kind](seen, saw, of_kind, entity)
    for name, column in ROWS_OF_MONEY.items():
        kind = name.split(".")[1][:-1]
        for row in seen.rows(name):
            if row.get("version", 1) and row[column] not in histories[kind]:
                yield Offender(row["order_id"] or row[column], f"{kind} {row[column]} has no event")


# ---- orders ----

def line_of(line):
    return line["line_id"], line["sku"], line.get("title"), line["quantity"], money(line["price"]), money(line["discount"])


def received(seen, saw, order, row, records):
    saw()
    yield from compare(order, records[0], row, RECEIVED, {"cod": False, **records[0].data})
    told = [line_of(line) for line in records[0].data["lines"]]
    kept = [tuple(line[name] for name in ("line_id", "sku", "title", "quantity", "price", "discount"))
            for line in sorted(seen.all_by("routing.order_lines", "order_no")[row["order_no"]], key=lambda line: line["line_no"])]
    if told != kept:
        yield Offender(order, f"order {order} was received with lines {told}, its rows are {kept}")


def routed(seen, saw, order, row, records):
    """Each routed event is what was allocated at its version."""
    of_version = collections.defaultdict(set)
    names = {line["line_no"]: line["line_id"] for line in seen.all_by("routing.order_lines", "order_no")[row["order_no"]]}
    for allocation in seen.all_by("routing.allocations", "order_no").get(row["order_no"], ()):
        of_version[allocation["version"]].add((allocation["n"], names.get(allocation["line_no"]), allocation["listing_id"],
                                               allocation["quantity"]))
    fulfilments = {one["n"]: one for one in seen.all_by("routing.fulfilments", "order_no").get(row["order_no"], ())}
    for version, record in enumerate(records, 1):
        if not record.type.endswith(".routed.v1"):
            continue
        saw()
        told = {(one["n"], line["line_id"], line["listing_id"], line["quantity"])
                for one in record.data["fulfilments"] for line in one["lines"]}
        if told != of_version.pop(version, set()):
            yield Offender(order, f"{record.where()}: order {order} was not routed so at version {version}: {sorted(told)}")
        for one in record.data["fulfilments"]:
            kept = fulfilments.get(one["n"], {})
            if any(one[name] != kept.get(name) for name in ("fulfilment_id", "maker_id", "hub_id")):
                yield Offender(order, f"{record.where()}: fulfilment {one['n']} of order {order} is another one in its row")
    if of_version:
        yield Offender(order, f"order {order}: allocated at {sorted(of_version)}, and no event told it")


def parked(seen, saw, order, row, records):
    """Each parked event is what was decided at its version, of the lines that waited then."""
    of_version = collections.defaultdict(dict)
    names = {line["line_no"]: line["line_id"] for line in seen.all_by("routing.order_lines", "order_no")[row["order_no"]]}
    for decision in seen.all_by("routing.decisions", "order_id").get(order, ()):
        of_version[decision["version"]][names.get(decision["line_no"])] = decision["reason"]
    for version, record in enumerate(records, 1):
        if not record.type.endswith(".parked.v1"):
            continue
        saw()
        told = {line["line_id"]: line["reason"] for line in record.data["lines"]}
        if told != of_version.pop(version, {}):
            yield Offender(order, f"{record.where()}: order {order} was not parked so at version {version}: {told}")
    if of_version:
        yield Offender(order, f"order {order}: decided at {sorted(of_version)}, and no event told it")


def reported(seen, saw, order, _row, records):
    """Payments that the channel has told are rows, and events, once each."""
    kept = {one["reference"]: one["amount"] for one in seen.all_by("routing.order_payments", "order_id").get(order, ())}
    told = [(record.data["reference"], money(record.data["amount"])) for record in of_type(records, "payment_reported")]
    saw(len(told))
    if sorted(told) != sorted(kept.items()):
        yield Offender(order, f"order {order}: payments told {told}, kept {kept}")


def orders(seen, saw):
    histories = seen.histories("karwan.orders.events")
    for row in seen.rows("routing.orders"):
        records = histories.get(row["order_id"])
        if not records:
            yield Offender(row["order_id"], f"order {row['order_id']} has no event")
            continue
        for look in (received, routed, parked, reported):
            yield from look(seen, saw, row["order_id"], row, records)
    known = seen.by("routing.orders", "order_id")
    for order, records in histories.items():
        if order not in known:
            yield Offender(order, f"order {order}: {len(records)} events and no row")


# ---- the catalogue, and copies ----

def catalogue(seen, saw):
    rows = seen.by("listing.records", "entity")
    for entity, records in seen.histories("karwan.listings.events").items():
        saw(len(records))
        record, row = records[-1], rows.get(entity)
        if row is None or row["version"] != len(records) or record.data["version"] != len(records):
            yield Offender(record.key, f"{record.key} is at version {row and row['version']}, it has {len(records)} events")
            continue
        body = json.loads(row["body"])
        for name in body.keys() - {"version", "publications", "national_id", "phone", "sponsor", "lead", "as_of"}:
            if body[name] != record.data.get(name):
                yield Offender(record.key, f"{record.where()}: {record.key} says {name} {record.data.get(name)!r}, its row "
                                           f"{body[name]!r}")
                break
        told = {(one["channel"], one["channel_sku"]): one for one in record.data.get("publications", ())}
        if told.keys() != {(one["channel"], one["channel_sku"]) for one in body.get("publications", ())}:
            yield Offender(record.key, f"{record.where()}: {record.key} has other publications than its row")
        table, fields = OUR_COPY[row["kind"]]
        copy = seen.by(table, f"{row['kind']}_id").get(row["id"])
        if copy is None:
            yield Offender(record.key, f"{record.key}: order-routing does not know it")
        else:
            yield from compare(f"{record.key} in {table}", record, copy, fields)


def readers_have(seen, saw):
    """What other services have made of an order's events: once, and all of it."""
    expected = seen.by("payment.expectations", "order_id")
    parcels_of = seen.by("dispatch.parcels", "fulfilment_id")
    for order, records in seen.histories("karwan.orders.events").items():
        saw()
        first, row = records[0].data, expected.get(order)
        told = money(first["total"]), first["currency"], first["test"]
        if row is None or (row["total"], row["currency"], row["test"]) != told:
            yield Offender(order, f"order {order} was received with {first['total']}, payment-reconciliation has "
                           f"{row and (row['total'], row['currency'], row['test'])}")
        for record in of_type(records, "routed"):
            for one in record.data["fulfilments"]:
                if one["fulfilment_id"] not in parcels_of:
                    yield Offender(order, f"fulfilment {one['fulfilment_id']} of order {order} was routed, and is no parcel")
    cleared = {order: of_type(records, "settled")[-1].data["cleared"] for order, records in
               seen.histories("karwan.payments.events").items() if of_type(records, "settled")}
    for row in seen.rows("dispatch.orders"):
        if row["order_id"] in cleared and row["cleared"] != cleared[row["order_id"]]:
            yield Offender(row["order_id"], f"order {row['order_id']}: courier-dispatch takes it for cleared: {row['cleared']}")


def in_their_form(seen, saw):
    """Payload, headers, key and partition are as schemas/ says; of very many, every n-th is looked at."""
    judge = Judge()
    told = json.loads((ROOT / "schemas" / "topics.json").read_text(encoding="utf-8"))["topics"]
    told = {topic["name"]: topic for topic in told}
    dead = {(row["topic"], row["partition"], row["at_offset"]) for schema in ("listing", "routing", "payment", "dispatch")
            for row in seen.rows(f"{schema}.dead_letters")}
    every = 1 + sum(1 for topic in TOPICS for _ in seen.records(topic)) // JUDGED_MAX
    for topic in TOPICS:
        for record in itertools.islice(seen.records(topic), 0, None, every):
            if (topic, record.partition, record.offset) in dead:
                continue
            saw()
            headers = [text for pair in record.headers.items() for text in pair]
            for fault in judge.faults(told[topic], {"headers": headers, "key": record.key, "payload": record.payload,
                                                    "partition": record.partition}):
                yield Offender(record.key, f"{record.where()}: {fault}")


def told_as_is(seen, saw):
    """13: every event equals the function of the row version that it names, here and with those who read it."""
    yield from parcels(seen, saw)
    yield from all_money(seen, saw)
    yield from orders(seen, saw)
    yield from catalogue(seen, saw)
    yield from readers_have(seen, saw)
    yield from in_their_form(seen, saw)
