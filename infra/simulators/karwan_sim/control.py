"""The operators' command and the API, asked by a program. Standard library only (python3 of Debian
12)."""

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

from .environment import Environment
from .http import Client

CONNECTIONS = 8


class Failed(Exception):
    """Something answered otherwise than it should."""


class Karwanctl:
    def __init__(self, env: Environment, program: Path, topics_file: str) -> None:
        self.program = program
        keep = {name: value for name, value in env.values.items() if name.startswith("KARWAN_")}
        self._env = {"PATH": os.environ["PATH"], **keep, "KARWAN_TOPICS_FILE": topics_file}

    def _run(self, *words: str) -> subprocess.CompletedProcess:
        return subprocess.run([str(self.program), *words], env=self._env, text=True, check=False,
                              encoding="utf-8", stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def check(self, attempts: Path | None = None) -> dict:
        """{check, seen, behind, drift, not_verified}."""
        more = ["--attempts", str(attempts)] if attempts else []
        done = self._run("--json", "check", *more)
        if done.returncode not in (0, 1):
            raise Failed(f"karwanctl check: exit {done.returncode}: {done.stderr.strip()}")
        verdict = json.loads(done.stdout.splitlines()[-1])
        if (done.returncode == 0) != (verdict["check"] == "clean"):
            raise Failed(f"karwanctl check: exit {done.returncode}, but says {verdict['check']}")
        return verdict

    def explain(self, channel: str, external_id: str) -> str:
        done = self._run("explain", channel, external_id)
        if done.returncode != 0:
            raise Failed(f"karwanctl explain: exit {done.returncode}: {done.stderr.strip()}")
        return done.stdout


class Api:
    """Reads, as the operator."""

    def __init__(self, env: Environment) -> None:
        self.env, self.client = env, Client()
        self.headers = {"Authorization": f"Bearer {env.operator_token}"}
        self.pool = ThreadPoolExecutor(CONNECTIONS)

    def _get(self, service: str, path: str) -> dict:
        answer = self.client.request("GET", self.env.url(service) + path, self.headers)
        if answer.status != 200:
            raise Failed(f"GET {path}: {answer.status} {answer.body.decode(errors='replace')}")
        return json.loads(answer.body)

    def _order(self, key: tuple[str, str]) -> dict | None:
        channel, external_id = (quote(part, safe="") for part in key)
        found = self._get("routing", f"/v1/orders?channel={channel}&external_id={external_id}")
        return found["orders"][0] if found["orders"] else None

    def orders(self, keys: list[tuple[str, str]]) -> dict[tuple[str, str], dict | None]:
        return dict(zip(keys, self.pool.map(self._order, keys)))

    def statement(self, maker_id: str) -> list[dict]:
        lines, cursor = [], ""
        while True:
            page = self._get("payment", f"/v1/makers/{maker_id}/statement"
                             + (f"?cursor={quote(cursor, safe='')}" if cursor else ""))
            lines += page["lines"]
            cursor = page.get("next_cursor", "")
            if not cursor:
                return lines
