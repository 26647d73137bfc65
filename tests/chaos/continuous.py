"""What is looked at while everything runs: offsets (4), stock (5) and the ledger (6), each look only at what is new since the
last one. A database that is away is borne; one that went back to a copy is looked at anew."""

import os
import subprocess
import time

from flows import ANEW, RANGE
from machine import write_sample
from seen import AREAS, lines_of

SAMPLE_EVERY = 10  # looks
KEPT_MAX, KEPT_EACH = 300, 5  # postings whose content is remembered
BLOCKS_BACK = 64  # what was being written during the last look lies no further back
BATCHES_BACK = 400  # so many ids may have been open during the last look
PATIENCE = {"PGCONNECT_TIMEOUT": "2", "PGOPTIONS": "-c statement_timeout=3000 -c lock_timeout=500"}

IDENTITY = "SELECT system_identifier, timeline, (SELECT sum(epoch) FROM routing.head) FROM routing.current_identity()"
OFFSETS = " UNION ALL ".join(f"SELECT '{a.schema}', topic, partition, next_offset FROM {a.schema}.offsets" for a in AREAS)
STOCK = "SELECT listing_id, on_hand, allocated, version FROM routing.stock"
BLOCKS = "SELECT pg_relation_size('routing.stock_movements') / 8192, pg_relation_size('payment.postings') / 8192"
MOVEMENTS = "SELECT listing_id, version, on_hand, allocated, kind FROM routing.stock_movements WHERE ctid >= '({},0)'"
UNEVEN = """WITH t AS (SELECT DISTINCT entity_id, revision FROM payment.postings WHERE ctid >= '({},0)')
    SELECT entity_id, revision, currency, sum(minor) FROM payment.postings JOIN t USING (entity_id, revision)
    GROUP BY 1, 2, 3 HAVING sum(minor) <> 0"""
POSTINGS = "SELECT entity_id, revision, n, account, party, currency, minor FROM payment.postings"
NEWEST = POSTINGS + " WHERE ctid >= '({},0)' LIMIT {}"
KEPT = POSTINGS + " WHERE (entity_id, revision, n) IN (VALUES {})"


class Continuous:
    """look(): what was found since the last one, as texts "4: …". end(): what is to be said when the run is over."""

    def __init__(self, system):
        self.system = system
        self.tried = self.succeeded = 0
        self.forget()

    def forget(self):
        self.identity, self.looked_at = None, 0
        self.places, self.last_batch, self.known = {}, {}, {area.schema: set() for area in AREAS}
        self.sums, self.movements_from, self.reread = {}, 0, False
        self.kept, self.postings_from = {}, 0

    def ask(self, *questions):
        """Rows of each question, all of one snapshot; None where the database is away."""
        script = ["BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"]
        for question in questions:
            script += ["\\echo ---", f"{question};"]
        told = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-F", "\t", "-d", self.system.superuser()],
                              input="\n".join(script), check=False, capture_output=True, text=True,
                              env={**os.environ, **PATIENCE})
        if told.returncode != 0:
            return None
        answers = []
        for line in told.stdout.splitlines():
            if line == "---":
                answers.append([])
            else:
                answers[-1].append(line.split("\t"))
        return answers

    def look(self):
        now = time.time_ns() // 1000
        self.tried += 1
        batches = [f"SELECT id, ranges FROM {area.schema}.batches WHERE id > "
                   f"{self.last_batch.get(area.schema, 0) - BATCHES_BACK} "
                   "ORDER BY id" for area in AREAS]
        kept = ", ".join(f"('{entity}'::uuid, {revision}, {n})" for entity, revision, n in self.kept) or "(NULL::uuid, 0, 0)"
        told = self.ask(IDENTITY, OFFSETS, STOCK, BLOCKS, MOVEMENTS.format(self.movements_from),
                        UNEVEN.format(self.postings_from), NEWEST.format(self.postings_from, KEPT_EACH), KEPT.format(kept),
                        *batches)
        if told is None:
            return []
        identity, offsets, stock, blocks, movements, uneven, newest, again, *batches = told
        first = self.identity is None
        if not first and self.identity != identity:
            self.forget()  # an operator has said that the database went back
            return []
        self.identity = identity
        found = [*self.judge_offsets(first, offsets, batches), *self.judge_stock(stock, movements),
                 *self.judge_ledger(uneven, newest, again)]
        self.movements_from = 0 if self.reread else max(int(blocks[0][0]) - BLOCKS_BACK, 0)
        self.postings_from = max(int(blocks[0][1]) - BLOCKS_BACK, 0)
        if found and self.went_back():
            self.forget()
            return []
        if self.succeeded % SAMPLE_EVERY == 0:
            self.sample()
        self.succeeded, self.looked_at = self.succeeded + 1, now
        return found

    def end(self):
        return [] if self.succeeded else [f"4, 5, 6: none of {self.tried} looks saw anything"]

    def sample(self):
        try:
            write_sample(self.system)
        except (subprocess.CalledProcessError, OSError):
            return  # it went away at this moment

    def log_is_new(self):
        faults = lines_of(self.system.dir / "chaos" / "faults.ndjson")
        return any(word in str(fault.get("fault")) for fault in faults for word in ANEW)

    def went_back(self):
        """Is the database being put back to a copy, or was it since the last look? Then what was seen is no more."""
        begun = 0
        for fault in lines_of(self.system.dir / "chaos" / "faults.ndjson"):
            if "restor" in str(fault.get("fault")):
                if fault["t"] > self.looked_at:
                    return True
                begun += {"begin": 1, "end": -1}.get(fault.get("phase"), 0)
        return begun > 0

    # ---- 4 ----

    def judge_offsets(self, first, offsets, batches):
        rows = {(schema, topic, int(partition)): int(offset) for schema, topic, partition, offset in offsets}
        moved = {}
        for area, told in zip(AREAS, batches):
            known = self.known[area.schema]
            for number, ranges in told:
                if int(number) in known:
                    continue
                known.add(int(number))
                self.last_batch[area.schema] = max(self.last_batch.get(area.schema, 0), int(number))
                for topic, partition, begin, last in [] if first else RANGE.findall(ranges):
                    moved.setdefault((area.schema, topic, int(partition)), []).append((int(begin), int(last) + 1))
            self.known[area.schema] = {n for n in known if n > self.last_batch.get(area.schema, 0) - BATCHES_BACK}
        for at, offset in [] if first else rows.items():
            place = self.places.get(at)
            for begin, after in moved.get(at, ()):
                if place is not None and begin != place and not (begin == 0 and self.log_is_new()):
                    yield f"4: {' '.join(map(str, at))}: a batch begins at {begin}, the one before ended at {place}"
                if after < begin and at[1].endswith(".in"):
                    yield f"4: {' '.join(map(str, at))}: it went back from {begin} to {after}"
                place = after
            if place not in (None, offset):
                yield f"4: {' '.join(map(str, at))}: it is {offset}, its batches ended at {place}"
        self.places = rows

    # ---- 5 ----

    def judge_stock(self, stock, movements):
        new = {}
        for listing, version, on_hand, allocated, kind in movements:
            new.setdefault(listing, []).append((int(version), int(on_hand), int(allocated), kind))
        was_whole, self.reread = self.reread or self.movements_from == 0, False
        for listing, on_hand, allocated, version in stock:
            at, there, promised = self.sums.get(listing, (0, 0, 0))
            for number, more, given, kind in sorted(new.get(listing, ())):
                if number == at + 1:
                    at, there, promised = number, there + more, promised + given
                    if not 0 <= promised <= there:
                        yield f"5: stock of {listing}: after movement {number}, {kind}, {there} are there and {promised} promised"
            self.sums[listing] = at, there, promised
            if (there, promised, at) == (int(on_hand), int(allocated), int(version)):
                continue
            if was_whole:
                yield (f"5: stock of {listing} is {on_hand}/{allocated} at {version}, its movements make "
                       f"{there}/{promised} at {at}")
            self.reread = True

    # ---- 6 ----

    def judge_ledger(self, uneven, newest, again):
        for entity, revision, currency, minor in uneven:
            yield f"6: transaction {revision} of {entity} is off by {minor} {currency}"
        now = {(row[0], int(row[1]), int(row[2])): row[3:] for row in again}
        for at, was in self.kept.items():
            if now.get(at) != was:
                yield f"6: posting {at[2]} of {at[0]}/{at[1]} was {was} and is {now.get(at)}"
        for row in newest:
            if len(self.kept) < KEPT_MAX:
                self.kept[row[0], int(row[1]), int(row[2])] = row[3:]
