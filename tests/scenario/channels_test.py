"""Channels that are asked, against simulated shops: WooCommerce's and Daraz's webhooks as their senders make them, orders
that are fetched, webhooks that were lost, and shops that answer nothing of use, while the others go on.
Argument: the checkout. Needs what `./karwan servers env` prints."""

import dataclasses
import datetime
import http.client
import json
import pathlib
import signal
import sys
import time

ROOT = pathlib.Path(sys.argv[1]).resolve()
sys.path[:0] = [str(ROOT / "infra" / "simulators")]

from karwan_sim import bodies, marketplace, shops  # noqa: E402
from karwan_sim.environment import Environment  # noqa: E402
from karwan_sim.http import Client  # noqa: E402
from karwan_sim.orders import Buyer, Line, Order  # noqa: E402
from karwan_sim.traffic import Message  # noqa: E402
from running import System  # noqa: E402

WAIT_S = 90
WOO, DARAZ = "woo-demo", "daraz-demo"
BUYER = Buyer("Hina", "Qureshi", ("PK", "Punjab", "Lahore", "54000", "House 14, Street 3", "+923005552001"))
NOW = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
HUB = {"version": 1, "name": "Hub", "region": "Punjab",
       "address": {"name": "Hub", "line1": "12 Bazaar", "city": "Multan", "country": "PK"}}
MAKER = {"version": 1, "name": "Parveen Kauser", "hub_id": "multan", "skills": ["ralli"], "weekly_capacity": 10,
         "state": "ACTIVE"}
RUPEES = {"amount": "1000.00", "currency": "PKR"}
LISTING = {"version": 1, "sku": "RALLI", "title": "Ralli quilt", "kind": "STOCKED", "maker_id": "parveen", "hub_id": "multan",
           "weight_g": 700, "quantity": 500, "quantity_version": 1, "price": RUPEES, "state": "APPROVED",
           "publications": [{"channel": channel, "channel_sku": "RALLI", "state": "PUBLISHED", "price": RUPEES}
                            for channel in (WOO, DARAZ)]}


def until(what, look):
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        found = look()
        if found:
            return found
    raise SystemExit(f"it does not come: {what}")


def equal(what, found, wanted):
    if found != wanted:
        raise SystemExit(f"{what}: {found}, not {wanted}")


class World:
    def __init__(self, system):
        self.system, self.client = system, Client()
        self.env = Environment(system.env())
        self.sign, self.tell = marketplace.signer(self.env), marketplace.teller(self.env)
        self.token = {"Authorization": f"Bearer {system.secret('operator')}"}

    def order(self, channel, number, pays="CHANNEL", quantity=1):
        lines = (Line("71", "RALLI", "Ralli quilt & more", quantity, 100000, 0, 700),)
        return Order(0, channel, str(number), str(number), NOW, lines, BUYER, pays, "")

    def message(self, order, kind, after_s=0):
        at = NOW + datetime.timedelta(seconds=after_s)
        return Message(0, order.channel, order.external_id, kind, "m", bodies.body_of(order, kind, at),
                       record=bodies.record_of(order, kind, at))

    def post(self, channel, headers, body):
        answer = self.client.request("POST", f"{self.env.url('routing')}/v1/channels/{channel}/orders", headers, body)
        return answer.status, answer.body.decode()

    def send(self, message):
        """The shop knows it, and says so."""
        self.tell(message)
        headers, body = self.sign(message, int(time.time()))
        return self.post(message.channel, {"Content-Type": "application/json", **headers}, body)[0]

    def answers(self, channel, mode, ms=0):
        url = shops.orders_url(self.env.partner("channels", channel).url).replace("_orders", "_answers")
        equal(f"{channel} answers {mode}", self.client.request(
            "PUT", url, {}, json.dumps({"mode": mode, "ms": ms}).encode()).status, 204)

    def view(self, order):
        answer = self.client.request(
            "GET", f"{self.env.url('routing')}/v1/orders?channel={order.channel}&external_id={order.external_id}", self.token)
        found = json.loads(answer.body)["orders"] if answer.status == 200 else []
        return found[0] if found else None

    def becomes(self, order, *states):
        return until(f"{order.channel} {order.external_id} {states[0]}",
                     lambda: (lambda v: v and v["state"] in states and v)(self.view(order)))

    def is_routed(self, order):
        """Or has come further."""
        return self.becomes(order, "ROUTED", "IN_PROGRESS", "SHIPPED", "DELIVERED")

    def exceptions(self, kind):
        answer = self.client.request("GET", f"{self.env.url('routing')}/v1/exceptions?kind={kind}", self.token)
        return json.loads(answer.body)["exceptions"]

    def metric(self, line):
        connection = http.client.HTTPConnection("127.0.0.1", self.system.port("order-routing-admin"), timeout=30)
        connection.request("GET", "/metrics")
        told = connection.getresponse().read().decode().splitlines()
        connection.close()
        return next((float(one.rsplit(" ", 1)[1]) for one in told if one.startswith(line + " ")), None)

    def events(self, order):
        """Types in the topic, of one order, in order."""
        order_id = self.view(order)["order_id"]
        found = [record for record in self.system.records("karwan.orders.events") if record["key"] == order_id]
        return [dict(zip(r["headers"][0::2], r["headers"][1::2]))["ce_type"] for r in found]


def register(w):
    listings = w.env.url("listing")
    for path, body in (("hubs/multan", HUB), ("makers/parveen", MAKER), ("listings/ralli", LISTING)):
        answer = w.client.request("PUT", f"{listings}/v1/{path}", {"Content-Type": "application/json", **w.token},
                                  json.dumps(body).encode())
        equal(path, answer.status, 202)
    until("stock", lambda: w.system.psql("SELECT 1 FROM routing.stock WHERE on_hand = 500"))


def poll_often(w):
    """Read again on SIGHUP, as an operator changes it."""
    file = w.system.dir / "partners.json"
    partners = json.loads(file.read_text(encoding="utf-8"))
    for channel in partners["channels"]:
        if "poll_s" in channel:
            channel["poll_s"] = 1
    file.write_text(json.dumps(partners), encoding="utf-8")
    w.system.signal("order-routing", signal.SIGHUP)


def pings(w):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    before = len(w.system.records("karwan.orders.in"))
    equal("ping", w.post(WOO, form, b"webhook_id=3"), (200, '{"processed":false}'))
    equal("ping with more", w.post(WOO, form, b"webhook_id=3&id=4")[0], 401)
    equal("ping of another channel", w.post(DARAZ, form, b"webhook_id=3")[0], 401)
    equal("unsigned order", w.post(WOO, {"Content-Type": "application/json"}, b'{"id":1}')[0], 401)
    equal("what was kept", len(w.system.records("karwan.orders.in")), before)


def woocommerce(w):
    order = w.order(WOO, 727)
    created, paid = w.message(order, "created"), w.message(order, "paid", 5)
    for message in (created, created, paid, created):  # an older state comes late, and changes nothing
        equal(message.kind, w.send(message), 202)
    view = w.is_routed(order)
    equal("title", view["lines"][0]["title"], "Ralli quilt & more")
    until("its money", lambda: "karwan.order.payment_reported.v1" in w.events(order))
    found = w.events(order)  # it may have been delivered meanwhile
    equal("once each", [found.count(f"karwan.order.{fact}.v1") for fact in ("received", "routed", "payment_reported", "conflicted")],
          [1, 1, 1, 0])
    equal("one order", w.system.psql("SELECT count(*) FROM routing.orders WHERE external_id = '727'"), [["1"]])
    forged = dataclasses.replace(created, body=created.body.replace(b"1000.00", b"1.00"))
    headers, _ = w.sign(created, int(time.time()))
    equal("another body", w.post(WOO, {"Content-Type": "application/json", **headers}, forged.body)[0], 401)


def deleted(w):
    order, later = w.order(WOO, 728, "NEVER"), w.order(WOO, 729, "NEVER")
    equal("created", w.send(w.message(order, "created")), 202)
    w.is_routed(order)
    equal("deleted", w.send(w.message(order, "cancelled")), 202)
    w.becomes(order, "CANCELLED")
    equal("deleted before it came", w.send(w.message(later, "cancelled")), 202)
    equal("then created", w.send(w.message(later, "created")), 202)
    w.becomes(later, "CANCELLED")


def daraz(w):
    order = w.order(DARAZ, 252883361348153, quantity=2)
    equal("push", w.send(w.message(order, "created")), 202)
    view = w.is_routed(order)
    equal("a line a piece", len(view["lines"]), 2)
    equal("push", w.send(w.message(order, "paid", 5)), 202)
    until("its money", lambda: "karwan.order.payment_reported.v1" in w.events(order))
    push = json.loads(bodies.daraz_push(order, "paid", NOW))
    push["data"] |= {"reverse_order_id": "302883361348153", "order_status": "REQUEST_INITIATE"}
    message = dataclasses.replace(w.message(order, "paid", 5), body=json.dumps(push).encode())
    for _ in range(2):
        equal("reverse push", w.send(message), 202)
    (one,) = until("a return", lambda: w.exceptions("RETURN_REPORTED"))
    equal("return", (one["external_id"], "302883361348153" in one["reason"]), (order.external_id, True))
    equal("one order", w.system.psql("SELECT count(*) FROM routing.orders WHERE channel = 'daraz-demo'"), [["1"]])


def lost(w):
    """No webhook at all: a poll finds both."""
    for order in (w.order(WOO, 730), w.order(DARAZ, 252883361348154)):
        w.tell(w.message(order, "created"))
        w.is_routed(order)
    page = [w.order(WOO, 1000 + i, "NEVER") for i in range(130)]  # more than one page, all of one second
    for order in page:
        w.tell(w.message(order, "created"))
    until("130 orders", lambda: w.system.psql(
        "SELECT 1 FROM routing.orders WHERE channel = 'woo-demo' AND length(external_id) = 4 HAVING count(*) = 130"))


def unwell(w):
    """Each way not to answer: told, counted, nobody else is held up, and what was missed is there when it is well again."""
    number = 740
    for mode, ms, word in (("rubbish", 0, "SYNTAX"), ("cut", 0, "SYNTAX"), ("large", 0, "ANSWER_TOO_LARGE"),
                           ("error", 0, "HTTP_500"), ("away", 0, "LOST"), ("never", 60000, "TIMEOUT")):
        missed, other = w.order(WOO, number), w.order(DARAZ, 252883361348100 + number)
        number += 1
        w.answers(WOO, mode, ms)
        w.tell(w.message(missed, "created"))
        until(f"{mode} is counted", lambda: w.metric('karwan_channel_failing{channel="woo-demo"}') == 1)
        ((state, reason),) = w.system.psql("SELECT state, reason FROM routing.polls WHERE channel = 'woo-demo'")
        if state != "FAILING" or not reason.startswith(word + ":"):
            raise SystemExit(f"{mode}: {state}, {reason}, not {word}")
        equal("another channel's push", w.send(w.message(other, "created")), 202)
        w.is_routed(other)
        equal("missed", w.view(missed), None)
        w.answers(WOO, "good")
        w.is_routed(missed)
        until("well again", lambda: w.metric('karwan_channel_failing{channel="woo-demo"}') == 0)


def not_fetched(w):
    """An order of which there is notice, and that nobody can read: a person is told, and it goes on being tried."""
    order, due = w.order(DARAZ, 252883361348190), "UPDATE routing.intents SET due = now(), attempts = {} WHERE state = 'PENDING'"
    w.answers(DARAZ, "rubbish")
    equal("push", w.send(w.message(order, "created")), 202)
    until("a first try", lambda: w.system.psql("SELECT 1 FROM routing.intents WHERE state = 'PENDING' AND detail <> ''"))
    told = lambda: [one["reason"] for one in w.exceptions("NOT_FETCHED") if one["external_id"] == order.external_id]
    equal("no exception yet", told(), [])
    w.system.psql(due.format(4))
    if not until("an exception", told)[0].startswith("SYNTAX: "):
        raise SystemExit(f"not fetched: {told()}")
    w.answers(DARAZ, "late", 300)
    w.system.psql(due.format(5))
    w.is_routed(order)
    if not w.metric('karwan_channel_fetches_total{channel="daraz-demo",outcome="SYNTAX"}') >= 2:
        raise SystemExit("failed fetches are not counted")
    w.answers(DARAZ, "good")


def main():
    with System(ROOT, "channels") as system:
        w = World(system)
        register(w)
        poll_often(w)
        for act in (pings, woocommerce, deleted, daraz, lost, unwell, not_fetched):
            act(w)
            print(f"{act.__name__}: well", flush=True)
        until("a clean check", lambda: system.ctl("check")[0] == 0)
        system.check_messages()
    system.remove()
    return 1 if system.errors else 0


if __name__ == "__main__":
    sys.exit(main())
