"""The running edges against their published documents (schemas/openapi). schemathesis makes requests that a document allows and
requests that it does not; what the document leaves to a partner's own is a fixture of its adapter with some members spoiled.
Each is signed as its caller signs. Every answer is one that the document has, none is 5xx, nothing dies or is logged as an error,
and in the end nothing drifts. Also: nobody reaches an operation without a key, and no path has another method.
Arguments: the checkout, [--seed N], [--examples N] (of an operation). Needs what `./karwan servers env` prints."""

import argparse
import base64
import collections
import copy
import datetime
import functools
import hashlib
import hmac
import json
import pathlib
import re
import secrets
import sys
import time

ROOT = pathlib.Path(sys.argv[1]).resolve()
sys.path[:0] = [str(ROOT / "infra" / "simulators"), str(ROOT / "tests" / "contract")]

import documents  # noqa: E402

documents.use_validators(ROOT)

import hypothesis  # noqa: E402
import requests  # noqa: E402
import schemathesis  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from karwan_sim import signing  # noqa: E402
from load import Load, catalogue, until  # noqa: E402
from running import System  # noqa: E402
from schemathesis import checks as known  # noqa: E402
from schemathesis.specs.openapi import checks as of_openapi  # noqa: E402

CHECKS = [known.not_a_server_error, of_openapi.status_code_conformance, of_openapi.content_type_conformance,
          of_openapi.response_headers_conformance, of_openapi.response_schema_conformance]
MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
EXAMPLES, SEEDED, SHOWN, CLEAN_S = 20, 15, 10, 60
APP_KEY = "510042"
PARCEL = "0d5a2c86-28a6-5f0c-9c3c-4d8f0c1d2e3f"


# ---- who calls ----

def b64(secret, body):
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def standard(secret, body):
    now, name = int(time.time()), hashlib.sha256(body).hexdigest()
    return {"webhook-id": name, "webhook-timestamp": str(now), "webhook-signature": signing.standard_webhook(secret, name, now, body)}


SIGNED = {
    "shopify": lambda secret, body: {"X-Shopify-Hmac-Sha256": signing.shopify(secret, body)},
    "woocommerce": lambda secret, body: {"X-WC-Webhook-Signature": b64(secret, body)},
    "lazada": lambda secret, body: {"Authorization": signing.daraz_push(secret, APP_KEY, body)},
    "karwan": standard,
    "stripe": lambda secret, body: {"Stripe-Signature": signing.stripe(secret, int(time.time()), body)},
    "aftership": lambda secret, body: {"aftership-hmac-sha256": b64(secret, body)},
    "easypost": lambda secret, body: {
        "X-Hmac-Signature": "hmac-sha256-hex=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()},
}
SIGNATURES = {"x-shopify-hmac-sha256", "x-wc-webhook-signature", "authorization"}
PARTNERS = {"channel": ("channels", "order-routing"), "provider": ("providers", "payment-reconciliation"),
            "courier": ("couriers", "courier-dispatch")}
DECLARED = {"channel": "pavilion", "provider": "stripe-demo", "courier": "courier-a"}


class Caller:
    """A declared partner or an operator: the argument of the path that names it, its signature, its bodies (headers, JSON)."""

    def __init__(self, name="operator", argument="", sign=None, bodies=()):
        self.name, self.argument, self.sign, self.bodies = name, argument, sign, bodies

    def __str__(self):
        return self.name


def fixtures(service, adapter):
    folder = ROOT / "services" / service / "adapters" / adapter / "fixtures"
    for path in sorted([*folder.glob("*/payload.json"), *folder.glob("*.body.json")]):
        try:
            body = json.loads(path.read_bytes())
        except ValueError:
            continue  # not JSON on purpose
        head = path.parent / "headers.txt"
        lines = head.read_text(encoding="utf-8").splitlines() if head.exists() else ()
        pairs = [line.split(": ", 1) for line in lines if ": " in line]
        yield {name: value for name, value in pairs if name.lower() not in SIGNATURES}, body


# ---- what is sent ----

ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-2**65, 2**65), st.sampled_from([0, -1, 2**31, 2**53 + 1, 2**63 - 1, -2**63]),
    st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=40),
    st.sampled_from(["", " ", "0", "-1", "1e5", "0.001", "9" * 30, "x" * 5000, "\u0000", "\U0001f9e3", "null", "2026-13-01T00:00:00Z",
                     "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "PKR", "ZZZ", "61101-7654321-3"]),
    st.just([]), st.just({}), st.lists(st.integers(), max_size=3))


def places(value, found):
    """Every member and item of a JSON value: (what holds it, its key)."""
    for key in (value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()):
        found.append((value, key))
        places(value[key], found)
    return found


@st.composite
def spoiled(draw, bodies):
    """A body that is known with up to three of its places changed: gone, odd, twice, or as another place is."""
    headers, body = copy.deepcopy(draw(st.sampled_from(bodies)))
    if isinstance(body, str):
        return headers, "".join(draw(st.permutations(body.splitlines(keepends=True)))).encode()
    for _ in range(draw(st.integers(0, 3))):
        there = places(body, [])
        if not there:
            break
        holder, key = draw(st.sampled_from(there))
        how = draw(st.sampled_from(("gone", "odd", "odd", "twice", "another")))
        if how == "gone":
            del holder[key]
        elif how == "odd":
            holder[key] = draw(ODD)
        elif how == "twice" and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        else:
            other, name = draw(st.sampled_from(there))
            holder[key] = copy.deepcopy(other[name])
    return headers, json.dumps(body, ensure_ascii=draw(st.booleans())).encode()


def examples(operation):
    """Bodies of the document's own examples, as those of a caller."""
    for media, content in operation.definition.raw.get("requestBody", {}).get("content", {}).items():
        told = [content["example"]] if "example" in content else [one["value"] for one in content.get("examples", {}).values()]
        yield from (({"Content-Type": media}, body) for body in told)


def scan(parcel, status):
    now = datetime.datetime.now(datetime.timezone.utc).isoformat()
    return {}, {"type": "tracking.updated", "timestamp": now, "data": {
        "event_id": f"{parcel}-{status}", "reference": parcel, "status": status, "scanned_at": now}}


# where ids that are there are, by the resource in a path
IDS = {
    "orders": "SELECT order_id FROM routing.orders", "payments": "SELECT payment_id FROM payment.payments",
    "parcels": "SELECT parcel_id FROM dispatch.parcels", "imports": "SELECT import_id FROM listing.imports",
    "exceptions": " UNION ".join(f"SELECT exception_id FROM {schema}.exceptions"
                                 for schema in ("listing", "routing", "payment", "dispatch")),
    "makers": "SELECT maker_id FROM routing.makers", "hubs": "SELECT hub_id FROM routing.hubs",
    "listings": "SELECT listing_id FROM routing.listings",
}


class Edges:
    def __init__(self, system, seed, n_examples):
        self.system, self.seed, self.n_examples, self.url = system, seed, n_examples, ""
        self.session, self.faults = requests.Session(), {}
        self.answers = {}  # by operation and caller: statuses and how often
        self.session.trust_env = False
        self.token = {"Authorization": f"Bearer {system.secret('operator')}"}

    def ids(self, operation):
        name = operation.path.split("/")[2]
        return [row[0] for row in self.system.psql(IDS[name] + " LIMIT 50")] if "{id}" in operation.path else []

    def callers(self, operation):
        named = [name for name in PARTNERS if f"{{{name}}}" in operation.path]
        if not named:
            yield Caller(sign=lambda _: self.token, bodies=list(examples(operation)))
            return
        kind, service = PARTNERS[named[0]]
        told = json.loads((self.system.dir / "partners.json").read_text(encoding="utf-8"))
        for one in told[kind]:
            bodies = [*fixtures(service, one["adapter"]), *examples(operation)]
            if kind == "couriers":
                bodies += (scan(row[0], "IN_TRANSIT") for row in self.system.psql(IDS["parcels"] + " LIMIT 3"))
            yield Caller(one["name"], named[0], functools.partial(SIGNED[one["adapter"]], self.system.secret(one["name"])), bodies)

    def request(self, case, caller, one_id, body):
        """What goes over the line, signed over the bytes that go."""
        if caller.argument:
            case.path_parameters[caller.argument] = caller.name
        elif one_id:
            case.path_parameters["id"] = one_id
        told = case.as_transport_kwargs(base_url=self.url)
        told["headers"] = {name: value for name, value in told["headers"].items() if name.lower() not in SIGNATURES}
        if body:
            told = {**told, "json": None, "files": None, "data": body[1],
                    "headers": {"Content-Type": "application/json", **told["headers"], **body[0]}}
        ready = requests.Request(**{name: told.get(name) for name in (
            "method", "url", "headers", "params", "data", "json", "files", "cookies")}).prepare()
        sent = ready.body or b""
        ready.headers.update(caller.sign(sent if isinstance(sent, bytes) else sent.encode()))
        return ready

    def try_one(self, case, caller, one_id=None, body=None):
        at = f"{case.operation.label} by {caller}"
        response = self.session.send(self.request(case, caller, one_id, body), timeout=60, allow_redirects=False)
        self.answers.setdefault(at, collections.Counter())[response.status_code] += 1
        if {"server", "x-powered-by"} & {name.lower() for name in response.headers}:
            self.faults[f"{at} tells a version"] = str(response.headers)
        try:
            case.validate_response(response, checks=CHECKS)
        except BaseExceptionGroup as fault:
            for one in fault.exceptions:
                self.faults.setdefault(f"{at}: {one.title}: {one.message}", str(fault))

    def try_known(self, operation, caller):
        """Each body that is known, and each id, as it is."""
        arguments = {"path_parameters": {"id": "nobody"}}
        if caller.bodies:
            arguments |= {"body": {}, "media_type": caller.bodies[0][0].get("Content-Type", "application/json")}
        query = {"kind": "MAKERS"} if operation.path == "/v1/imports" else {}
        for one_id in self.ids(operation)[:3] or [None]:
            for headers, body in caller.bodies or [({}, None)]:
                sent = body if isinstance(body, (str, type(None))) else json.dumps(body)
                self.try_one(operation.Case(query=query, **arguments), caller, one_id, sent and (headers, sent.encode()))

    def try_operation(self, operation, caller, mode):
        there = self.ids(operation)
        ids = st.one_of(st.none(), st.sampled_from(there)) if there else st.none()
        body = spoiled(caller.bodies) if caller.argument else st.one_of(st.none(), spoiled(caller.bodies)) if caller.bodies else st.none()
        # a partner's body is its own: what the document says of it is too little to make one
        cases = operation.as_strategy(generation_mode=mode,
                                      **({"body": {}, "media_type": "application/json"} if caller.argument else {}))

        @hypothesis.seed(self.seed)
        @hypothesis.settings(max_examples=self.n_examples, database=None, deadline=None, phases=[hypothesis.Phase.generate],
                             suppress_health_check=list(hypothesis.HealthCheck))
        @hypothesis.given(cases, ids, body, st.booleans())
        def run(case, one_id, other, bare):
            if bare and case.query:
                wanted = {one["name"] for one in operation.definition.raw["parameters"] if one.get("required")}
                case.query = {name: value for name, value in case.query.items() if name in wanted}
            self.try_one(case, caller, one_id, other)

        run()

    def try_unasked(self, operation):
        """Without a key, and with methods that the path has not."""
        path = re.sub(r"{(\w+)}", lambda m: DECLARED.get(m[1], PARCEL), operation.path)
        for headers in ({}, {"Authorization": "Bearer nobody"}, {"Authorization": "Basic b3BlcmF0b3I6"}):
            told = self.session.request(operation.method, self.url + path, headers=headers, timeout=60)
            if told.status_code != 401 or told.headers["Content-Type"] != "application/problem+json":
                self.faults[f"{operation.label} without a key"] = f"{told.status_code} {told.text}"
        there = {method.upper() for method in operation.schema[operation.path]}
        for method in {"GET", "PUT", "POST", "DELETE", "PATCH", "TRACE", "OPTIONS"} - there:
            told = self.session.request(method, self.url + path, timeout=60)
            if told.status_code != 405 or set(told.headers["Allow"].split(", ")) - {"HEAD"} != there:
                self.faults[f"{operation.label} as {method}"] = f"{told.status_code} {told.headers}"

    def try_service(self, service):
        document = documents.read_yaml(ROOT / "schemas" / "openapi" / f"{service}.yaml")
        self.url = f"http://127.0.0.1:{self.system.port(service)}"
        schema = schemathesis.openapi.from_dict(with_files(document), config=schemathesis.Config.from_dict({}))
        for found in schema.get_all_operations():
            operation = found.ok()
            self.try_unasked(operation)
            for caller in self.callers(operation):
                self.try_known(operation, caller)
                for mode in MODES[:1] if caller.argument else MODES:
                    self.try_operation(operation, caller, mode)


def with_files(part):
    """The document with what it takes from other files in it."""
    if isinstance(part, list):
        return [with_files(one) for one in part]
    if not isinstance(part, dict):
        return part
    if part.get("$ref", "#")[0] != "#":
        path = (ROOT / "schemas" / "openapi" / part["$ref"]).resolve()
        schema = json.loads(path.read_text(encoding="utf-8"))
        return {name: value for name, value in documents.value_of(schema, schema).items() if not name.startswith("$")}
    return {name: with_files(value) for name, value in part.items()}


def judge(edges):
    faults = [f"{what}\n{fault}" for what, fault in edges.faults.items()]
    for at, statuses in sorted(edges.answers.items()):
        print(at, *(f"{status}: {n}" for status, n in sorted(statuses.items())))
        if 401 in statuses:
            faults.append(f"{at}: signed, and refused")
        if "resolve" not in at and not {200, 202} & set(statuses):
            faults.append(f"{at}: nothing was taken")
    for restarts in (edges.system.dir / "run").glob("*.restarts"):
        if restarts.read_text(encoding="utf-8").strip() != "0":
            faults.append(f"{restarts.stem} was restarted")
    for schema in ("listing", "routing", "payment", "dispatch"):
        # a cancellation of an order that nobody knows is one: the order may still come
        faults += (f"{schema}: a dead letter: {' '.join(row)}" for row in edges.system.psql(
            f"SELECT topic, key, reason, encode(value, 'escape') FROM {schema}.dead_letters WHERE reason <> 'no such order'"))
    return faults


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    parser.add_argument("--examples", type=int, default=EXAMPLES)
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    with System(ROOT, "openapi") as system:
        catalogue(system)
        with Load(system, "O") as load:
            load.more(SEEDED)
        until("parcels", lambda: system.psql("SELECT count(*) FROM dispatch.parcels WHERE state = 'DELIVERED'")[0][0] == str(
            len(load.accepted)))
        edges = Edges(system, given.seed, given.examples)
        for service in documents.SERVICES:
            edges.try_service(service)
        faults = judge(edges)
        end = time.monotonic() + CLEAN_S
        while (told := system.ctl("check"))[0] != 0 and time.monotonic() < end:
            pass
        faults += [f"karwanctl check: {told[1]}{told[2]}"] if told[0] != 0 else []
        system.check_messages()
    faults += system.errors
    for fault in faults[:SHOWN]:
        print(fault)
    print(f"seed {given.seed}, {sum(sum(statuses.values()) for statuses in edges.answers.values())} requests, {len(faults)} faults")
    if not faults:
        system.remove()
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
