"""The plan of a campaign: which fault begins when, on whom, for how long. A pure function of the seed: the same seed, minutes
and faults make the same plan, on every machine."""

import dataclasses
import random

FIRST_S = 3  # after the load has begun
PAUSE_S = (2, 9)  # between the beginnings of two faults
ALONE = 0.3  # so many have the system for themselves
ALONE_S = 10  # at most, so that there are enough a minute
PATIENCE_S = 5  # longer it does not wait to be alone
PER_MINUTE = 4


@dataclasses.dataclass(frozen=True)
class Planned:
    number: int
    at_s: int
    fault: str
    target: str
    seconds: int
    slack: int  # so long it may need besides, to begin and to end
    alone: bool

    def __str__(self):
        return f"{self.at_s:5} s {self.fault:24} {self.target:28} {self.seconds:3} s{' alone' if self.alone else ''}"

    @property
    def until_s(self):
        return self.at_s + self.seconds + self.slack

    def dice(self, seed):
        """Its own: what one fault throws does not depend on the others."""
        return random.Random(f"karwan chaos {seed} {self.number}")


class Planner:
    def __init__(self, seed, minutes, table):
        self.dice = random.Random(f"karwan chaos {seed}")
        self.end_s = minutes * 60
        self.rows = {row.name: row for row in table}
        self.hand, self.planned = [], []

    def card(self, at):
        """The first fault in hand that can begin now, and its target."""
        if not self.hand:
            self.hand = sorted(self.rows)
            self.dice.shuffle(self.hand)
        taken = set().union(*(self.rows[p.fault].takes(p.target) for p in self.planned if p.until_s >= at))
        for name in self.hand:
            row = self.rows[name]
            free = [target for target in row.targets if not row.takes(target) & taken]
            if free and at + row.seconds[0] + row.slack <= self.end_s:
                self.hand.remove(name)
                return row, self.dice.choice(free)
        return None

    def make(self):
        at = FIRST_S
        while at < self.end_s:
            found = self.card(at)
            if not found:
                at += 1
                continue
            row, target = found
            seconds = self.dice.randint(*row.seconds)
            alone_at = max([at, *(p.until_s + 1 for p in self.planned)])
            alone = self.dice.random() < ALONE and row.seconds[0] + row.slack <= ALONE_S and alone_at <= at + PATIENCE_S
            if alone:
                seconds, at = min(seconds, ALONE_S - row.slack), alone_at
            seconds = min(seconds, self.end_s - at - row.slack)
            if seconds < row.seconds[0]:
                break
            self.planned.append(Planned(len(self.planned), at, row.name, target, seconds, row.slack, alone))
            at = max(at + self.dice.randint(*PAUSE_S), self.planned[-1].until_s + 1 if alone else 0)
        return self.planned


def make(seed, minutes, table):
    """The planned faults, in the order of their beginning. table: rows of faults.py."""
    return Planner(seed, minutes, table).make()
