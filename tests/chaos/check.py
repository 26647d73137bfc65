"""The checker of a fault campaign: all invariants of a run that is done and drained, recomputed from the attempts of who
sent, from the topics as kcat reads them, from the tables, logs and raw files. Arguments: the checkout, the run's folder;
--mutants: then the checker itself is checked (22); --json: the last line is {"sent", "accepted", "refused", "unknown",
"invariants": {"1": "held" or the first offender, …}, "mutants": {name: "caught" or what went wrong}}."""

import itertools
import json
import pathlib
import sys
import time
import traceback

import events
import flows
import goods
import ledger
import machine
import senders
from continuous import Continuous
from seen import Offender, Run, Seen
from story import story

SHOWN = 20
__all__ = ["Continuous", "judge"]  # for the campaign

# number, whether it is also looked at while the system runs, how it is found out
ROWS = (
    (1, False, senders.one_effect),
    (2, False, senders.at_most_one),
    (3, False, senders.quarantined),
    (4, True, flows.offsets),
    (5, True, goods.stock),
    (6, True, ledger.ledger),
    (7, False, ledger.payments),
    (8, False, goods.state_tables),
    (9, False, flows.all_sent),
    (10, False, flows.order_of_events),
    (11, False, goods.one_courier),
    (12, False, flows.journals),
    (13, False, events.told_as_is),
    (14, False, flows.no_block),
    (15, False, senders.durable),
    (16, False, machine.cache_only),
    (17, False, machine.clocks),
    (18, False, machine.bands),
    (19, False, machine.no_national_ids),
    (20, False, senders.forgeries),
    (21, False, senders.sums),
)


class Saw:
    """How much an invariant has looked at."""

    def __init__(self):
        self.n = 0

    def __call__(self, n=1):
        self.n += n


class Finding:
    """What came of one invariant."""

    def __init__(self, number, saw, offenders):
        self.number, self.saw, self.offenders = number, saw, offenders

    def verdict(self):
        if self.offenders:
            return str(self.offenders[0])
        return "held" if self.saw else "it saw nothing"


def place_of(error):
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{pathlib.Path(last.filename).name}:{last.lineno}"


def judge(seen, numbers=None, most=SHOWN):
    """A finding for each invariant, or for those of these numbers, with so many offenders at most."""
    findings = []
    for number, _, find in ROWS:
        if numbers and number not in numbers:
            continue
        saw, offenders = Saw(), []
        try:
            offenders += itertools.islice(find(seen, saw), most)
        except (LookupError, TypeError, ValueError) as error:
            # a row or record that is not there at all, or of a form that nobody has thought of
            offenders.append(Offender("checker", f"{number} cannot be judged: {error!r} at {place_of(error)}"))
        findings.append(Finding(number, saw.n, offenders))
    return findings


def name_of(number):
    return next(find.__doc__ for row, _, find in ROWS if row == number)


def print_findings(seen, findings):
    for finding in findings:
        print(f"{'held  ' if finding.verdict() == 'held' else 'BROKEN'} {name_of(finding.number)} ({finding.saw} looked at)")
        for offender in finding.offenders:
            print(f"         {offender}")
        if not finding.saw:
            print("         it saw nothing")
    first = next((offender for finding in findings for offender in finding.offenders), None)
    if first:
        print(f"the story of {first.key}:")
        print("\n".join(story(seen, first)))


def verdict_of(seen, findings, with_mutants):
    """{"1": "held" or the first offender, …} and {mutant: "caught" or what went wrong}; seeded only where all else is held."""
    verdicts = {str(finding.number): finding.verdict() for finding in findings}
    caught = {}
    if with_mutants:
        import mutants  # it judges by this module

        clean = all(verdict == "held" for verdict in verdicts.values())
        caught = mutants.try_mutants(seen) if clean else {}
        missed = [f"{name}: {told}" for name, told in caught.items() if told != mutants.CAUGHT]
        verdicts["22"] = missed[0] if missed else "held" if clean else "not looked at: something else is broken"
        print(f"{'held  ' if verdicts['22'] == 'held' else 'BROKEN'} 22: seeded mutants are each caught and named "
              f"({len(caught)} seeded)")
        for text in missed:
            print(f"         {text}")
    return verdicts, caught


def main():
    began = time.monotonic()
    seen = Seen(Run(sys.argv[1], sys.argv[2]))
    read = time.monotonic()
    findings = judge(seen)
    print_findings(seen, findings)
    n = sum(len(records) for partitions in seen.topics.values() for records in partitions.values())
    print(f"{len(seen.attempts)} attempts, {n} records, {sum(map(len, seen.tables.values()))} rows; read in {read - began:.1f} "
          f"s, judged in {time.monotonic() - read:.1f} s")
    verdicts, caught = verdict_of(seen, findings, "--mutants" in sys.argv)
    if "--json" in sys.argv:
        print(json.dumps({**senders.totals(seen), "invariants": verdicts, "mutants": caught}))
    return 0 if all(verdict == "held" for verdict in verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
