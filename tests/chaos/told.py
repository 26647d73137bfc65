"""How a sent message is found again in topics and tables, by its kind: rows of one table."""

import json

from seen import RESOLVE, order_of, uuid_of

CANCEL = "karwan.order.cancel_requested.v1"
WITHDRAWN = "karwan.order.withdrawn.v1"
NOTICED = "karwan.order.noticed.v1"
MASK = (1 << 64) - 1

# what an aggregator calls the couriers' words
WORDS = {
    "aftership-demo": {"picked_up": "InTransit_002", "in_transit": "InTransit", "out_for_delivery": "OutForDelivery",
                       "attempt_failed": "AttemptFail", "delivered": "Delivered", "returning": "Exception_010",
                       "moved_to_mars": "Teleported"},
    "easypost-demo": {"picked_up": "in_transit", "attempt_failed": "failure", "returning": "return_to_sender",
                      "moved_to_mars": "teleported"},
}


def courier_number(reference):
    """The digits of the tracking number that the courier simulators give to a reference (infra/simulators/courier)."""
    x = 0xCBF29CE484222325 ^ 7
    for byte in reference.encode():
        x = (x ^ byte) * 0x100000001B3 & MASK
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ x >> 27) * 0x94D049BB133111EB & MASK
    return f"{(x ^ x >> 31) % 10 ** 12:012}"


def is_cancel(record):
    """Or may be one: a notice does not say what has happened."""
    return record.type in (CANCEL, WITHDRAWN, NOTICED) or record.data.get("kind") == "CANCELLED" or "cancel_reason" in record.data


def scan_of(teller, event, number, word):
    """An aggregator's scans have no ids of their own: they are known by what they say."""
    return f"{teller} {number[-12:]} {word}" if teller in WORDS else f"{teller} {event}"


def scan_told(record):
    data = record.data
    return scan_of(data.get("courier"), data.get("event_id"), data.get("tracking_number", ""), data.get("status"))


def put_of(record_type):
    return lambda record: record.key if record.type == record_type else None


# kind of attempt: topic, the name of a record if it is of this kind, the table's rows and their names
PLACES = {
    "order": ("karwan.orders.in", lambda record: record.key if record.type not in (CANCEL, RESOLVE) else None),
    "cancel": ("karwan.orders.in", lambda record: record.key if is_cancel(record) else None),
    "paid": ("karwan.payments.in", lambda record: record.data.get("provider_event_id")),
    "refund": ("karwan.payments.in", lambda record: record.data.get("provider_event_id")),
    "tracking": ("karwan.dispatch.in", scan_told),
    "hub": ("karwan.listings.in", put_of("karwan.hub.put.v1")),
    "maker": ("karwan.listings.in", put_of("karwan.maker.put.v1")),
    "listing": ("karwan.listings.in", put_of("karwan.listing.put.v1")),
}
SCHEMAS = {"karwan.orders.in": "routing", "karwan.payments.in": "payment", "karwan.dispatch.in": "dispatch",
           "karwan.listings.in": "listing"}

# kind: (table, the name of a row or None)
ROWS = {
    "order": (("routing.orders", lambda row: row["order_id"]),),
    "cancel": (("routing.cancel_requests", lambda row: row["order_id"]), ("routing.withdrawn", lambda row: row["order_id"]),
               ("routing.order_messages", lambda row: row["order_id"] if row["kind"] == "CANCELLED" else None),
               ("routing.orders", lambda row: row["order_id"] if row["cancel_asked"] else None)),
    "paid": (("payment.provider_events", lambda row: row["provider_event_id"]),),
    "refund": (("payment.provider_events", lambda row: row["provider_event_id"]),),
    "tracking": (("dispatch.scans", lambda row: scan_of(row["courier"], row["event_id"], row["tracking_number"] or "",
                                                        row["word"])),),
    **{kind: (("listing.records", lambda row, kind=kind: row["id"] if row["kind"] == kind else None),)
       for kind in ("hub", "maker", "listing")},
}


def name_of(attempt):
    """What the records and rows of an attempt are found under."""
    kind = attempt.get("of", attempt["kind"])
    if kind in ("order", "cancel"):
        return order_of(attempt["ref"])
    teller, _, event = attempt["ref"].partition(" ")
    if kind == "tracking" and teller in WORDS and "order" in attempt:
        parcel = uuid_of("parcel", order_of(attempt["order"]), "1")
        return scan_of(teller, event, courier_number(parcel), WORDS[teller].get(attempt.get("scan"), attempt.get("scan")))
    return attempt["ref"]


def asked_channels(run):
    """Channels whose orders also come by asking their API."""
    told = json.loads((run.dir / "partners.json").read_text(encoding="utf-8"))
    return {channel["name"] for channel in told["channels"] if "url" in channel}


# ---- what was sent ----

class Sent:
    """All attempts of one thing."""

    def __init__(self, kind, ref, name):
        self.kind, self.ref, self.name, self.attempts = kind, ref, name, []

    def accepted(self):
        return [attempt for attempt in self.attempts if attempt["status"] == 202]

    def refused(self):
        """Each answer says that nothing was kept."""
        return all(400 <= attempt["status"] < 500 and attempt["status"] not in (409, 429) or attempt["status"] == 200
                   for attempt in self.attempts)


def things_sent(seen):
    """{(kind, ref): Sent}, forgeries apart under ("forged", ref)."""
    if "sent" not in seen.__dict__:
        sent = {}
        for attempt in seen.attempts:
            at = attempt["kind"], attempt["ref"]
            if at not in sent:
                sent[at] = Sent(*at, name_of(attempt))
            sent[at].attempts.append(attempt)
        seen.sent = sent
    return seen.sent
