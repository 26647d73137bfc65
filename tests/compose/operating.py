"""Steps: a next release, and a database that is lost, by the commands that the documentation has for an operator."""

import pathlib
import sys

from stack import PROJECT, SERVICES, need, run, wait_for

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "upgrade"))

from releases import NEXT, alone, side_by_side  # noqa: E402
from restoring import partners_know, restored  # noqa: E402


def upgrade(stack):
    """Everybody twice for a while, the old beside the new."""
    load = stack.load()
    old = {name for service in SERVICES for name in stack.containers(service)}
    alone(stack, None)
    stack.env["TAG"] = "next"  # and whatever is started from now on
    stack.types("changes.md", "migrate")
    since = alone(stack, None)
    stack.types("changes.md", "beside")
    running = {name for service in SERVICES for name in stack.containers(service)}
    need(old < running and len(running) == 2 * len(old), f"beside {sorted(old)}: {sorted(running)}")
    wait_for("everybody to work", stack.all_ready)
    side_by_side(stack, since)
    stack.types("changes.md", "leave")
    running = {name for service in SERVICES for name in stack.containers(service)}
    need(not old & running and len(running) == len(old), f"after {sorted(old)}: {sorted(running)}")
    alone(stack, NEXT)
    print(f"  answers while upgraded: {load.end()}")
    return "upgraded"


class Postgres:
    """The stack's, as its operator sees it."""

    def __init__(self, stack):
        self.stack = stack

    def take(self):
        self.stack.types("backup.md", "take")

    def stop_archive(self):
        """What is written after a piece is on no other disk for a minute (archive_timeout)."""

    def lose(self):
        """Its machine is gone: no orderly end, and no volume."""
        self.stack.compose("kill", "postgres")
        self.stack.compose("rm", "--force", "postgres")
        run("docker", "volume", "rm", f"{PROJECT}_postgres")

    def restore(self, _copy):
        self.stack.types("backup.md", "restore", "recovered")

    def begin_epoch(self):
        self.stack.types("backup.md", "epoch")


def restore(stack):
    load = stack.load()
    restored(stack, Postgres(stack), load)
    print(f"  answers while PostgreSQL was lost and restored: {load.end()}")
    partners_know(stack)
    return "restored"
