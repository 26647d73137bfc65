"""A whole system of its own for a test in Python, as system.h is for one in C. Needs what `./karwan servers env` prints."""

import json
import os
import pathlib
import subprocess
import sys


class System:
    """In a `with`: up, then down; afterwards `errors` has the lines that no program should have logged."""

    def __init__(self, root, name, replicas=1):
        self.replicas = replicas
        self.root, self.bin = root, os.environ["TEST_BIN_DIR"]
        self.dir = pathlib.Path(os.environ["TEST_RUN_DIR"], f"{name}-{os.getpid()}")
        self.errors = []
        self.expected = []  # texts of lines that may be there

    def verb(self, *words, check=True, programs=None):
        """programs: the folder of what is started, if it is not this build's."""
        script = pathlib.Path(os.environ["TEST_SERVERS_DIR"], "system")
        subprocess.run([script, self.dir, *words], check=check, env={**os.environ, "BIN": programs or self.bin})

    def __enter__(self):
        try:
            self.verb("up", str(self.replicas))
        except BaseException:
            self.verb("down", check=False)
            raise
        return self

    def __exit__(self, *_):
        self.verb("down", check=False)
        self.errors = [
            line for log in sorted((self.dir / "logs").glob("*.log")) for line in log.read_text(encoding="utf-8").splitlines()
            if ('"level":"error"' in line or "runtime error" in line or "ERROR: AddressSanitizer" in line)
            and not any(text in line for text in self.expected)]
        for line in self.errors:
            print(line)

    def remove(self):
        subprocess.run(["rm", "-rf", (self.dir / "data").resolve(), self.dir], check=True)

    def env(self):
        """What a client needs."""
        return dict(line.split("=", 1) for line in (self.dir / "env").read_text(encoding="utf-8").splitlines())

    def port(self, name):
        return int(dict(line.split() for line in (self.dir / "ports").read_text(encoding="utf-8").splitlines())[name])

    def secret(self, name):
        return (self.dir / "secrets" / name).read_text(encoding="utf-8").rstrip("\n")

    def superuser(self):
        return f"postgresql://postgres@127.0.0.1:{self.port('postgres')}/karwan?passfile={self.dir}/data/postgres/superuser.pgpass"

    def psql(self, sql):
        """Rows of the superuser's question, as lists of texts."""
        told = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-F", "\t", "-d", self.superuser(), "-c", sql], check=True,
                              capture_output=True, text=True).stdout
        return [line.split("\t") for line in told.splitlines()]

    def ctl(self, *words, login="karwan_operator", programs=None):
        """karwanctl: exit status, standard output, standard error."""
        dsn = f"postgresql://{login}@127.0.0.1:{self.port('postgres')}/karwan?passfile={self.dir}/secrets/pgpass"
        done = subprocess.run([f"{programs or self.bin}/karwanctl", *words], check=False, capture_output=True, text=True, env={
            "PATH": os.environ["PATH"], **self.env(), "KARWAN_POSTGRES_DSN": dsn,
            "KARWAN_TOPICS_FILE": f"{self.root}/schemas/topics.json"})
        return done.returncode, done.stdout, done.stderr

    def records(self, topic):
        """All that is in a topic, as kcat has it."""
        told = subprocess.run(["kcat", "-C", "-q", "-e", "-J", "-b", self.env()["KARWAN_KAFKA_BROKERS"], "-t", topic,
                               "-o", "beginning"], check=True, capture_output=True, text=True).stdout
        return [json.loads(line) for line in told.splitlines()]

    def partner(self):
        """What a partner who follows the rule of places prints, until now."""
        return subprocess.run([sys.executable, self.root / "infra" / "simulators" / "partner.py", "-e"], check=True,
                              capture_output=True, text=True, env={**os.environ, **self.env()}).stdout.splitlines()

    def log(self, name):
        return (self.dir / "logs" / f"{name}.log").read_text(encoding="utf-8")

    def signal(self, name, number):
        os.kill(int((self.dir / "run" / f"{name}.pid").read_text(encoding="utf-8").split()[0]), number)

    def wrong(self, topic, key):
        """What lies under this key is wrong on purpose."""
        with (self.dir / "wrong").open("a", encoding="utf-8") as file:
            file.write(f"{topic} {key}\n")

    def check_messages(self):
        subprocess.run([sys.executable, self.root / "tests" / "scenario" / "messages.py",
                        self.env()["KARWAN_KAFKA_BROKERS"], self.dir / "wrong"], check=True)
