"""Runs a plan on a stage: each fault when it is due, and beside them the looks at what must hold at any time, and at whether
the system goes on."""

import json
import sys
import threading
import time

import faults

LOOK_S = 1
QUIET_S = 20  # without a fault: then something must have been accepted


def say(*words):
    print(*words, file=sys.stderr, flush=True)


class Log:
    """chaos/faults.ndjson."""

    def __init__(self, path):
        self.file = path.open("w", encoding="utf-8")
        self.lock, self.counts = threading.Lock(), {}

    def put(self, planned, phase, **details):
        with self.lock:
            if phase == "begin":
                self.counts[planned.fault] = self.counts.get(planned.fault, 0) + 1
            print(json.dumps({"t": time.time_ns() // 1000, "fault": planned.fault, "target": planned.target, "phase": phase,
                              "number": planned.number, **details}), file=self.file, flush=True)


def shown(begun):
    return {name: value for name, value in begun.items() if isinstance(value, (int, str, list))}


class Chaos:
    def __init__(self, stage, seed, planned, log, load, continuous):
        self.stage, self.seed, self.planned, self.log, self.load = stage, seed, planned, log, load
        self.rows = {row.name: row for row in faults.TABLE}
        self.continuous, self.seen, self.failed = continuous, [], []
        self.began, self.over = time.monotonic(), threading.Event()
        self.taken, self.changed = {}, threading.Condition()  # number of a fault that goes on: what it holds, is it alone
        self.quiet_since, self.moved = self.began, (self.began, 0)
        self.looker = threading.Thread(target=self.look, daemon=True)

    def at(self):
        return time.monotonic() - self.began

    # faults

    def may_begin(self, planned):
        """What went before it may have taken longer than it was planned."""
        takes = self.rows[planned.fault].takes(planned.target)
        return not any(alone or planned.alone or takes & held for held, alone in self.taken.values())

    def hold(self, planned):
        with self.changed:
            self.changed.wait_for(lambda: self.may_begin(planned))
            self.taken[planned.number] = self.rows[planned.fault].takes(planned.target), planned.alone

    def leave(self, planned):
        with self.changed:
            del self.taken[planned.number]
            self.quiet_since = time.monotonic()
            self.changed.notify_all()

    def do(self, planned, row, dice):
        begun = row.begin(self.stage, planned, dice) or {}
        self.log.put(planned, "begin", **shown(begun))
        try:
            if row.during:
                row.during(self.stage, planned, begun, dice, time.monotonic() + planned.seconds)
            else:
                time.sleep(planned.seconds)
        finally:
            more = row.end(self.stage, planned, begun) or {}
            self.log.put(planned, "end", **more)
        say(f"{self.at():6.1f} s    {planned.fault} {planned.target} ends {shown(begun) or ''} {more or ''}")

    def one(self, planned):
        self.hold(planned)
        say(f"{self.at():6.1f} s {planned.fault} {planned.target} for {planned.seconds} s")
        try:
            self.do(planned, self.rows[planned.fault], planned.dice(self.seed))
        except Exception as error:  # pylint: disable=broad-except
            self.failed.append(f"{planned.fault} {planned.target}: {type(error).__name__}: {error}")
            say(self.failed[-1])
        self.leave(planned)

    def run(self):
        """Until the last fault has ended."""
        threads = []
        self.looker.start()
        for planned in self.planned:
            time.sleep(max(0, planned.at_s - self.at()))
            threads.append(threading.Thread(target=self.one, args=(planned,), daemon=True))
            threads[-1].start()
        for thread in threads:
            thread.join()

    def end(self):
        """What was found besides `seen`."""
        self.over.set()
        self.looker.join()
        return [*self.failed, *(self.continuous.end() or [])]

    # looks

    def look(self):
        while not self.over.wait(LOOK_S):
            for text in self.continuous.look():
                say(f"{self.at():6.1f} s {text}")
                self.seen.append(text)
            self.watch()

    def watch(self):
        """Says what hangs: without a fault for a while, and nothing was accepted since."""
        now, accepted = time.monotonic(), self.load.look()
        if accepted != self.moved[1] or self.taken or self.load.process.poll() is not None:
            self.moved = now, accepted
        elif now - max(self.moved[0], self.quiet_since) > QUIET_S:
            say(f"{self.at():6.1f} s it hangs: nothing is accepted; not ready: {self.stage.not_ready()}")
            self.moved = now, accepted
