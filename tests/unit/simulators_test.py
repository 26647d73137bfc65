#!/usr/bin/env python3
"""Tests of infra/simulators: published signature vectors, bodies against the schemas, the same seed and
the same bytes, what the switches do, and the readers' rule. simulators_test.py ROOT"""
import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
import tempfile
import threading
import unittest
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from urllib.parse import urlencode

import jsonschema

ROOT = Path(sys.argv.pop(1) if len(sys.argv) > 1 else Path(__file__).parents[2])
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "infra/simulators"))
# pylint: disable=wrong-import-position
from karwan_sim import catalogue, ledger, marketplace, provider, shops, signing, topics
from karwan_sim.bodies import body_of, daraz_record, shopify_test_notification, timestamp, woo_body
from karwan_sim.environment import Environment
from karwan_sim.http import Client
from karwan_sim.orders import plan
from karwan_sim.traffic import Attempt, FORGERIES, Message, Switches, Traffic, disorder

START = datetime(2026, 1, 5, 9, 0, tzinfo=timezone.utc)
STANDARD_SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


def switches(**changes: float) -> Switches:
    row = {"orders": 60, "seed": 7, "start": START, "duplicate": 0.0, "delay": 0.0, "reorder": 0.0,
           "forge": 0.0, "unfillable": 0.1, "lose": 0.0, "rate": 40.0, "connections": 4, "attempts": None}
    return Switches(**{**row, **changes})


def environment(folder: str, api: str = "http://127.0.0.1:1") -> Environment:
    secrets = {"shopify-demo": "shopify secret", "pavilion": STANDARD_SECRET, "dibs": STANDARD_SECRET,
               "ahaan": STANDARD_SECRET, "woo-demo": "a&b", "daraz-demo": "helloworld", "api": "test", "stripe-demo": "whsec_verbatim", "operator": "token"}
    for name, secret in secrets.items():
        Path(folder, name).write_text(secret + "\n", encoding="utf-8")
    row = lambda name, adapter: {"name": name, "adapter": adapter, "secret_files": [name]}
    asked = {"woo-demo": {"adapter": "woocommerce", "url": f"{api}/woo-demo", "api_secret_files": ["api", "api"]},
             "daraz-demo": {"adapter": "lazada", "url": f"{api}/daraz-demo/rest", "api_secret_files": ["api"],
                            "app_key": "123456"}}
    Path(folder, "partners.json").write_text(json.dumps({
        "channels": [{**row(name, "x"), **asked.get(name, {})} for name in catalogue.CHANNELS],
        "providers": [row("stripe-demo", "stripe")], "operators": [row("operator", "")],
    }), encoding="utf-8")
    return Environment({"KARWAN_PARTNERS_FILE": f"{folder}/partners.json",
                        "KARWAN_ROUTING_URL": "http://127.0.0.1:1/"})


def schema(name: str) -> dict:
    return json.loads((ROOT / f"schemas/events/{name}.json").read_text(encoding="utf-8"))


class Signatures(unittest.TestCase):
    def test_shopify(self) -> None:
        # https://shopify.dev: base64 of HMAC-SHA256; the second one by openssl dgst
        self.assertEqual(signing.shopify("secret", b"{}"),
                         "dzJZAsrKgS3CWXM6rNBGtzgXNyx3e42VtAJkdHRRbhM=")
        self.assertEqual(signing.shopify("hush", b'{"a":"\\/x"}'),
                         "SGJ0FBKv4frcoVaEHb9e77rdQ0k/cgN9FgSSNV2KtgA=")

    def test_daraz(self) -> None:
        # Lazada's own example: https://open.lazada.com/apps/doc/doc?nodeId=10451
        self.assertEqual(
            signing.daraz_call("helloworld", "/order/get", {
                "timestamp": "1517820392000", "order_id": "1234", "app_key": "123456", "access_token": "test",
                "sign_method": "sha256"}),
            "4190D32361CFB9581350222F345CB77F3B19F0E31D162316848A2C1FFD5FAB4A")
        # by openssl dgst -sha256 -hmac over app key and body
        self.assertEqual(signing.daraz_push("helloworld", "123456", b"{}"), "f8167a2643db0c01510da11c2b7eb1278e31a343e13d8a91ca8954d76b745e4a")

    def test_standard_webhooks(self) -> None:
        # the specification's own vector
        body, message_id, at = b'{"test": 2432232314}', "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
        for secret in ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"):
            self.assertEqual(signing.standard_webhook(secret, message_id, at, body),
                             "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
        with self.assertRaises(ValueError):
            signing.standard_webhook("whsec_no base64!", message_id, at, body)

    def test_stripe(self) -> None:
        # by openssl dgst -sha256 -hmac: the prefix is part of the key
        self.assertEqual(
            signing.stripe("whsec_karwan_test_secret", 1614265330, b'{"test": 2432232314}'),
            "t=1614265330,v1=cec199ce1b9c0a8d61ec0af2c85b5ce1ecf30645a57a9c817080af0df57ddfb3")


class Bodies(unittest.TestCase):
    def setUp(self) -> None:
        self.orders = plan(300, 7, START)

    def test_same_seed_same_bytes(self) -> None:
        def all_bytes(seed: int, start: datetime, n: int) -> list[bytes]:
            s = switches(seed=seed, start=start, orders=n)
            orders = plan(n, seed, start)
            return [m.body for m in marketplace.messages_of(orders, s)
                    + provider.messages_of(orders, s, 0.1)]
        first = all_bytes(7, START, 50)
        self.assertEqual(first, all_bytes(7, START, 50))
        self.assertNotEqual(first, all_bytes(8, START, 50))
        self.assertNotEqual(first, all_bytes(7, START.replace(hour=10), 50))
        self.assertEqual(self.orders[:50], plan(50, 7, START))

    def test_seed_and_start_are_said(self) -> None:
        self.assertEqual(marketplace.describe(switches(seed=7)),
                         f"seed 7, start {timestamp(START)}")

    def test_ids_are_unique(self) -> None:
        self.assertEqual(len({(o.channel, o.external_id) for o in self.orders}), 300)
        self.assertEqual({o.channel for o in self.orders}, set(catalogue.CHANNELS))

    def test_karwan_bodies_fit_the_schema(self) -> None:
        posted = jsonschema.Draft202012Validator(schema("karwan.order.posted.v1"))
        for order in self.orders:
            for kind in ("created", "updated", "paid", "cancelled"):
                if order.channel in ("pavilion", "dibs", "ahaan"):
                    posted.validate(json.loads(body_of(order, kind, START)))

    def test_totals_add_up(self) -> None:
        for order in self.orders:
            data = json.loads(body_of(order, "created", START))
            if order.channel == "shopify-demo":
                total, parts = data["total_price"], (
                    data["subtotal_price"], data["total_shipping_price_set"]["shop_money"]["amount"])
                self.assertEqual(sum(round(100 * float(part)) for part in parts),
                                 round(100 * float(total)))
                self.assertIn(b"https:\\/\\/", body_of(order, "created", START))
            elif order.channel in ("woo-demo", "daraz-demo"):
                continue  # below
            else:
                data = data["data"]
                amount = {name: ledger.minor(data[name])
                          for name in ("total", "lines_total", "shipping", "tax", "discount")}
                self.assertEqual(amount["total"], amount["lines_total"] + amount["shipping"]
                                 + amount["tax"] - amount["discount"])

    def test_totals_of_shops_that_are_asked_add_up(self) -> None:
        paisas = lambda value: round(100 * float(value))
        for order in self.orders:
            if order.channel not in ("woo-demo", "daraz-demo"):
                continue
            woo = json.loads(woo_body(order, "paid", START))
            daraz = json.loads(daraz_record(order, "paid", START))
            self.assertEqual(paisas(woo["total"]), order.total)
            self.assertEqual(sum(paisas(line["total"]) for line in woo["line_items"]) + paisas(woo["shipping_total"]),
                             order.total)
            self.assertEqual(paisas(daraz["order"]["price"]), order.total)
            self.assertEqual(sum(paisas(i["paid_price"]) for i in daraz["items"]) + paisas(daraz["order"]["shipping_fee"]),
                             order.total)
            self.assertEqual(len(daraz["items"]), sum(line.quantity for line in order.lines))
            self.assertEqual(len({i["order_item_id"] for i in daraz["items"]}), len(daraz["items"]))

    def test_what_is_fillable_is_there(self) -> None:
        left = {i.channel_sku(c): (i, c) for i in catalogue.LISTINGS for c in i.channels}
        sold = {}
        for order in self.orders:
            for line in order.lines:
                if order.unfillable == "UNKNOWN_SKU":
                    self.assertNotIn(line.sku, left)
                    continue
                item, channel = left[line.sku]
                self.assertEqual((channel, line.price), (order.channel, item.price(channel)))
                if order.unfillable == "LAST_PIECE":
                    self.assertEqual(item.kind, catalogue.ONE)
                    self.assertGreater(sold[item.listing_id], 0)
                else:
                    sold[item.listing_id] = sold.get(item.listing_id, 0) + line.quantity
        for item in catalogue.LISTINGS:
            most = {catalogue.ONE: 1, catalogue.STOCK: catalogue.STOCK_PIECES}.get(item.kind, 20)
            self.assertLessEqual(sold.get(item.listing_id, 0), most)
        self.assertGreater(sum(not o.unfillable for o in self.orders), 240)
        self.assertEqual({o.unfillable for o in self.orders}, {"", "UNKNOWN_SKU", "LAST_PIECE"})

    def test_catalogue_fits_the_schemas(self) -> None:
        hubs, makers, listings = catalogue.puts(1, 40)
        self.assertEqual([len(hubs), len(makers), len(listings)], [3, 20, 60])
        for path, body in hubs:
            jsonschema.validate({"hub_id": path.split("/")[-1], **body}, schema("karwan.hub.put.v1"))
        for path, body in makers:
            clear = body.pop("national_id", None)  # the edge seals it; here it is checked alone
            self.assertRegex(clear or "82203-1104512-2", r"^[1-8]\d{4}-\d{7}-[1-9]$")
            jsonschema.validate({"maker_id": path.split("/")[-1], **body},
                                schema("karwan.maker.put.v1"))
        for path, body in listings:
            jsonschema.validate({"listing_id": path.split("/")[-1], **body},
                                schema("karwan.listing.put.v1"))
        self.assertEqual({body["kind"] for _, body in listings},
                         {"ONE_OF_A_KIND", "STOCKED", "MADE_TO_ORDER"})

    def test_stripe_events_name_the_order(self) -> None:
        messages = provider.messages_of(self.orders, switches(), 1.0)
        self.assertEqual(len(messages), 2 * sum(o.pays == "STRIPE" for o in self.orders))
        by_id = {o.external_id: o for o in self.orders}
        for message in messages:
            event = json.loads(message.body)
            thing, order = event["data"]["object"], by_id[message.external_id]
            self.assertEqual(thing["metadata"],
                             {"channel": order.channel, "order_id": order.external_id})
            self.assertEqual((thing["amount"], thing["currency"]),
                             (order.total, order.currency.lower()))
        self.assertEqual(len({m.message_id for m in messages}), len(messages))

    def test_notification_is_a_test(self) -> None:
        body = json.loads(shopify_test_notification(START))
        self.assertIs(body["test"], True)
        self.assertEqual(body["id"], 820982911946154508)


class Disorder(unittest.TestCase):
    def setUp(self) -> None:
        self.orders = plan(200, 7, START)
        self.messages = marketplace.messages_of(self.orders, switches())

    def test_without_switches_nothing_changes(self) -> None:
        self.assertEqual(disorder(self.messages, switches(), "x"), self.messages)

    def test_repeats_are_the_same_message(self) -> None:
        out = disorder(self.messages, switches(duplicate=0.5), "x")
        known = {(m.message_id, m.body) for m in self.messages}
        self.assertEqual({(m.message_id, m.body) for m in out}, known)
        self.assertGreater(len(out), len(self.messages) * 1.5)
        self.assertEqual(out, disorder(self.messages, switches(duplicate=0.5), "x"))

    def test_late_and_reordered(self) -> None:
        at = {(m.message_id): m.at for m in self.messages}
        late = disorder(self.messages, switches(delay=1.0), "x")
        self.assertTrue(all(0.2 <= m.at - at[m.message_id] <= 3 for m in late))
        out = disorder(self.messages, switches(reorder=1.0), "x")
        kinds: dict[str, list[str]] = {}
        for m in out:
            kinds.setdefault(m.external_id, []).append(m.kind)
        both = [k for k in kinds.values() if len(k) == 2]
        self.assertTrue(both)
        self.assertTrue(all(k[1] == "created" for k in both))
        self.assertEqual(len(out), len(self.messages))

    def test_no_forgery_verifies_and_the_rest_does(self) -> None:
        s = switches(forge=1.0)
        payments = provider.messages_of(self.orders, s, 0)
        with tempfile.TemporaryDirectory() as folder:
            env = environment(folder)
            for messages, sign in ((self.messages, marketplace.signer(env)),
                                   (payments, provider.signer(env))):
                out = disorder(messages, s, "x")
                self.assertEqual(len(out), 2 * len(messages))
                for m in out:
                    headers, body = sign(m, 1_800_000_000)
                    self.assertEqual(verifies(m.channel, headers, body, 1_800_000_000),
                                     not m.forged, f"{m.kind} {m.forged}")
                self.assertEqual({m.forged for m in out}, {"", *FORGERIES})


def verifies(channel: str, headers: dict[str, str], body: bytes, now: int) -> bool:
    """As the receiver does it, written apart from what signs."""
    mac = lambda key, text: hmac.new(key, text, hashlib.sha256)
    if channel == "shopify-demo":
        good = base64.b64encode(mac(b"shopify secret", body).digest()).decode()
        return headers.get("X-Shopify-Hmac-Sha256") == good
    if channel == "woo-demo":
        return headers.get("X-WC-Webhook-Signature") == base64.b64encode(mac(b"a&b", body).digest()).decode()
    if channel == "daraz-demo":
        return headers.get("Authorization") == mac(b"helloworld", b"123456" + body).hexdigest()
    if channel == "stripe-demo":
        if "Stripe-Signature" not in headers:
            return False
        parts = dict(part.split("=") for part in headers["Stripe-Signature"].split(","))
        good = mac(b"whsec_verbatim", parts["t"].encode() + b"." + body).hexdigest()
        return parts["v1"] == good and now - int(parts["t"]) <= 300
    at = headers["webhook-timestamp"]
    text = headers["webhook-id"].encode() + b"." + at.encode() + b"." + body
    good = "v1," + base64.b64encode(mac(bytes(range(32)), text).digest()).decode()
    return headers.get("webhook-signature") == good and abs(now - int(at)) <= 300


class Edge(BaseHTTPRequestHandler):
    """Full at the first call of a message, takes it at the second; forged ones are refused."""
    protocol_version = "HTTP/1.1"
    lock = threading.Condition()
    calls: dict[str, int] = {}
    now = most = 0

    def do_POST(self) -> None:  # pylint: disable=invalid-name
        name = self.headers["X-Name"]
        self.rfile.read(int(self.headers["Content-Length"]))
        with Edge.lock:
            Edge.now += 1
            Edge.most = max(Edge.most, Edge.now)
            Edge.calls[name] = Edge.calls.get(name, 0) + 1
            status = 401 if name.startswith("forged") else 503 if Edge.calls[name] == 1 else 202
            Edge.lock.notify_all()
            Edge.lock.wait_for(lambda: Edge.most >= 3, 10)  # until so many are here at once
            Edge.now -= 1
        self.send_response(status)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # pylint: disable=redefined-builtin
        pass


class Sending(unittest.TestCase):
    def test_tries_again_and_logs_every_request(self) -> None:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Edge)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        messages = [Message(0, "dibs", f"o-{i}", "created", f"m-{i}", b"{}") for i in range(10)]
        messages.append(Message(0, "dibs", "f-1", "created", "forged-1", b"{}", "NO_SIGNATURE"))
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder, "attempts")
            traffic = Traffic(lambda m: url, lambda m, now: ({"X-Name": m.message_id}, m.body), 3, log)
            traffic.run(messages)
            rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        server.shutdown()
        server.server_close()
        self.assertEqual(sorted(r["status"] for r in rows), [202] * 10 + [401] + [503] * 10)
        self.assertEqual({r["external_id"] for r in rows if r["forged"]}, {"f-1"})
        self.assertTrue(all(r["time"].endswith("Z") and r["kind"] == "created" for r in rows))
        self.assertEqual(Edge.most, 3)
        self.assertEqual(traffic.given_up, [])

    def test_a_fault_of_ours_ends_it(self) -> None:
        def sign(message: Message, now: int) -> tuple[dict[str, str], bytes]:
            raise KeyError(message.message_id)
        traffic = Traffic(lambda m: "http://127.0.0.1:1/", sign, 1)
        with self.assertRaises(KeyError):
            traffic.run([Message(0, "dibs", "o", "created", "m", b"{}")])


class Shops(unittest.TestCase):
    """The shops that are asked, over HTTP, by one who knows their secrets."""

    def setUp(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.server = shops.Server(("127.0.0.1", 0), {})
        self.base = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.env = environment(self.folder.name, self.base)
        self.server.RequestHandlerClass.shops = shops.open_shops(self.env.partners("channels"))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.client = Client()
        self.orders = {name: next(o for o in plan(100, 7, START) if o.channel == name and o.pays == "CHANNEL")
                       for name in ("woo-demo", "daraz-demo")}
        messages = marketplace.messages_of(self.orders.values(), switches(lose=1.0))
        self.lost = [m.lost for m in messages if m.kind == "paid"]
        tell = marketplace.teller(self.env)
        for message in reversed(messages):  # the older state comes later, and replaces nothing
            tell(message)

    def tearDown(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.folder.cleanup()

    def woo(self, path: str, secret: str = "test:test") -> tuple[int, object]:
        headers = {"Authorization": "Basic " + base64.b64encode(secret.encode()).decode()}
        answer = self.client.request("GET", f"{self.base}/woo-demo/wp-json/wc/v3/orders{path}", headers)
        return answer.status, json.loads(answer.body or "null")

    def daraz(self, path: str, secret: str = "helloworld", **more: str) -> dict:
        query = {"access_token": "test", "app_key": "123456", "sign_method": "sha256", "timestamp": "1", **more}
        text = path + "".join(name + query[name] for name in sorted(query))
        sign = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest().upper()
        answer = self.client.request("GET", f"{self.base}/daraz-demo/rest{path}?" + urlencode({**query, "sign": sign}))
        return json.loads(answer.body)

    def test_woocommerce(self) -> None:
        order = self.orders["woo-demo"]
        self.assertEqual(self.woo(f"/{order.external_id}", "test:else")[0], 401)
        self.assertEqual(self.woo("/7")[0], 404)
        status, body = self.woo(f"/{order.external_id}")
        self.assertEqual((status, body["status"], body["id"]), (200, "processing", int(order.external_id)))
        page = "?modified_after={}&dates_are_gmt=true&orderby=modified&order=asc&per_page=100"
        self.assertEqual([row["id"] for row in self.woo(page.format("2026-01-05T08:00:00"))[1]], [int(order.external_id)])
        self.assertEqual(self.woo(page.format("2026-01-05T10:00:00")), (200, []))
        self.assertEqual(self.woo(page.format("2026-01-05T08:00:00") + "&page=2"), (200, []))
        self.assertEqual(self.woo("?modified_after=2026-01-05T08:00:00")[0], 400)
        self.client.request("DELETE", f"{self.base}/woo-demo/_orders/{order.external_id}")
        self.assertEqual(self.woo(f"/{order.external_id}")[0], 404)
        self.assertIn(True, self.lost)

    def test_daraz(self) -> None:
        order = self.orders["daraz-demo"]
        self.assertEqual(self.daraz("/order/get", "else", order_id=order.external_id)["code"], "IncompleteSignature")
        self.assertEqual(self.daraz("/order/get", order_id="7")["code"], "16")
        told = self.daraz("/order/get", order_id=order.external_id)
        self.assertEqual((told["code"], told["data"]["statuses"]), ("0", ["pending"]))
        items = self.daraz("/order/items/get", order_id=order.external_id)["data"]
        self.assertEqual(len(items), sum(line.quantity for line in order.lines))
        since = lambda hour: self.daraz("/orders/get", update_after=f"2026-01-05T{hour}:00:00+00:00", limit="100",
                                        offset="0")["data"]["count"]
        self.assertEqual((since("08"), since("10")), (1, 0))

    def test_they_can_be_unwell(self) -> None:
        path = f"{self.base}/daraz-demo/rest/order/get"
        for mode, status, part in (("rubbish", 200, b"<!doctype"), ("error", 500, b""), ("away", 0, b""),
                                   ("never", 0, b""), ("cut", 200, b"{"), ("late", 200, b"IncompleteSignature"),
                                   ("large", 200, b" " * shops.LARGE), ("good", 200, b"IncompleteSignature")):
            body = json.dumps({"mode": mode, "ms": 1}).encode()
            self.assertEqual(self.client.request("PUT", f"{self.base}/daraz-demo/_answers", {}, body).status, 204)
            answer = self.client.request("GET", path)
            self.assertEqual(answer.status, status, mode)
            self.assertIn(part, answer.body)


class Counting(unittest.TestCase):
    def test_each_request_is_one_of_four(self) -> None:
        def at(name: str, status: int, kind: str = "created", when: float = 1.0) -> Attempt:
            return Attempt(Message(0, "dibs", name, kind, name, b""), when, status)
        attempts = [at("a", 202), at("a", 202), at("b", 503), at("b", 202), at("c", 401), at("a", 0),
                    at("a", 202, "paid"), at("t", 200, "test")]
        self.assertEqual(marketplace.count(attempts), {
            "sent": 6, "accepted": 2, "repeated": 1, "refused": 2, "unknown": 1, "updates": 2})

    def test_percentiles(self) -> None:
        self.assertIsNone(ledger.percentile([], 0.5))
        self.assertEqual(ledger.percentile([float(i) for i in range(100)], 0.99), 99.0)
        self.assertEqual(ledger.percentile([float(i) for i in range(100)], 0.5), 50.0)
        self.assertEqual(ledger.percentile([3.0], 0.99), 3.0)

    def test_latency_counts_from_the_last_webhook_needed(self) -> None:
        order = next(o for o in plan(50, 7, START) if o.pays == "STRIPE")
        cod = next(o for o in plan(300, 7, START) if o.pays == "COD")
        book = ledger.Ledger()
        for o, parcel in ((order, "p1"), (cod, "p2")):
            for when in (12.0, 13.0):  # a repeat is not counted
                book.on_event("karwan.parcel.booked.v1", "", {
                    "parcel_id": parcel, "channel": o.channel, "external_id": o.external_id}, when)
        sent = lambda o, kind, when, status: Attempt(
            Message(0, o.channel, o.external_id, kind, "", b""), when, status)
        orders = [sent(order, "created", 9.0, 503), sent(order, "created", 10.0, 202),
                  sent(order, "created", 11.9, 202), sent(cod, "created", 11.5, 202)]
        money = [sent(order, "succeeded", 11.0, 202), sent(order, "succeeded", 11.8, 202)]
        self.assertEqual(ledger.latencies(book, [order, cod], orders, money), [500.0, 1000.0])
        # one that came after the event was not needed; what was lost is not timed
        late = [sent(order, "created", 12.5, 202), sent(cod, "created", 11.5, 202)]
        self.assertEqual(ledger.latencies(book, [order, cod], late, money), [500.0, 1000.0])
        self.assertEqual(ledger.latencies(book, [order, cod], orders, money, {(cod.channel, cod.external_id)}), [1000.0])

    def test_money(self) -> None:
        self.assertEqual(ledger.minor({"amount": "19.99", "currency": "USD"}), 1999)
        self.assertEqual(ledger.minor({"amount": "12", "currency": "PKR"}), 1200)
        with self.assertRaises(ValueError):
            ledger.minor({"amount": "0.001", "currency": "USD"})


def place(number: int, epoch: int = 1) -> str:
    return f"{epoch:06}-{number:019}"


class Arriving(unittest.TestCase):
    def test_what_is_not_delivered_is_explained(self):
        def view(state, **line):
            return {"state": state, "lines": [{"parked": 0, "cancelled": 0, "incomplete": 0, **line}]}

        views = {("dibs", "1"): view("DELIVERED"), ("dibs", "2"): view("IN_PROGRESS", parked=1),
                 ("dibs", "3"): view("SHIPPED"), ("dibs", "4"): view("CLOSED", incomplete=1), ("dibs", "5"): None}
        part, unexplained = ledger.not_delivered(set(views), views)
        self.assertEqual(part, [("dibs", "2"), ("dibs", "4")])
        self.assertEqual(unexplained, [("dibs", "3"), ("dibs", "5")])


class Reading(unittest.TestCase):
    def test_rule_of_places(self) -> None:
        p = topics.Places()
        self.assertEqual([p.take(0, place(n)) for n in (5, 6, 6, 5, 8, 9, 7, 8, 9)],
                         [True, True, False, False, False, False, True, True, True])
        self.assertEqual((p.repeats, p.gaps), (2, 2))
        self.assertTrue(p.take(1, place(1)))
        self.assertTrue(p.take(0, place(8, 2), is_barrier=True))
        self.assertFalse(p.take(0, place(9, 1)))
        self.assertTrue(p.take(0, place(9, 2)))

    def test_every_order_of_repeats_and_holes_gives_each_once(self) -> None:
        for seed in range(200):
            r, p, taken, sent = Random(seed), topics.Places(), [], 1
            p.take(0, place(1))
            while len(taken) < 30:  # the publisher goes back to what it cannot see, and goes on
                begin = r.randint(max(1, sent - 5), sent + 1)
                for n in range(begin, begin + r.randint(1, 6)):
                    if r.random() < 0.8 and p.take(0, place(n)):
                        taken.append(n)
                sent = taken[-1] if taken else 1
            self.assertEqual(taken, list(range(2, 2 + len(taken))))

    def test_partner_takes_each_event_once(self) -> None:
        def record(epoch: int, number: int, kind: str = "karwan.parcel.booked.v1") -> str:
            data = {"parcel_id": f"p{number}", "state": "BOOKED", "ship_to": {"city": "Lahore"}}
            if kind == topics.BARRIER:
                data = {"epoch": epoch, "last_good_number": number - 1}
            return json.dumps({"partition": 3, "key": "k", "payload": json.dumps(data), "headers": [
                "ce_type", kind, "ce_sequence", place(number, epoch)]})
        records = [record(1, n) for n in (4, 5, 5, 7, 6, 7)]
        records += [record(2, 7, topics.BARRIER), record(1, 8), record(2, 8)]
        with tempfile.TemporaryDirectory() as folder:
            kcat = Path(folder, "kcat")
            kcat.write_text("#!/bin/sh\ncat <<'END'\n" + "\n".join(records) + "\nEND\n",
                            encoding="utf-8")
            kcat.chmod(0o755)
            done = subprocess.run(
                [sys.executable, str(ROOT / "infra/simulators/partner.py")], check=True, text=True,
                stdout=subprocess.PIPE, env={**os.environ, "KARWAN_KAFKA_BROKERS": "x:1",
                                             "PATH": f"{folder}:{os.environ['PATH']}"})
        said = [line.split()[1] for line in done.stdout.splitlines()]
        self.assertEqual(said, ["p4", "p5", "p6", "p7", "numbers", "p8"])
        self.assertIn("void: numbers 7 to 7 of partition 3", done.stdout)


if __name__ == "__main__":
    unittest.main(warnings="ignore")  # connections end with their threads
