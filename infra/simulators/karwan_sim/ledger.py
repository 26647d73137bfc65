"""What the demo learns from events while it runs, and what it says in the end. Standard library
only (python3 of Debian 12)."""

import threading
from collections import Counter
from decimal import Decimal
from typing import Iterable

from .catalogue import CHANNELS
from .orders import Order
from .traffic import Attempt

Key = tuple[str, str]  # channel, external id


def minor(amount: dict) -> int:
    """Both of the demo's currencies have two digits."""
    value = Decimal(amount["amount"]) * 100
    if value != int(value):
        raise ValueError(f"{amount} is not a whole number of minor units")
    return int(value)


class Ledger:
    """Any thread."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.routed: set[Key] = set()
        self.parked: set[Key] = set()
        self.cancelled: set[Key] = set()
        self.booked: dict[str, float] = {}  # parcel: when its event was read
        self.orders_of: dict[str, Key] = {}  # parcel, or order id
        self.delivered: set[str] = set()  # order ids
        self.expectations: dict[str, str] = {}  # order id: state
        self.earned: Counter[str] = Counter()
        self.types: Counter[str] = Counter()

    def on_event(self, kind: str, _key: str, data: dict, at: float) -> None:
        with self.lock:
            self.types[kind] += 1
            if kind.startswith("karwan.order."):
                self._on_order(kind, data)
            elif kind == "karwan.parcel.booked.v1":
                self.booked.setdefault(data["parcel_id"], at)
                self.orders_of[data["parcel_id"]] = (data["channel"], data["external_id"])
            elif kind == "karwan.expectation.settled.v1":
                self.expectations[data["order_id"]] = data["state"]
            elif kind == "karwan.earning.earned.v1":
                self.earned[data["amount"]["currency"]] += minor(data["amount"])

    def _on_order(self, kind: str, data: dict) -> None:
        if "external_id" in data:
            key = (data["channel"], data["external_id"])
            self.orders_of[data["order_id"]] = key
            fact = {"karwan.order.routed.v1": self.routed, "karwan.order.parked.v1": self.parked,
                    "karwan.order.cancelled.v1": self.cancelled}.get(kind)
            if fact is not None:
                fact.add(key)
        if kind == "karwan.order.delivered.v1":
            self.delivered.add(data["order_id"])

    def booked_orders(self) -> set[Key]:
        with self.lock:
            return {self.orders_of[parcel] for parcel in self.booked}

    def numbers(self) -> dict:
        """Orders, except where money is counted."""
        with self.lock:
            return {
                "routed": len(self.routed),
                "parked": len(self.parked - self.routed),
                "paid": sum(state in ("POSTED", "OVER") for state in self.expectations.values()),
                "booked": len({self.orders_of[parcel] for parcel in self.booked}),
                "delivered": len(self.delivered),
                "earned": dict(sorted(self.earned.items())),
            }


def latencies(ledger: Ledger, orders: list[Order], order_attempts: list[Attempt],
              payment_attempts: list[Attempt], lost: set[Key] = frozenset()) -> list[float]:
    """Milliseconds, per booked parcel: from the last webhook that it needed (the order's, the
    money's) to its event read from Kafka. A webhook counts from when it was first sent. Those of
    which one was lost had to wait for a poll, and are not counted."""
    asked: dict[Key, float] = {}
    money: dict[str, float] = {}
    for attempt in sorted(order_attempts, key=lambda a: a.sent_at):
        m = attempt.message
        if attempt.status == 202 and m.kind == "created":
            asked.setdefault((m.channel, m.external_id), attempt.sent_at)
        if attempt.status == 202 and m.kind == "paid":
            money.setdefault(m.external_id, attempt.sent_at)
    for attempt in sorted(payment_attempts, key=lambda a: a.sent_at):
        if attempt.status == 202 and attempt.message.kind == "succeeded":
            money.setdefault(attempt.message.external_id, attempt.sent_at)
    paid_in_advance = {(o.channel, o.external_id) for o in orders
                       if o.pays in ("STRIPE", "CHANNEL")}
    out = []
    for parcel, at in ledger.booked.items():
        key = ledger.orders_of[parcel]
        if key in lost:
            continue
        needed = [asked[key], money[key[1]]] if key in paid_in_advance else [asked[key]]
        # a payment told by the channel brings the order with it: what came later was not needed
        out.append(1000 * (at - max(sent for sent in needed if sent <= at)))
    return sorted(out)


def percentile(values: list[float], share: float) -> float | None:
    """The smallest value that so large a share does not exceed."""
    if not values:
        return None
    return round(values[min(len(values) - 1, int(len(values) * share))], 1)


def spell_money(minors: dict[str, int]) -> str:
    return " + ".join(f"{currency} {n / 100:,.2f}" for currency, n in sorted(minors.items())) or "0"


def table(result: dict, more: dict[str, str]) -> str:
    event_ms = result["event_ms"]
    rows = [(name, f"{result[name]:,}", more.get(name, ""))
            for name in ("sent", "accepted", "repeated", "refused", "routed", "parked", "paid",
                         "booked", "delivered")]
    rows.append(("earned", spell_money(result["earned"]), more.get("earned", "")))
    rows.append(("event p50/p99", f"{event_ms['p50']} / {event_ms['p99']} ms",
                 more.get("event", "")))
    rows.append(("check", result["check"], more.get("check", "")))
    width = max(len(value) for _, value, _ in rows[:-1])
    return "\n".join(f"  {name:<14} {value:>{width}}  {note}".rstrip()
                     for name, value, note in rows)


def spell_refusals(attempts: Iterable[Attempt]) -> str:
    n = Counter(a.status for a in attempts if a.message.kind == "created" and a.status != 202)
    forged = sum(bool(a.message.forged) for a in attempts)
    answers = ", ".join(f"{count} x {status}" for status, count in sorted(n.items()))
    return f"{answers}; {forged} of all requests were forged"


def spell_reasons(views: Iterable[dict | None]) -> str:
    """Why lines of orders wait."""
    n = Counter(line["reason"] for view in views if view for line in view["lines"]
                if line["parked"] and "reason" in line)
    return ", ".join(f"{count} x {reason}" for reason, count in sorted(n.items()))


def not_delivered(booked: set[Key], views: dict[Key, dict | None]) -> tuple[list[Key], list[Key]]:
    """Booked orders that are not delivered as a whole: those of which a part waits or was cancelled,
    and those that nothing explains."""
    part, unexplained = [], []
    for key in sorted(booked):
        view = views.get(key)
        if view and view["state"] == "DELIVERED":
            continue
        rest = view and any(line["parked"] or line["cancelled"] or line["incomplete"] for line in view["lines"])
        (part if rest else unexplained).append(key)
    return part, unexplained


def channels_line(orders: list[Order]) -> str:
    n = Counter(order.channel for order in orders)
    return ", ".join(f"{name} {n[name]}" for name in CHANNELS)
