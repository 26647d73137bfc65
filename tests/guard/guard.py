"""Counts the instructions of each hot_… function (hot.c) with callgrind, and compares them with bounds.json: one that needs
more than is recorded fails, one that needs much less asks to be recorded. A count belongs to a compiler: with one that nobody
has recorded there is nothing to compare (exit 77). guard.py CHECKOUT HOT COMPILER [--record]"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

MORE, LESS = 1.02, 0.90
# libraries that look at the processor would count otherwise on another one
SAME = {"OPENSSL_ia32cap": "0:0", "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-AVX,-ERMS,-FSRM,-BMI1,-BMI2"}


def counts(root, hot):
    source = (root / "tests" / "guard" / "hot.c").read_text(encoding="utf-8")
    names = re.findall(r"^void (hot_\w+)\(void\)\n", source, re.M)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            subprocess.run(["valgrind", "--tool=callgrind", "-q", f"--callgrind-out-file={folder}/{name}", f"--toggle-collect={name}",
                            hot, root], check=True, env={**os.environ, **SAME})
            told = pathlib.Path(folder, name).read_text(encoding="utf-8")
            found[name] = int(re.search(r"^totals: (\d+)", told, re.M)[1])
            if found[name] == 0:
                raise SystemExit(f"{name} was not counted")
    return found


def main():
    root, hot, compiler = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2], sys.argv[3]
    file = root / "tests" / "guard" / "bounds.json"
    bounds = json.loads(file.read_text(encoding="utf-8"))
    found = counts(root, hot)
    if sys.argv[4:] == ["--record"]:
        file.write_text(json.dumps({**bounds, compiler: found}, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        return 0
    if compiler not in bounds:
        print(f"no bounds of {compiler}: {found}")
        return 77
    failed = 0
    for name, is_now in found.items():
        was = bounds[compiler].get(name)
        bad = was is None or is_now > was * MORE or is_now < was * LESS
        failed += bad
        print(f"{name}: {is_now}, recorded {was}{': record it, with the reason' if bad else ''}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
