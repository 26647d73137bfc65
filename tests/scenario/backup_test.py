"""PostgreSQL is lost under load, twice. From a copy and the WAL that was archived until some moments before: every order
that was answered 202 is an order again, what was told to partners since is void by a barrier, and the check is clean. To a
synchronous standby: nothing is lost, and no epoch begins.
Argument: the checkout. Needs what `./karwan servers env` prints."""

import collections
import os
import pathlib
import shutil
import subprocess
import sys
import urllib.request

from load import Load, all_is_done, catalogue, goes_on, until
from restoring import partners_know, restored
from running import System

ROOT = pathlib.Path(sys.argv[1]).resolve()


class Postgres:
    """The system's PostgreSQL, as its administrator sees it."""

    def __init__(self, system):
        self.system = system
        self.home = (system.dir / "data" / "postgres").resolve()
        self.aside = (system.dir / "data").resolve() / "aside"
        self.archive, self.copies = self.aside / "archive", self.aside / "copies"
        for folder in (self.aside, self.archive, self.copies):
            folder.mkdir()
        self.tool = self.aside / "backup"
        shutil.copy(ROOT / "infra" / "postgres" / "backup", self.tool)
        self.mine(self.aside)
        programs = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))[-1]
        self.copy = None  # the last one
        self.path = f"{programs}:{os.environ['PATH']}"

    @staticmethod
    def mine(path):
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", "postgres:", path], check=True)

    def run(self, *words):
        become = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--"] if os.geteuid() == 0 else []
        done = subprocess.run([*become, *map(str, words)], check=False, capture_output=True, text=True, cwd=self.aside, env={
            "PATH": self.path, "PGPASSFILE": str(self.aside / "pgpass")})
        if done.returncode != 0:
            raise SystemExit(f"{words}: {done.returncode}: {done.stderr}")
        return done.stdout.strip()

    @property
    def dsn(self):
        return f"postgresql://postgres@127.0.0.1:{self.system.port('postgres')}/postgres"

    def set(self, **settings):
        for name, value in settings.items():
            self.system.psql(f"ALTER SYSTEM SET {name} = '{value}'")

    def restart(self):
        self.system.verb("stop", "postgres")
        self.system.verb("start", "postgres")

    def keep_password(self):
        shutil.copy(self.home / "superuser.pgpass", self.aside / "pgpass")
        self.mine(self.aside / "pgpass")

    def archives(self):
        self.set(archive_mode="on", archive_timeout="2s", archive_command=f'"{self.tool}" archive "{self.archive}" "%p"')
        self.restart()

    def stop_archive(self):
        """Whoever keeps it is away for a while, and the services tell."""
        self.set(archive_command="false")
        self.system.psql("SELECT pg_reload_conf()")
        until("nothing is archived", lambda: self.failing_s() > 0)

    def failing_s(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.system.port('order-routing-admin')}/metrics", timeout=30) as answer:
            told = dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if not line.startswith("#"))
        return int(told.get("karwan_postgres_archive_failing_seconds", 0))

    def take(self):
        self.copy = self.run(self.tool, "take", self.dsn, self.copies)
        return self.copy

    def keeps_one(self, old):
        """Of two copies the newer, and the WAL that it needs."""
        new = self.take()
        self.run(self.tool, "keep", "7", self.copies, self.archive)
        if not pathlib.Path(old).exists():
            raise SystemExit("a copy of two is gone, and seven were to stay")
        self.run(self.tool, "keep", "1", self.copies, self.archive)
        begins = (pathlib.Path(new) / "backup_label").read_text(encoding="utf-8").split("(file ")[1].partition(")")[0]
        pieces = sorted(path.name for path in self.archive.iterdir() if len(path.name) == 24)
        if pathlib.Path(old).exists() or not pathlib.Path(new).exists() or (pieces and pieces[0][8:] < begins[8:]):
            raise SystemExit(f"not what is needed since {begins}: {pieces}, {sorted(self.copies.iterdir())}")

    def restore(self, copy):
        self.run(self.tool, "restore", copy, self.archive, self.home / "data")
        self.system.verb("start", "postgres")
        self.is_up()

    def begin_epoch(self):
        status, out, err = self.system.ctl("epoch")
        if status != 0 or "epoch 2" not in out:
            raise SystemExit(f"karwanctl epoch: {status} {out}{err}")

    def lose(self):
        """Its machine is gone: no orderly end, and no files."""
        self.system.psql("ALTER SYSTEM SET archive_command = 'false'")
        subprocess.run(["kill", "-QUIT", (self.home / "pid").read_text(encoding="utf-8").split()[0]], check=True)
        self.system.verb("stop", "postgres")
        shutil.rmtree(self.home / "data")
        (self.home / "data").mkdir()
        self.mine(self.home / "data")

    def is_up(self):
        until("PostgreSQL takes writes", lambda: self.answers("SELECT NOT pg_is_in_recovery()") == "t")

    def answers(self, sql):
        done = subprocess.run(["psql", "-XAtq", "-d", self.dsn, "-c", sql], check=False, capture_output=True, text=True,
                              env={"PATH": self.path, "PGPASSFILE": str(self.aside / "pgpass")})
        return done.stdout.strip() if done.returncode == 0 else None


def failed_over(system, postgres, load):
    standby = postgres.aside / "standby"
    postgres.run("pg_basebackup", "--dbname", postgres.dsn, "--pgdata", standby / "data", "--write-recovery-conf",
                 "--checkpoint=fast", "--wal-method=stream")
    port = subprocess.run([sys.executable, "-c", "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])"],
                          check=True, capture_output=True, text=True).stdout.strip()
    server = [ROOT / "infra" / "dev" / "postgres-server", standby, port]
    subprocess.run([*server, "start"], check=True)
    try:
        system.psql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        system.psql("SELECT pg_reload_conf()")
        until("a synchronous standby", lambda: system.psql(
            "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == [["1"]])
        goes_on(system)
        before = system.partner()
        postgres.lose()
        load.more()
    finally:
        subprocess.run([*server, "stop"], check=True)
    # the standby takes over the address of the one that is lost
    (postgres.home / "data").rmdir()
    shutil.move(standby / "data", postgres.home / "data")
    with (postgres.home / "data" / "postgresql.auto.conf").open("a", encoding="utf-8") as file:
        file.write("synchronous_standby_names = ''\narchive_mode = off\n")
    system.verb("start", "postgres")
    until("the standby answers", lambda: postgres.answers("SELECT 1"))
    postgres.answers("SELECT pg_promote()")
    postgres.is_up()
    status, out, err = system.ctl("accept")
    if status != 0:
        raise SystemExit(f"karwanctl accept: {status} {out}{err}")
    goes_on(system)
    after = system.partner()
    if missing := collections.Counter(before) - collections.Counter(after):
        raise SystemExit(f"a partner does not find again what was there: {missing}")
    if any(line.startswith("void") for line in set(after) - set(before)):
        raise SystemExit("events are void, and nothing was lost")


def main():
    with System(ROOT, "backup") as system:
        system.expected += ["EPOCH", "WENT_BACK", "LOG_CHANGED"]
        catalogue(system)
        postgres = Postgres(system)
        postgres.keep_password()
        with Load(system, "A") as load:
            postgres.archives()
            restored(system, postgres, load)
        all_is_done(system, load.accepted)
        postgres.keeps_one(postgres.copy)
        partners_know(system)
        with Load(system, "B") as more:
            failed_over(system, postgres, more)
        all_is_done(system, load.accepted + more.accepted)
        system.check_messages()
    if system.errors:
        raise SystemExit(f"logs under {system.dir} have errors")
    system.remove()


if __name__ == "__main__":
    main()
