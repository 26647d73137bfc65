"""The next release rolls through under load, replica by replica, with a migration and an optional member more in an event; for
a while old and new programs work side by side; then it is taken back. Nothing is refused but for a moment, lost or doubled.
Argument: the checkout. Needs what `./karwan servers env` prints."""

import pathlib
import sys

from load import Load, all_is_done, catalogue, goes_on
from releases import NEXT, alone, side_by_side
from running import System

ROOT = pathlib.Path(sys.argv[1]).resolve()


def told(what, answer, status, part=""):
    code, out, err = answer
    if code != status or part not in out + err:
        raise SystemExit(f"{what}: {code}, not {status}, or without {part!r}: {out}{err}")


def replace(system, name, programs):
    system.verb("stop", name)
    system.verb("start", name, programs=programs)
    goes_on(system)


def main():
    with System(ROOT, "upgrade", replicas=2) as system:
        following = f"{system.bin}/next"
        catalogue(system)
        with Load(system, "U") as load:
            alone(system, None)
            told("migrate", system.ctl("--json", "migrate", login="karwan_admin", programs=following), 0, '{"applied":1}')
            told("the old migrate", system.ctl("migrate", login="karwan_admin"), 2, "900_next.sql")
            since = alone(system, None)
            replace(system, "order-routing.2", following)
            side_by_side(system, since)
            replace(system, "order-routing", following)
            alone(system, NEXT)
            # and back
            for name in ("order-routing", "order-routing.2"):
                replace(system, name, None)
            alone(system, None)
        all_is_done(system, load.accepted)
        system.check_messages()
    if system.errors:
        raise SystemExit(f"logs under {system.dir} have errors")
    system.remove()


if __name__ == "__main__":
    main()
