"""A load on a whole system for tests in Python: orders and their payments, one after the other, each sent until it is
answered 202; and whether all of them are done."""

import http.client
import json
import pathlib
import sys
import threading
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[2] / "infra" / "simulators")]

from karwan_sim import signing  # noqa: E402

WAIT_S = 120
SENDERS = {"order-routing": "pavilion", "payment-reconciliation": "stripe-demo"}
AT_LEAST = 40  # orders between two events of a story


def rupees(amount):
    return {"amount": f"{amount}.00", "currency": "PKR"}


CATALOGUE = {
    "/v1/hubs/swat": {"version": 1, "name": "Hub", "region": "KP",
                      "address": {"name": "Hub", "line1": "Mingora", "city": "Swat", "country": "PK"}},
    "/v1/makers/zarmina": {"version": 1, "name": "Zarmina", "hub_id": "swat", "skills": ["phulkari"], "weekly_capacity": 10,
                           "state": "ACTIVE"},
    "/v1/listings/shawl": {"version": 1, "sku": "SHAWL", "title": "Shawl", "kind": "STOCKED", "maker_id": "zarmina",
                           "hub_id": "swat", "weight_g": 400, "quantity": 1000000, "quantity_version": 1,
                           "price": rupees(1000), "state": "APPROVED"},
}


def order(number):
    return {"type": "order.created", "timestamp": "2026-03-01T09:05:10Z", "data": {
        "order_id": number, "placed_at": "2026-03-01T09:05:09Z", "currency": "PKR", "total": rupees(1000),
        "ship_to": {"name": "Ayesha Khan", "line1": "House 14", "city": "Lahore", "country": "PK"},
        "lines": [{"line_id": "1", "sku": "SHAWL", "quantity": 1, "price": rupees(1000)}]}}


def payment(number):
    return {"id": f"evt_{number}", "object": "event", "type": "payment_intent.succeeded", "created": 1772355909,
            "data": {"object": {"id": f"pi_{number}", "object": "payment_intent", "amount": 100000, "amount_received": 100000,
                                "currency": "pkr", "metadata": {"channel": "pavilion", "order_id": number}}}}


class Load(threading.Thread):
    """Orders and their payments, one after the other, until the end of its `with`; each is sent until it is answered 202.
    refusals: what else it may be answered."""

    def __init__(self, system, prefix, refusals=(503,)):
        super().__init__()
        self.prefix, self.refusals = prefix, refusals
        self.secrets = {name: system.secret(name) for name in SENDERS.values()}
        self.links = {name: [http.client.HTTPConnection("127.0.0.1", system.port(replica), timeout=30)
                             for replica in (name, *(f"{name}.{n}" for n in range(2, system.replicas + 1)))] for name in SENDERS}
        self.accepted, self.ending, self.failed = [], threading.Event(), None

    def post(self, service, path, headers, body):
        links = self.links[service]

        def is_accepted():
            link = links[0]
            links.append(links.pop(0))  # the next one, next time
            try:
                link.request("POST", path, body, {"Content-Type": "application/json", **headers})
                answer = link.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                link.close()
                return False
            if answer.status != 202 and answer.status not in self.refusals:
                raise AssertionError(f"{service}: {answer.status}")
            return answer.status == 202

        until(f"{service} accepts", is_accepted)

    def run(self):
        try:
            number = 0
            while not self.ending.wait(0.01):
                name, now = f"{self.prefix}-{number}", int(time.time())
                body = json.dumps(order(name)).encode()
                sign = signing.standard_webhook(self.secrets["pavilion"], f"msg_{name}", now, body)
                self.post("order-routing", "/v1/channels/pavilion/orders",
                          {"webhook-id": f"msg_{name}", "webhook-timestamp": str(now), "webhook-signature": sign}, body)
                self.accepted.append(name)
                body = json.dumps(payment(name)).encode()
                self.post("payment-reconciliation", "/v1/providers/stripe-demo/events",
                          {"Stripe-Signature": signing.stripe(self.secrets["stripe-demo"], now, body)}, body)
                number += 1
        except (Exception, SystemExit) as error:  # pylint: disable=broad-except
            self.failed = error

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.join()
        if self.failed:
            raise self.failed

    def more(self, n=AT_LEAST):
        """Waits until so many more were accepted."""
        wanted = len(self.accepted) + n
        until(f"{n} more orders", lambda: self.failed or len(self.accepted) >= wanted)
        if self.failed:
            raise self.failed


def until(what, look):
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise SystemExit(f"it does not come: {what}")


def catalogue(system):
    for path, body in CATALOGUE.items():
        link = http.client.HTTPConnection("127.0.0.1", system.port("listing-ingestion"), timeout=30)
        link.request("PUT", path, json.dumps(body),
                     {"Content-Type": "application/json", "Authorization": f"Bearer {system.secret('operator')}"})
        if link.getresponse().status != 202:
            raise SystemExit(f"{path} is refused")
        link.close()
    until("the catalogue", lambda: system.psql("SELECT count(*) FROM routing.stock") == [["1"]])


def all_is_done(system, accepted):
    """Every order that was answered 202 is one, paid, delivered and earned; nothing drifts."""
    names = sorted(accepted)
    until("every parcel is delivered", lambda: system.psql(
        "SELECT count(*) FROM dispatch.parcels WHERE state = 'DELIVERED'") == [[str(len(names))]])
    until("every rupee is earned", lambda: system.psql("SELECT count(*) FROM payment.earnings") == [[str(len(names))]])
    orders = sorted(row[0] for row in system.psql("SELECT external_id FROM routing.orders"))
    if orders != names:
        raise SystemExit(f"accepted, and no order: {sorted(set(names) - set(orders))[:5]}")
    until("a clean check", lambda: system.ctl("check")[0] == 0)


def delivered(system):
    return int(system.psql("SELECT count(*) FROM dispatch.parcels WHERE state = 'DELIVERED'")[0][0])


def goes_on(system):
    """So many more orders go their whole way."""
    wanted = delivered(system) + AT_LEAST
    until(f"{AT_LEAST} more parcels", lambda: delivered(system) >= wanted)
