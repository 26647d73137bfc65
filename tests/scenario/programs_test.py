"""The real programs as partners and operators meet them: what each edge refuses, how, and that nothing of it is kept; one
order from webhook to parcel under one trace id; a fee that is fixed at the sale; what is wrong inside a topic; a
courier's word that gets its meaning; figures, rights, karwanctl; no national id anywhere; Kafka away.
Argument: the checkout. Needs what `./karwan servers env` prints."""

import concurrent.futures
import datetime
import http.client
import json
import pathlib
import re
import socket
import signal
import subprocess
import sys
import time
import uuid

ROOT = pathlib.Path(sys.argv[1]).resolve()
sys.path[:0] = [str(ROOT / "infra" / "simulators")]

from karwan_sim import signing  # noqa: E402
from running import System  # noqa: E402

WAIT_S = 90
JSON = {"Content-Type": "application/json"}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
NATIONAL_IDS = ("34201-0891231-8", "61101-7654321-3")  # of a maker; in a buyer's address
OTHER_SECRET = "whsec_bm90IHRoZSBzZWNyZXQgb2YgYW55Ym9keSBoZXJlIQ=="
SERVICES = ("listing-ingestion", "order-routing", "payment-reconciliation", "courier-dispatch")
PARCEL = "1c6bfa9b-2f4f-5d5f-9d0a-8a6f3f1f2b11"


def rupees(amount):
    return {"amount": f"{amount}.00", "currency": "PKR"}


HUB = {"version": 1, "name": "Hub", "region": "Punjab",
       "address": {"name": "Hub", "line1": "12 Bazaar", "city": "Multan", "country": "PK"}}
MAKER = {"version": 1, "name": "Parveen Kauser", "hub_id": "multan", "skills": ["ralli"], "weekly_capacity": 10,
         "state": "ACTIVE", "national_id": NATIONAL_IDS[0]}
LISTING = {"version": 1, "sku": "RALLI", "title": "Ralli quilt", "kind": "STOCKED", "maker_id": "parveen", "hub_id": "multan",
           "weight_g": 700, "quantity": 5, "quantity_version": 1, "price": rupees(1000), "state": "APPROVED",
           "publications": [{"channel": channel, "channel_sku": "RALLI", "state": "PUBLISHED", "price": rupees(1000)}
                            for channel in ("pavilion", "dibs")]}
PERSONAL = ("Ayesha", "Khan", "House 14")
ADDRESS = {"name": "Ayesha Khan", "line1": "House 14", "line2": f"CNIC {NATIONAL_IDS[1]}", "city": "Lahore", "country": "PK"}


def order(external_id, quantity=1):
    return {"type": "order.created", "timestamp": "2026-03-01T09:05:10Z", "data": {
        "order_id": external_id, "placed_at": "2026-03-01T09:05:09Z", "currency": "PKR", "total": rupees(1000),
        "ship_to": ADDRESS, "lines": [{"line_id": "1", "sku": "RALLI", "quantity": quantity, "price": rupees(1000)}]}}


def payment(external_id, currency="pkr", channel="pavilion", minor=100000):
    return {"id": f"evt_{external_id}", "object": "event", "type": "payment_intent.succeeded", "created": 1772355909,
            "data": {"object": {"id": f"pi_{external_id}", "object": "payment_intent", "amount": minor,
                                "amount_received": minor, "currency": currency,
                                "metadata": {"channel": channel, "order_id": external_id}}}}


def scan(reference):
    return {"type": "tracking.updated", "timestamp": "2026-03-03T07:45:02Z", "data": {
        "event_id": "scan-1", "reference": reference, "status": "picked_up", "scanned_at": "2026-03-03T07:45:00Z"}}


# ---- edges ----

def webhook(secret, body, now):
    return {"webhook-id": "msg_1", "webhook-timestamp": str(now),
            "webhook-signature": signing.standard_webhook(secret, "msg_1", now, body)}


def stripe(secret, body, now):
    return {"Stripe-Signature": signing.stripe(secret, now, body)}


def bearer(secret, _body, _now):
    return {"Authorization": f"Bearer {secret}"}


class Edge:
    """Where one service takes messages: a good one, one that is impossible, and where that is."""

    def __init__(self, system, service, method, path, sign, secret, good, impossible, pointer):
        self.service, self.method, self.path, self.sign = service, method, path, sign
        self.good, self.impossible, self.pointer = good, impossible, pointer
        self.port, self.secret = system.port(service), system.secret(secret)

    def headers(self, body, secret=None, age_s=0):
        return {**JSON, **self.sign(secret or self.secret, body, int(time.time()) - age_s)}

    def ask(self, method=None, path=None, headers=None, body=b""):
        """Status, headers, body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method or self.method, path or self.path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        finally:
            connection.close()

    def send(self, message, path=None, secret=None, **more):
        body = json.dumps(message).encode()
        return self.ask(path=path, headers={**self.headers(body, secret), **more}, body=body)

    def raw(self, text):
        """A request that is not finished, and what it gets."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as link:
            link.sendall(text.encode())
            told = b""
            while part := link.recv(65536):
                told += part
        return told.decode()


def edges_of(system):
    bad_maker = {**MAKER, "weekly_capacity": -1}
    return [
        Edge(system, "order-routing", "POST", "/v1/channels/pavilion/orders", webhook, "pavilion",
             order("E-1"), order("E-1", quantity=-1), "/data/lines/0/quantity"),
        Edge(system, "payment-reconciliation", "POST", "/v1/providers/stripe-demo/events", stripe, "stripe-demo",
             payment("E-1"), payment("E-1", currency="zzz"), "/data/object/currency"),
        Edge(system, "courier-dispatch", "POST", "/v1/couriers/courier-a/tracking", webhook, "courier-a",
             scan(PARCEL), scan("KA17"), "/data/reference"),
        Edge(system, "listing-ingestion", "PUT", "/v1/makers/nobody", bearer, "operator",
             MAKER, bad_maker, "/weekly_capacity"),
    ]


def expect(what, answer, status, part="", header=None):
    told, headers, body = answer
    if told != status or part not in body or (header and not headers.get(header)):
        raise SystemExit(f"{what}: {told}, not {status}, or without {part!r} or {header}: {dict(headers)} {body}")
    if status >= 400 and headers.get_content_type() != "application/problem+json":
        raise SystemExit(f"{what}: {headers.get_content_type()}")


def refused(edge):
    good, name = json.dumps(edge.good).encode(), edge.service
    bad = json.dumps(edge.impossible).encode()
    expect(f"{name}: no signature", edge.ask(headers=JSON, body=good), 401)
    expect(f"{name}: another's secret", edge.ask(headers=edge.headers(good, OTHER_SECRET), body=good), 401)
    if edge.sign is not bearer:
        expect(f"{name}: an old time", edge.ask(headers=edge.headers(good, age_s=301), body=good), 401)
        expect(f"{name}: a changed body", edge.ask(headers=edge.headers(good), body=good + b" "), 401)
    expect(f"{name}: no such path", edge.ask(path="/v1/nothing", headers=edge.headers(good), body=good), 404)
    expect(f"{name}: another method", edge.ask(method="DELETE", headers=JSON), 405, header="Allow")
    expect(f"{name}: another type", edge.ask(headers={**edge.headers(good), "Content-Type": "text/plain"}, body=good), 415)
    expect(f"{name}: half a body", edge.ask(headers=edge.headers(b"{"), body=b"{"), 400)
    expect(f"{name}: impossible", edge.ask(headers=edge.headers(bad), body=bad), 422, edge.pointer)
    expect(f"{name}: too long", edge.ask(headers=JSON, body=b" " * (1024 * 1024 + 1)), 413)


def slow(edge):
    """A body that does not come to its end."""
    told = edge.raw(f"{edge.method} {edge.path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                    "Content-Length: 10\r\n\r\nhalf")
    if not told.startswith("HTTP/1.1 408 "):
        raise SystemExit(f"{edge.service}: a slow body: {told}")


def full(edge):
    """More connections than one address may have: 429, and when to come again."""
    links, head = [], f"{edge.method} {edge.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    try:
        for _ in range(256):
            links.append(socket.create_connection(("127.0.0.1", edge.port), timeout=30))
        for link in (links[0], links[-1]):  # each of them was taken
            link.sendall(head.encode())
            if not link.recv(100).startswith(b"HTTP/1.1 401 "):
                raise SystemExit(f"{edge.service}: fewer than 256 connections")
        told = edge.raw(head)
    finally:
        for link in links:
            link.close()
    if not told.startswith("HTTP/1.1 429 ") or "\r\nRetry-After: " not in told:
        raise SystemExit(f"{edge.service}: full: {told}")
    # it has to see first that the others have left
    last = head.replace("Host: x\r\n", "Host: x\r\nConnection: close\r\n")
    until(f"{edge.service}: room again", lambda: edge.raw(last).startswith("HTTP/1.1 401 "))


def side_by_side(act, edges):
    with concurrent.futures.ThreadPoolExecutor(len(edges)) as pool:
        return list(pool.map(act, edges))


def nothing_was_kept(system):
    for area in ("orders", "payments", "dispatch", "listings"):
        if system.records(f"karwan.{area}.in"):
            raise SystemExit(f"karwan.{area}.in has a message that was refused")


# ---- one order, one trace ----

def until(what, look):
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        found = look()
        if found:
            return found
    raise SystemExit(f"it does not come: {what}")


def headers_of(record):
    names = record.get("headers") or []
    return dict(zip(names[0::2], names[1::2]))


def one_order(system, edges):
    routing, payments, _, listings = edges
    for path, body in (("/v1/hubs/multan", HUB), ("/v1/makers/parveen", MAKER), ("/v1/listings/ralli", LISTING)):
        expect(path, listings.send(body, path=path), 202)
    token = {"Authorization": f"Bearer {listings.secret}"}
    maker = until("the maker", lambda: (lambda a: a[0] == 200 and a)(listings.ask("GET", "/v1/makers/parveen", token)))
    expect("the maker", maker, 200, '"34201-*******-8"')
    until("stock", lambda: system.psql("SELECT 1 FROM routing.stock WHERE on_hand = 5"))
    expect("the order", routing.send(order("TRACED"), **TRACEPARENT), 202)
    expect("its money", payments.send(payment("TRACED"), **TRACEPARENT), 202)
    earned(system, "TRACED", "970.00", "30.00", edges)
    wanted = {"karwan.orders.in": {"karwan.order.submitted.v1"}, "karwan.payments.in": {"karwan.payment.reported.v1"},
              "karwan.orders.events": {"karwan.order.received.v1", "karwan.order.routed.v1"},
              "karwan.payments.events": {"karwan.payment.captured.v1", "karwan.expectation.settled.v1"},
              "karwan.dispatch.events": {"karwan.parcel.created.v1", "karwan.parcel.booked.v1", "karwan.parcel.labelled.v1"}}
    for topic, types in wanted.items():
        seen = set()
        for record in system.records(topic):
            headers = headers_of(record)
            if headers["ce_type"] in types and headers["traceparent"][3:35] == TRACE:
                seen.add(headers["ce_type"])
        if seen != types:
            raise SystemExit(f"{topic}: without the webhook's trace id: {sorted(types - seen)}")


def earned(system, external_id, amount, fee, edges):
    """Her statement has the order, with this share and this fee."""
    token = {"Authorization": f"Bearer {edges[3].secret}"}

    def line():
        status, _, body = edges[1].ask("GET", "/v1/makers/parveen/statement", token)
        return status == 200 and [one for one in json.loads(body)["lines"] if one["external_id"] == external_id]

    (one,) = until(f"what she earned by {external_id}", line)
    if (one["amount"]["amount"], one["fee"]["amount"]) != (amount, fee):
        raise SystemExit(f"{external_id}: {one}, not {amount} and a fee of {fee}")


def the_fee_is_that_of_the_sale(system, edges):
    """DIBS takes nothing. A contract that changes after the order does not change the order."""
    routing, payments, _, _ = edges
    expect("an order of DIBS", routing.send(order("ZERO"), "/v1/channels/dibs/orders", system.secret("dibs")), 202)
    file = system.dir / "partners.json"
    partners = json.loads(file.read_text(encoding="utf-8"))
    (dibs,) = [channel for channel in partners["channels"] if channel["name"] == "dibs"]
    if dibs["fee_bps"] != 0:
        raise SystemExit(f"{dibs}: DIBS takes a fee")
    dibs["fee_bps"] = 500
    file.write_text(json.dumps(partners), encoding="utf-8")
    for edge in edges:
        system.signal(edge.service, signal.SIGHUP)
        until(f"{edge.service} reads it", lambda: "partners read" in system.log(edge.service))
    expect("its money", payments.send(payment("ZERO", channel="dibs")), 202)
    earned(system, "ZERO", "1000.00", "0.00", edges)


# ---- what is wrong inside a topic ----

POISON = {"orders": "karwan.order.submitted.v1", "payments": "karwan.payment.reported.v1",
          "dispatch": "karwan.tracking.reported.v1", "listings": "karwan.maker.put.v1"}
SCHEMAS = {"orders": "routing", "payments": "payment", "dispatch": "dispatch", "listings": "listing"}


def poison(system):
    """A message that no handler can take: a row with its bytes, place, reason and attempts, in each service."""
    for area, kind in POISON.items():
        system.wrong(f"karwan.{area}.in", "torn")
        subprocess.run(["kcat", "-P", "-b", system.env()["KARWAN_KAFKA_BROKERS"], "-t", f"karwan.{area}.in", "-k", "torn",
                        "-H", f"ce_type={kind}"], check=True, input=b'{"torn":')
        (letter,) = until(f"the dead letter of {area}", lambda: system.psql(
            "SELECT topic, at_offset >= 0, attempts > 0, reason <> '', convert_from(value, 'UTF8'), headers LIKE '%ce_type%' "
            f"FROM {SCHEMAS[area]}.dead_letters WHERE key = 'torn'"))
        if letter != [f"karwan.{area}.in", "t", "t", "t", '{"torn":', "t"]:
            raise SystemExit(f"{area}: {letter}")
    # a key is any bytes; what operators ask afterwards bears it
    system.psql("UPDATE routing.dead_letters SET key = '\\xff00' WHERE key = 'torn'")


def a_letter_that_can_be_done_later(system, edges):
    """A cancellation before its order. A dry run says that it would go, and changes nothing."""
    routing, namespace = edges[0], uuid.UUID("6f1d3c52-0b7e-4e0e-9a55-2b1f6a7c9d10")
    order_id = uuid.uuid5(namespace, "order\x1fpavilion\x1fLATER")
    token = {**JSON, "Authorization": f"Bearer {edges[3].secret}"}
    asked = routing.ask("POST", f"/v1/orders/{order_id}/cancel", token, b'{"reason": "asked", "request_id": "r1"}')
    expect("an early cancellation", asked, 202)
    ((letter,),) = until("its dead letter", lambda: system.psql(
        "SELECT 'order-routing/' || id FROM routing.dead_letters WHERE reason LIKE '%no such order%'"))
    expect("its order", routing.send(order("LATER")), 202, str(order_id))
    state = f"SELECT state FROM routing.orders WHERE order_id = '{order_id}'"
    until("the order", lambda: system.psql(state) == [["ROUTED"]])
    told("dlq replay --dry-run", system.ctl("dlq", "replay", "--dry-run", letter), 0, "")
    if system.psql(state) != [["ROUTED"]]:
        raise SystemExit("a dry run has cancelled the order")
    told("dlq replay", system.ctl("dlq", "replay", letter), 0, "")
    if system.psql(state) != [["CANCELLED"]]:
        raise SystemExit("a replay has not cancelled the order")
    told("dlq replay again", system.ctl("dlq", "replay", letter), 1, "")


# ---- a courier's word that nobody has mapped ----

def a_word_gets_its_meaning(system, edges):
    """What was scanned with it is applied, a later scan has the meaning at once, another meaning is of what comes then."""
    routing, payments, tracking, _ = edges
    expect("an order", routing.send(order("WORDY")), 202)
    expect("its money", payments.send(payment("WORDY")), 202)
    ((parcel, courier),) = until("its delivery", lambda: system.psql(
        "SELECT parcel_id, courier FROM dispatch.parcels WHERE external_id = 'WORDY' AND state = 'DELIVERED'"))

    def scanned(event_id, wanted):
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        said = {"event_id": event_id, "reference": parcel, "status": "came_back", "scanned_at": now}
        expect(event_id, tracking.send({"type": "tracking.updated", "timestamp": now, "data": said},
                                       f"/v1/couriers/{courier}/tracking", system.secret(courier)), 202)
        return until(f"{event_id} as {wanted}", lambda: system.psql(
            "SELECT status FROM dispatch.scans WHERE event_id = '%s' AND status = '%s'" % (event_id, wanted)))

    def resolve(*words):
        return system.ctl("exceptions", "resolve", exception, *words, "--reason", "the courier says so")

    scanned("wordy-1", "UNKNOWN")
    ((exception,),) = system.psql("SELECT exception_id FROM dispatch.exceptions WHERE kind = 'UNKNOWN_STATUS' AND state = 'OPEN'")
    told("MAP to nothing", resolve("MAP"), 1, '"#/status"')
    told("MAP to UNKNOWN", resolve("MAP", "--status", "UNKNOWN"), 1, '"#/status"')
    told("ASSIGN_ORDER", resolve("ASSIGN_ORDER"), 1, '"#/resolution"')
    told("MAP", resolve("MAP", "--status", "RETURNED"), 0, exception)
    until("the parcel is back", lambda: system.psql(
        f"SELECT 1 FROM dispatch.parcels WHERE parcel_id = '{parcel}' AND state = 'RETURNED'"))
    until("its event", lambda: [one for one in system.records("karwan.dispatch.events")
                                if one["key"] == parcel and headers_of(one)["ce_type"] == "karwan.parcel.returned.v1"])
    scanned("wordy-2", "RETURNED")
    told("exceptions show", system.ctl("exceptions", "show", exception), 0, "MAP by operator: the courier says so")
    told("KEEP of what has ended", resolve("KEEP"), 1, "is RESOLVED")
    told("MAP again", resolve("MAP", "--status", "IN_TRANSIT"), 0, exception)
    until("the word's next version", lambda: system.psql("SELECT 1 FROM dispatch.carrier_words WHERE version = 2"))
    scanned("wordy-3", "IN_TRANSIT")
    words = system.psql("SELECT courier, word, version, status, mapped_by, reason FROM dispatch.carrier_words ORDER BY version")
    wanted = [[courier, "came_back", "1", "RETURNED", "operator", "the courier says so"],
              [courier, "came_back", "2", "IN_TRANSIT", "operator", "the courier says so"]]
    states = system.psql("SELECT status FROM dispatch.scans WHERE word = 'came_back' ORDER BY event_id")
    if words != wanted or states != [["RETURNED"], ["RETURNED"], ["IN_TRANSIT"]]:
        raise SystemExit(f"{words}, {states}")


def a_short_order_is_released(system, edges):
    """It waits; an operator lets it go; the maker earns as if it had been paid whole, and the house bears what is missing."""
    routing, payments, _, _ = edges

    def shown(state):
        return system.psql("SELECT exception_id FROM payment.exceptions WHERE kind = 'UNDERPAID' AND state = '%s'" % state)

    expect("an order", routing.send(order("SHORT")), 202)
    expect("too little money", payments.send(payment("SHORT", minor=99000)), 202)
    ((exception,),) = until("the exception", lambda: shown("OPEN"))
    until("its parcel", lambda: system.psql("SELECT 1 FROM dispatch.parcels WHERE external_id = 'SHORT' AND state = 'PLANNED'"))
    told("ASSIGN_ORDER of a short one", system.ctl("exceptions", "resolve", exception, "ASSIGN_ORDER", "--reason", "?",
                                                   "--channel", "dibs", "--external-id", "1"), 1, '"#/resolution"')
    told("RELEASE", system.ctl("exceptions", "resolve", exception, "RELEASE", "--reason", "ten rupees"), 0, exception)
    until("it is ended", lambda: shown("RESOLVED"))
    told("exceptions show", system.ctl("exceptions", "show", exception), 0, "RELEASE by operator: ten rupees")
    earned(system, "SHORT", "970.00", "30.00", edges)
    books = system.psql("SELECT account, minor FROM payment.postings WHERE account = 'SHORTFALL'")
    if books != [["SHORTFALL", "1000"]]:
        raise SystemExit(f"what is missing: {books}")


def a_channel_changes_a_total(system, edges):
    """Order and books stay with what was ordered, and a person is told; the check of `ctl` is clean."""
    first, later = order("DEARER"), order("DEARER")
    later.update(type="order.updated", timestamp="2026-03-01T09:06:10Z")
    later["data"]["total"] = rupees(1200)
    expect("an order", edges[0].send(first), 202)
    expect("its other total", edges[0].send(later), 202)
    until("both", lambda: system.psql("SELECT o.total, e.total, x.kind FROM routing.orders o JOIN payment.expectations e USING (order_id) "
                                      "JOIN routing.exceptions x USING (order_id) WHERE o.external_id = 'DEARER'"
                                      ) == [["100000", "100000", "LINES_CHANGED"]])


# ---- what an operator sees ----

FIGURES = ("karwan_http_requests_total", "karwan_http_request_duration_seconds_bucket", "karwan_errors_total",
           "karwan_batches_total", "karwan_last_batch_size", "karwan_batch_duration_seconds_total", "karwan_consumer_lag",
           "karwan_journal_pending", "karwan_published_total", "karwan_appends_total", "karwan_dead_letters_total")


def readiness(system, edge):
    connection = http.client.HTTPConnection("127.0.0.1", system.port(f"{edge.service}-admin"), timeout=30)
    connection.request("GET", "/readyz")
    return connection.getresponse().read().decode()


def metrics(system, service):
    connection = http.client.HTTPConnection("127.0.0.1", system.port(f"{service}-admin"), timeout=30)
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    if answer.headers["Content-Type"] != "text/plain; version=0.0.4; charset=utf-8":
        raise SystemExit(f"{service}: metrics are {answer.headers['Content-Type']}")
    return answer.read().decode()


def figures(system, edges):
    for edge in edges:
        text = metrics(system, edge.service)
        done = subprocess.run(["promtool", "check", "metrics"], input=text, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{edge.service}: promtool: {done.stdout}{done.stderr}")
        absent = [name for name in FIGURES if name != "karwan_errors_total" and f"\n{name}" not in text]
        if absent or "karwan_errors_total" in text:  # a family appears with its first error
            raise SystemExit(f"{edge.service}: no {absent}, or an error was counted\n{text}")
        for name in ("karwan_batches_total", "karwan_published_total"):
            if not re.search(rf"^{name} [1-9]", text, re.M):
                raise SystemExit(f"{edge.service}: {name} does not grow\n{text}")


LOGINS = {"karwan_listing": "listing", "karwan_routing": "routing", "karwan_payment": "payment", "karwan_dispatch": "dispatch"}
HISTORY = {"journal", "batches", "transactions", "postings", "earnings", "stock_movements", "allocations", "decisions",
           "order_messages", "refusals", "carrier_words"}


def rights(system):
    """Each login: its own schema and nothing else; what is history can only be read and added to."""
    faults = [f"{name} may do what only a superuser may" for (name,) in system.psql(
        "SELECT rolname FROM pg_roles WHERE rolname LIKE 'karwan%' AND "
        "(rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)")]
    tables = system.psql(
        "SELECT r.rolname, c.oid::regclass, n.nspname, c.relname, p.privilege "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "CROSS JOIN pg_roles r CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', "
        "'TRIGGER']) AS p(privilege) "
        "WHERE n.nspname IN ('listing', 'routing', 'payment', 'dispatch') AND c.relkind IN ('r', 'p', 'v') "
        "AND r.rolname LIKE 'karwan%' AND r.rolcanlogin AND r.rolname <> 'karwan_admin' "
        "AND has_table_privilege(r.oid, c.oid, p.privilege)")
    for login, table, schema, name, privilege in tables:
        own = LOGINS.get(login)
        history = name in HISTORY
        if own and own != schema:
            faults.append(f"{login} may {privilege} {table}")
        if privilege in ("TRUNCATE", "REFERENCES", "TRIGGER") or (history and privilege in ("UPDATE", "DELETE")):
            faults.append(f"{login} may {privilege} {table}")
        if login == "karwan_operator" and name == "national_ids":
            faults.append(f"{login} may {privilege} {table}")
    faults += [f"no table {name}" for name in HISTORY - {name for _, _, _, name, _ in tables}]
    seen = {(login, schema) for login, _, schema, _, _ in tables}
    faults += [f"{login} has no rights in {schema}" for login, schema in LOGINS.items() if (login, schema) not in seen]
    faults += [f"{login} may create in {schema}" for login, schema in system.psql(
        "SELECT r.rolname, n.nspname FROM pg_roles r, pg_namespace n WHERE r.rolname LIKE 'karwan%' AND r.rolcanlogin "
        "AND r.rolname <> 'karwan_admin' AND n.nspname IN ('listing', 'routing', 'payment', 'dispatch', 'public') "
        "AND has_schema_privilege(r.oid, n.oid, 'CREATE')")]
    if faults:
        raise SystemExit("\n".join(faults))


def logs_are_json(system, edges):
    """One JSON object a line, whatever happened."""
    for edge in edges:
        lines = (system.dir / "logs" / f"{edge.service}.log").read_text(encoding="utf-8").splitlines()
        for line in lines:
            if line.startswith("{") and {"time", "level", "service", "message"} <= set(json.loads(line)):
                continue
            if "supervise" not in line:
                raise SystemExit(f"{edge.service}: no line of a log: {line}")
        if not lines:
            raise SystemExit(f"{edge.service} logs nothing")
    for courier in ("courier-a", "courier-b"):
        if '"seed":' not in system.log(courier):
            raise SystemExit(f"{courier} does not say its seed")


def told(what, done, status, part):
    if done[0] != status or part not in done[1] + done[2]:
        raise SystemExit(f"karwanctl {what}: {done[0]}, not {status}, or without {part!r}:\n{done[1]}{done[2]}")
    return done[1]


def ctl(system):
    listing = told("--help", system.ctl("--help"), 0, "usage: karwanctl")
    for command in ("explain", "check", "dlq list", "dlq show", "dlq replay [--dry-run]", "epoch", "accept", "topics apply",
                    "migrate", "version"):
        if f"\n  {command}" not in listing:
            raise SystemExit(f"karwanctl --help does not name {command}")
    told("version", system.ctl("version"), 0, "karwanctl ")
    told("sing", system.ctl("sing"), 64, "usage")
    told("explain nobody", system.ctl("explain", "pavilion", "NOBODY"), 1, "")
    answers = {}
    until("a clean check", lambda: system.ctl("check")[0] == 0)
    for words in (["version"], ["check"], ["explain", "pavilion", "TRACED"], ["dlq", "list"], ["topics", "apply"], ["accept"]):
        out = told(words, system.ctl("--json", *words), 0, "")
        answers[words[0]] = json.loads(out.splitlines()[-1])
    if answers["topics"] != {"created": 0} or len(answers["dlq"]) != 5 or answers["accept"] != {"accepted": "database"}:
        raise SystemExit(f"karwanctl --json: {answers}")
    story = answers["explain"]
    if [one["time"] for one in story] != sorted(one["time"] for one in story) or \
            not any(one["data"].get("decision") for one in story) or \
            {one["service"] for one in story} != set(SERVICES) - {"listing-ingestion"}:
        raise SystemExit(f"karwanctl explain is not the whole story in order: {story}")
    # migrations, side by side on a system that runs: nothing is new, and nobody is in the way
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for done in pool.map(lambda _: system.ctl("--json", "migrate", login="karwan_admin"), range(3)):
            told("migrate", done, 0, '{"applied":0}')
    told("migrate as a service", system.ctl("migrate", login="karwan_routing"), 2, "")


def is_stopped_until_decided(system, edge, reason, decision):
    """The service is killed and finds something else than before: it accepts, and consumes nothing until an operator has
    decided. Then it goes on, and what it reads again changes nothing."""
    rows = "SELECT count(*) FROM listing.journal WHERE key = 'parveen'"
    before, hub = system.psql(rows), f"/v1/hubs/{reason.lower()}"
    token = {"Authorization": f"Bearer {edge.secret}"}
    system.signal(edge.service, signal.SIGKILL)
    until(f"{reason} is said", lambda: reason in system.log(edge.service))
    until("it accepts", lambda: edge.send(HUB, path=hub)[0] == 202)
    if edge.ask("GET", hub, token)[0] == 200 or '"assigned":true' in readiness(system, edge):
        raise SystemExit(f"{reason}: it goes on without a decision")
    told(decision, system.ctl(*decision), 0, "accepted")
    until(f"it goes on after {reason}", lambda: edge.ask("GET", hub, token)[0] == 200)
    if system.psql(rows) != before:
        raise SystemExit(f"{reason}: what was read again took effect again")


def operators_decide(system, edges):
    listings, topic = edges[3], "karwan.listings.in"
    system.expected += ["EPOCH", "LOG_CHANGED"]
    told("accept a topic of others", system.ctl("accept", "--topic", "karwan.no.in"), 2, "not one of our topics")
    system.psql("UPDATE listing.identity SET timeline = timeline + 1")
    is_stopped_until_decided(system, listings, "EPOCH", ["accept"])
    system.psql(f"UPDATE listing.offsets SET last_hash = last_hash + 1 WHERE topic = '{topic}' AND last_hash IS NOT NULL")
    is_stopped_until_decided(system, listings, "LOG_CHANGED", ["accept", "--topic", topic])
    until("a clean check", lambda: system.ctl("check")[0] == 0)


# ---- national ids ----

def raw(*paths):
    return b"\n".join(path.read_bytes() for path in sorted(set(paths)) if path.is_file())


def topics(system):
    """Every record of every topic, decompressed, also of those that we do not know of."""
    told = subprocess.run(["kcat", "-L", "-J", "-b", system.env()["KARWAN_KAFKA_BROKERS"]], check=True, capture_output=True)
    names = {one["topic"] for one in json.loads(told.stdout)["topics"]}
    ours = {one["name"] for one in json.loads((ROOT / "schemas" / "topics.json").read_text(encoding="utf-8"))["topics"]}
    if not ours <= names:
        raise SystemExit(f"topics that are not there: {ours - names}")
    return "\n".join(json.dumps(system.records(name), ensure_ascii=False) for name in sorted(names - {"__consumer_offsets"}))


def national_ids_are_nowhere(system, edges):
    """Not as they were written, nor as digits: topics, logs, figures, tables, WAL, Redis and its dump, any file of any server.
    What is a buyer's is in no log or figure."""
    dsn = f"postgresql://postgres@127.0.0.1:{system.port('postgres')}/karwan"
    passfile, data = system.dir / "data" / "postgres" / "superuser.pgpass", (system.dir / "data").resolve()
    kept = redis(system, edges)
    subprocess.run(["psql", "-XAtq", "-d", f"{dsn}?passfile={passfile}", "-c", "CHECKPOINT"], check=True)
    places = {
        "tables": subprocess.run(["pg_dump", f"{dsn}?passfile={passfile}"], check=True, capture_output=True).stdout,
        "WAL": raw(*data.rglob("pg_wal/0*")),
        "logs": raw(*system.dir.glob("logs/*"), *data.glob("*/log")),
        "metrics": "".join(metrics(system, edge.service) for edge in edges).encode(),
        "topics": topics(system).encode(),
        "Redis": kept,
        "Redis' dump": raw(*data.rglob("dump.rdb")),
        "files": raw(*data.rglob("*"), *(system.dir / "run").rglob("*")),
    }
    for place, text in places.items():
        for number in NATIONAL_IDS:
            for form in (number, number.replace("-", "")):
                if form.encode() in text:
                    raise SystemExit(f"{place}: a national id")
    for place, sign in {"tables": b"34201-*******-8", "WAL": b"Parveen Kauser", "topics": b"Parveen Kauser",
                        "metrics": b"karwan_batches_total", "logs": b'"message"', "Redis": b"Parveen",
                        "Redis' dump": b"Parveen Kauser", "files": b"Parveen Kauser"}.items():
        if sign not in places[place]:
            raise SystemExit(f"{place}: nothing was looked at ({sign})")
    if b"CNIC" not in places["topics"] or b"Ayesha Khan" not in places["topics"]:
        raise SystemExit("the order with a national id in its address was not there")
    if b"database system is ready" not in places["logs"] or b"Ready to accept connections" not in places["logs"]:
        raise SystemExit("the servers' logs were not looked at")
    for place in ("logs", "metrics"):
        for personal in PERSONAL:
            if personal.encode() in places[place]:
                raise SystemExit(f"{place}: a buyer's {personal}")


def redis(system, edges):
    """All keys with what they hold, after reads that fill it, and a dump of the same: a busy Redis is left alone, so it is asked
    again."""
    token = {"Authorization": f"Bearer {edges[3].secret}"}
    link = ["redis-cli", "-p", str(system.port("redis"))]

    def ask(*words):
        return subprocess.run([*link, *words], check=True, capture_output=True).stdout

    def dump():
        expect("the maker", edges[3].ask("GET", "/v1/makers/parveen", token), 200)
        expect("the order", edges[0].ask("GET", "/v1/orders?channel=pavilion&external_id=TRACED", token), 200, "Ayesha")
        keys = ask("--scan").splitlines()
        return b"\n".join(keys + [ask("HGETALL" if ask("TYPE", key) == b"hash\n" else "GET", key) for key in keys])

    kept = until("Parveen and Ayesha in Redis", lambda: (lambda all: b"Parveen" in all and b"Ayesha" in all and all)(dump()))
    if ask("CONFIG", "SET", "rdbcompression", "no") != b"OK\n" or ask("SAVE") != b"OK\n":
        raise SystemExit("Redis writes no dump")
    return kept


# ---- Kafka away ----

def kafka_away(system, edges):
    system.verb("stop", "kafka")
    for edge, answer in zip(edges, side_by_side(lambda edge: edge.send(edge.good), edges)):
        expect(f"{edge.service} without Kafka", answer, 503, header="Retry-After")
    system.verb("start", "kafka")
    for edge in edges:
        answer = until(f"{edge.service} with Kafka", lambda: (lambda a: a[0] != 503 and a)(edge.send(edge.good)))
        expect(f"{edge.service} with Kafka", answer, 202)


def main():
    started = datetime.datetime.now()
    with System(ROOT, "programs") as system:
        edges = edges_of(system)
        with concurrent.futures.ThreadPoolExecutor(len(edges)) as pool:
            slowly = [pool.submit(slow, edge) for edge in edges]
            for edge in edges:
                refused(edge)
            for one in slowly:
                one.result()
        for edge in edges:
            full(edge)
        nothing_was_kept(system)
        one_order(system, edges)
        the_fee_is_that_of_the_sale(system, edges)
        poison(system)
        a_letter_that_can_be_done_later(system, edges)
        a_word_gets_its_meaning(system, edges)
        a_short_order_is_released(system, edges)
        a_channel_changes_a_total(system, edges)
        figures(system, edges)
        rights(system)
        ctl(system)
        national_ids_are_nowhere(system, edges)
        operators_decide(system, edges)
        kafka_away(system, edges)
        logs_are_json(system, edges)
        system.check_messages()
    system.remove()
    print(f"{len(edges)} edges, {(datetime.datetime.now() - started).seconds} s, {len(system.errors)} errors in the logs")
    return 1 if system.errors else 0


if __name__ == "__main__":
    sys.exit(main())
