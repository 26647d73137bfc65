"""What can be seen of the machine: invariants 16 to 19. Samples are taken by the continuous looks (chaos/machine.ndjson) and
once more at the end."""

import collections
import fnmatch
import json
import math
import os
import pathlib
import re
import subprocess
import time

from seen import AREAS, Offender, lines_of

KEPT = 64  # connections to couriers that a program keeps for the next call
FILES_MORE, THREADS_MORE, CONNECTIONS_MORE = KEPT + 48, 4, 1
RSS_FACTOR, RSS_MORE_KB = 2, 400 * 1024  # what AddressSanitizer keeps of freed memory is below that
SETTLE_S = 90  # idle connections of clients are let go after a minute
INDEXES = "*index"  # Kafka's: numbers only, and large by holes
OFFERED_US = 3000000  # a window as long as this has orders in it


# ---- 16, 17 ----

def windows(seen, word):
    """(begin, end) of the faults with this word, and of all others."""
    begun, mine, others = {}, [], []
    for fault in seen.faults:
        at = fault.get("fault"), fault.get("target"), fault.get("number")
        if fault.get("phase") == "begin":
            begun[at] = fault["t"]
        elif at in begun:
            (mine if word in str(at[0]) or word in str(at[1]) else others).append((begun.pop(at), fault["t"]))
    return mine, others


def cache_only(seen, saw):
    """16: losing Redis changes latency only: orders go on being accepted, and all other invariants hold."""
    saw(len(seen.attempts))
    orders = [attempt for attempt in seen.attempts if attempt["kind"] == "order"]
    accepted = sorted(order["t"] + order["us"] for order in orders if order["status"] == 202)
    mine, others = windows(seen, "redis")
    # another fault lasts until an order is accepted again: a server that was away is on its way back until then
    others = [(begin, next((t for t in accepted if t >= end), math.inf)) for begin, end in others]
    for begin, end in mine:
        if end - begin < OFFERED_US or any(first < end and begin < last for first, last in others):
            continue
        told = [order["status"] for order in orders if begin <= order["t"] < end]
        if told and 202 not in told:
            yield Offender("redis", f"Redis alone was away for {(end - begin) / 1000000:.1f} s: of {len(told)} orders none was "
                                    f"accepted")


def clocks(seen, saw):
    """17: a wrong clock changes nothing but replay-window refusals: nothing else was answered 401, all other invariants hold."""
    mine = windows(seen, "clock")[0] + windows(seen, "secret")[0]
    for attempt in seen.attempts:
        saw()
        # it may have waited for long until it was looked at: in a program that was halted, or behind a link
        answered = attempt["t"] + attempt["us"]
        if attempt["status"] == 401 and attempt["kind"] != "forged" and \
                not any(begin - OFFERED_US <= answered and attempt["t"] <= end + OFFERED_US for begin, end in mine):
            yield Offender(attempt["ref"], f"{attempt['kind']} {attempt['ref']}: answered 401, and no clock was wrong and no "
                                           "secret changed")


# ---- 18 ----

def one_program(pid):
    folder = pathlib.Path("/proc", str(pid))
    status = dict(line.split(":", 1) for line in (folder / "status").read_text(encoding="utf-8").splitlines() if ":" in line)
    return {"pid": pid, "files": len(os.listdir(folder / "fd")), "threads": int(status["Threads"]),
            "rss_kb": int(status["VmRSS"].split()[0])}


def sample(run):
    """Files, threads and memory of each program; connections to PostgreSQL by who has them."""
    programs = {}
    for path in sorted((run.dir / "run").glob("*.pid")):
        name = path.name.removesuffix(".pid")
        if name.endswith(".supervisor"):
            continue
        try:
            programs[name] = one_program(int(path.read_text(encoding="utf-8").split()[0]))
        except (OSError, KeyError, ValueError, IndexError):
            continue  # it stops or starts at this moment
    connections = {row[0]: int(row[1]) for row in run.psql(
        "SELECT application_name, count(*) FROM pg_stat_activity WHERE usename LIKE 'karwan%' GROUP BY 1")}
    return {"t": time.time_ns() // 1000, "programs": programs, "connections": connections}


def write_sample(run):
    with (run.dir / "chaos" / "machine.ndjson").open("a", encoding="utf-8") as file:
        print(json.dumps(sample(run)), file=file, flush=True)


def is_service(name):
    return any(name.split(".")[0] == area.service for area in AREAS)


def beyond(first, last):
    """What is out of its band."""
    for name, now in last["programs"].items():
        was = first["programs"].get(name)
        if was is None or not is_service(name):
            continue
        for what, most in (("files", was["files"] + FILES_MORE), ("threads", was["threads"] + THREADS_MORE),
                           ("rss_kb", was["rss_kb"] * RSS_FACTOR + RSS_MORE_KB)):
            if now[what] > most:
                yield Offender(name, f"{name} has {now[what]} {what}, {was[what]} at first")
    for name, now in last["connections"].items():
        if now > first["connections"].get(name, 0) + CONNECTIONS_MORE:
            yield Offender(name, f"{name} has {now} connections to PostgreSQL, {first['connections'].get(name, 0)} at first")
    for name in first["programs"].keys() - last["programs"].keys():
        yield Offender(name, f"{name} does not run any more")


def bands(seen, saw):
    """18: files, memory, connections and threads are back in their band."""
    samples = list(lines_of(seen.run.dir / "chaos" / "machine.ndjson"))
    first = next((one for one in samples if sum(map(is_service, one["programs"])) >= len(AREAS)), None)
    if first is None:
        return
    if getattr(seen, "machine", None) is not None:
        last = seen.machine
    else:
        end = time.monotonic() + SETTLE_S
        while list(beyond(first, last := sample(seen.run))) and time.monotonic() < end:
            time.sleep(1)
    saw(len(last["programs"]) * len(samples))
    yield from beyond(first, last)


# ---- 19 ----

def national_ids(seen):
    """In each form: as they were sent, and their digits alone."""
    found = set()
    for attempt in seen.attempts:
        if "national_id" in attempt:
            digits = re.sub(r"\D", "", attempt["national_id"])
            found |= {attempt["national_id"], digits, f"{digits[:5]}-{digits[5:12]}-{digits[12:]}"}
    return sorted(found)


def dump_redis(run, path):
    ask = ["redis-cli", "-p", str(run.port("redis"))]
    subprocess.run([*ask, "config", "set", "rdbcompression", "no"], check=True, capture_output=True)
    subprocess.run([*ask, "--rdb", path], check=True, capture_output=True)


def places(run):
    """Where to look: what it is, its files, and a word that must be among them. The test's own files are not looked at."""
    data, chaos = (run.dir / "data").resolve(), run.dir / "chaos"
    yield "logs", [run.dir / "logs", *(data / name / "log" for name in ("kafka", "postgres", "redis"))], "order-routing"
    yield "topics, decompressed", [chaos / "topics"], "karwan.maker.put.v1"
    yield "Kafka's files", [data / "kafka" / "data"], "karwan"
    yield "tables", [chaos / "tables"], "weekly_capacity"
    yield "PostgreSQL's files and WAL", [data / "postgres" / "data"], "weekly_capacity"
    yield "Redis's dump", [chaos / "redis.rdb"], "REDIS"


def grep(words, paths):
    """Files that have one of the words."""
    told = subprocess.run(["grep", "-rlaF", f"--exclude={INDEXES}", "-f", "-", "--", *map(str, paths)],
                          input="\n".join(words), check=False, text=True, capture_output=True, env={**os.environ, "LC_ALL": "C"})
    if told.returncode > 1 and "No such file" not in told.stderr:
        raise SystemExit(f"grep: {told.stderr.strip()}")
    return told.stdout.splitlines()


def size_of(paths):
    return sum(file.stat().st_size for path in paths for file in ([path] if path.is_file() else path.rglob("*"))
               if file.is_file() and not fnmatch.fnmatch(file.name, INDEXES))


def no_national_ids(seen, saw):
    """19: national ids of the run's makers are in no log, topic, table, WAL or Redis dump."""
    words, run = national_ids(seen), seen.run
    if not words:
        return
    run.psql("CHECKPOINT")
    dump_redis(run, run.dir / "chaos" / "redis.rdb")
    for what, paths, known in places(run):
        there = [path for path in paths if path.exists()]
        saw(size_of(there))
        if not grep([known], there):
            yield Offender(what, f"{what}: {known!r} is not found there, so nothing would be")
        for file in grep(words, there):
            yield Offender(what, f"{what}: a national id is in {file}")


def counts(seen):
    """How often each fault was there."""
    return dict(collections.Counter(fault["fault"] for fault in seen.faults if fault.get("phase") == "begin"))
