"""Messages on a schedule, and what the world does to them: repeats, delays, changed order,
forgeries, senders that try again. Standard library only (python3 of Debian 12)."""

import argparse
import heapq
import itertools
import json
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from random import Random, SystemRandom
from typing import Callable

from .http import Answer, Client

FORGERIES = ("WRONG_SECRET", "NO_SIGNATURE", "CHANGED_BODY", "EXPIRED")
ATTEMPTS_MAX = 12
UNTIMED = ("shopify-demo", "woo-demo", "daraz-demo")  # they sign no time


@dataclass(frozen=True)
class Message:
    at: float  # seconds after the start
    channel: str  # or provider
    external_id: str  # of the order
    kind: str  # created, updated, cancelled, paid, test; succeeded, refunded
    message_id: str  # the same on every retry and repeat
    body: bytes
    forged: str = ""  # one of FORGERIES
    record: bytes = b""  # what the marketplace's API tells of the order from then on
    lost: bool = False  # that is all: no request leaves


@dataclass(frozen=True)
class Switches:
    orders: int
    seed: int
    start: datetime
    duplicate: float
    delay: float
    reorder: float
    forge: float
    unfillable: float
    lose: float
    rate: float
    connections: int
    attempts: Path | None


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _positive(kind: type) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = kind(text)
        if value <= 0:
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return value
    return parse


def _moment(text: str) -> datetime:
    value = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if value.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text} has no time zone")
    return value


def add_switches(parser: argparse.ArgumentParser, **defaults: float) -> None:
    def add(name: str, kind: Callable, default: object, text: str) -> None:
        value = defaults.get(name, default)
        parser.add_argument(f"--{name}", type=kind, default=value, help=f"{text} (default {value})")

    add("orders", _positive(int), 100, "how many orders")
    parser.add_argument("--seed", type=int, help="the same seed and start make the same bytes"
                        " (default: another each time; it is printed)")
    parser.add_argument("--start", type=_moment, help="when the first order is dated, RFC 3339"
                        " (default: now; it is printed)")
    add("duplicate", _share, 0.0, "share of messages that come again, once to three times")
    add("delay", _share, 0.0, "share of messages that come up to 3 s late")
    add("reorder", _share, 0.0, "share of later messages that come before the earlier one")
    add("forge", _share, 0.0, "share of messages beside which a forged one is sent")
    add("unfillable", _share, 0.1, "share of orders that cannot be filled")
    add("lose", _share, 0.0, "share of WooCommerce's webhooks of payments that are never sent; what is not"
        " older than a day is found by asking the shop")
    add("rate", _positive(float), 40.0, "orders a second")
    add("connections", _positive(int), 16, "requests at once")
    parser.add_argument("--attempts", type=Path, metavar="FILE",
                        help="log of every request, for karwanctl check --attempts FILE")


def read_switches(options: argparse.Namespace) -> Switches:
    seed = options.seed if options.seed is not None else SystemRandom().randrange(10 ** 6)
    start = options.start or datetime.now(timezone.utc).replace(microsecond=0)
    return Switches(options.orders, seed, start, options.duplicate, options.delay, options.reorder,
                    options.forge, options.unfillable, options.lose, options.rate, options.connections,
                    options.attempts)


def disorder(messages: list[Message], s: Switches, name: str) -> list[Message]:
    """The same messages as the world delivers them, in order of time."""
    r = Random(f"{name}/{s.seed}")
    last: dict[tuple[str, str], int] = {}
    out = list(messages)
    for i, message in enumerate(out):
        key = (message.channel, message.external_id)
        if key in last and r.random() < s.reorder:
            before = out[last[key]]
            out[last[key]] = replace(before, at=message.at)
            out[i] = replace(message, at=before.at)
        last[key] = i
    late = [replace(m, at=m.at + r.uniform(0.2, 3)) if r.random() < s.delay else m for m in out]
    again = [replace(m, at=m.at + r.choice((0, 0.01, r.uniform(0.1, 3))))
             for m in late if r.random() < s.duplicate for _ in range(r.randint(1, 3))]
    false = [_forge(m, r) for m in late if r.random() < s.forge and not m.lost]
    return sorted(late + again + false, key=lambda m: m.at)


def _forge(message: Message, r: Random) -> Message:
    how = r.choice(FORGERIES)
    if how == "EXPIRED" and message.channel in UNTIMED:
        how = "WRONG_SECRET"
    at = max(0.0, message.at + r.uniform(-0.2, 0.5))
    if r.random() < 0.5:  # of an order that nobody made
        other = "9" + message.external_id[1:] if message.external_id[:1].isdigit() \
            else "F" + message.external_id[1:]
        body = message.body.replace(message.external_id.encode(), other.encode())
        return replace(message, at=at, external_id=other, body=body, forged=how)
    return replace(message, at=at, forged=how)


@dataclass(frozen=True)
class Attempt:
    message: Message
    sent_at: float  # seconds since 1970, before the request left
    status: int  # 0: no answer
    says_when: bool = False  # with Retry-After


Sign = Callable[[Message, int], tuple[dict[str, str], bytes]]  # message, Unix time: headers, bytes


class Traffic:
    """Sends messages when they are due, a bounded number at once, and keeps what came of each. What
    was answered 429, 5xx or not at all is sent again, as marketplaces do. Any thread may read
    attempts while it runs."""

    def __init__(self, url_of: Callable[[Message], str], sign: Sign, connections: int,
                 log: Path | None = None,
                 before: Callable[[Message], None] = lambda message: None) -> None:
        self.url_of, self.sign, self.before = url_of, sign, before
        self.client = Client()
        self.pool = ThreadPoolExecutor(connections)
        self.attempts: list[Attempt] = []
        self.given_up: list[Message] = []
        self._broken: BaseException | None = None
        self._lock = threading.Condition()
        self._due: list[tuple[float, int, int, Message]] = []
        self._order = itertools.count()
        self._running = 0
        self._log = log.open("a", encoding="utf-8") if log else None

    def run(self, messages: list[Message]) -> None:
        """Returns when every message has its answer, or was given up."""
        begin = time.monotonic()
        for message in messages:
            self._put(begin + message.at, 1, message)
        with self._lock:
            while (self._due or self._running) and not self._broken:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is None or wait > 0:
                    self._lock.wait(wait)
                    continue
                _, _, tries, message = heapq.heappop(self._due)
                self._running += 1
                self.pool.submit(self._send, message, tries).add_done_callback(self._done)
        self.pool.shutdown()
        if self._log:
            self._log.close()
        if self._broken:
            raise self._broken

    def stop(self) -> None:
        """Nothing new is sent; what was sent gets its answer. Also from a signal's handler."""
        with self._lock:
            self._due = [due for due in self._due if due[2] > 1]
            heapq.heapify(self._due)
            self._lock.notify()

    def _put(self, at: float, tries: int, message: Message) -> None:
        with self._lock:
            heapq.heappush(self._due, (at, next(self._order), tries, message))
            self._lock.notify()

    def _done(self, future: Future) -> None:
        with self._lock:
            self._running -= 1
            self._broken = self._broken or future.exception()
            self._lock.notify()

    def _send(self, message: Message, tries: int) -> None:
        self.before(message)
        if message.lost:
            return
        now = time.time()
        headers, body = self.sign(message, int(now))
        answer = self.client.request("POST", self.url_of(message),
                                     {"Content-Type": "application/json", **headers}, body)
        self._keep(Attempt(message, now, answer.status, "Retry-After" in answer.headers))
        if answer.status not in (0, 429) and answer.status < 500:
            return
        if tries == ATTEMPTS_MAX:
            with self._lock:
                self.given_up.append(message)
            return
        self._put(time.monotonic() + _pause(answer, tries), tries + 1, message)

    def _keep(self, attempt: Attempt) -> None:
        m = attempt.message
        with self._lock:
            self.attempts.append(attempt)
            if self._log:
                sent = datetime.fromtimestamp(attempt.sent_at, timezone.utc)
                row = {"time": sent.isoformat(timespec="microseconds").replace("+00:00", "Z"),
                       "channel": m.channel, "external_id": m.external_id, "kind": m.kind,
                       "forged": bool(m.forged), "status": attempt.status}
                self._log.write(json.dumps(row) + "\n")
                self._log.flush()


def _pause(answer: Answer, tries: int) -> float:
    return max(answer.retry_after_s(), min(30.0, 0.2 * 2 ** tries)) if answer.status else 0.5
