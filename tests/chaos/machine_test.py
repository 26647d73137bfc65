#!/usr/bin/env python3
"""Who may be answered 401: whose request met a wrong clock or a changing secret while it waited, and nobody else."""

import types
import unittest

import machine

FAULTS = [{"fault": "clock_off", "target": "order-routing", "number": 1, "phase": phase, "t": t}
          for phase, t in (("begin", 100_000_000), ("end", 110_000_000))]


def refused(sent, took, kind="order", faults=None):
    seen = types.SimpleNamespace(faults=FAULTS if faults is None else faults, attempts=[
        {"kind": kind, "ref": "A-1", "status": 401, "t": sent, "us": took}])
    return len(list(machine.clocks(seen, lambda: None)))


class Clocks(unittest.TestCase):
    def test_met_the_wrong_clock(self):
        self.assertEqual(refused(105_000_000, 1_000), 0)
        self.assertEqual(refused(90_000_000, 15_000_000), 0)  # halted until then
        self.assertEqual(refused(90_000_000, 40_000_000), 0)  # and until long after
        self.assertEqual(refused(100_000_000 - machine.OFFERED_US, 0), 0)
        self.assertEqual(refused(110_000_000 + machine.OFFERED_US, 5_000_000), 0)

    def test_met_none(self):
        self.assertEqual(refused(90_000_000, 5_000_000), 1)
        self.assertEqual(refused(120_000_000, 5_000_000), 1)
        self.assertEqual(refused(105_000_000, 1_000, faults=[]), 1)

    def test_forged_ones_are_to_be_refused(self):
        self.assertEqual(refused(90_000_000, 5_000_000, kind="forged"), 0)


if __name__ == "__main__":
    unittest.main()
