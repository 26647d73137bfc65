"""Calls that fail, one by one. In a whole system under load each service runs with tests/support/failing.c before its
libraries: round for round one of its calls fails, the n-th of a place (who called whom in it up to there). Place and n are drawn from
those that some orders come by, or a start. A program may refuse, try again, or end and be started again. Nothing that was answered
202 is lost or doubled, nothing becomes a dead letter, no sanitizer reports anything of ours, files do not stay open, `karwanctl
check` is clean.
Arguments: the checkout, the preloaded library, [--seed N], [--seconds N] of failing; [--whole]: of each place the first and the
middle call instead. Its hundreds of starts on end may kill a program three times over one message, which is sent again then.
Needs what `./karwan servers env` prints."""

import argparse
import collections
import contextlib
import mmap
import os
import pathlib
import random
import re
import secrets
import signal
import struct
import sys
import time

ROOT = pathlib.Path(sys.argv[1]).resolve()

from load import Load, all_is_done, catalogue, until  # noqa: E402
from running import System  # noqa: E402

SERVICES = {"listing-ingestion": "listing", "order-routing": "routing", "payment-reconciliation": "payment",
            "courier-dispatch": "dispatch"}  # with their schemas
# as in failing.c
CLASSES = ("allocate", "open", "read", "write", "receive", "send", "connect", "sync", "commit-lost", "commit-unanswered")
CLASS_SHIFT = 56
PLACES = 16384
HEAD = struct.Struct("=QqQ")
PLACE = struct.Struct("=QQ")
SECONDS = 45
ORDERS = 15  # whose calls are counted
ROUND_ORDERS = 5
PATIENCE = 9  # times as many orders may pass until the call comes
FILES = 64 + 20  # more than at the start that may be open: so many connections to couriers are kept (http/client.c), and some
REFUSALS = (500, 503)
STARTS = 0.2  # of the rounds are of a program's start
SANITIZERS = re.compile(r"runtime error|ERROR: (Address|Leak|UndefinedBehavior)Sanitizer")
FRAME = re.compile(r" +#\d+ 0x[0-9a-f]+ (?:in \S+ )?(.*)")
LIBC = re.compile(r"(nptl|csu|string|malloc|stdlib|stdio-common|\./|(\.\./)+sysdeps|(\.\./)+src/libsanitizer)/|\(/lib/[^)]*/libc\.so")


class Control:
    """What a program and the test share: struct control of failing.c."""

    def __init__(self, path):
        path.write_bytes(bytes(HEAD.size + PLACES * PLACE.size))
        with path.open("r+b") as file:
            self.shared = mmap.mmap(file.fileno(), HEAD.size + PLACES * PLACE.size)

    def calls(self):
        """Of each place, by its id."""
        return {place: calls for place, calls in PLACE.iter_unpack(self.shared[HEAD.size:]) if place}

    def arm(self, place, n):
        HEAD.pack_into(self.shared, 0, 0, n, 0)
        struct.pack_into("=Q", self.shared, 0, place)

    def disarm(self):
        struct.pack_into("=Q", self.shared, 0, 0)

    def fired(self):
        return HEAD.unpack_from(self.shared, 0)[2] == 1


class Failing(System):
    """The system, with a control for each service."""

    def __init__(self, library):
        super().__init__(ROOT, "failing")
        (self.dir / "more").mkdir(parents=True)
        self.controls = {}
        for name in SERVICES:
            self.controls[name] = Control(self.dir / "more" / f"{name}.control")
            (self.dir / "more" / name).write_text(
                f"LD_PRELOAD={library}\nFAILING_FILE={self.dir}/more/{name}.control\n"
                f"ASAN_OPTIONS=verify_asan_link_order=0\nLSAN_OPTIONS=suppressions={self.dir}/more/leaks\n", encoding="utf-8")
        # of a thread's start, which a preloaded library makes look like ours
        (self.dir / "more" / "leaks").write_text("leak:/ld-linux\n", encoding="utf-8")

    def files(self):
        """Descriptors of each service, without connections to its own ports, which may rest; none of one that is being started."""
        found = {}
        for name in SERVICES:
            ports = {self.port(name), self.port(f"{name}-admin")}
            try:
                proc = pathlib.Path("/proc", (self.dir / "run" / f"{name}.pid").read_text(encoding="utf-8").split()[0])
                rows = [line.split() for line in (proc / "net" / "tcp").read_text(encoding="ascii").splitlines()[1:]]
                resting = {f"socket:[{row[9]}]" for row in rows if int(row[1].split(":")[1], 16) in ports}
                found[name] = sum(os.readlink(fd) not in resting for fd in (proc / "fd").iterdir())
            except OSError:
                pass
        return found

    def counted(self, act):
        """Calls of each service by place while that is done."""
        before = {name: control.calls() for name, control in self.controls.items()}
        act()
        return {name: {place: n - before[name].get(place, 0) for place, n in control.calls().items()
                       if n > before[name].get(place, 0)} for name, control in self.controls.items()}

    def start_again(self, name):
        path = self.dir / "run" / f"{name}.pid"

        def pid():
            try:
                return path.read_text(encoding="utf-8")
            except FileNotFoundError:  # between an end and a start
                return ""
        before = until(f"{name} runs", pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(before.split()[0]), signal.SIGKILL)
        until(f"{name} is started again", lambda: pid() not in ("", before))


def class_of(place):
    return CLASSES[(place >> CLASS_SHIFT) - 1]


def drawn(random_, ordinary, starting):
    """Without an end: a place that the service comes by, one of its calls, and whether it is of a start."""
    while True:
        start = random_.random() < STARTS
        counts = starting if start else ordinary
        place = random_.choice(sorted(counts))
        yield place, random_.randint(1, counts[place]), start


def whole(ordinary, starting):
    for start, places in ((False, ordinary.keys()), (True, starting.keys() - ordinary.keys())):
        for place in sorted(places):
            yield from ((place, n, start) for n in sorted({1, (starting if start else ordinary)[place] // 2 + 1}))


def send_killed_again(system):
    """As an operator does. How many."""
    killed = [f"{name}/{row[0]}" for name, schema in SERVICES.items()
              for row in system.psql(f"SELECT id FROM {schema}.dead_letters WHERE code = 'KILLED_PROCESS'")]
    for letter in killed:
        code, _, why = system.ctl("dlq", "replay", letter)
        if code != 0:
            raise SystemExit(f"dlq replay {letter}: {code} {why}")
    return len(killed)


def reports(lines):
    """What the sanitizers say of us. A library may end on an address of nothing: OpenSSL and Kerberos do, without memory. Those are
    shown."""
    for i, line in enumerate(lines):
        if not SANITIZERS.search(line):
            continue
        frames = (match.group(1) for match in map(FRAME.match, lines[i + 1:i + 20]) if match)
        where = next((frame for frame in frames if not LIBC.match(frame)), "")
        if "SEGV on unknown address 0x0000000000" not in line or not where.startswith("(/"):
            yield line
        else:
            print(f"a library's: {where}: {line}")


def round_of(system, load, plans):
    """Each service that has one left has a call fail; which ones, as texts."""
    armed = []
    for name, plan in plans.items():
        place, n, start = next(plan, (None, 0, False))
        if place is None:
            continue
        system.controls[name].arm(place, n)
        if start:
            system.start_again(name)
        armed.append((name, f"{name}: {class_of(place)} {place & 0xffffff:06x} {n}{' of a start' if start else ''}"))
    until_orders = len(load.accepted) + ROUND_ORDERS * PATIENCE
    if armed:
        load.more(ROUND_ORDERS)
        until(f"{armed}", lambda: load.failed or all(system.controls[name].fired() for name, _ in armed) or
              len(load.accepted) >= until_orders)
    for control in system.controls.values():
        control.disarm()
    return [text + ("" if system.controls[name].fired() else ", which did not come") for name, text in armed]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root")
    parser.add_argument("library")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    parser.add_argument("--seconds", type=int, default=SECONDS)
    parser.add_argument("--whole", action="store_true")
    given = parser.parse_args()
    os.environ["RESTART_DELAYS"] = "0.2"
    random_, rounds = random.Random(given.seed), []
    print(f"seed {given.seed}", flush=True)
    system = Failing(pathlib.Path(given.library).resolve())
    with system:
        catalogue(system)
        with Load(system, "F", REFUSALS) as load:
            ordinary = system.counted(lambda: load.more(ORDERS))
            starting = system.counted(lambda: [system.start_again(name) for name in SERVICES] + [load.more(1)])
            plans = {name: whole(ordinary[name], starting[name]) if given.whole else drawn(random_, ordinary[name], starting[name])
                     for name in SERVICES}
            for name in SERVICES:
                seen = [collections.Counter(map(class_of, counts[name])) for counts in (ordinary, starting)]
                print(name, "places:", ", ".join(f"{of} {seen[0][of]} + {seen[1][of]}" for of in CLASSES), flush=True)
            files, end = system.files(), time.monotonic() + given.seconds
            while (given.whole or time.monotonic() < end) and (armed := round_of(system, load, plans)):
                rounds += armed
                print("; ".join(armed), flush=True)
        killed = send_killed_again(system) if given.whole else 0
        all_is_done(system, load.accepted)
        faults = [f"{name}: {n} open files, {files[name]} at first" for name, n in system.files().items()
                  if n > files[name] + FILES]
        for schema in SERVICES.values():
            rows = system.psql(f"SELECT topic, key, reason FROM {schema}.dead_letters WHERE replays = 0")
            faults += (f"{schema}: a dead letter: {row}" for row in rows)
        system.check_messages()
    for log in sorted((system.dir / "logs").glob("*.log*")):
        faults += (f"{log.name}: {line}" for line in reports(log.read_text(encoding="utf-8").splitlines()))
    for fault in faults:
        print(fault)
    failed = sum("did not come" not in one for one in rounds)
    print(f"seed {given.seed}, {len(load.accepted)} orders, {failed} calls failed, {killed} messages sent again, {len(faults)} faults")
    if not faults and failed:
        system.remove()
    return 1 if faults or not failed else 0


if __name__ == "__main__":
    sys.exit(main())
