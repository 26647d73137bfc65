"""The faults: one table. A row says how a fault begins, goes on and ends, on whom, for how long, what it holds meanwhile (two
faults that hold the same never overlap), what it needs of the machine, and which errors it makes our programs log."""

import base64
import contextlib
import dataclasses
import json
import os
import pathlib
import resource
import signal
import subprocess
import time
import typing

import servers
import stage as stages
from stage import LINKS, PROGRAMS, SCHEMA, SERVERS, SERVICES, replicas_of, wait


def nothing(*_):
    return None


@dataclasses.dataclass(frozen=True)
class Fault:
    name: str
    targets: tuple
    begin: typing.Callable  # (stage, planned, dice): a dictionary that `end` gets, and that is logged
    end: typing.Callable = nothing  # (stage, planned, begun): more to log
    seconds: tuple = (1, 1)  # least, most
    slack: int = 0  # so long it may need besides, to begin and to end
    during: typing.Callable = None  # (stage, planned, begun, dice, until): instead of waiting
    holds: typing.Callable = lambda target: {target}
    needs: typing.Callable = nothing  # why it cannot be done here
    errors: tuple = ()  # texts of the lines that it makes our programs log

    def takes(self, target):
        return self.holds(target)


def only(*names):
    return lambda _target: set(names)


# processes

def send(number):
    def begin(stage, planned, _dice):
        return {"pid": stage.kill(planned.target, number)}
    return begin


def stop(stage, planned, _dice):
    return {"pid": servers.signal_tree(stage, planned.target, signal.SIGSTOP)}


def go_on(stage, planned, begun):
    if stage.pid(planned.target) == begun["pid"]:
        servers.signal_tree(stage, planned.target, signal.SIGCONT)


def keep_away(stage, planned, dice):
    number = dice.choice((signal.SIGKILL, signal.SIGTERM if planned.target != "postgres" else signal.SIGQUIT))
    stage.end(planned.target, number)
    return {"signal": number.name}


def let_come(stage, planned, _begun):
    stage.release(planned.target)


def storm(stage, planned, _begun, dice, until):
    """Replicas of a service leave and come in quick turns."""
    while time.monotonic() < until:
        stage.kill(dice.choice(replicas_of(planned.target)), dice.choice((signal.SIGTERM, signal.SIGKILL)))
        time.sleep(dice.uniform(0.3, 1.5))


LEADS = "SELECT token, holder FROM {}.leases WHERE name = 'publisher' AND until > clock_timestamp()"


def stop_publisher(stage, planned, _dice):
    """The replica that leads."""
    (token, holder), = wait("a publisher leads", lambda: servers.rows(stage, LEADS.format(SCHEMA[planned.target])))
    pid = int(holder.rpartition("/")[2])
    if pid not in map(stage.pid, replicas_of(planned.target)):
        raise RuntimeError(f"{holder} is no replica of {planned.target}")
    os.kill(pid, signal.SIGSTOP)
    return {"pid": pid, "token": token}


def another_leads(stage, planned, begun, _dice, until):
    told = LEADS.format(SCHEMA[planned.target])
    wait("another publisher leads", lambda: [row for row in servers.rows(stage, told) if row[0] != begun["token"]])
    time.sleep(max(0, until - time.monotonic()))


def wake_publisher(stage, planned, begun):
    if begun["pid"] in map(stage.pid, replicas_of(planned.target)):
        os.kill(begun["pid"], signal.SIGCONT)


def descriptors(pid):
    return [int(path.name) for path in pathlib.Path(f"/proc/{pid}/fd").iterdir()]


def exhaust(stage, planned, _dice):
    """No more can be opened than there are now."""
    pid = stage.running(planned.target)
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    most = max(descriptors(pid)) + 1
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, hard))
    return {"pid": pid, "before": soft, "most": most}


def give_back(stage, planned, begun):
    if stage.pid(planned.target) == begun["pid"]:
        hard = resource.prlimit(begun["pid"], resource.RLIMIT_NOFILE)[1]
        resource.prlimit(begun["pid"], resource.RLIMIT_NOFILE, (begun["before"], hard))


# PostgreSQL

def end_backend(stage, _planned, dice):
    servers.postgres_is_up(stage)
    pid, login = dice.choice(wait("sessions", lambda: servers.backends(stage)))
    number = dice.choice((signal.SIGTERM, signal.SIGKILL))
    os.kill(pid, number)
    return {"pid": pid, "login": login, "signal": number.name}


def stop_backend(stage, _planned, dice):
    servers.postgres_is_up(stage)
    pid, login = dice.choice(wait("sessions", lambda: servers.backends(stage)))
    os.kill(pid, signal.SIGSTOP)
    return {"pid": pid, "login": login}


def wake_backend(_stage, _planned, begun):
    if pathlib.Path(f"/proc/{begun['pid']}").exists():
        os.kill(begun["pid"], signal.SIGCONT)


def open_snapshot(stage):
    session = subprocess.Popen(["psql", "-XAtq", "-d", stage.superuser()], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    with contextlib.suppress(BrokenPipeError):
        session.stdin.write("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_backend_pid();\n")
        session.stdin.flush()
    pid = session.stdout.readline()
    return {"pid": int(pid), "session": session} if pid else None


def hold_snapshot(stage, _planned, _dice):
    return wait("a snapshot is held", lambda: open_snapshot(stage))


def leave_snapshot(_stage, _planned, begun):
    begun["session"].kill()  # PostgreSQL may have been away since
    begun["session"].wait()


def take_copy(stage, _planned, _dice):
    return {"copy": servers.take_copy(stage)}


def restore(stage, _planned, begun):
    servers.restore(stage, begun["copy"])
    return {"told": servers.operator(stage, "epoch").strip().splitlines()[-1]}


# Kafka

def cut_tail(stage, planned, dice):
    percent = dice.choice((0, 40, 90))
    stage.end("kafka", signal.SIGKILL)
    lost = servers.cut_tails(stage, planned.target, percent)
    return {"percent": percent, "bytes": lost}


def kafka_back(stage, _planned, _begun):
    stage.release("kafka")
    servers.kafka_is_up(stage)


def make_anew(stage, planned, _dice):
    servers.kafka_is_up(stage)
    servers.delete_topic(stage, planned.target)
    told = wait("the topic is made anew", lambda: (lambda text: text if "1 " in text else None)(
        servers.operator(stage, "topics", "apply")))
    return {"told": told.strip()}


# Redis

def flush(stage, _planned, _dice):
    return {"told": servers.redis(stage, "FLUSHALL")}


# links

def links_of(target):
    """A link, or all of a program's or a server's."""
    return [link for link in LINKS if target in (link, *link.rsplit("-", 1))]


def on_links(*words):
    def begin(stage, planned, dice):
        more = [word(dice) if callable(word) else word for word in words]
        for link in links_of(planned.target):
            stage.links.tell(more[0], link, *more[1:])
        return {"words": more}
    return begin


def cut(stage, planned, dice):
    on_links("refuse")(stage, planned, dice)
    return on_links(dice.choice(("cut", "reset")))(stage, planned, dice)


def heal(stage, planned, _begun):
    for link in links_of(planned.target):
        stage.links.tell("heal", link)


def resets(stage, planned, _begun, dice, until):
    while time.monotonic() < until:
        on_links("reset")(stage, planned, dice)
        time.sleep(dice.uniform(0.05, 1))


def broken(stage, planned):
    return sum(stage.links.tell("broken", link) for link in links_of(planned.target))


def count_commits(stage, planned, dice):
    return {"where": dice.choice(("before", "after", "reply")), "before": broken(stage, planned)}


def break_commits(stage, planned, begun, dice, until):
    while time.monotonic() < until:
        on_links("commit", begun["where"])(stage, planned, dice)
        time.sleep(dice.uniform(0.1, 0.7))


def commits_done(stage, planned, begun):
    heal(stage, planned, begun)
    return {"broken": broken(stage, planned) - begun["before"]}


# disks

def fill(stage, planned, dice):
    left = dice.choice((0, 65536, 1 << 20))
    stage.fill(planned.target.removeprefix("disk-"), left)
    return {"left": left}


def make_room(stage, planned, _begun):
    stage.resize(planned.target.removeprefix("disk-"), f"{stages.DISK_MB}m")


# clocks

def set_back(stage, planned, _begun):
    stage.set_clock(planned.target)


def off(stage, planned, dice):
    offset_s = dice.choice((-3600, -301, -5, 5, 301, 3600))
    stage.set_clock(planned.target, offset_s)
    return {"offset_s": offset_s}


def freeze(stage, planned, _dice):
    stage.set_clock(planned.target, frozen_ns=time.time_ns())


def steps(stage, planned, _begun, dice, until):
    while time.monotonic() < until:
        stage.set_clock(planned.target, dice.uniform(-3600, 3600))
        time.sleep(dice.uniform(0.1, 1))


# secrets

def secret_path(stage, planned):
    return stage.dir / "secrets" / planned.target


def hide_secret(stage, planned, _dice):
    path = secret_path(stage, planned)
    path.rename(path.with_suffix(".hidden"))
    stage.hang_up()


def show_secret(stage, planned, _begun):
    """Who was started meanwhile has given up, and is started again by the operator."""
    path = secret_path(stage, planned)
    path.with_suffix(".hidden").rename(path)
    stage.hang_up()
    for program in PROGRAMS:
        if not stage.pid(f"{program}.supervisor"):
            stage.verb("start", program)


def set_secrets(stage, name, change):
    """The secret files of a partner become what `change` makes of them; what they are then."""
    path = stage.dir / "partners.json"
    partners = json.loads(path.read_text(encoding="utf-8"))
    partner, = (one for kind in ("channels", "providers", "couriers") for one in partners[kind] if one["name"] == name)
    partner["secret_files"] = change(partner["secret_files"])
    new = path.with_suffix(".new")
    new.write_text(json.dumps(partners), encoding="utf-8")
    new.rename(path)
    stage.hang_up()
    return partner["secret_files"]


def new_key(old, dice):
    """Of the old one's form: Standard Webhooks' is base64, the others' hex, with or without a prefix."""
    drawn = dice.randbytes(32)
    prefix = "whsec_" if old.startswith("whsec_") else ""
    return prefix + (base64.b64encode(drawn).decode() if len(old) == len("whsec_") + 44 else drawn[:16].hex())


def add_secret(stage, planned, dice):
    """Its senders sign by either from now on."""
    name = f"{planned.target}-{planned.number}"
    path = stage.dir / "secrets" / name
    path.touch(mode=0o600)
    path.write_text(new_key(stage.secret(planned.target), dice) + "\n", encoding="utf-8")
    return {"files": set_secrets(stage, planned.target, lambda files: [*files, f"secrets/{name}"])}


def drop_secret(stage, planned, begun):
    """The new one alone."""
    return {"files": set_secrets(stage, planned.target, lambda _files: begun["files"][-1:])}


EVENTS = tuple(f"karwan.{area}.events" for area in ("listings", "orders", "payments", "dispatch"))
ROTATED = ("pavilion", "dibs", "shopify-demo", "stripe-demo", "aftership-demo")
HIDDEN = ("ahaan", "courier-a", "woo-demo-key")
LINKED = tuple(LINKS) + PROGRAMS + SERVERS


def links_held(target):
    return {f"link {link}" for link in links_of(target)}


def clock_held(target):
    return {f"clock {target}"}


TABLE = (
    Fault("sigkill", PROGRAMS, send(signal.SIGKILL)),
    Fault("sigterm", PROGRAMS, send(signal.SIGTERM)),
    Fault("sigstop", PROGRAMS, stop, go_on, seconds=(1, 2)),
    Fault("sigstop_beyond_session", PROGRAMS, stop, go_on, seconds=(5, 30)),
    Fault("rebalance_storm", SERVICES, nothing, seconds=(5, 12), slack=2, during=storm,
          holds=lambda name: set(replicas_of(name))),
    Fault("two_publishers", SERVICES, stop_publisher, wake_publisher, seconds=(14, 22), slack=3, during=another_leads,
          holds=lambda name: {*replicas_of(name), "postgres"}),
    Fault("descriptors_exhausted", PROGRAMS, exhaust, give_back, seconds=(3, 12)),

    Fault("postgres_immediate_stop", ("postgres",), send(signal.SIGQUIT), slack=4),
    Fault("postgres_sigkill", ("postgres",), send(signal.SIGKILL), slack=4),
    Fault("postgres_restart", ("postgres",), send(signal.SIGINT), slack=4),
    Fault("postgres_away", ("postgres",), keep_away, let_come, seconds=(4, 20), slack=4),
    Fault("postgres_stopped", ("postgres",), stop, go_on, seconds=(2, 20)),
    Fault("backend_ended", ("postgres",), end_backend, slack=4),
    Fault("backend_stopped", ("postgres",), stop_backend, wake_backend, seconds=(3, 20), slack=2),
    Fault("old_snapshot", ("snapshot",), hold_snapshot, leave_snapshot, seconds=(20, 60)),
    Fault("postgres_restored", ("postgres",), take_copy, restore, seconds=(3, 15), slack=14,
          errors=("EPOCH", "WENT_BACK")),
    Fault("commit_cut", tuple(f"{program}-postgres" for program in PROGRAMS), count_commits, commits_done, seconds=(3, 8),
          during=break_commits, holds=links_held),

    Fault("kafka_sigkill", ("kafka",), send(signal.SIGKILL), slack=8),
    Fault("kafka_restart", ("kafka",), send(signal.SIGTERM), slack=8),
    Fault("kafka_stopped", ("kafka",), stop, go_on, seconds=(1, 15)),
    Fault("kafka_away", ("kafka",), keep_away, let_come, seconds=(6, 15), slack=8),
    Fault("tail_lost", EVENTS, cut_tail, kafka_back, slack=10, holds=only("kafka")),
    Fault("topic_made_anew", EVENTS, make_anew, slack=6, holds=only("kafka", *PROGRAMS),
          errors=("UNKNOWN_PARTITION", "UNKNOWN_TOPIC")),

    Fault("redis_flushed", ("redis",), flush),
    Fault("redis_down", ("redis",), keep_away, let_come, seconds=(3, 15)),
    Fault("redis_slow", ("redis",), on_links("delay", lambda dice: dice.choice((50, 300, 2000))), heal, seconds=(3, 15),
          holds=links_held),

    Fault("link_cut", LINKED, cut, heal, seconds=(2, 15), holds=links_held),
    Fault("link_dead", LINKED, on_links("stall", "both"), heal, seconds=(2, 20), holds=links_held),
    Fault("link_one_way", LINKED, on_links("stall", lambda dice: dice.choice(("to_server", "to_client"))), heal, seconds=(2, 20),
          holds=links_held),
    Fault("link_half_open", LINKED, on_links("forget"), heal, seconds=(2, 20), holds=links_held),
    Fault("link_delayed", LINKED, on_links("delay", lambda dice: dice.choice((5, 50, 500))), heal, seconds=(3, 15),
          holds=links_held),
    Fault("link_reset", LINKED, nothing, heal, seconds=(2, 10), during=resets, holds=links_held),

    Fault("disk_full", ("disk-postgres", "disk-kafka", "disk-logs"), fill, make_room, seconds=(3, 12), slack=2,
          needs=stages.may_mount, holds=lambda disk: {disk, disk.removeprefix("disk-")}),

    Fault("clock_off", PROGRAMS, off, set_back, seconds=(3, 20), holds=clock_held),
    Fault("clock_frozen", PROGRAMS, freeze, set_back, seconds=(2, 10), holds=clock_held),
    Fault("clock_stepped", PROGRAMS, nothing, set_back, seconds=(3, 12), during=steps, holds=clock_held),

    Fault("secret_rotated", ROTATED, add_secret, drop_secret, seconds=(3, 12), holds=only("partners")),
    Fault("secret_missing", HIDDEN, hide_secret, show_secret, seconds=(2, 6), holds=only("partners", *PROGRAMS),
          errors=("partners file refused",)),
)
