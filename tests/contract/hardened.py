"""How programs are built (readelf), how containers run (docker-compose.yml), what PostgreSQL does not log, and that no path or query
has a place for what is a person's. Arguments: the checkout, the folder of the programs."""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

import documents

PROGRAMS = (*documents.SERVICES, "karwanctl")
PERSONAL = re.compile(r"mail|phone|address|buyer|national|cnic|postcode|ship_to|first|last_name", re.I)
POSTGRES = {"log_statement": "none", "log_parameter_max_length_on_error": "0"}


def readelf(*words):
    return subprocess.run(["readelf", "-W", *words], check=True, capture_output=True, text=True).stdout


def program_faults(path):
    header, dynamic, segments = readelf("-h", path), readelf("-d", path), readelf("-l", path)
    for what, found in (
            ("PIE", "DYN" in header and "PIE" in dynamic + header), ("BIND_NOW", "BIND_NOW" in dynamic or " NOW" in dynamic),
            ("RELRO", "GNU_RELRO" in segments), ("a stack that is not executable", re.search(r"GNU_STACK.* RW +0x", segments)),
            ("stack protector", "__stack_chk_fail" in readelf("--dyn-syms", path)),
            ("no path of its own for libraries", not re.search(r"R(UN)?PATH", dynamic))):
        if not found:
            yield f"{path.name}: without: {what}"


def fortify_faults(root):
    """A library as a release is built: the sanitizers of the tests' own build have no FORTIFY beside them."""
    with tempfile.TemporaryDirectory() as build:
        for words in (["-G", "Ninja", "-S", root, "-B", build, "-DCMAKE_BUILD_TYPE=RelWithDebInfo"],
                      ["--build", build, "--target", "kw_core", "--", "-j1"]):
            subprocess.run(["cmake", *words], check=True, stdout=subprocess.DEVNULL)
        symbols = readelf("-s", next(pathlib.Path(build).rglob("libkw_core.a")))
    for name in ("__vsnprintf_chk", "__fprintf_chk", "__stack_chk_fail"):
        if name not in symbols:
            yield f"a release has no {name}: FORTIFY or stack protector"


def users_of(dockerfile):
    """Who runs in each stage; a program has one of its name."""
    users, stage = {}, ""
    for parent, name, user in re.findall(r"^(?:FROM (\S+) AS (\S+)|USER (\S+))$", dockerfile, re.M):
        stage = name or stage
        users[stage] = user or users.get(parent, "root")
    return users


def container_faults(root):
    import yaml
    compose = yaml.safe_load((root / "docker-compose.yml").read_text(encoding="utf-8"))
    users = users_of((root / "infra" / "docker" / "Dockerfile").read_text(encoding="utf-8"))
    services, ours = compose["services"], 0
    for name, service in services.items():
        if "ALL" not in service.get("cap_drop", []):
            yield f"{name}: cap_drop is not ALL"
        if "no-new-privileges:true" not in service.get("security_opt", []):
            yield f"{name}: no no-new-privileges"
        if service.get("privileged") or "/var/run/docker.sock" in json.dumps(service):
            yield f"{name}: privileged"
        if name in PROGRAMS:
            ours += 1
            if service.get("read_only") is not True:
                yield f"{name}: its root file system can be written"
            user = str(service.get("user", users.get(name, "root")))
            if user.split(":")[0] in ("root", "0"):
                yield f"{name}: root"
    if ours != len(PROGRAMS):
        yield f"{ours} of {len(PROGRAMS)} programs are in docker-compose.yml"


def argument_faults(told):
    for route in told["routes"]:
        names = re.findall(r":(\w+)", route["path"]) + [one["name"] for one in route.get("query", [])]
        yield from (f"{route['method']} {route['path']}: {name} is a person's" for name in names if PERSONAL.search(name))


def postgres_faults(text):
    told = dict(re.findall(r"^(\w+) *= *'?([^'#\n]*?)'? *(?:#.*)?$", text, re.M))
    yield from (f"postgresql.conf: {name} is {told.get(name)}, not {value}" for name, value in POSTGRES.items() if told.get(name) != value)
    if told.get("log_min_duration_statement", "-1") != "-1":
        yield "postgresql.conf: slow statements are logged"


def main():
    root, bin_dir = documents.paths_of(sys.argv[1:])
    documents.use_validators(root)
    faults = list(fortify_faults(root))
    faults += container_faults(root)
    faults += postgres_faults((root / "infra" / "postgres" / "postgresql.conf").read_text(encoding="utf-8"))
    for name in PROGRAMS:
        faults += program_faults(bin_dir / name)
    for name in documents.SERVICES:
        faults += argument_faults(documents.told_by(bin_dir, name))
    return documents.report(faults, f"{len(PROGRAMS)} programs")


if __name__ == "__main__":
    sys.exit(main())
