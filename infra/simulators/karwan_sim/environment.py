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

    def partner(self, kind: str, name: str) -> Partner:
        if self._partners is None:
            self._partners = _read_partners(Path(self.need("KARWAN_PARTNERS_FILE")))
        try:
            return self._partners[kind][name]
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
    file = folder / row["secret_files"][0]
    secret = file.read_text(encoding="utf-8").rstrip("\n")
    if not secret:
        raise ValueError(f"{file} is empty")
    return Partner(row["name"], row.get("adapter", ""), secret)
