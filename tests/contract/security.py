"""docs/security.md names, for each rule, tests that there are, and no label or part of one. Arguments: the checkout, the build."""

import pathlib
import re
import subprocess
import sys

ROW = re.compile(r"^\| (.+?) \| (.+?) \|$", re.M)


def main():
    root, build = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    page = (root / "docs" / "security.md").read_text(encoding="utf-8")
    listed = subprocess.run(["ctest", "--test-dir", build, "-N"], check=True, capture_output=True, text=True).stdout
    there = set(re.findall(r"^ +Test +#\d+: (\S+)", listed, re.M))
    rows = [row for row in ROW.findall(page.partition("<!-- rules -->")[2]) if row[0] != "rule"]
    named = [(rule, re.findall(r"`([\w.]+)`", tests)) for rule, tests in rows]
    faults = [f"no test: {rule}" for rule, tests in named if not tests]
    faults += [f"{name} is no test: {rule}" for rule, tests in named for name in tests if name not in there]
    faults += [f"{name} is not named" for name in sorted(there) if name.startswith("fuzz.") and name != "fuzz.seeds"
               and not any(name in tests for _, tests in named)]
    for fault in faults:
        print(fault)
    print(f"{len(rows)} rules, {len(there)} tests, {len(faults)} faults")
    return 1 if faults or not rows or not there else 0


if __name__ == "__main__":
    sys.exit(main())
