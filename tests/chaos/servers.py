"""What faults do to a stage's servers."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess

from stage import WAIT_S, children, until, wait

PROGRAMS = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))[-1]


# PostgreSQL

def answers(stage):
    """It takes writes; asked without the patience of psql's caller."""
    done = subprocess.run(["psql", "-XAtq", "-d", stage.superuser(), "-c", "SELECT NOT pg_is_in_recovery()"], check=False,
                          capture_output=True, text=True, env={**os.environ, "PGCONNECT_TIMEOUT": "3"})
    return done.returncode == 0 and done.stdout.strip() == "t"


def postgres_is_up(stage):
    wait("PostgreSQL takes writes", lambda: answers(stage))


def as_postgres(stage, *words):
    home = (stage.dir / "data" / "postgres").resolve()
    become = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--"] if os.geteuid() == 0 else []
    password = home / "own.pgpass"
    if not password.exists():
        shutil.copy(home / "superuser.pgpass", password)
        if os.geteuid() == 0:
            shutil.chown(password, "postgres", "postgres")
    done = subprocess.run([*become, *map(str, words)], check=False, capture_output=True, text=True, cwd="/",
                          env={"PATH": f"{PROGRAMS}:{os.environ['PATH']}", "PGPASSFILE": str(password)})
    if done.returncode != 0:
        raise RuntimeError(f"{words}: {done.returncode}: {done.stderr}")


def take_copy(stage):
    """Of the running cluster, whole by itself."""
    home = (stage.dir / "data" / "postgres").resolve()
    postgres_is_up(stage)
    (home / "copies").mkdir(exist_ok=True)
    if os.geteuid() == 0:
        shutil.chown(home / "copies", "postgres", "postgres")
    copy = home / "copies" / str(len(list((home / "copies").iterdir())))
    as_postgres(stage, "pg_basebackup", "--dbname", f"postgresql://postgres@127.0.0.1:{stage.port('postgres')}/postgres",
                "--pgdata", copy, "--checkpoint=fast", "--wal-method=stream")
    return copy


def restore(stage, copy):
    """As docs/backup.md tells an operator to, without an archive."""
    data = (stage.dir / "data" / "postgres").resolve() / "data"
    stage.end("postgres", signal.SIGQUIT)
    shutil.rmtree(data)
    shutil.move(copy, data)
    with (data / "postgresql.auto.conf").open("a", encoding="utf-8") as file:
        file.write("restore_command = 'false'\n")
    shutil.copy2(data / "PG_VERSION", data / "recovery.signal")
    if os.geteuid() == 0:
        shutil.chown(data / "recovery.signal", "postgres", "postgres")
    stage.release("postgres")
    postgres_is_up(stage)


def operator(stage, *words):
    """karwanctl, until it could ask; what it said."""
    last = []

    def done():
        status, *last[:] = stage.ctl(*words)
        if status not in (0, 2):
            raise RuntimeError(f"karwanctl {words}: {status} {last}")
        return status == 0
    if not until(WAIT_S, done):
        raise RuntimeError(f"karwanctl {words} fails: {last}")
    return "".join(last)


def rows(stage, sql):
    """No rows where PostgreSQL goes away at this moment."""
    try:
        return stage.psql(sql)
    except subprocess.CalledProcessError:
        return []


def backends(stage):
    """(pid, login) of the services' sessions."""
    return [(int(pid), login) for pid, login in rows(
        stage, "SELECT pid, usename FROM pg_stat_activity WHERE usename LIKE 'karwan%' ORDER BY pid")]


def signal_tree(stage, name, number):
    """To a server and all that it has started."""
    pid = stage.running(name)
    for process in (pid, *children(pid)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)
    return pid


# Kafka

def kafka_is_up(stage):
    wait("Kafka answers", lambda: subprocess.run(
        ["kcat", "-b", f"127.0.0.1:{stage.port('kafka')}", "-L", "-m", "2", "-J"], check=False,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0)


def cut_tails(stage, topic, percent):
    """Of each partition's newest piece so much remains; what Kafka would repair it by is gone. Kafka must not run."""
    home = (stage.dir / "data" / "kafka").resolve() / "data"
    (home / ".kafka_cleanshutdown").unlink(missing_ok=True)
    lost = 0
    for folder in home.glob(f"{topic}-*"):
        for path in folder.iterdir():
            if path.suffix in (".index", ".timeindex", ".snapshot"):
                path.unlink()
        newest = max(folder.glob("*.log"))
        size = newest.stat().st_size
        lost += size - size * percent // 100
        os.truncate(newest, size * percent // 100)
    return lost


def delete_topic(stage, topic):
    subprocess.run([f"{stage.bin}/karwan-chaos-topic", f"127.0.0.1:{stage.port('kafka')}", topic], check=True)


# Redis

def redis(stage, *words):
    return subprocess.run(["redis-cli", "-h", "127.0.0.1", "-p", str(stage.port("redis")), *words], check=False,
                          capture_output=True, text=True).stdout.strip()
