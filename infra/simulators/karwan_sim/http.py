"""HTTP with connections that are kept, one a thread and server. Standard library only (python3 of
Debian 12)."""

import http.client
import threading
import time
from dataclasses import dataclass
from typing import Mapping
from urllib.parse import urlsplit

TIMEOUT_S = 15
IDLE_S = 5  # older ones may have been closed by the server, and a POST is not to be lost by that


@dataclass(frozen=True)
class Answer:
    status: int  # 0: there was none
    headers: Mapping[str, str]
    body: bytes

    def retry_after_s(self) -> float:
        try:
            return max(0.0, float(self.headers.get("Retry-After", "1")))
        except ValueError:
            return 1.0


class Client:
    """Any thread."""

    def __init__(self) -> None:
        self._local = threading.local()

    def request(self, method: str, url: str, headers: Mapping[str, str] | None = None,
                body: bytes | None = None) -> Answer:
        parts = urlsplit(url)
        target = parts.path + ("?" + parts.query if parts.query else "")
        try:
            connection = self._connection(parts.netloc)
            connection.request(method, target, body, dict(headers or {}))
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
        except (OSError, http.client.HTTPException):
            self._drop(parts.netloc)
            return Answer(0, {}, b"")
        self._used()[parts.netloc] = time.monotonic()
        return answer

    def _used(self) -> dict[str, float]:
        if not hasattr(self._local, "used"):
            self._local.used = {}
            self._local.connections = {}
        return self._local.used

    def _connection(self, host: str) -> http.client.HTTPConnection:
        used = self._used()
        if time.monotonic() - used.get(host, 0) > IDLE_S:
            self._drop(host)
        if host not in self._local.connections:
            self._local.connections[host] = http.client.HTTPConnection(host, timeout=TIMEOUT_S)
        return self._local.connections[host]

    def _drop(self, host: str) -> None:
        self._used().pop(host, None)
        connection = self._local.connections.pop(host, None)
        if connection:
            connection.close()
