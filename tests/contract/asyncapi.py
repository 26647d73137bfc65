"""schemas/asyncapi.yaml is valid AsyncAPI 3.0 by the specification's own schema (asyncapi-3.0.0.json: schemas/3.0.0.json of
the npm package @asyncapi/specs 6.8.1, Apache-2.0, unchanged), and says what the programs do: the topics of topics.json, who
writes and reads which message, whose schema is its payload. Arguments: the checkout, the programs' folder, then the test
programs that list (--list) what each service writes, as NAME=PROGRAM."""

import copy
import hashlib
import json
import subprocess
import sys

import documents
from documents import SERVICES, follow, set_faults

SCHEMA_SHA256 = "f0a84ae94acceb9f91da8624a8def0e080055953166ce212dd8f4b3ed9b13f06"
BARRIER = "karwan.epoch.started.v1"
# by common/bus/envelope.c; a test of it has the same list
REQUIRED = {"ce_specversion", "ce_id", "ce_source", "ce_type", "ce_subject", "ce_time", "content-type"}


def validity_faults(root, document):
    from jsonschema import Draft7Validator
    text = (root / "tests" / "contract" / "asyncapi-3.0.0.json").read_bytes()
    if hashlib.sha256(text).hexdigest() != SCHEMA_SHA256:
        yield "asyncapi-3.0.0.json is not the specification's"
    for error in Draft7Validator(json.loads(text)).iter_errors(document):
        inner = min(error.context or [error], key=lambda e: -len(e.absolute_path))
        yield f"not valid: /{'/'.join(map(str, inner.absolute_path))}: {inner.message[:200]}"


def references(part):
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def broken_references(root, document):
    """What a schema cannot see: every reference leads somewhere."""
    for ref in sorted(set(references(document))):
        try:
            if ref.startswith("#/"):
                follow(document, ref)
            elif not (root / "schemas" / ref).is_file():
                yield f"{ref} is not there"
        except KeyError:
            yield f"{ref} leads nowhere"


def name_of(document, ref):
    part = follow(document, ref)
    return name_of(document, part["$ref"]) if "$ref" in part else part["name"]


def channel_faults(document, topics, used):
    ours = {channel["address"]: channel for channel in document["channels"].values()}
    yield from set_faults("channels", ours, [topic["name"] for topic in topics])
    for topic in topics:
        channel = ours.get(topic["name"])
        if channel is None:
            continue
        kafka = channel["bindings"]["kafka"]
        told = {"cleanup.policy": ["delete"], "retention.ms": topic["retention_ms"], "message.timestamp.type": "LogAppendTime"}
        if kafka["topic"] != topic["name"] or kafka["partitions"] != topic["partitions"] or kafka["topicConfiguration"] != told:
            yield f"{topic['name']}: {topic['partitions']} partitions, {told} in the program, {kafka} in the document"
        names = [name_of(document, message["$ref"]) for message in channel["messages"].values()]
        if len(names) != len(set(names)):
            yield f"{topic['name']}: a message twice"
        yield from set_faults(topic["name"], names, used.get(topic["name"], set()))
        for ref in (message["$ref"] for message in channel["messages"].values()):
            yield from message_faults(document, follow(document, ref), topic)


def message_faults(document, message, topic):
    name = message["name"]
    if message["payload"]["schema"].get("$ref") != f"./events/{name}.json":
        yield f"{name}: its payload is not its schema"
    headers = follow(document, message["headers"]["$ref"])
    own = {"traceparent"} if topic["kind"] == "in" else {"ce_sequence"}
    yield from set_faults(f"{topic['name']}: {name}: required headers", headers["required"], REQUIRED | own)
    yield from set_faults(f"{topic['name']}: {name}: headers", headers["properties"], REQUIRED | own | {"traceparent"})
    if not message["bindings"]["kafka"]["key"]:
        yield f"{topic['name']}: {name}: no key"


def operation_faults(document, does):
    ours = set()
    for operation in document["operations"].values():
        channel = follow(document, operation["channel"]["$ref"])
        for message in operation["messages"]:
            if not message["$ref"].startswith(operation["channel"]["$ref"] + "/messages/"):
                yield f"{message['$ref']} is of another channel"
            ours.add((operation["tags"][0]["name"], operation["action"], channel["address"], name_of(document, message["$ref"])))
    yield from set_faults("operations", ours, does)


def deeds(told, programs):
    """(service, send or receive, topic, type) of all services."""
    for service, tells in told.items():
        reads = {(row["topic"], row["type"]) for row in tells["reads"]}
        listed = subprocess.run([programs[service], "--list"], check=True, capture_output=True, text=True).stdout
        for side, kind in (row.split() for row in listed.splitlines()):
            if side == "out":
                topic = tells["in_topic"] if (tells["in_topic"], kind) in reads else tells["events_topic"]
                yield service, "send", topic, kind
        yield service, "send", tells["events_topic"], BARRIER
        for topic, kind in reads:
            yield service, "receive", topic, kind
        for topic in {topic for topic, _ in reads if topic.endswith(".events")}:
            yield service, "receive", topic, BARRIER


def faults_of(root, document, topics, does):
    broken = list(broken_references(root, document))
    if broken:
        return broken
    used = {}
    for _, action, topic, kind in does:
        if action == "send":
            used.setdefault(topic, set()).add(kind)
    return [*channel_faults(document, topics, used), *operation_faults(document, does)]


def mutants(document, topics, does):
    """What the comparison must see."""
    for name, channel in document["channels"].items():
        yield f"{name} is gone", documents.changed(document, "#/channels", lambda at, n=name: at.pop(n)), topics, does
        yield f"{name}: partitions", documents.changed(
            document, f"#/channels/{name}/bindings/kafka", lambda at: at.update(partitions=1)), topics, does
        yield f"{name}: compacted", documents.changed(
            document, f"#/channels/{name}/bindings/kafka/topicConfiguration",
            lambda at: at.update({"cleanup.policy": ["compact"]})), topics, does
        for message in channel["messages"]:
            yield f"{name}/{message} is gone", documents.changed(
                document, f"#/channels/{name}/messages", lambda at, m=message: at.pop(m)), topics, does
    for name, operation in document["operations"].items():
        yield f"{name} is gone", documents.changed(document, "#/operations", lambda at, n=name: at.pop(n)), topics, does
        yield f"{name}: a message less", documents.changed(
            document, f"#/operations/{name}/messages", lambda at: at.pop()), topics, does
        yield f"{name}: the other way", documents.changed(
            document, f"#/operations/{name}",
            lambda at: at.update(action="send" if at["action"] == "receive" else "receive")), topics, does
    for name in document["components"]["messages"]:
        yield f"{name}: another payload", documents.changed(
            document, f"#/components/messages/{name}/payload/schema",
            lambda at: at.update({"$ref": f"./events/{BARRIER}.json"} if "epochStarted" not in name else {"$ref": "./x.json"})
        ), topics, does
    for name in sorted(REQUIRED):
        yield f"header {name}", documents.changed(
            document, "#/components/schemas/EventHeaders/required", lambda at, n=name: at.remove(n)), topics, does
    for i in range(len(topics)):
        fewer = copy.deepcopy(topics)
        fewer[i]["retention_ms"] += 1
        yield f"topic {i} is kept longer", document, fewer, does
    for deed in sorted(does):
        yield f"{deed} is not done", document, topics, does - {deed}


def main():
    root, bin_dir = documents.paths_of(sys.argv[1:])
    programs = dict(argument.split("=", 1) for argument in sys.argv[3:])
    documents.use_validators(root)
    document = documents.read_yaml(root / "schemas" / "asyncapi.yaml")
    topics = json.loads((root / "schemas" / "topics.json").read_text(encoding="utf-8"))["topics"]
    told = {service: documents.told_by(bin_dir, service) for service in SERVICES}
    does = set(deeds(told, programs))
    faults = [*validity_faults(root, document), *faults_of(root, document, topics, does)]
    if not any(True for _ in validity_faults(root, documents.changed(document, "#/operations", lambda at: at.update(x={})))):
        faults.append("the validator takes an operation of nothing")
    faults += [f"nobody sees: {what}" for what, *changed in mutants(document, topics, does) if not faults_of(root, *changed)]
    return documents.report(faults, f"{len(document['channels'])} channels, {len(document['operations'])} operations")


if __name__ == "__main__":
    sys.exit(main())
