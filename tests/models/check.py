"""Searches a model's whole state space with spin: it holds in each of its scopes, and fails without any of its assumptions.
Arguments: the model; --long also searches the scopes that take minutes. Scopes and assumptions stand in the model's first comment:
`scope NAME [(long)] [-D…]: what`, `without MACRO (SCOPE): what`; README.md must list them all."""

import pathlib
import re
import subprocess
import sys
import tempfile

SCOPE = re.compile(r"^ \* scope (\w+)( \(long\))?((?: -D\w+=\d+)*): (.+)$", re.M)
WITHOUT = re.compile(r"^ \* without (NO_\w+) \((\w+)\): (.+)$", re.M)
DEPTH = 100000
MEMORY_MB = 2500, 12000


def search(model, flags, folder, long, hold):
    """(errors, states, what was found); dies where the search was not complete."""
    subprocess.run(["spin", *flags, "-a", str(model)], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["gcc", "-O2" if hold else "-O0", "-w", "-DSAFETY", f"-DMEMLIM={MEMORY_MB[long]}", "-DVECTORSZ=2048",
                    *(["-DCOLLAPSE"] if long else []), "-o", "pan", "pan.c"], cwd=folder, check=True)
    told = subprocess.run(["./pan", f"-m{DEPTH}", f"-w{26 if long else 22}"], cwd=folder, check=False, capture_output=True, text=True)
    text = told.stdout + told.stderr
    numbers = re.search(r"errors: (\d+)\s+(\d+) states, stored", text)
    if not numbers or "too small" in text or "resource exhausted" in text or "out of memory" in text:
        raise SystemExit(f"{model.name} {' '.join(flags)}: the search did not come to its end\n{text[:3000]}")
    if numbers.group(1) == "0" and "not completed" in text:
        raise SystemExit(f"{model.name} {' '.join(flags)}: the search was cut off")
    found = re.search(r"^pan:1: (.*?) \(at depth", text, re.M)
    return int(numbers.group(1)), int(numbers.group(2)), found.group(1) if found else ""


def unlisted(model, names):
    """What README.md does not say of the model, or says of what is not there."""
    text = (model.parent / "README.md").read_text(encoding="utf-8")
    section = re.search(rf"^## {model.stem}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    told = set(re.findall(r"^\| `?(\w+)`? \|", section.group(1) if section else "", re.M))
    return sorted(told ^ names)


def main():
    model = pathlib.Path(sys.argv[1]).resolve()
    text = model.read_text(encoding="utf-8")
    scopes = {name: (flags.split(), bool(long)) for name, long, flags, _ in SCOPE.findall(text)}
    assumptions = [(macro, scope) for macro, scope, _ in WITHOUT.findall(text)]
    used = set(re.findall(r"\b(NO_\w+)\b", text[text.index("*/"):]))
    faults = [f"{macro}: in the comment or in the model, not in both" for macro in used ^ {macro for macro, _ in assumptions}]
    faults += [f"README.md: {name}" for name in unlisted(model, set(scopes) | used)]
    with tempfile.TemporaryDirectory() as folder:
        for name, (flags, long) in scopes.items():
            if long and "--long" not in sys.argv[2:]:
                print(f"{model.stem} {name}: not searched (--long)")
                continue
            errors, states, found = search(model, flags, folder, long, True)
            print(f"{model.stem} {name}: {states} states, {'holds' if not errors else found}", flush=True)
            faults += [f"{name}: {found}"] if errors else []
        for macro, scope in assumptions:
            errors, states, found = search(model, [*scopes[scope][0], f"-D{macro}"], folder, scopes[scope][1], False)
            print(f"{model.stem} {scope} -D{macro}: {states} states, {found if errors else 'holds'}", flush=True)
            faults += [] if errors else [f"{macro}: the model holds without it"]
    for fault in faults:
        print(fault)
    return 0 if scopes and assumptions and not faults else 1


if __name__ == "__main__":
    sys.exit(main())
