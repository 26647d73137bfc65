"""Every message of a system's topics, read by kcat and not by our own library: the payload is valid by the schema of its
ce_type, headers and key are as asyncapi.yaml has them, the key lies in its partition. Arguments: the brokers, and a file of
the messages that a test made wrong on purpose, lines "TOPIC KEY" (it may be absent)."""

import datetime
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "contract"))

import documents  # noqa: E402

documents.use_validators(ROOT)

from jsonschema import Draft202012Validator  # noqa: E402
from schemas_valid import formats  # noqa: E402

SHOWN = 20
BARRIER = "karwan.epoch.started.v1"


def murmur2(data):
    """As Kafka's Java client has it."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i:i + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = h * m & mask ^ k
    if len(data) > whole:
        h = (h ^ int.from_bytes(data[whole:], "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def partition_of(key, partitions):
    return (murmur2(key.encode()) & 0x7FFFFFFF) % partitions


def records(brokers, topic):
    command = ["kcat", "-C", "-q", "-e", "-J", "-b", brokers, "-t", topic, "-o", "beginning"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as kcat:
        for line in kcat.stdout:
            yield json.loads(line)
    if kcat.returncode != 0:
        raise SystemExit(f"kcat: exit {kcat.returncode} while it read {topic}")


class Judge:
    def __init__(self):
        self.validators = {}
        for path in (ROOT / "schemas" / "events").glob("*.json"):
            schema = json.loads(path.read_text(encoding="utf-8"))
            self.validators[path.stem] = Draft202012Validator(schema, format_checker=formats)
        self.seen = set()  # a message that came twice is looked at once
        self.ids = {}  # by (source, id): the record; another with the same is a repeat, or a fault
        self.headers_of, self.key_of = {}, {}  # validators by (topic, type), as asyncapi.yaml has them
        told = documents.read_yaml(ROOT / "schemas" / "asyncapi.yaml")
        for channel in told["channels"].values():
            for ref in channel["messages"].values():
                message = documents.follow(told, ref["$ref"])
                at = channel["address"], message["name"]
                headers = documents.value_of(message["headers"], told)
                self.headers_of[at] = Draft202012Validator({**headers, "additionalProperties": False})
                self.key_of[at] = Draft202012Validator(message["bindings"]["kafka"]["key"], format_checker=formats)

    def headers(self, topic, headers, key):
        names = headers[0::2]
        if len(names) != len(set(names)):
            yield "a header twice"
        of = dict(zip(names, headers[1::2]))
        at = topic["name"], of.get("ce_type")
        if at not in self.headers_of:
            yield "no message of this topic"
            return
        for error in self.headers_of[at].iter_errors(of):
            yield f"headers: {error.message}"
        if "traceparent" not in of and at[1] != BARRIER:  # a barrier is no message's effect
            yield "header traceparent is absent"
        for error in self.key_of[at].iter_errors(key):
            yield f"key: {error.message}"
        try:
            datetime.datetime.fromisoformat(of.get("ce_time", "").replace("Z", "+00:00"))
        except ValueError as error:
            yield f"header ce_time: {error}"

    def payload(self, kind, text):
        validator = self.validators.get(kind)
        if validator is None:
            yield f"no schema of {kind}"
            return
        if (kind, text) in self.seen:
            return
        self.seen.add((kind, text))
        for error in validator.iter_errors(json.loads(text)):
            yield f"/{'/'.join(map(str, error.absolute_path))}: {error.message}"

    def faults(self, topic, record):
        headers, key = record.get("headers") or [], record["key"] or ""
        kind = dict(zip(headers[0::2], headers[1::2])).get("ce_type", "")
        for fault in (*self.headers(topic, headers, key), *self.payload(kind, record["payload"] or "")):
            yield f"{kind}: {fault}"
        of = dict(zip(headers[0::2], headers[1::2]))
        same = (topic["name"], key, record["payload"], of.get("ce_sequence"))
        # an epoch makes the events again that the one before lost; those are void
        epoch = of.get("ce_sequence", "").partition("-")[0]
        if self.ids.setdefault((of.get("ce_source"), of.get("ce_id"), epoch), same) != same:
            yield f"{kind}: two events with one ce_source and ce_id"
        if kind != BARRIER and record["partition"] != partition_of(key, topic["partitions"]):
            yield f"key {key!r} belongs to partition {partition_of(key, topic['partitions'])}"


def main():
    brokers, wrong = sys.argv[1], pathlib.Path(sys.argv[2])
    on_purpose = set(wrong.read_text(encoding="utf-8").splitlines()) if wrong.exists() else set()
    judge, seen, skipped = Judge(), 0, 0
    places = {}  # what is wrong -> where
    for topic in json.loads((ROOT / "schemas" / "topics.json").read_text(encoding="utf-8"))["topics"]:
        for record in records(brokers, topic["name"]):
            seen += 1
            if f"{topic['name']} {record['key']}" in on_purpose:
                skipped += 1
                continue
            for fault in judge.faults(topic, record):
                places.setdefault((topic["name"], fault), []).append(f"{record['partition']}@{record['offset']}")
    for (topic, fault), where in list(places.items())[:SHOWN]:
        print(f"{topic}: {len(where)} times, first at {where[0]}: {fault}")
    print(f"{seen} messages, {skipped} wrong on purpose, {len(places)} kinds of faults")
    return 0 if seen > skipped and not places else 1


if __name__ == "__main__":
    sys.exit(main())
