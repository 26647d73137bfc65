"""Steps: more and fewer replicas, restarts and a stop, all under load."""

import json
import time

from stack import SERVICES, need, wait_for

WORK_S = 10
WIDE = {"order-routing": 4, "courier-dispatch": 3}
NARROW = {"order-routing": 2, "courier-dispatch": 1}


def scale(stack, sizes):
    stack.up(*(part for service, n in sizes.items() for part in ("--scale", f"{service}={n}")))


def works(stack, container):
    """It has partitions and took messages of them, and requests came to it."""
    return stack.is_ready(container) and stack.figure(container, "karwan_batches_total") > 0 and (
        stack.figure(container, "karwan_http_requests_total") > 0)


def started_ago(stack, container):
    text = stack.inspect(container)["State"]["StartedAt"]
    begin = time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")
    return time.time() - time.mktime(begin) + time.timezone


def demo(stack):
    """--profile demo: sixty orders flow without anybody outside."""
    stack.up(profile="demo")
    name = stack.containers("traffic", everything=True)[0]
    wait_for("the demo's orders", lambda: stack.inspect(name)["State"]["Status"] == "exited")
    told = stack.logs(name)
    need(stack.inspect(name)["State"]["ExitCode"] == 0 and '"accepted": 60' in told, told)


def one_four_two(stack):
    before = {name for service in WIDE for name in stack.containers(service)}
    load = stack.load()
    scale(stack, WIDE)
    new = {name for service in WIDE for name in stack.containers(service)} - before
    need(len(new) == 5, f"new: {new}")
    _, took = wait_for("the new replicas to work", lambda: all(works(stack, name) for name in new))
    print(f"  1 to 4: new replicas work {max(started_ago(stack, name) for name in new):.1f} s after their start,"
          f" {took:.1f} s after compose has them (aim {WORK_S})")
    scale(stack, NARROW)
    wait_for("fewer replicas to have all partitions", stack.all_ready)
    need([len(stack.containers(service)) for service in NARROW] == list(NARROW.values()), "not as many as were asked for")
    print(f"  answers while scaled: {load.end()}")
    return "scaled 1-4-2"


def restarts(stack):
    """One after another, while orders come."""
    load = stack.load()
    for service in SERVICES:
        stack.compose("restart", service)
        wait_for(f"{service} to be back", stack.all_ready)
    print(f"  answers while restarted: {load.end()}")


def killed(stack):
    """The only replicas are gone between two looks of the gateway: whoever asks is answered all the same."""
    load = stack.load()
    for service in ("order-routing", "payment-reconciliation"):
        stack.compose("kill", service)
        load.more()
        stack.compose("start", service)
        wait_for(f"{service} to be back", stack.all_ready)
    print(f"  answers while killed: {load.end()}")


def stop_drains(stack):
    """Everyone leaves by itself, with what was begun, and in time; and comes back."""
    load = stack.load()
    names = {service: stack.containers(service) for service in SERVICES}
    begin = time.monotonic()
    stack.compose("stop", *SERVICES)
    print(f"  stopped in {time.monotonic() - begin:.1f} s")
    for name in (name for of in names.values() for name in of):
        need(stack.inspect(name)["State"]["ExitCode"] == 0, f"{name} ended with {stack.inspect(name)['State']['ExitCode']}")
        last = json.loads(stack.logs(name).strip().splitlines()[-1])
        need(last["message"] == "left", f"{name} said last: {last}")
    stack.compose("start", *SERVICES)
    wait_for("the services to be back", stack.all_ready)
    print(f"  answers while stopped: {load.end()}")
