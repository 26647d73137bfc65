"""What the documentation lists is what there is: the fields of a message, the packages of a checkout, and what links
point to. Argument: the checkout."""

import json
import pathlib
import re
import sys

FIELDS = re.compile(r"<!-- fields: (\S+) -->\n((?:\|.*\n)+)")
PACKAGES = re.compile(r"<!-- dependencies -->\n((?:\|.*\n)+)")
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.*)$", re.M)
CODE = re.compile(r"```.*?```", re.S)


def first_column(rows):
    """The names in code of each row's first cell."""
    return {name for row in rows.splitlines()[2:] for name in re.findall(r"`([^`]+)`", row.split("|")[1])}


def differences(what, told, there):
    yield from (f"{what}: {name} is not told" for name in sorted(there - told))
    yield from (f"{what}: {name} is not there" for name in sorted(told - there))


def field_faults(root, text):
    for kind, rows in FIELDS.findall(text):
        schema = json.loads((root / "schemas" / "events" / f"{kind}.json").read_text(encoding="utf-8"))
        yield from differences(kind, first_column(rows), set(schema["properties"]))


def package_faults(root, text):
    lines = [line for name in ("packages.txt", "packages-fuzz.txt", "packages-compose.txt")
             for line in (root / "infra" / "dev" / name).read_text(encoding="utf-8").splitlines()]
    names = {name for line in lines if not line.startswith("#") for name in line.split("#")[0].strip().split("|") if name}
    for rows in PACKAGES.findall(text):
        yield from differences("packages.txt", first_column(rows), names)


def anchors(page):
    """As the usual viewers make them of headings."""
    text = CODE.sub("", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in HEADING.findall(text)}


def link_faults(root, page):
    for link in LINK.findall(CODE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        name = page.relative_to(root)
        if not target.exists():
            yield f"{name}: {link} is not there"
        elif anchor and anchor not in anchors(target):
            yield f"{name}: {link}: no such heading"


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    text = (root / "README.md").read_text(encoding="utf-8")
    pages = [path for part in ("docs", "infra", "schemas", "services") for path in (root / part).rglob("*.md")]
    faults = [*field_faults(root, text), *package_faults(root, text)]
    for page in (root / "README.md", *sorted(pages)):
        faults += link_faults(root, page)
    for fault in faults:
        print(fault)
    print(f"{len(pages) + 1} pages, {len(faults)} faults")
    return 0 if FIELDS.search(text) and PACKAGES.search(text) and not faults else 1


if __name__ == "__main__":
    sys.exit(main())
