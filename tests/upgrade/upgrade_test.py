"""The next release rolls through under load, replica by replica, with a migration and an optional member more in an event; for
a while old and new programs work side by side; then it is taken back. Nothing is refused but for a moment, lost or doubled.
Argument: the checkout. Needs what `./karwan servers env` prints."""

import json
import pathlib
import sys

from load import Load, all_is_done, catalogue, goes_on
from running import System

ROOT = pathlib.Path(sys.argv[1]).resolve()


def told(what, answer, status, part=""):
    code, out, err = answer
    if code != status or part not in out + err:
        raise SystemExit(f"{what}: {code}, not {status}, or without {part!r}: {out}{err}")


def references(system, since):
    """Of each routed event behind the first ones: whether the next release wrote it."""
    routed = [record for record in system.records("karwan.orders.events")
              if "karwan.order.routed.v1" in (record.get("headers") or [])]
    return [json.loads(record["payload"]).get("reference") for record in sorted(routed, key=lambda one: one["ts"])][since:]


def replace(system, name, programs):
    system.verb("stop", name)
    system.verb("start", name, programs=programs)
    goes_on(system)


def main():
    with System(ROOT, "upgrade", replicas=2) as system:
        following = f"{system.bin}/next"
        catalogue(system)
        with Load(system, "U") as load:
            goes_on(system)
            told("migrate", system.ctl("--json", "migrate", login="karwan_admin", programs=following), 0, '{"applied":1}')
            told("the old migrate", system.ctl("migrate", login="karwan_admin"), 2, "900_next.sql")
            goes_on(system)
            if any(references(system, 0)):
                raise SystemExit("the next release wrote before it was there")
            side_by_side = len(references(system, 0))
            replace(system, "order-routing.2", following)
            both = set(references(system, side_by_side))
            if both != {None, "NEXT"}:
                raise SystemExit(f"old and new do not work side by side: {both}")
            replace(system, "order-routing", following)
            alone = len(references(system, 0))
            goes_on(system)
            if set(references(system, alone)) != {"NEXT"}:
                raise SystemExit("an old replica is left")
            # and back
            for name in ("order-routing", "order-routing.2"):
                replace(system, name, None)
            alone = len(references(system, 0))
            goes_on(system)
            if set(references(system, alone)) != {None}:
                raise SystemExit("a new replica is left")
        all_is_done(system, load.accepted)
        system.check_messages()
    if system.errors:
        raise SystemExit(f"logs under {system.dir} have errors")
    system.remove()


if __name__ == "__main__":
    main()
