"""The marketplaces: what they send about orders, and how they sign it; and the operator who registers
makers, hubs and listings. Standard library only (python3 of Debian 12)."""

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from random import Random
from typing import Callable, Iterable

from . import catalogue, shops, signing
from .bodies import body_of, record_of, shopify_test_notification, timestamp
from .environment import Environment, Partner
from .http import Client
from .orders import Order
from .traffic import Attempt, Message, Sign, Switches

TOPICS = {"created": "orders/create", "updated": "orders/updated", "paid": "orders/paid",
          "cancelled": "orders/cancelled", "test": "orders/cancelled"}
WOO_TOPICS = {"created": "order.created", "paid": "order.updated", "cancelled": "order.deleted"}
WRONG_SECRET = "whsec_" + "d3JvbmcgYnV0IG9mIGEgZ29vZCBsZW5ndGghISE="
EXPIRED_S = 3600
CANCEL_AFTER_S = 5.0  # of an order that is never paid; no delay of its creation is longer


def messages_of(orders: Iterable[Order], s: Switches) -> list[Message]:
    """In the order of things: created; paid where the channel takes the money; cancelled where
    nobody pays, by every other such buyer."""
    out = []
    for order in orders:
        at = order.index / s.rate
        out.append(_message(order, "created", at, s))
        if order.pays == "CHANNEL":
            out.append(_message(order, "paid", at + 0.02, s))
        if is_cancelled_later(order):
            out.append(_message(order, "cancelled", at + CANCEL_AFTER_S, s))
    test = shopify_test_notification(s.start)
    out.append(Message(0.0, "shopify-demo", "820982911946154508", "test", "test-0", test))
    return sorted(out, key=lambda m: m.at)


def is_cancelled_later(order: Order) -> bool:
    return order.pays == "NEVER" and not order.unfillable and order.index % 2 == 1


def _message(order: Order, kind: str, at: float, s: Switches) -> Message:
    said_at = order.placed_at + timedelta(seconds={"created": 0, "paid": 1, "cancelled": 60}[kind])
    token = Random(f"message/{s.seed}/{order.index}/{kind}").getrandbits(96)
    lost = (order.channel == "woo-demo" and kind == "paid"
            and Random(f"lost/{s.seed}/{order.index}").random() < s.lose)
    return Message(at, order.channel, order.external_id, kind, f"msg_{token:024x}",
                   body_of(order, kind, said_at), record=record_of(order, kind, said_at), lost=lost)


def signer(env: Environment) -> Sign:
    channels = {name: env.partner("channels", name) for name in catalogue.CHANNELS}

    def sign(message: Message, now: int) -> tuple[dict[str, str], bytes]:
        channel = channels[message.channel]
        secret = WRONG_SECRET if message.forged == "WRONG_SECRET" else channel.secret
        headers = HEADERS.get(message.channel, _standard)(message, secret, channel, now)
        if message.forged == "NO_SIGNATURE":
            headers.pop(SIGNATURES.get(message.channel, "webhook-signature"))
        body = message.body
        if message.forged == "CHANGED_BODY":
            body = body.replace(b'"quantity":1', b'"quantity":9') + b" "
        return headers, body

    return sign


def _shopify(message: Message, secret: str, _channel: Partner, now: int) -> dict[str, str]:
    return {
        "X-Shopify-Topic": TOPICS[message.kind],
        "X-Shopify-Hmac-Sha256": signing.shopify(secret, message.body),
        "X-Shopify-Shop-Domain": "karwan-demo.myshopify.example",
        "X-Shopify-API-Version": "2025-07",
        "X-Shopify-Event-Id": message.message_id,
        "X-Shopify-Webhook-Id": f"{message.message_id}-{time.monotonic_ns()}",
        "X-Shopify-Triggered-At": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
    }


def _woo(message: Message, secret: str, _channel: Partner, now: int) -> dict[str, str]:
    topic = WOO_TOPICS[message.kind]
    return {
        "X-WC-Webhook-Source": "https://woo-demo.example/",
        "X-WC-Webhook-Topic": topic,
        "X-WC-Webhook-Resource": "order",
        "X-WC-Webhook-Event": topic.removeprefix("order."),
        "X-WC-Webhook-Signature": signing.shopify(secret, message.body),
        "X-WC-Webhook-ID": "3",
        "X-WC-Webhook-Delivery-ID": f"{now:032x}",  # neither unique nor stable
    }


def _daraz(message: Message, secret: str, channel: Partner, _now: int) -> dict[str, str]:
    return {"Authorization": signing.daraz_push(secret, channel.app_key, message.body)}


def _standard(message: Message, secret: str, _channel: Partner, now: int) -> dict[str, str]:
    at = now - EXPIRED_S if message.forged == "EXPIRED" else now
    return {
        "webhook-id": message.message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": signing.standard_webhook(secret, message.message_id, at, message.body),
    }


HEADERS = {"shopify-demo": _shopify, "woo-demo": _woo, "daraz-demo": _daraz}
SIGNATURES = {"shopify-demo": "X-Shopify-Hmac-Sha256", "woo-demo": "X-WC-Webhook-Signature",
              "daraz-demo": "Authorization"}


def teller(env: Environment) -> Callable[[Message], None]:
    """The shops know of it before they send it: what their API tells is put there."""
    client = Client()
    urls = {name: shops.orders_url(channel.url) for name, channel in env.partners("channels").items()
            if channel.url}

    def tell(message: Message) -> None:
        if message.channel not in urls or message.forged:
            return
        gone = not message.record
        url = f"{urls[message.channel]}/{message.external_id}"
        answer = client.request("DELETE" if gone else "PUT", url, {}, b"" if gone else message.record)
        if answer.status != 204:
            raise RuntimeError(f"{url}: {answer.status} {answer.body.decode(errors='replace')}")

    return tell


def url_of(env: Environment, message: Message) -> str:
    return f"{env.url('routing')}/v1/channels/{message.channel}/orders"


# ---- the operator ----

def register(env: Environment, version: int, stock: int, connections: int) -> int:
    """Hubs, makers, listings; returns how many were taken. Anything but 202 ends it."""
    client, base = Client(), env.url("listing")
    headers = {"Authorization": f"Bearer {env.operator_token}", "Content-Type": "application/json"}

    def put(row: tuple[str, dict]) -> int:
        path, body = row
        for _ in range(10):
            answer = client.request("PUT", base + path, headers, json.dumps(body).encode())
            if answer.status == 202:
                return 1
            if answer.status not in (0, 429, 503):
                break
            time.sleep(answer.retry_after_s())
        raise RuntimeError(f"PUT {path}: {answer.status} {answer.body.decode(errors='replace')}")

    with ThreadPoolExecutor(connections) as pool:
        return sum(sum(pool.map(put, round_)) for round_ in catalogue.puts(version, stock))


# ---- what came of it ----

def count(attempts: Iterable[Attempt]) -> dict[str, int]:
    """Of the requests that post an order: accepted, an order's first 202; repeated, its later ones;
    refused, any other answer; unknown, none. The other requests are counted apart."""
    n = Counter(sent=0, accepted=0, repeated=0, refused=0, unknown=0, updates=0)
    seen: set[tuple[str, str]] = set()
    for attempt in attempts:
        m = attempt.message
        if m.kind != "created":
            n["updates"] += 1
            continue
        n["sent"] += 1
        key = (m.channel, m.external_id)
        if attempt.status == 202:
            n["repeated" if key in seen else "accepted"] += 1
            seen.add(key)
        else:
            n["refused" if attempt.status else "unknown"] += 1
    return dict(n)


def describe(s: Switches) -> str:
    return f"seed {s.seed}, start {timestamp(s.start)}"
