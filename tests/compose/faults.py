"""Steps: bad days, and what is said of them."""

import json
import os
import shutil

from stack import SERVICES, need, run, wait_for


def no_replica(stack):
    """Whoever asks then is told to come again."""
    stack.compose("stop", "courier-dispatch")
    status, headers, text = stack.ask("GET", "/v1/parcels/x")
    need(status == 503 and headers["Retry-After"] and headers["Content-Type"] == "application/problem+json", f"{status} {headers} {text}")
    stack.compose("start", "courier-dispatch")
    wait_for("courier-dispatch to be found again", lambda: stack.ask("GET", "/v1/parcels/x")[0] == 401)


def kafka_away(stack):
    """Not ready, and why; ready again by itself when it is back."""
    stack.compose("stop", "kafka")
    name = stack.containers("order-routing")[0]
    wait_for("order-routing not to be ready", lambda: stack.admin(name, "/readyz")[0] == 503)
    asked = run("docker", "exec", name, "order-routing", "--healthcheck", check=False)
    need(asked.returncode == 1 and json.loads(asked.stdout)["why"] == "Kafka is away", f"--healthcheck: {asked}")
    stack.compose("restart", "payment-reconciliation")  # who starts meanwhile waits with the others
    wait_for("payment-reconciliation to wait", lambda: stack.admin(stack.containers("payment-reconciliation")[0], "/readyz")[0] == 503)
    wait_for("the gateway to see it of all", lambda: stack.ask("GET", "/v1/orders/x")[0] == 503)
    status, headers, _ = stack.ask("GET", "/v1/orders/x")
    need(status == 503 and headers["Retry-After"], f"the gateway answered {status} {headers}")
    stack.compose("start", "kafka")
    wait_for("everybody to be ready again", stack.all_ready)
    wait_for("the gateway to find them", lambda: stack.ask("GET", "/v1/orders/x")[0] == 401)


def refusal(stack, volumes, environment):
    """A service started otherwise than by docker-compose.yml: its status, and what it says."""
    told = stack.inspect(stack.containers("order-routing")[0])
    given = dict(line.split("=", 1) for line in told["Config"]["Env"] if line.startswith("KARWAN_")) | environment
    options = [part for name, value in given.items() for part in ("-e", f"{name}={value}")]
    options += [part for volume in volumes for part in ("-v", volume)]
    done = run("docker", "run", "--rm", "--read-only", *options, f"karwan/order-routing:{stack.env['TAG']}", check=False)
    return done.returncode, done.stderr


def what_is_wrong_is_said(stack):
    mine = stack.work / "wrong"
    shutil.rmtree(mine, ignore_errors=True)
    shutil.copytree(stack.state / "partners", mine)
    for path in (mine / "secrets").iterdir():
        os.chown(path, 10001, 10001)
    volumes = [f"{mine}:/etc/karwan/partners:ro"]

    def wanted(text, environment=None):
        status, said = refusal(stack, volumes, environment or {})
        lines = [line for line in said.splitlines() if text in line]
        need(status == 78 and len(lines) == 1, f"wanted '{text}', got {status}: {said}")

    wanted("KARWAN_LINGERING: no such setting", {"KARWAN_LINGERING": "1"})
    wanted("KARWAN_POSTGRES_DSN: not a postgresql:// URI", {"KARWAN_POSTGRES_DSN": "mysql://db"})
    wanted("KARWAN_PARTNERS_FILE: /etc/karwan/partners/nobody.json: No such file", {"KARWAN_PARTNERS_FILE": "/etc/karwan/partners/nobody.json"})
    (mine / "secrets" / "dibs").chmod(0o444)
    wanted("secrets/dibs: everybody may read it (chmod o-r)")
    (mine / "secrets" / "dibs").unlink()
    wanted("secrets/dibs: No such file")
    # a database that is not there: it runs, accepts, and says what it lacks
    name = stack.containers("order-routing")[0]
    stack.compose("stop", "postgres")
    wait_for("the service to miss PostgreSQL", lambda: '"postgres":"degraded"' in stack.admin(name, "/readyz")[1])
    need(stack.admin(name, "/readyz")[0] == 200, "without PostgreSQL the edge is out")
    stack.compose("start", "postgres")
    for service in SERVICES:
        for name in stack.containers(service):
            wait_for(f"{name} to have PostgreSQL", lambda name=name: '"postgres":"ok"' in stack.admin(name, "/readyz")[1])
    shutil.rmtree(mine)


def says_and_ends(stack, service, text):
    """Started now it ends with 78, again and again, and says this each time and nothing else."""
    stack.compose("restart", service)
    for name in stack.containers(service, everything=True):
        def paused(name=name):
            told = stack.inspect(name)
            return told["State"] if told["RestartCount"] > 1 and told["State"]["Status"] == "restarting" else None

        state, _ = wait_for(f"{name} to be started again and again", paused)
        need(state["ExitCode"] == 78, f"{name} ended with {state['ExitCode']}")
        def said(name=name, since=state["StartedAt"]):
            told = run("docker", "logs", "--since", since, name)
            return set((told.stdout + told.stderr).splitlines()) - {f"{service}: the configuration is wrong (see --help):"}

        # the engine may have noticed the end before it has read the last lines
        lines, _ = wait_for(f"{name} to say why", said)
        need(len(lines) == 1 and text in next(iter(lines)), f"{name} says {lines}, not '{text}'")


def serves_without_postgres(stack, name):
    """Once it has compared Kafka's topics, which another thread does than the one that meets the wrong password."""
    status, text = stack.admin(name, "/readyz")
    return status == 200 and '"postgres":"degraded"' in text


def comes_back_by_itself(stack):
    """A secret that is missing, open to everybody, or wrong: nobody but its file is touched to mend it."""
    secret, aside = stack.state / "partners" / "secrets" / "dibs", stack.work / "dibs"
    secret.rename(aside)
    says_and_ends(stack, "order-routing", "secrets/dibs: No such file")
    aside.rename(secret)
    wait_for("order-routing to have its secret", stack.all_ready)
    secret.chmod(0o404)
    says_and_ends(stack, "order-routing", "secrets/dibs: everybody may read it (chmod o-r)")
    secret.chmod(0o400)
    wait_for("order-routing to have its secret for itself", stack.all_ready)
    password = stack.state / "secrets" / "pgpass-routing"
    right = password.read_text(encoding="utf-8")
    password.write_text(right.rpartition(":")[0] + ":0123\n", encoding="utf-8")
    stack.compose("restart", "order-routing")
    name = stack.containers("order-routing")[0]
    wait_for("order-routing to say that its password is wrong", lambda: "password authentication failed" in stack.log("order-routing"))
    wait_for("order-routing to be ready without PostgreSQL", lambda: serves_without_postgres(stack, name))
    password.write_text(right, encoding="utf-8")
    wait_for("order-routing to have the right one", stack.all_ready)
