#!/usr/bin/env python3
"""The plan of a campaign: the seed alone decides, faults that exclude each other never meet, none is left out."""

import collections
import pathlib
import re
import unittest

import faults
import plan

SEEDS = range(200)
MINUTES = 5

Row = collections.namedtuple("Row", "name targets seconds slack takes")


def toy(name, targets=("a", "b"), seconds=(1, 1)):
    return Row(name, targets, seconds, 2, lambda target: {target})


TOYS = [toy("kill"), toy("stop", seconds=(2, 9)), toy("cut", targets=("c",), seconds=(30, 40))]


class Plan(unittest.TestCase):
    def test_the_seed_alone_decides(self):
        for seed in SEEDS:
            self.assertEqual(plan.make(seed, 1, faults.TABLE), plan.make(seed, 1, faults.TABLE[::-1]))
        self.assertGreater(len({tuple(plan.make(seed, 1, faults.TABLE)) for seed in SEEDS}), len(SEEDS) - 2)

    def test_everywhere_the_same(self):
        told = [f"{p.number} {p.at_s} {p.fault} {p.target} {p.seconds} {p.alone} {p.dice(7).randrange(1000)}"
                for p in plan.make(7, 1, TOYS)]
        self.assertEqual(told, EXPECTED)

    def test_what_excludes_each_other_never_meets(self):
        rows = {row.name: row for row in faults.TABLE}
        overlaps = alone = 0
        for seed in SEEDS:
            planned = plan.make(seed, MINUTES, faults.TABLE)
            for i, first in enumerate(planned):
                alone += first.alone
                for second in planned[i + 1:]:
                    if second.at_s > first.until_s:
                        continue
                    overlaps += 1
                    self.assertFalse(first.alone or second.alone, f"{seed}: {first} / {second}")
                    held = rows[first.fault].takes(first.target) & rows[second.fault].takes(second.target)
                    self.assertFalse(held, f"{seed}: {first} / {second}")
        self.assertGreater(overlaps, 10 * len(SEEDS))
        self.assertGreater(alone, 5 * len(SEEDS))

    def test_often_enough_and_each(self):
        for seed in SEEDS:
            planned = plan.make(seed, MINUTES, faults.TABLE)
            self.assertGreaterEqual(len(planned), plan.PER_MINUTE * MINUTES, seed)
            self.assertEqual({p.fault for p in planned}, {row.name for row in faults.TABLE}, seed)
            self.assertLessEqual(max(p.until_s for p in planned), MINUTES * 60)

    def test_seconds_and_targets_are_of_the_row(self):
        rows = {row.name: row for row in faults.TABLE}
        for seed in SEEDS:
            for p in plan.make(seed, MINUTES, faults.TABLE):
                self.assertIn(p.target, rows[p.fault].targets)
                self.assertLessEqual(rows[p.fault].seconds[0], p.seconds)
                self.assertLessEqual(p.seconds, rows[p.fault].seconds[1])

    def test_one_fault_alone(self):
        for row in faults.TABLE:
            planned = plan.make(1, 2, [row])
            self.assertTrue(planned, row.name)
            self.assertEqual({p.fault for p in planned}, {row.name})


class Documents(unittest.TestCase):
    def test_every_fault_is_told(self):
        text = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "chaos.md").read_text(encoding="utf-8")
        rows = re.findall(r"^\| (`.*?) \|", text.partition("<!-- faults -->")[2], re.M)
        self.assertEqual([name for row in rows for name in re.findall(r"`(\w+)`", row)], [row.name for row in faults.TABLE])


EXPECTED = ["0 3 stop a 5 False 391", "1 11 kill b 1 True 16", "2 19 cut c 38 False 741", "3 21 kill b 1 False 166",
            "4 30 stop a 6 False 285"]

if __name__ == "__main__":
    unittest.main()
