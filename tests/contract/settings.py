"""What each program says of its settings (--help) and docs/settings.md are the same, both ways; every KARWAN_* name that
the documentation uses is one of them; docker-compose.yml, where it is there, sets no other and all that are required.
Arguments: the checkout, the folder of the programs; --write: writes the tables into docs/settings.md instead."""

import collections
import pathlib
import re
import subprocess
import sys

SERVICES = ("listing-ingestion", "order-routing", "payment-reconciliation", "courier-dispatch")
PROGRAMS = (*SERVICES, "karwanctl")
COMMON = "every service"

Setting = collections.namedtuple("Setting", "name default values meaning")
HELP = re.compile(r"^  (KARWAN_[A-Z0-9_]+) +(\S.*)\n +(\S.*?), (?:default (.*)|(required))$", re.M)
TABLE = re.compile(r"(<!-- settings: (?P<of>[\w -]+) -->\n)(?P<rows>(?:\|.*\n)*)")
NAME = re.compile(r"\bKARWAN_[A-Z0-9_]*[A-Z0-9]\b")
HEAD = "| name | default | values | what |\n|---|---|---|---|\n"


def said(program):
    """The settings of a program by its --help, with an empty environment."""
    text = subprocess.run([program, "--help"], check=True, capture_output=True, text=True, env={}).stdout
    found = [Setting(name, default or required, values, meaning)
             for name, meaning, values, default, required in HELP.findall(text)]
    if not found or len(found) != len(re.findall(r"^  KARWAN_", text, re.M)):
        raise SystemExit(f"{program} --help is not understood:\n{text}")
    return found


def tables_of(programs):
    """What all services have alike, then what each program has beside that."""
    common = [setting for setting in programs[SERVICES[0]]
              if all(setting in programs[service] for service in SERVICES)]
    tables = {COMMON: common}
    for name, settings in programs.items():
        own = [setting for setting in settings if name not in SERVICES or setting not in common]
        if own:
            tables[name] = own
    return tables


def rows_of(settings):
    lines = ("| `{}` | {} | {} | {} |\n".format(
        s.name, s.default if s.default in ("required", "empty") else f"`{s.default}`",
        s.values.replace("|", ", "), s.meaning) for s in settings)
    return HEAD + "".join(lines)


def page_faults(page, tables):
    text = page.read_text(encoding="utf-8")
    told = {found["of"]: found["rows"] for found in TABLE.finditer(text)}
    for name in sorted(set(told) ^ set(tables)):
        yield f"{page.name}: the table of {name} is {'not there' if name in tables else 'of nothing'}"
    for name in sorted(set(told) & set(tables)):
        have, want = told[name].splitlines(), rows_of(tables[name]).splitlines()
        for line in [line for line in want if line not in have]:
            yield f"{page.name}: {name}: not there: {line}"
        for line in [line for line in have if line not in want]:
            yield f"{page.name}: {name}: no program says so: {line}"
        if sorted(have) == sorted(want) and have != want:
            yield f"{page.name}: {name}: another order than --help"


def text_faults(root, known):
    """Names in any documentation."""
    pages = [root / "README.md", *(root / "docs").rglob("*.md"), *(root / "services").glob("*/README.md"),
             *(root / "infra").rglob("*.md"), root / "schemas" / "README.md"]
    for page in pages:
        for name in sorted(set(NAME.findall(page.read_text(encoding="utf-8"))) - known):
            yield f"{page.relative_to(root)}: {name} is no setting"


def client_names(root):
    """Names that `./karwan env` prints, which every program accepts."""
    script = (root / "infra" / "dev" / "run.sh").read_text(encoding="utf-8")
    return set(NAME.findall(re.search(r"^client_env\(\) \{\n(.*?)\n\}", script, re.S | re.M).group(1)))


def refusal(program, environment):
    """What a program says of a wrong environment: its status, and reason by name."""
    arguments = ["check"] if program.name == "karwanctl" else []
    done = subprocess.run([program, *arguments], check=False, capture_output=True, text=True, env=environment)
    return done.returncode, dict(re.findall(r"^(KARWAN_\w+): (.*)", done.stderr, re.M))


def refused_faults(bin_dir, programs, clients):
    """A name that nobody knows is refused, those of `./karwan env` are not; all that is wrong is said at once."""
    for name, settings in programs.items():
        status, said = refusal(bin_dir / name, {client: "x" for client in clients} | {"KARWAN_NO_SUCH_NAME": "x"})
        unknown = {of for of, reason in said.items() if reason.startswith("no such setting")}
        if status != 78 or unknown != {"KARWAN_NO_SUCH_NAME"}:
            yield f"{name}: status {status}, and it does not know {sorted(unknown)}"
        numbers = {s.name: s.values for s in settings if re.fullmatch(r"-?\d+ to \d+", s.values)}
        wrong = {of: str(int(values.split(" to ")[1]) + 1) for of, values in numbers.items()} | \
            {s.name: "x" for s in settings if s.values == "true or false" or "|" in s.values} | {"KARWAN_NO_SUCH_NAME": "x"}
        status, said = refusal(bin_dir / name, wrong)
        wanted = set(wrong) | {s.name for s in settings if s.default == "required"}
        if status != 78 or set(said) != wanted:
            yield f"{name}: status {status}; said of {sorted(set(said) ^ wanted)}, or not"


# ---- docker-compose.yml: block style, anchors by `&name` and `*name`; a YAML library is no dependency ----

BLOCK = re.compile(r"^(?P<indent> *)(?P<name>[\w.-]+):(?P<rest>[^\n]*)\n(?P<body>(?:(?P=indent) [^\n]*\n| *\n| *#[^\n]*\n)*)", re.M)
SET = re.compile(r"""^\s*(?:-\s*)?["']?(KARWAN_[A-Z0-9_]+)["']?\s*[:=]""", re.M)


def blocks(text):
    return {found["name"]: found["rest"] + "\n" + found["body"] for found in BLOCK.finditer(text)}


def anchors(text):
    """Name of an anchor to the block that it stands at."""
    found = {}
    for block in BLOCK.finditer(text):
        anchor = re.search(r"&([\w-]+)", block["rest"])
        if anchor:
            found[anchor.group(1)] = block["body"]
        found |= anchors(block["body"])
    return found


def program_of(name, block):
    """Which program a service of the file runs: by its image, or by its name."""
    image = re.search(r"^ +image: karwan/([\w-]+)", block, re.M)
    return image.group(1) if image else name


def compose_faults(text, programs, clients):
    services = {block["name"]: block["rest"] + "\n" + block["body"]
                for block in BLOCK.finditer(blocks(text).get("services", ""))}
    named = anchors(text)
    for program in sorted(set(SERVICES) - set(services)):
        yield f"docker-compose.yml: no {program}"
    for service, block in sorted(services.items()):
        program = program_of(service, block)
        if program not in programs:
            continue
        given, wanted = set(), [block]
        seen = set()
        while wanted:
            part = wanted.pop()
            given |= set(SET.findall(part))
            wanted += [named[name] for name in re.findall(r"\*([\w-]+)", part) if name in named and name not in seen]
            seen |= set(re.findall(r"\*([\w-]+)", part))
        for name in sorted(given - {s.name for s in programs[program]} - clients):
            yield f"docker-compose.yml: {service}: {name} is no setting"
        for name in sorted({s.name for s in programs[program] if s.default == "required"} - given):
            yield f"docker-compose.yml: {service}: {name} is required"


# The reader above, read: what each program needs is given but for two faults.
SAMPLE = """x-all: &all
  KARWAN_KAFKA_BROKERS: kafka:9092
  KARWAN_POSTGRES_DSN: postgresql://x  # KARWAN_IN_A_COMMENT: is none
services:
  karwanctl:
    environment: *all
  one:
    environment:
      <<: *all
      KARWAN_LINGERING_MS: ${KARWAN_LINGER_MS:-1}
  set-up:
    image: karwan/karwanctl:1
    environment:
      KARWAN_KAFKA_BROKERS: kafka:9092
  kafka:
    environment:
      KAFKA_NODE_ID: 1
"""


def sample_faults():
    required = [Setting(f"KARWAN_{name}", "required", "", "") for name in ("KAFKA_BROKERS", "POSTGRES_DSN", "LISTEN")]
    stage = {"one": required, "karwanctl": required[:2]}
    text = SAMPLE.replace("  one:", f"  {SERVICES[0]}:")
    found = list(compose_faults(text, {SERVICES[0]: stage["one"], "karwanctl": stage["karwanctl"]}, set()))
    wanted = [*(f"docker-compose.yml: no {name}" for name in sorted(SERVICES[1:])),
              f"docker-compose.yml: {SERVICES[0]}: KARWAN_LINGERING_MS is no setting",
              f"docker-compose.yml: {SERVICES[0]}: KARWAN_LISTEN is required",
              "docker-compose.yml: set-up: KARWAN_POSTGRES_DSN is required"]
    return [] if found == wanted else [f"the sample of docker-compose.yml gives {found}"]


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--write"]
    root, bin_dir = pathlib.Path(arguments[0]).resolve(), pathlib.Path(arguments[1]).resolve()
    programs = {name: said(bin_dir / name) for name in PROGRAMS}
    tables, page, clients = tables_of(programs), root / "docs" / "settings.md", client_names(root)
    if "--write" in sys.argv:
        page.write_text(TABLE.sub(lambda found: found[1] + rows_of(tables.get(found["of"], [])),
                                  page.read_text(encoding="utf-8")), encoding="utf-8")
    known = {setting.name for settings in programs.values() for setting in settings} | clients
    faults = [*page_faults(page, tables), *text_faults(root, known), *refused_faults(bin_dir, programs, clients), *sample_faults()]
    compose = root / "docker-compose.yml"
    if compose.exists():
        faults += compose_faults(compose.read_text(encoding="utf-8"), programs, clients)
    for fault in faults:
        print(fault)
    print(f"{len(known)} settings of {len(programs)} programs, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
