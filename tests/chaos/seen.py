"""All that a run has left, read once and by other means than our own libraries: the attempts of who sent, the faults, every
topic by kcat, every table by psql's COPY. What is computed from it is in the other modules."""

import collections
import datetime
import functools
import json
import os
import pathlib
import subprocess
import sys
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "scenario")]

from messages import Judge, partition_of  # noqa: E402, F401  for the other modules
from running import System  # noqa: E402

NAMESPACE = uuid.UUID("6f1d3c52-0b7e-4e0e-9a55-2b1f6a7c9d10")
BARRIER = "karwan.epoch.started.v1"
RESOLVE = "karwan.exception.resolve_requested.v1"
MS = 1000
READERS = 8  # topics that are read side by side
STILL_S = 30
OF_TOPICS = ("readers", "histories_of", "appended")  # what is derived from topics alone

Area = collections.namedtuple("Area", "service schema in_topic events_topic reads")
AREAS = (
    Area("listing-ingestion", "listing", "karwan.listings.in", "karwan.listings.events", ("karwan.orders.events",)),
    Area("order-routing", "routing", "karwan.orders.in", "karwan.orders.events",
         ("karwan.listings.events", "karwan.dispatch.events")),
    Area("payment-reconciliation", "payment", "karwan.payments.in", "karwan.payments.events",
         ("karwan.orders.events", "karwan.dispatch.events")),
    Area("courier-dispatch", "dispatch", "karwan.dispatch.in", "karwan.dispatch.events",
         ("karwan.orders.events", "karwan.payments.events")),
)
TOPICS = tuple(topic for area in AREAS for topic in (area.in_topic, area.events_topic))


@functools.lru_cache(maxsize=None)
def uuid_of(*parts):
    """As CONTRACT has it: kind and parts, joined by U+001F."""
    return str(uuid.uuid5(NAMESPACE, "\x1f".join(parts)))


def microseconds(text):
    """Of a time as a table's row or a message has it."""
    at = datetime.datetime.fromisoformat(text)
    return int(at.timestamp()) * 1000000 + at.microsecond


def money(amount, digits=2):
    """Minor units of an amount's text."""
    whole, _, part = amount["amount"].partition(".")
    minor = abs(int(whole)) * 10 ** len(part) + int(part or 0)
    return -minor if whole.startswith("-") else minor


class Record:
    """One record of a topic."""

    __slots__ = ("topic", "partition", "offset", "at", "key", "headers", "payload", "_data")

    def __init__(self, told):
        headers = told.get("headers") or []
        self.topic, self.partition, self.offset = told["topic"], told["partition"], told["offset"]
        self.at = told["ts"] * MS
        self.key, self.payload = told["key"] or "", told["payload"] or ""
        self.headers = dict(zip(headers[0::2], headers[1::2]))
        self._data = None

    @property
    def type(self):
        return self.headers.get("ce_type", "")

    @property
    def id(self):
        return self.headers.get("ce_id", "")

    @property
    def place(self):
        """Epoch and number; (0, 0) where there is none."""
        epoch, _, number = self.headers.get("ce_sequence", "").partition("-")
        return (int(epoch), int(number)) if epoch.isdigit() and number.isdigit() else (0, 0)

    @property
    def data(self):
        """The payload; {} where it is no object."""
        if self._data is None:
            try:
                self._data = json.loads(self.payload)
            except ValueError:
                self._data = {}
            if not isinstance(self._data, dict):
                self._data = {}
        return self._data

    def where(self):
        return f"{self.topic} {self.partition}@{self.offset}"

    def but(self, **changes):
        """A copy with other members."""
        copy = Record.__new__(Record)
        for name in Record.__slots__:
            setattr(copy, name, changes.get(name, getattr(self, name)))
        if "payload" in changes:
            copy._data = None
        return copy


def programs(root):
    """The folder of the programs: of the tests, or the release build."""
    return os.environ.get("BIN") or os.environ.get("TEST_BIN_DIR") or f"{root}/.karwan/build/release/bin"


class Run(System):
    """A system that somebody else has started."""

    def __init__(self, root, folder):  # pylint: disable=super-init-not-called
        self.root, self.dir = pathlib.Path(root), pathlib.Path(folder).resolve()
        self.bin, self.errors, self.expected = programs(root), [], []


def lines_of(path):
    """The objects of a file, one a line; a last line that was cut off is not there."""
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            if line.endswith("\n"):
                yield json.loads(line, strict=False)


# ---- topics ----

def fetch_topics(run):
    """Writes chaos/topics/TOPIC.ndjson."""
    folder, brokers = run.dir / "chaos" / "topics", run.env()["KARWAN_KAFKA_BROKERS"]
    folder.mkdir(parents=True, exist_ok=True)
    for first in range(0, len(TOPICS), READERS):
        running = []
        for topic in TOPICS[first:first + READERS]:
            with (folder / f"{topic}.ndjson").open("w", encoding="utf-8") as file:
                running.append((topic, subprocess.Popen(  # pylint: disable=consider-using-with
                    ["kcat", "-C", "-q", "-e", "-J", "-b", brokers, "-t", topic, "-o", "beginning"], stdout=file)))
        for topic, kcat in running:
            if kcat.wait() != 0:
                raise SystemExit(f"kcat: exit {kcat.returncode} while it read {topic}")


def read_topic(run, topic):
    """By partition: its records, in order."""
    partitions = collections.defaultdict(list)
    for told in lines_of(run.dir / "chaos" / "topics" / f"{topic}.ndjson"):
        partitions[told["partition"]].append(Record(told))
    for records in partitions.values():
        records.sort(key=lambda record: record.offset)
    return dict(partitions)


# ---- tables ----

LIST = """SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('listing', 'routing', 'payment', 'dispatch') AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    ORDER BY 1, 2"""


def table_names(run):
    return [".".join(row) for row in run.psql(LIST)]


def in_transaction(run, *steps):
    """Runs statements in one snapshot, and takes back what they did."""
    script = ["BEGIN ISOLATION LEVEL REPEATABLE READ;", *steps, "ROLLBACK;"]
    told = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", run.superuser()], input="\n".join(script),
                          check=False, capture_output=True, text=True)
    if told.returncode != 0:
        raise SystemExit(f"psql: {told.stderr.strip()}")


def copy_of(name, path):
    return (f"\\copy (SELECT row_to_json(t) FROM {name} t) TO '{path}' "
            "WITH (FORMAT csv, QUOTE e'\\x01', DELIMITER e'\\x02')")


def read_tables(run, names):
    """{name: rows} of one snapshot."""
    folder = run.dir / "chaos" / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{name}.ndjson" for name in names}
    in_transaction(run, *(copy_of(name, path) for name, path in paths.items()))
    return {name: list(lines_of(path)) for name, path in paths.items()}


def try_change(run, name, change):
    """Rows of a table that a statement takes away, and rows that it puts there; then all is as before."""
    before, after = run.dir / "chaos" / "before.ndjson", run.dir / "chaos" / "after.ndjson"
    in_transaction(run, copy_of(name, before), change, copy_of(name, after))
    was, now = (collections.Counter(path.read_text(encoding="utf-8").splitlines()) for path in (before, after))
    return [[json.loads(line) for line in rows.elements()] for rows in (was - now, now - was)]


# ---- all of it ----

class Seen:
    """What there is to judge. A mutant is a copy in which something is changed."""

    is_real = False

    def __init__(self, run):
        self.is_real = True
        self.run = run
        self.read()
        # a courier's scan, or a timer, may have come between the topics and the tables
        end = time.monotonic() + STILL_S
        while not self.is_still() and time.monotonic() < end:
            self.read()

    def read(self):
        run = self.run
        self.attempts = list(lines_of(run.dir / "chaos" / "attempts.ndjson"))
        self.faults = list(lines_of(run.dir / "chaos" / "faults.ndjson"))
        fetch_topics(run)
        self.topics = {topic: read_topic(run, topic) for topic in TOPICS}
        self.tables = read_tables(run, table_names(run))

    def is_still(self):
        """All that was committed is sent, all that was sent is read."""
        for area in AREAS:
            rows = {(row["topic"], row["partition"]): row["next_offset"] for row in self.rows(f"{area.schema}.offsets")}
            if any(rows.get((topic, partition), 0) != self.end(topic, partition)
                   for topic in (area.in_topic, *area.reads) for partition in self.topics[topic]):
                return False
            heads = {row["partition"]: row["number"] for row in self.rows(f"{area.schema}.head")}
            last = {partition: max((record.place[1] for record in records), default=0)
                    for partition, records in self.topics[area.events_topic].items()}
            if any(number > last.get(partition, 0) for partition, number in heads.items()):
                return False
        return True

    def but(self, topics=None, tables=None):
        """A copy with other topics or tables; what was derived from them is not taken over."""
        copy = Seen.__new__(Seen)
        copy.run, copy.attempts, copy.faults = self.run, self.attempts, self.faults
        copy.topics = {**self.topics, **(topics or {})}
        copy.tables = {**self.tables, **(tables or {})}
        if not topics:
            copy.__dict__.update({name: self.__dict__[name] for name in OF_TOPICS if name in self.__dict__})
        for name in ("indexes", "groups"):
            copy.__dict__[name] = {at: index for at, index in self.__dict__.get(name, {}).items() if at[0] not in (tables or {})}
        return copy

    def rows(self, name):
        return self.tables.get(name, [])

    def by(self, name, *columns):
        """Rows of a table by the values of these columns, the last one of each."""
        cache = self.__dict__.setdefault("indexes", {})
        if (name, columns) not in cache:
            cache[name, columns] = {tuple(row[column] for column in columns) if len(columns) > 1 else row[columns[0]]: row
                                    for row in self.rows(name)}
        return cache[name, columns]

    def all_by(self, name, column):
        """Lists of rows of a table by the value of a column."""
        cache = self.__dict__.setdefault("groups", {})
        if (name, column) not in cache:
            groups = collections.defaultdict(list)
            for row in self.rows(name):
                groups[row[column]].append(row)
            cache[name, column] = groups
        return cache[name, column]

    def records(self, topic):
        """All records of a topic, partition by partition."""
        for partition in sorted(self.topics[topic]):
            yield from self.topics[topic][partition]

    def end(self, topic, partition):
        records = self.topics[topic].get(partition)
        return records[-1].offset + 1 if records else 0

    def taken(self, topic):
        """What a reader takes that follows the rule of places: {partition: records}."""
        cache = self.__dict__.setdefault("readers", {})
        if topic not in cache:
            cache[topic] = {partition: read_by_places(records) for partition, records in self.topics[topic].items()}
        return cache[topic]

    def events(self, topic):
        """What a reader takes, without barriers, partition by partition."""
        for _, records in sorted(self.taken(topic).items()):
            yield from (record for record in records if record.type != BARRIER)

    def histories(self, topic):
        """Events by the entity that they are of, in order."""
        cache = self.__dict__.setdefault("histories_of", {})
        if topic not in cache:
            histories = collections.defaultdict(list)
            for record in self.events(topic):
                histories[record.headers.get("ce_subject", "")].append(record)
            cache[topic] = histories
        return cache[topic]

    def had(self, *words):
        """The faults whose name or target has one of these words."""
        return [fault for fault in self.faults if fault.get("phase") != "end"
                and any(word in f"{fault.get('fault', '')} {fault.get('target', '')}" for word in words)]


def read_by_places(records):
    """The rule of the README, for a reader who begins without a place."""
    taken, epoch, number = [], 0, 0
    for record in records:
        e, n = record.place
        if e == 0:
            continue
        if record.type == BARRIER and e > epoch and n <= number + 1:
            good = record.data.get("last_good_number", n - 1)
            taken = [old for old in taken if old.place[1] <= good]
        elif epoch and (e < epoch or n != number + 1):
            continue
        taken.append(record)
        epoch, number = e, n
    return taken


def order_of(ref):
    """The order's id of "CHANNEL EXTERNAL_ID"."""
    channel, _, external_id = ref.partition(" ")
    return uuid_of("order", channel, external_id)


class Offender:
    """What is wrong, and the order, parcel, payment or (topic, partition) that it is about."""

    def __init__(self, key, text):
        self.key, self.text = key, text

    def __str__(self):
        return self.text
