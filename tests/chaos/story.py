"""The whole story of one order (parcel, payment, place): what was sent, what lies in the topics, what is in the tables."""

import datetime
import json

from seen import TOPICS, microseconds, order_of
from told import name_of

LONGEST = 240
SHOWN = 20  # records of a partition
NOT_TOLD = ("payload", "content", "body", "ship_to", "value", "headers")


def clock(at):
    return datetime.datetime.fromtimestamp(at / 1000000, datetime.timezone.utc).strftime("%H:%M:%S.%f")


def short(text):
    return text if len(text) <= LONGEST else text[:LONGEST] + " …"


def ids_around(seen, key):
    """The key, and the order, parcels and payments that belong together with it."""
    ids = {key}
    for row in seen.rows("payment.provider_events"):
        if row["provider_event_id"] == key:
            ids |= {row["payment_id"], row["order_id"] or key}
    for name, column in (("dispatch.parcels", "parcel_id"), ("payment.payments", "payment_id")):
        for row in seen.rows(name):
            if row["order_id"] and (row[column] in ids or row["order_id"] in ids):
                ids |= {row[column], row["order_id"]}
    return ids


def attempts(seen, ids):
    for attempt in seen.attempts:
        refs = {attempt["ref"], name_of(attempt), attempt.get("id"), order_of(attempt.get("order", ""))}
        if refs & ids:
            what = f"{attempt['kind']} {attempt['ref']} try {attempt.get('try')} to {attempt['to']}: {attempt['status']}"
            yield attempt["t"], f"sent   {what} after {attempt['us']} us, content {attempt.get('content')}"


def line_of(record):
    return record.at, short(f"record {record.where()} {record.headers.get('ce_sequence', '')} {record.type} {record.payload}")


def records(seen, ids):
    for topic in TOPICS:
        for record in seen.records(topic):
            if record.key in ids or record.headers.get("ce_subject") in ids or record.data.get("order_id") in ids:
                yield line_of(record)


def place(seen, topic, partition):
    """The end of a partition, and what is remembered of it."""
    for record in seen.topics.get(topic, {}).get(partition, [])[-SHOWN:]:
        yield line_of(record)
    for name in sorted(seen.tables):
        for row in seen.rows(name):
            if row.get("partition") == partition and (row.get("topic") == topic or name.endswith((".head", ".published"))) \
                    and not name.endswith(".journal"):
                yield 0, short(f"row    {name} {json.dumps(told_of(row))}")


def told_of(row):
    return {column: value for column, value in row.items() if column not in NOT_TOLD and value is not None}


def rows(seen, ids):
    numbers = {row["order_no"] for row in seen.rows("routing.orders") if row["order_id"] in ids}
    for name in sorted(seen.tables):
        for row in seen.rows(name):
            if not (ids & {value for value in row.values() if isinstance(value, str)} or row.get("order_no") in numbers):
                continue
            at = next((row[column] for column in ("time", "booked_at", "at", "opened_at", "arrived_at", "first_at", "seen_at",
                                                  "created_at", "changed_at") if row.get(column)), None)
            yield microseconds(at) if at else 0, short(f"row    {name} {json.dumps(told_of(row))}")


def story(seen, offender):
    """Lines in order of time."""
    if isinstance(offender.key, tuple):
        told = list(place(seen, *offender.key))
    else:
        ids = ids_around(seen, offender.key)
        told = [*attempts(seen, ids), *records(seen, ids), *rows(seen, ids)]
    told.sort(key=lambda line: (line[0] == 0, line[0]))  # rows without a time come last
    return [f"{clock(at) if at else ' ' * 15} {text}" for at, text in told]
