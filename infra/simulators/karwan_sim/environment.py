"""Where the system is and what its partners' secrets are: KEY=VALUE of `./karwan env` and the
partners file. Standard library only (python3 of Debian 12)."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping, NoReturn


def fail(why: str, code: int = 1) -> NoReturn:
    print(f"{Path(sys.argv[0]).name}: {why}", file=sys.stderr)
    sys.exit(code)


@dataclass(frozen=True)
class Partner:
    name: str
    adapter: str
    secret: str  # the one in force: the first
    url: str = ""  # of its API
    api_secrets: tuple[str, ...] = ()
    app_key: str = ""


class Environment:
    """Settings are read when they are asked for: a simulator needs only its own."""

    def __init__(self, values: Mapping[str, str] = os.environ) -> None:
        self.values = values
        self._partners: dict[str, dict[str, Partner]] | None = None

    def need(self, name: str) -> str:
        value = self.values.get(name)
        if not value:
            fail(f"{name} is not set: run it with env $(./karwan env)", 78)
        return value

    def url(self, service: str) -> str:
        return self.need(f"KARWAN_{service.upper()}_URL").rstrip("/")

    def partners(self, kind: str) -> dict[str, Partner]:
        if self._partners is None:
            self._partners = _read_partners(Path(self.need("KARWAN_PARTNERS_FILE")))
        return self._partners[kind]

    def partner(self, kind: str, name: str) -> Partner:
        try:
            return self.partners(kind)[name]
        except KeyError:
            fail(f"the partners file declares no '{name}' among the {kind}", 78)

    @property
    def operator_token(self) -> str:
        return self.partner("operators", "operator").secret


def _read_partners(path: Path) -> dict[str, dict[str, Partner]]:
    try:
        declared = json.loads(path.read_text(encoding="utf-8"))
        return {
            kind: {row["name"]: _read_partner(path.parent, row) for row in declared.get(kind, [])}
            for kind in ("channels", "providers", "operators")
        }
    except (OSError, ValueError, KeyError) as error:
        fail(f"{path}: {error}", 78)


def _read_partner(folder: Path, row: dict) -> Partner:
    return Partner(row["name"], row.get("adapter", ""), _read_secret(folder / row["secret_files"][0]),
                   row.get("url", ""),
                   tuple(_read_secret(folder / name) for name in row.get("api_secret_files", [])),
                   row.get("app_key", ""))


def _read_secret(file: Path) -> str:
    secret = file.read_text(encoding="utf-8").rstrip("\n")
    if not secret:
        raise ValueError(f"{file} is empty")
    return secret
