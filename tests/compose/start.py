"""Steps: the file, the first start, what is published, memory, the verdict."""

import importlib.util
import json
import pathlib
import re
import time

import jsonschema
import yaml

from stack import SERVICES, need, run, wait_for

READY_S, IDLE_MB, OURS_MB = 30, 1200, 150


def what_the_file_says(stack):
    """It is what the compose specification allows, both composes read it alike, and it has no secret."""
    file = yaml.safe_load((stack.root / "docker-compose.yml").read_text(encoding="utf-8"))
    found = importlib.util.find_spec("compose", ["/usr/lib/python3/dist-packages"]) if stack.v1 else None
    if found:
        schema = pathlib.Path(found.origin).parent / "config" / "compose_spec.json"
        # the extension fields of the top are not of its business
        errors = list(jsonschema.Draft7Validator(json.loads(schema.read_text(encoding="utf-8"))).iter_errors(file))
        need(not errors, f"docker-compose.yml: {errors[:3]}")
    programs = [program for program in (stack.v1, stack.v2) if program]
    read = [yaml.safe_load(run(program, "-f", "docker-compose.yml", "--profile", "demo", "--profile", "tools", "config",
                               env=stack.env, cwd=stack.root).stdout) for program in programs]
    for told in read:
        need(set(told["services"]) == set(file["services"]), f"services: {sorted(told['services'])}")
    for name in file["services"]:
        said = [{part: told["services"][name].get(part) for part in ("command", "image", "read_only", "cap_drop", "security_opt")}
                for told in read]
        need(all(one == said[0] for one in said), f"{name}: read otherwise by another compose: {said}")
    for name in SERVICES:
        service = read[-1]["services"][name]
        need(service["read_only"] and service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"]
             and service["mem_limit"] and service["cpus"] and service["healthcheck"]["test"] == ["CMD", name, "--healthcheck"],
             f"{name} is not confined: {service}")
        need(re.fullmatch(r"[1-5]\ds", service["stop_grace_period"]), f"{name}: {service['stop_grace_period']}")
    for secret in (stack.state / "secrets").iterdir():
        value = secret.read_text(encoding="utf-8").strip().rsplit(":", 1)[-1]
        need(all(value not in json.dumps(told) for told in read), f"the value of {secret.name} is in the configuration")


def up(stack):
    """From nothing to ready with each compose; the later steps have the newer one's."""
    for program in filter(None, (stack.v1, stack.v2)):
        stack.compose_program = program
        begin = time.monotonic()
        stack.up()
        wait_for("the services to be ready", stack.all_ready)
        wait_for("the gateway to find them", lambda: stack.ask("GET", "/v1/orders/x")[0] == 401)
        took = time.monotonic() - begin
        print(f"  up to ready with {'docker-compose 1.29' if program == stack.v1 else 'compose v2'}: {took:.1f} s (aim {READY_S})")
        wait_for("the healthchecks", lambda: all(
            stack.inspect(name)["State"]["Health"]["Status"] == "healthy" for of in SERVICES for name in stack.containers(of)))
        if program != stack.v2:
            stack.down()


def nothing_else_is_published(stack):
    published = {name: stack.inspect(name)["NetworkSettings"]["Ports"] for name in stack.containers()}
    open_ports = {(name.split("-test-")[-1].rsplit("-", 1)[0], at["HostIp"]) for name, ports in published.items()
                  for bound in ports.values() for at in bound or []}
    need(open_ports <= {("gateway", "0.0.0.0"), ("gateway", "::"), ("grafana", "127.0.0.1")} and len(open_ports) >= 2,
         f"published: {open_ports}")


def resident_mb(stack, container):
    """What the container's processes hold for themselves, shared pages divided."""
    pids = [line.strip() for line in run("docker", "top", container, "-eo", "pid").stdout.splitlines()[1:]]
    rollups = [pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8") for pid in pids
               if pathlib.Path(f"/proc/{pid}").exists()]
    return sum(int(re.search(r"^Pss: +(\d+) kB", text, re.M).group(1)) for text in rollups) / 1024


def memory(stack):
    held = {name: resident_mb(stack, name) for name in stack.containers()}
    ours = sum(mb for name, mb in held.items() if any(service in name for service in SERVICES))
    print(f"  idle: {sum(held.values()):.0f} MB resident (aim {IDLE_MB}), ours {ours:.0f} MB (aim {OURS_MB})")
    need(sum(held.values()) <= IDLE_MB and ours <= OURS_MB, f"resident: {held}")


def clean(stack):
    verdict = stack.check()
    need(verdict["check"] == "clean", f"karwanctl check: {verdict}")
    return "check clean"
