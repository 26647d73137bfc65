"""The stack of docker-compose.yml for a test: its containers, their admin ports, the gateway, load through it. Needs DOCKER_HOST
where the engine is not the usual one, and the images of tests/compose/images.sh."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "scenario"))

from shell import Shell, blocks_of  # noqa: E402

PROJECT = "karwan-test"
SERVICES = ("listing-ingestion", "order-routing", "payment-reconciliation", "courier-dispatch")
WAIT_S = 240


class Wrong(Exception):
    """Something is not as it must be."""


def need(good, text):
    if not good:
        raise Wrong(text)


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def run(*words, check=True, **more):
    done = subprocess.run(words, check=False, capture_output=True, text=True, **more)
    if check and done.returncode != 0:
        raise Wrong(f"{' '.join(map(str, words))}: status {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done


def wait_for(what, found, wait_s=WAIT_S):
    """The first answer of found() that is true, and after how many seconds it came."""
    begin = time.monotonic()
    while True:
        answer = found()
        took = time.monotonic() - begin
        if answer:
            return answer, took
        need(took < wait_s, f"after {wait_s} s still waiting for {what}")
        time.sleep(0.1)


class Stack:
    """In a `with`: an empty one of its own; afterwards nothing of it is left."""

    def __init__(self, root, work):
        self.root, self.work = root, work
        self.state, self.out = work / "state", work / "out"
        self.port, self.grafana = free_port(), free_port()
        self.files = ["-f", str(root / "docker-compose.yml"), "-f", str(root / "tests" / "compose" / "override.yml")]
        self.v1 = self._version_1()
        self.v2 = str(root / ".karwan" / "compose-v2" / "docker-compose")
        self.compose_program = self.v2
        self.rate = 10000
        self.env = {**os.environ, "STATE": str(self.state), "GATEWAY_PORT": str(self.port), "GRAFANA_PORT": str(self.grafana),
                    "GATEWAY_RATE": str(self.rate), "ACCESS_LOG": "true", "OUT": str(self.out), "TAG": "test", "ARCHIVE": "on", "COMPOSE_PROJECT_NAME": PROJECT}
        self.shell = None

    @staticmethod
    def _version_1():
        program = shutil.which("docker-compose")
        told = run(program, "version", "--short").stdout if program else ""
        return program if told.startswith("1.") else None

    def __enter__(self):
        self.down()
        for of_before in (self.out, self.state):  # a run that failed may have left secrets that it made wrong
            shutil.rmtree(of_before, ignore_errors=True)
        self.out.mkdir(parents=True)
        self.out.chmod(0o777)
        run(self.root / "karwan", "secrets", "demo", env=self.env)
        return self

    def __exit__(self, kind, *_):
        if self.shell:
            self.shell.close()
        if kind is not None:
            self.keep_logs()
        self.down()

    # ---- compose ----

    def compose(self, *words, check=True):
        return run(self.compose_program, *self.files, *words, check=check, env=self.env, cwd=self.root)

    def up(self, *words, profile=None):
        self.compose(*(["--profile", profile] if profile else []), "up", "-d", "--no-build", *words)

    def down(self):
        self.compose("--profile", "demo", "--profile", "tools", "down", "-v", "--remove-orphans", "-t", "20", check=False)
        # the next database is another one, and an archive has one database's WAL
        for place in (*self.state.glob("backup/*/*"), *self.state.glob("gateway/*")):
            shutil.rmtree(place) if place.is_dir() else place.unlink()

    def keep_logs(self):
        logs = self.work / "logs"
        shutil.rmtree(logs, ignore_errors=True)
        logs.mkdir()
        for container in self.containers(everything=True):
            told = run("docker", "logs", container, check=False)
            (logs / f"{container}.log").write_text(told.stdout + told.stderr, encoding="utf-8")
        print(f"logs: {logs}")

    def ctl(self, *words, volumes=()):
        """karwanctl: exit status, standard output, standard error."""
        options = [part for volume in volumes for part in ("-v", volume)]
        done = self.compose("--profile", "tools", "run", "--rm", "-T", "--no-deps", *options, "karwanctl", *words, check=False)
        return done.returncode, done.stdout, done.stderr

    def types(self, page, *names):
        """What an operator does by these blocks of a page in docs/; he has one shell all the time."""
        if not self.shell:
            plugins = self.work / "docker" / "cli-plugins"
            plugins.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.v2, plugins / "docker-compose")
            self.shell = Shell(self.root, self.work, {**self.env, "DOCKER_CONFIG": str(plugins.parent), "COMPOSE_FILE": ":".join(
                str(self.root / name) for name in ("docker-compose.yml", "tests/compose/override.yml"))})
            self.shell.run("set -euo pipefail")
        for name in names:
            self.shell.type(blocks_of(self.root / "docs" / page)[name])

    # ---- containers ----

    def containers(self, service=None, everything=False):
        """Names, of those that run or of all."""
        wanted = ["--filter", f"label=com.docker.compose.project={PROJECT}", "--filter", "label=com.docker.compose.oneoff=False"]
        if service:
            wanted += ["--filter", f"label=com.docker.compose.service={service}"]
        return sorted(run("docker", "ps", *(["-a"] if everything else []), *wanted, "--format", "{{.Names}}").stdout.split())

    def inspect(self, container):
        return json.loads(run("docker", "inspect", container).stdout)[0]

    def logs(self, container):
        told = run("docker", "logs", container)
        return told.stdout + told.stderr

    def log(self, service):
        """Of all replicas that run."""
        return "".join(self.logs(name) for name in self.containers(service))

    def psql(self, sql):
        """Rows of the superuser's question, as lists of texts."""
        told = run("docker", "exec", self.containers("postgres")[0], "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-F", "\t",
                   "-U", "postgres", "-d", "karwan", "-c", sql).stdout
        return [line.split("\t") for line in told.splitlines()]

    def outside(self, *words):
        """What a program of this machine prints that finds Kafka by the name which it advertises."""
        names = self.work / "hosts"
        names.write_text(f"127.0.0.1 localhost\n{self.address(self.containers('kafka')[0])} kafka\n", encoding="utf-8")
        return run("unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', names, *words,
                   env={**os.environ, "KARWAN_KAFKA_BROKERS": "kafka:9092"}).stdout

    def records(self, topic):
        """All that is in a topic, as kcat has it."""
        return [json.loads(line) for line in self.outside(
            "kcat", "-C", "-q", "-e", "-J", "-b", "kafka:9092", "-t", topic, "-o", "beginning").splitlines()]

    def partner(self):
        """What a partner who follows the rule of places prints, until now."""
        return self.outside(sys.executable, self.root / "infra" / "simulators" / "partner.py", "-e").splitlines()

    def address(self, container, network="inside"):
        networks = self.inspect(container)["NetworkSettings"]["Networks"]
        return next(of["IPAddress"] for name, of in networks.items() if name.endswith("_" + network))

    def admin(self, container, path):
        """Status and text of an admin port's page; (0, "") where nobody answers."""
        address = self.address(container)
        if not address:  # it is between two starts
            return 0, ""
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection(address, 8081, timeout=2)
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        return 0, ""

    def figure(self, container, name):
        """The sum of a metric over its labels."""
        _, text = self.admin(container, "/metrics")
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if re.match(re.escape(name) + r"[{ ]", line))

    def is_ready(self, container):
        status, text = self.admin(container, "/readyz")
        return status == 200 and json.loads(text)["assigned"]

    def all_ready(self):
        return all(len(self.containers(service)) > 0 and all(map(self.is_ready, self.containers(service))) for service in SERVICES)

    # ---- the gateway ----

    def ask(self, method, path, headers=None, body=None):
        """Status, headers, text."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=40)
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode(errors="replace")

    def is_open(self):
        """The gateway finds the edges, which want to know who asks."""
        try:
            return self.ask("GET", "/v1/orders/x")[0] == 401
        except (OSError, http.client.HTTPException):
            return False

    def load(self):
        return Load(self)

    def check(self):
        """karwanctl's verdict on all that was ever sent, once everything has arrived."""
        logs = sorted(self.out.glob("*.ndjson"))
        everything = self.out / "attempts"
        everything.write_text("".join(log.read_text(encoding="utf-8") for log in logs), encoding="utf-8")

        def verdict():
            status, out, err = self.ctl("--json", "check", "--attempts", "/out/attempts", volumes=[f"{self.out}:/out:ro"])
            need(status in (0, 1), f"karwanctl check: {out}{err}")
            found = json.loads(out.splitlines()[-1])
            return found if found["behind"] == 0 else None

        return wait_for("everything to arrive", verdict, 120)[0]


class Load:
    """Signed orders and their money through the gateway, from inside of its networks, until the test has done something else."""

    n, orders, rate = 0, 9000, 30  # so many are planned: minutes of it

    def __init__(self, stack):
        Load.n += 1
        self.name = f"{PROJECT}-load-{Load.n}"
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(
            [stack.compose_program, *stack.files, "--profile", "demo", "run", "--rm", "-T", "--no-deps", "--name", self.name,
             "traffic", "./traffic", "--orders", str(self.orders), "--rate", str(self.rate), "--stock", "9000",
             "--duplicate", "0.05", "--attempts", f"/out/{Load.n}.ndjson"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=stack.env, cwd=stack.root)
        self.log = stack.out / f"{Load.n}.ndjson"
        wait_for("the load", lambda: self.sent() > 20 or self.process.poll() is not None)

    def sent(self):
        return self.log.read_bytes().count(b"\n") if self.log.exists() else 0

    def more(self, n=100):
        """Waits until so many more were sent."""
        wanted = self.sent() + n
        wait_for(f"{n} more messages", lambda: not self.runs() or self.sent() >= wanted)

    def runs(self):
        return self.process.poll() is None

    def end(self):
        """Waits until all that was sent was answered; nothing but what an edge says, and 503 with Retry-After."""
        need(self.runs(), "the load ended before it was told to")
        run("docker", "kill", "--signal", "TERM", self.name)
        out, errors = self.process.communicate(timeout=240)
        need(self.process.returncode == 0, f"the load ended with {self.process.returncode}: {out}{errors}")
        told = json.loads(out.strip().splitlines()[-1])
        need(told["accepted"] == told["orders"] > 50, f"not all orders were accepted: {told}")
        strange = {status: n for status, n in told["answers"].items() if status not in ("200", "202", "503")}
        need(not strange, f"the load was answered {strange}")
        need(told["without_retry_after"] == 0, f"{told['without_retry_after']} answers of 503 without Retry-After")
        return told["answers"]
