"""Every message of a system's topics, read by kcat and not by our own library: the payload is valid by the schema of its
ce_type, the headers are CloudEvents in binary mode, the key lies in its partition. Arguments: the checkout, the brokers,
and a file of the messages that a test made wrong on purpose, lines "TOPIC KEY" (it may be absent)."""

import datetime
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(sys.argv[1]).resolve()
sys.path.insert(0, str(ROOT / "tests" / "contract"))

from jsonschema import Draft202012Validator  # noqa: E402
from schemas_valid import formats  # noqa: E402

SHOWN = 20
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
HEADERS = {name: re.compile(pattern) for name, pattern in {
    "ce_specversion": r"1\.0",
    "ce_id": UUID,
    "ce_source": r"/karwan/[a-z-]+(/edge)?",
    "ce_type": r"karwan\.[a-z_]+\.[a-z_]+\.v[0-9]+",
    "ce_subject": UUID,
    "ce_time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z",
    "content-type": r"application/json",
    "traceparent": r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}",
}.items()}
SEQUENCE = re.compile(r"\d{6}-\d{19}")
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

    def headers(self, topic, headers):
        names = headers[0::2]
        if len(names) != len(set(names)):
            yield "a header twice"
        of = dict(zip(names, headers[1::2]))
        for name, pattern in HEADERS.items():
            if name == "traceparent" and of.get("ce_type") == BARRIER:
                continue  # nobody's message is its cause
            if not pattern.fullmatch(of.get(name, "")):
                yield f"header {name}: {of.get(name)!r}"
        if topic["kind"] == "events" and not SEQUENCE.fullmatch(of.get("ce_sequence", "")):
            yield f"header ce_sequence: {of.get('ce_sequence')!r}"
        if topic["kind"] == "in" and "ce_sequence" in of:
            yield "a place on an in topic"
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
        for fault in (*self.headers(topic, headers), *self.payload(kind, record["payload"] or "")):
            yield f"{kind}: {fault}"
        if kind != BARRIER and record["partition"] != partition_of(key, topic["partitions"]):
            yield f"key {key!r} belongs to partition {partition_of(key, topic['partitions'])}"


def main():
    brokers, wrong = sys.argv[2], pathlib.Path(sys.argv[3])
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
