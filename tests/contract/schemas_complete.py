"""The messages of schemas/README.md, the files of schemas/events and the tables of the services are the same set.
Arguments: schemas/, then the test programs that list (--list) what each service writes and reads."""

import pathlib
import re
import subprocess
import sys

# Bodies that partners post: read at an edge, never appended as they are.
POSTED = {"karwan.order.posted.v1"}
TYPE = re.compile(r"\bkarwan\.[a-z_]+\.[a-z_]+\.v[0-9]+\b")


def main():
    schemas, programs = pathlib.Path(sys.argv[1]), sys.argv[2:]
    told = set(TYPE.findall((schemas / "README.md").read_text(encoding="utf-8")))
    files = {path.name.removesuffix(".json") for path in (schemas / "events").iterdir()}
    written, read = set(), set()
    for program in programs:
        rows = subprocess.run([program, "--list"], check=True, capture_output=True, text=True).stdout
        for row in rows.splitlines():
            side, name = row.split()
            (written if side == "out" else read).add(name)
    faults = [
        ("posted by partners, and no edge reads it", POSTED - read),
        ("in README.md, without a schema", told - files),
        ("schemas that README.md does not name", files - told),
        ("schemas that no service writes", files - written - POSTED),
        ("written, without a schema", written - files),
        ("read, and nobody writes them", read - written - POSTED),
    ]
    bad = 0
    for what, names in faults:
        for name in sorted(names):
            print(f"{what}: {name}")
            bad += 1
    print(f"{len(told)} messages, {len(files)} schemas, {len(written)} written, {len(read)} read, {bad} faults")
    return 0 if told and programs and not bad else 1


if __name__ == "__main__":
    sys.exit(main())
