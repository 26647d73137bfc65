"""Step: what our images are."""

import json
import os
import re
import tempfile

from stack import SERVICES, need, run

LARGEST_MB = 120
PROGRAMS = (*SERVICES, "karwanctl")


def hardened_faults(program, path):
    """What readelf does not find: a position-independent program, relocations that are read-only from the start, canaries,
    checked copies, and a stack that is no code."""
    told = run("readelf", "-W", "-h", "-l", "-d", "--dyn-syms", path).stdout
    wanted = {
        "PIE": r"Type: +DYN ", "RELRO": r"GNU_RELRO", "NOW": r"FLAGS_1.*\bNOW\b", "PIE flag": r"FLAGS_1.*\bPIE\b",
        "stack protector": r"__stack_chk_fail", "fortify": r"__\w+_chk\b(?<!__stack_chk)",
    }
    for what, pattern in wanted.items():
        if not re.search(pattern, told):
            yield f"{program}: no {what}"
    if re.search(r"GNU_STACK.*RWE", told):
        yield f"{program}: its stack can be run"


def what_they_are(stack):
    secrets = [(path.name, path.read_text(encoding="utf-8").strip().rsplit(":", 1)[-1])
               for folder in ("secrets", "partners/secrets") for path in (stack.state / folder).iterdir()]
    for program in PROGRAMS:
        image = f"karwan/{program}:test"
        told = json.loads(run("docker", "image", "inspect", image).stdout)[0]
        size = told["Size"] / 1e6
        print(f"  {program}: {size:.0f} MB")
        need(size <= LARGEST_MB, f"{image} has {size:.0f} MB")
        need(told["Config"]["User"] == "10001:10001", f"{image} runs as {told['Config']['User']}")
        history = run("docker", "history", "--no-trunc", image).stdout + json.dumps(told["Config"])
        need(not [name for name, value in secrets if value in history], f"{image}: its history has a secret")
        what_is_inside(program, image)


def what_is_inside(program, image):
    with tempfile.TemporaryDirectory() as folder:
        container = run("docker", "create", image).stdout.strip()
        try:
            run("docker", "cp", f"{container}:/usr/local/bin/{program}", folder)
            run("docker", "cp", f"{container}:/usr/share/karwan/sbom.json", folder)
            run("docker", "cp", f"{container}:/var/lib/dpkg/status", folder)
        finally:
            run("docker", "rm", container)
        found = list(hardened_faults(program, os.path.join(folder, program)))
        need(not found, "; ".join(found))
        with open(os.path.join(folder, "sbom.json"), encoding="utf-8") as file:
            sbom = json.load(file)
        with open(os.path.join(folder, "status"), encoding="utf-8") as file:
            there = set(re.findall(r"^Package: (\S+)$", file.read(), re.M))
        listed = {part["name"] for part in sbom["components"]}
        need(sbom["bomFormat"] == "CycloneDX" and listed == there, f"{image}: its SBOM lacks {sorted(there ^ listed)}")
        need({"librdkafka1", "libpq5"} <= listed and not listed & {"gcc", "python3", "curl", "librdkafka-dev"}, f"{image} has {sorted(listed)}")
