#!/usr/bin/env python3
"""A campaign: a whole system, a load, faults by seed; then it heals, drains, and the checker has the word. `./karwan chaos`."""

import argparse
import json
import os
import pathlib

import signal
import subprocess
import sys
import time

import faults
import plan
from check import Continuous
from chaos import Chaos, Log
from stage import PROGRAMS, Stage, until

ROOT = pathlib.Path(__file__).resolve().parents[2]
RATE = 40  # messages a second, if nothing else is said
CATALOGUE_S, HEAL_S, CLOSE_S, DRAIN_S = 240, 300, 600, 600  # at most


def say(*words):
    print(*words, file=sys.stderr, flush=True)


class Load:
    """The generator; its totals when it has closed."""

    def __init__(self, stage, seed, rate):
        self.attempts = stage.dir / "chaos" / "attempts.ndjson"
        self.process = subprocess.Popen([f"{stage.bin}/karwan-chaos-load", str(seed), str(rate), self.attempts], text=True,
                                        stdout=subprocess.PIPE,
                                        env={"PATH": os.environ["PATH"], "RUN_DIR": str(stage.dir), **stage.env()})
        self.read, self.accepted, self.totals = 0, 0, {}

    def look(self):
        """How many were accepted until now; the catalogue does not count."""
        with self.attempts.open("rb") as file:
            file.seek(self.read)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self.read += len(line)
                self.accepted += b'"status":202' in line.replace(b" ", b"") and b'"order"' in line
        return self.accepted

    def begins(self):
        if not until(CATALOGUE_S, lambda: self.attempts.exists() and self.look()):
            raise RuntimeError("no order is accepted")

    def close(self):
        """What was not answered is sent again; then it is over."""
        self.process.send_signal(signal.SIGUSR1)
        told, _ = self.process.communicate(timeout=CLOSE_S)
        if self.process.returncode != 0:
            raise RuntimeError(f"the generator ended with {self.process.returncode}")
        self.totals = json.loads(told.splitlines()[-1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def settle(stage):
    """Until nothing is on its way any more."""
    end, told = time.monotonic() + DRAIN_S, ""
    while time.monotonic() < end:
        status, told, err = stage.ctl("--json", "check")
        if told and json.loads(told.splitlines()[-1]).get("behind") == 0:
            return
        told = err if status == 2 else told
    raise RuntimeError(f"it does not drain: {told[-2000:]}")


def judge(stage, with_mutants):
    """The checker's object; what it prints is for people."""
    done = subprocess.run([sys.executable, ROOT / "tests" / "chaos" / "check.py", ROOT, stage.dir, "--json",
                           *(["--mutants"] if with_mutants else [])], check=False, stdout=subprocess.PIPE, text=True)
    *told, last = done.stdout.splitlines() or [""]
    say("\n".join(told))
    try:
        return json.loads(last)
    except ValueError:
        return {"invariants": {}, "checker": f"ended with {done.returncode}: {last}"}


def play(args, planned, stage):
    """The verdict, and what was found besides the checker's."""
    rows = {row.name: row for row in faults.TABLE}
    stage.expected += {text for p in planned for text in rows[p.fault].errors}
    (stage.dir / "chaos").mkdir()
    log, found = Log(stage.dir / "chaos" / "faults.ndjson"), []
    with Load(stage, args.seed, args.rate) as load:
        load.begins()
        chaos = Chaos(stage, args.seed, planned, log, load, Continuous(stage))
        chaos.run()
        if not until(HEAL_S, lambda: not stage.not_ready()):
            found.append(f"not ready after healing: {stage.not_ready()}")
        say(f"{chaos.at():6.1f} s healed; the load is closed")
        load.close()
        say(f"{chaos.at():6.1f} s draining")
        settle(stage)
        say(f"{chaos.at():6.1f} s checking")
        found += chaos.end()
        status, told, err = stage.ctl("check")
        if status != 0:
            found.append(f"karwanctl check: {status}: {told[-2000:]}{err[-500:]}")
    verdict = {"seed": args.seed, "minutes": args.minutes, "faults": log.counts, **judge(stage, args.mutants)}
    for text in chaos.seen:
        verdict["invariants"][text.partition(":")[0]] = text
    return verdict, found


def run(args, planned):
    found = []
    with Stage(ROOT) as stage:
        try:
            verdict, found = play(args, planned, stage)
        except (RuntimeError, subprocess.SubprocessError) as error:
            verdict, found = {"seed": args.seed, "minutes": args.minutes, "faults": {}, "invariants": {}}, [str(error)]
            say(f"not ready: {[name for name in PROGRAMS if not stage.ready(name)]}")
    verdict["findings"] = found + stage.errors
    broken = verdict["findings"] or "checker" in verdict or any(told != "held" for told in verdict["invariants"].values())
    nothing = not verdict["faults"] or not verdict.get("accepted")
    verdict["verdict"] = "broken" if broken else "void" if nothing else "held"
    if verdict["verdict"] == "held":
        stage.remove()
    else:
        say(f"again: ./karwan chaos --minutes {args.minutes} --seed {args.seed}"
            + "".join(f" --fault {name}" for name in args.fault or []))
    return verdict


def options():
    parser = argparse.ArgumentParser(prog="./karwan chaos", description="Breaks a whole system by seed, and checks it.")
    parser.add_argument("--minutes", type=int, default=5, metavar="N")
    parser.add_argument("--seed", type=int, help="printed first; the same seed plans the same faults and sends the same")
    parser.add_argument("--fault", action="append", choices=sorted(row.name for row in faults.TABLE), metavar="NAME",
                        help="this one alone, or these")
    parser.add_argument("--rate", type=int, default=RATE, metavar="N", help="messages a second")
    parser.add_argument("--json", action="store_true", help="the last line is one object")
    parser.add_argument("--plan", action="store_true", help="prints what would be done, and does nothing")
    parser.add_argument("--mutants", action="store_true", help="the checker is checked, too")
    return parser.parse_args()


def table_of(names):
    """The faults that are asked for and that can be made here; the others are told."""
    rows = [row for row in faults.TABLE if row.name in (names or [row.name])]
    for row in rows:
        if why := row.needs():
            say(f"not run: {row.name}: {why}")
    return [row for row in rows if not row.needs()]


def main():
    args = options()
    args.seed = int(time.time()) if args.seed is None else args.seed
    print(f"seed {args.seed}", flush=True)
    planned = plan.make(args.seed, args.minutes, table_of(args.fault))
    if args.plan:
        print(*planned, sep="\n")
        return 0
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(1))
    verdict = run(args, planned)
    say("\n".join(verdict["findings"]))
    print(json.dumps(verdict) if args.json else verdict["verdict"])
    return 0 if verdict["verdict"] == "held" else 1


if __name__ == "__main__":
    sys.exit(main())
