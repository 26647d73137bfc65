"""Which release works: the one of this checkout, or the one after it (next.patch), which says so in each event of a routed
order. For a system as running.py and tests/compose/stack.py have it, under load."""

import json

from load import goes_on

NEXT = "NEXT"


def writers(system, since=0):
    """Of each routed event behind the first ones: the release that wrote it; None: this one."""
    routed = [record for record in system.records("karwan.orders.events")
              if "karwan.order.routed.v1" in (record.get("headers") or [])]
    return [json.loads(record["payload"]).get("reference") for record in sorted(routed, key=lambda one: one["ts"])][since:]


def alone(system, release):
    """Nobody else works; how many events there are until now."""
    goes_on(system)  # what others had begun has come
    since = len(writers(system))
    goes_on(system)
    found = writers(system, since)
    if set(found) != {release}:
        raise SystemExit(f"{release} does not work alone: {set(found)}")
    return since + len(found)


def side_by_side(system, since):
    """Both work, behind the first events."""
    goes_on(system)
    both = set(writers(system, since))
    if both != {None, NEXT}:
        raise SystemExit(f"old and new do not work side by side: {both}")
