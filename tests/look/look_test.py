"""A real Prometheus over the whole system after load: the repository's own configuration finds the programs, its rules are
read, each query of each board gives data, and the gauges say what was done: a parked order, an exception, a dead letter,
money of no order, a ledger of zero; the alert of the dead letter fires.
Argument: the checkout. Needs what `./karwan servers env` prints."""

import json
import math
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request

ROOT = pathlib.Path(sys.argv[1]).resolve()
sys.path[:0] = [str(ROOT / "infra" / "simulators"), str(ROOT / "tests" / "scenario"), str(ROOT / "tests" / "contract")]

from karwan_sim import signing  # noqa: E402
import documents  # noqa: E402
import look  # noqa: E402
from running import System  # noqa: E402

WAIT_S = 90
INTERVAL = "20s"  # in the place of Grafana's $__rate_interval
ORDERS = 60


def until(what, check):
    end = time.monotonic() + WAIT_S
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > end:
            raise SystemExit(f"not within {WAIT_S} s: {what}")
        time.sleep(0.2)


# ---- Prometheus ----

def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Prometheus:
    """In a `with`. The configuration is the repository's, but for the names: there is no compose that resolves them."""

    def __init__(self, system):
        self.dir, self.port = system.dir / "prometheus", free_port()
        shutil.copytree(ROOT / "infra" / "prometheus", self.dir)
        config = documents.read_yaml(self.dir / "prometheus.yml")
        (job,) = config["scrape_configs"]
        (names,) = job.pop("dns_sd_configs")
        if sorted(names["names"]) != sorted(look.SERVICES) or (names["type"], names["port"]) != ("A", 8081):
            raise SystemExit(f"prometheus.yml: {names}")
        job["static_configs"] = [{"targets": [f"127.0.0.1:{system.port(f'{service}-admin')}"], "labels": {"__meta_dns_name": service}}
                                 for service in names["names"]]
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        (self.dir / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML

    def __enter__(self):
        with (self.dir / "log").open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={self.dir}/prometheus.yml", f"--storage.tsdb.path={self.dir}/data",
                 f"--web.listen-address=127.0.0.1:{self.port}"], stdout=log, stderr=subprocess.STDOUT)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def get(self, path, **query):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it reads its files yet
                return None
            raise SystemExit(f"{query}: {error.read().decode()}") from None
        except OSError:
            return None

    def ask(self, query):
        """(labels, value) of each series that has a number."""
        rows = self.get("query", query=query.replace("$__rate_interval", INTERVAL))["result"]
        return [(row["metric"], float(row["value"][1])) for row in rows if not math.isnan(float(row["value"][1]))]

    def value(self, query):
        return sum(value for _, value in self.ask(query))

    def targets(self):
        data = self.get("targets") if self.process.poll() is None else sys.exit((self.dir / "log").read_text(encoding="utf-8"))
        return {target["labels"]["service"]: target["health"] for target in data["activeTargets"]} if data else {}


# ---- what is done ----

def simulate(system, program, *more):
    told = subprocess.run([ROOT / "infra" / "simulators" / program, "--orders", str(ORDERS), "--seed", "5", "--start",
                           "2026-03-01T09:00:00Z", *more], check=True, capture_output=True, text=True,
                          env={**os.environ, **system.env()})
    return told.stdout


def post(system, service, path, body, headers):
    request = urllib.request.Request(f"http://127.0.0.1:{system.port(service)}{path}", body,
                                     {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def order(system, external_id, city="Lahore", sku="NOBODY-MAKES-THIS", secret=None):
    body = json.dumps({"type": "order.created", "timestamp": "2026-03-01T09:05:10Z", "data": {
        "order_id": external_id, "placed_at": "2026-03-01T09:05:09Z", "currency": "PKR", "total": {"amount": "10.00", "currency": "PKR"},
        "ship_to": {"name": "Ayesha Khan", "line1": "House 14", "city": city, "country": "PK"},
        "lines": [{"line_id": "1", "sku": sku, "quantity": 1, "price": {"amount": "10.00", "currency": "PKR"}}]}}).encode()
    now = int(time.time())
    return post(system, "order-routing", "/v1/channels/pavilion/orders", body, {
        "webhook-id": "msg_1", "webhook-timestamp": str(now),
        "webhook-signature": signing.standard_webhook(secret or system.secret("pavilion"), "msg_1", now, body)})


def payment(system, external_id):
    """Money of an order that nobody knows."""
    body = json.dumps({"id": f"evt_{external_id}", "object": "event", "type": "payment_intent.succeeded", "created": 1772355909,
                       "data": {"object": {"id": f"pi_{external_id}", "object": "payment_intent", "amount": 4200,
                                           "amount_received": 4200, "currency": "pkr",
                                           "metadata": {"channel": "pavilion", "order_id": external_id}}}}).encode()
    return post(system, "payment-reconciliation", "/v1/providers/stripe-demo/events", body,
                {"Stripe-Signature": signing.stripe(system.secret("stripe-demo"), int(time.time()), body)})


def poison(system):
    system.wrong("karwan.orders.in", "torn")
    subprocess.run(["kcat", "-P", "-b", system.env()["KARWAN_KAFKA_BROKERS"], "-t", "karwan.orders.in", "-k", "torn",
                    "-H", "ce_type=karwan.order.submitted.v1"], check=True, input=b'{"torn":')


def load(system):
    simulate(system, "marketplace")
    simulate(system, "provider")
    other = "whsec_bm90IHRoZSBzZWNyZXQgb2YgYW55Ym9keSBoZXJlIQ=="
    answers = [order(system, "PARKED"), order(system, "PARKED", city="Quetta"), order(system, "FORGED", secret=other),
               payment(system, "UNKNOWN")]
    if answers[0] != 202 or answers[1] not in (202, 409) or answers[2:] != [401, 202]:
        raise SystemExit(f"the edges said {answers}")
    poison(system)


# ---- what is seen ----

def seen(prometheus):
    """What was done is what the gauges say."""
    for what, query, wanted in (
            ("an order parked for an unknown listing", 'max(karwan_parked_lines{reason="UNKNOWN_LISTING"}) > 0', lambda v: v >= 1),
            ("the order that came with another address", 'max(karwan_exceptions_open{kind="CONFLICT", age="day"})', lambda v: v >= 1),
            ("the dead letter", 'max(karwan_dead_letters_open{service="order-routing"})', lambda v: v == 1),
            ("money of no order", 'max(karwan_suspense_minor{currency="PKR", age="day"})', lambda v: v >= 4200),
            ("the refusal", 'sum(karwan_http_requests_total{status="401"})', lambda v: v == 1),
            ("orders", 'sum(karwan_events_total{type="karwan.order.received.v1"})', lambda v: v == ORDERS + 1),
            ("deliveries", 'sum(karwan_events_total{type="karwan.parcel.delivered.v1"})', lambda v: v >= 5),
            ("delays of events", 'sum(karwan_event_delay_seconds_count{service="order-routing"})', lambda v: v >= ORDERS),
            ("everything published", "max(karwan_journal_unpublished) + max(karwan_journal_pending)", lambda v: v == 0),
            ("no lag", "sum(karwan_consumer_lag)", lambda v: v == 0)):
        until(what, lambda query=query, wanted=wanted: wanted(prometheus.value(query)))
    books = prometheus.ask("max by (currency) (sum by (instance, currency) (karwan_account_minor))")
    moved = prometheus.ask("sum by (account, currency) (karwan_account_minor)")
    if not books or any(value for _, value in books) or not any(value for _, value in moved):
        raise SystemExit(f"the ledger: {books}, {moved}")
    if prometheus.value("sum(karwan_sample_failures_total)"):
        raise SystemExit(f"gauges that could not be taken: {prometheus.ask('karwan_sample_failures_total')}")


def old_snapshot(system, prometheus):
    """Of a session whose times the services may not see."""
    with subprocess.Popen(["psql", "-XAtq", "-d", system.superuser()], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                          text=True) as session:
        session.stdin.write("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1;\n")
        session.stdin.flush()
        until("the snapshot is held", lambda: system.psql("SELECT 1 FROM pg_stat_activity WHERE usename = 'postgres' AND "
                                                          "state = 'idle in transaction' AND backend_xmin IS NOT NULL"))
        order(system, "AFTER-THE-SNAPSHOT")
        for service in look.SERVICES:
            until(f"{service} sees it grow old", lambda service=service: prometheus.value(
                f'max(karwan_postgres_oldest_snapshot_seconds{{service="{service}"}}) >= 3'
                f' and max(karwan_postgres_oldest_snapshot_transactions{{service="{service}"}}) > 0'))
        session.stdin.close()
    until("and then it is gone", lambda: prometheus.value("max(karwan_postgres_oldest_snapshot_seconds) < bool 3"))


def firing(prometheus):
    alerts = {alert["labels"]["alertname"] for alert in prometheus.get("alerts")["alerts"] if alert["state"] == "firing"}
    return alerts - {"DiskLow"} == {"DeadLetters"}  # the disk is the machine's business


def boards(prometheus):
    """Queries that never gave data while the load was worked off."""
    waiting = look.queries(ROOT)
    end = time.monotonic() + WAIT_S
    while waiting and time.monotonic() < end:
        waiting = [one for one in waiting if not prometheus.ask(one[2])]
        time.sleep(0.2)
    return waiting


def samples(prometheus, metrics):
    """Each series that a program shows is of the table; no label has a person's data or a secret."""
    for name in prometheus.get("label/__name__/values"):
        family = look.SUFFIX.sub("", name)
        if name.startswith(("karwan_", "process_")) and name not in metrics and metrics.get(family, {}).get("kind") != "histogram":
            raise SystemExit(f"{name} is not told by --describe")
    for label in prometheus.get("labels"):
        for value in prometheus.get(f"label/{label}/values"):
            if re.search(r"\b\d{5}-?\d{7}-?\d\b|whsec_|@|\+92", value):
                raise SystemExit(f"the label {label} has {value}")


def main():
    documents.use_validators(ROOT)
    metrics = look.told(os.environ["TEST_BIN_DIR"])
    with System(ROOT, "look") as system, Prometheus(system) as prometheus:
        until("all programs are found", lambda: prometheus.targets() == dict.fromkeys(look.SERVICES, "up"))
        rules = [rule["name"] for group in until("rules", lambda: prometheus.get("rules"))["groups"] for rule in group["rules"]]
        if sorted(rules) != sorted(look.alerts(ROOT)):
            raise SystemExit(f"rules: {rules}")
        load(system)
        without = boards(prometheus)
        seen(prometheus)
        until("the alert of the dead letter, and no other", lambda: firing(prometheus))
        samples(prometheus, metrics)
        old_snapshot(system, prometheus)
        system.check_messages()
    for board, panel, query in without:
        print(f"{board}: {panel}: no data: {query}")
    system.remove()
    print(f"{len(look.queries(ROOT))} queries of {len(look.boards(ROOT))} boards, {len(without)} without data, "
          f"{len(system.errors)} errors in the logs")
    return 1 if without or system.errors else 0


if __name__ == "__main__":
    sys.exit(main())
