"""A payment provider in Stripe's words: money for the orders of the marketplaces.
https://docs.stripe.com/api/events. Standard library only (python3 of Debian 12)."""

import json
import string
from random import Random
from typing import Iterable

from . import signing
from .environment import Environment
from .marketplace import EXPIRED_S, WRONG_SECRET
from .orders import Order
from .traffic import Message, Sign, Switches

NAME = "stripe-demo"
PAID_AFTER_S = 0.02
PAID_BEFORE_S = 0.3  # reordered: the money is told of before the order
REFUNDED_AFTER_S = 6.0


def _id(prefix: str, seed: int, index: int) -> str:
    r = Random(f"{prefix}/{seed}/{index}")
    return f"{prefix}_" + "".join(r.choices(string.ascii_letters + string.digits, k=24))


def messages_of(orders: Iterable[Order], s: Switches, refund: float) -> list[Message]:
    """payment_intent.succeeded for each order that is paid here, charge.refunded for a share."""
    out = []
    for order in orders:
        if order.pays != "STRIPE":
            continue
        early = Random(f"early/{s.seed}/{order.index}").random() < s.reorder
        at = max(0.0, order.index / s.rate + (-PAID_BEFORE_S if early else PAID_AFTER_S))
        out.append(_message(order, "succeeded", at, s))
        if Random(f"refund/{s.seed}/{order.index}").random() < refund:
            out.append(_message(order, "refunded", at + REFUNDED_AFTER_S, s))
    return sorted(out, key=lambda m: m.at)


def _message(order: Order, kind: str, at: float, s: Switches) -> Message:
    event_id = _id("evt", s.seed, order.index * 2 + (kind == "refunded"))
    return Message(at, NAME, order.external_id, kind, event_id, event(order, kind, event_id, s))


def event(order: Order, kind: str, event_id: str, s: Switches) -> bytes:
    created = int(order.placed_at.timestamp()) + (1 if kind == "succeeded" else 3600)
    intent = _id("pi", s.seed, order.index)
    common = {
        "amount": order.total, "currency": order.currency.lower(), "livemode": False,
        "metadata": {"channel": order.channel, "order_id": order.external_id},
    }
    if kind == "succeeded":
        thing = {"id": intent, "object": "payment_intent", "amount_received": order.total,
                 "status": "succeeded", "created": created - 1, **common}
    else:
        thing = {"id": _id("ch", s.seed, order.index), "object": "charge", "refunded": True,
                 "payment_intent": intent, "amount_captured": order.total,
                 "amount_refunded": order.total, "created": created - 3600, **common}
    return json.dumps({
        "id": event_id, "object": "event", "api_version": "2025-06-30.basil", "created": created,
        "livemode": False, "pending_webhooks": 1,
        "type": "payment_intent.succeeded" if kind == "succeeded" else "charge.refunded",
        "data": {"object": thing},
    }, indent=2).encode()


def signer(env: Environment) -> Sign:
    secret = env.partner("providers", NAME).secret

    def sign(message: Message, now: int) -> tuple[dict[str, str], bytes]:
        at = now - EXPIRED_S if message.forged == "EXPIRED" else now
        with_secret = WRONG_SECRET if message.forged == "WRONG_SECRET" else secret
        headers = {"Stripe-Signature": signing.stripe(with_secret, at, message.body)}
        if message.forged == "NO_SIGNATURE":
            headers.clear()
        body = message.body
        if message.forged == "CHANGED_BODY":
            body = body.replace(b'"amount_received": ', b'"amount_received": 9') + b" "
        return headers, body

    return sign


def url_of(env: Environment, message: Message) -> str:
    return f"{env.url('payment')}/v1/providers/{message.channel}/events"
