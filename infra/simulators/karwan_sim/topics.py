"""Events as a reader outside sees them: kcat, and the rule of places. Standard library only
(python3 of Debian 12)."""

import json
import subprocess
import threading
import time
from typing import Callable

BARRIER = "karwan.epoch.started.v1"

# type, key, data, seconds since 1970 when it was read
OnEvent = Callable[[str, str, dict, float], None]


class Places:
    """Rule 5: an event's number in its partition is the next one, or it is not taken."""

    def __init__(self) -> None:
        self.last: dict[int, tuple[int, int]] = {}
        self.repeats = 0
        self.gaps = 0  # records beyond a hole; they come again behind what was missing

    def take(self, partition: int, sequence: str, is_barrier: bool = False) -> bool:
        epoch, number = (int(part) for part in sequence.split("-"))
        if partition not in self.last:
            self.last[partition] = (epoch, number)
            return True
        last_epoch, last = self.last[partition]
        restarts = is_barrier and epoch > last_epoch and number <= last + 1
        if restarts or (epoch >= last_epoch and number == last + 1):
            self.last[partition] = (epoch, number)
            return True
        if epoch >= last_epoch and number > last:
            self.gaps += 1
        else:
            self.repeats += 1
        return False


class Topic(threading.Thread):
    """Reads a topic from its beginning until close()."""

    def __init__(self, brokers: str, topic: str, on_event: OnEvent) -> None:
        super().__init__(name=topic, daemon=True)
        self.places, self.on_event, self.topic = Places(), on_event, topic
        self.failure = ""
        self._closing = False
        # the embedded broker answers an empty fetch only when its whole wait is over
        command = ["kcat", "-C", "-b", brokers, "-t", topic, "-o", "beginning", "-J", "-u", "-q",
                   "-X", "fetch.wait.max.ms=10"]
        # pylint: disable=consider-using-with
        self._kcat = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      text=True, encoding="utf-8")
        self.start()

    def run(self) -> None:
        assert self._kcat.stdout and self._kcat.stderr
        for line in self._kcat.stdout:
            at = time.time()
            record = json.loads(line)
            headers = dict(zip(record["headers"][::2], record["headers"][1::2]))
            kind = headers["ce_type"]
            if self.places.take(record["partition"], headers["ce_sequence"], kind == BARRIER):
                self.on_event(kind, record["key"], json.loads(record["payload"]), at)
        if not self._closing:
            self.failure = f"kcat of {self.topic}: {self._kcat.stderr.read().strip()}"

    def close(self) -> None:
        self._closing = True
        self._kcat.terminate()
        self._kcat.wait()
