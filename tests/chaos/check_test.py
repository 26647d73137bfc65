"""The checker on a whole system under a short load without faults: its verdict is clean, and each mutant is caught and named.
Argument: the checkout. Needs what `./karwan servers env` prints."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import check
import mutants
from continuous import Continuous
from seen import Run, Seen, System

ROOT = pathlib.Path(sys.argv[1]).resolve()
SEED, RATE, SECONDS = 11, 60, int(os.environ.get("CHECK_SECONDS", "20"))
WAIT_S = 120
INVARIANTS = 22
KEPT = 2  # dead letters
LOOKS = 2  # stock that does not fit is looked at once more as a whole


class Looks(threading.Thread):
    """A look a second, until the end of its `with`."""

    def __init__(self, system):
        super().__init__()
        self.continuous, self.found, self.ending = Continuous(system), [], threading.Event()

    def run(self):
        while not self.ending.wait(1):
            self.found += self.continuous.look()

    def __enter__(self):
        self.found += self.continuous.look()
        self.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.join()
        self.found += self.continuous.end()


def settle(system):
    """Nothing is on its way any more."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        _, told, _ = system.ctl("--json", "check")
        if told and json.loads(told.splitlines()[-1])["behind"] == 0:
            return
    raise SystemExit("it does not settle")


def send(system):
    """The generator, for some seconds; then until all that it sent is answered."""
    environment = {**os.environ, **system.env(), "RUN_DIR": str(system.dir)}
    with subprocess.Popen([f"{system.bin}/karwan-chaos-load", str(SEED), str(RATE), system.dir / "chaos" / "attempts.ndjson"],
                          env=environment, stdout=subprocess.PIPE, text=True) as load:
        try:
            load.wait(SECONDS)
            raise SystemExit(f"the generator has ended: {load.returncode}")
        except subprocess.TimeoutExpired:
            load.send_signal(signal.SIGUSR1)
        told, _ = load.communicate(timeout=WAIT_S)
    if load.returncode != 0:
        raise SystemExit(f"the generator: {load.returncode}")
    print(told, end="")


def send_dead_letters_again(system):
    """All but the first few, which a mutant needs."""
    for (letter,) in system.psql("SELECT id FROM routing.dead_letters ORDER BY id")[KEPT:]:
        status, _, err = system.ctl("dlq", "replay", f"order-routing/{letter}")
        if status not in (0, 1):  # 1: it is dead again
            raise SystemExit(f"dlq replay: {status} {err}")


def try_look(system, number, change, back):
    """A fault that is really there for a moment is found by a look, and no more when it is gone."""
    continuous = Continuous(system)
    found = continuous.look()
    system.psql(change(continuous))
    for _ in range(LOOKS):
        found += continuous.look()
    system.psql(back(continuous))
    if not found or any(not text.startswith(f"{number}: ") for text in found):
        raise SystemExit(f"a look should call {number}, and says {found}")


def try_looks(system):
    """Of rows that nothing changes while nothing is sent."""
    partition = system.psql("SELECT partition FROM listing.offsets WHERE topic = 'karwan.listings.in' "
                            "ORDER BY next_offset DESC")[0][0]
    listing = system.psql("SELECT listing_id FROM routing.stock WHERE on_hand > allocated ORDER BY version DESC")[0][0]

    def offset(by):
        return lambda _: (f"UPDATE listing.offsets SET next_offset = next_offset + {by} "
                          f"WHERE topic = 'karwan.listings.in' AND partition = {partition}")

    def stock(by):
        return lambda _: f"UPDATE routing.stock SET on_hand = on_hand + {by} WHERE listing_id = '{listing}'"

    def posting(by):
        def change(continuous):
            entity, revision, n = next(iter(continuous.kept))
            return ("SET session_replication_role = replica; "  # without triggers
                    f"UPDATE payment.postings SET minor = minor + {by} "
                    f"WHERE (entity_id, revision, n) = ('{entity}', {revision}, {n})")
        return change

    for number, change in ((4, offset), (5, stock), (6, posting)):
        try_look(system, number, change(-1), change(1))
    print("looks: each of 4, 5 and 6 was called")


def main():
    with System(ROOT, "check", replicas=2) as system:
        (system.dir / "chaos").mkdir()
        with Looks(system) as looks:
            send(system)
            settle(system)
            send_dead_letters_again(system)
            settle(system)
        began = time.monotonic()
        seen = Seen(Run(ROOT, system.dir))
        findings = check.judge(seen)
        check.print_findings(seen, findings)
        print(f"{len(seen.attempts)} attempts, {looks.continuous.succeeded} looks; judged in {time.monotonic() - began:.1f} s")
        print(*looks.found, sep="\n")
        verdicts, caught = check.verdict_of(seen, findings, True)
        try_looks(system)
        wait = os.environ.get("CHECK_WAIT")
        while wait and not pathlib.Path(wait).exists():
            time.sleep(1)
    broken = [number for number, told in verdicts.items() if told != "held"]
    if broken or looks.found or len(caught) != len(mutants.ROWS) or len(verdicts) != INVARIANTS:
        raise SystemExit(f"broken: {broken}; {len(caught)} mutants of {len(mutants.ROWS)}; while it ran: {len(looks.found)}; "
                         f"{system.dir}")
    system.remove()


if __name__ == "__main__":
    main()
