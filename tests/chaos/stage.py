"""The system that a campaign breaks: in two replicas, each of its links through a proxy, its disks of a size that can be
changed, and the handles that faults need: processes, links, disks."""

import contextlib
import os
import pathlib
import signal
import struct
import subprocess
import sys
import threading
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / "scenario")]

from running import System  # noqa: E402

SERVICES = ("listing-ingestion", "order-routing", "payment-reconciliation", "courier-dispatch")
REPLICAS = 2
PROGRAMS = tuple(name if n == 1 else f"{name}.{n}" for name in SERVICES for n in range(1, REPLICAS + 1))
SERVERS = ("kafka", "postgres", "redis")
LINKS = tuple(f"{program}-{server}" for program in PROGRAMS for server in SERVERS)
SCHEMA = dict(zip(SERVICES, ("listing", "routing", "payment", "dispatch")))
DISKS = {"postgres": "data/postgres", "kafka": "data/kafka", "logs": "logs"}
DISK_MB = 6000  # more than a campaign fills
FILL_TRIES = 50
WAIT_S = 240  # a machine with much else to do starts Kafka in a minute


def service_of(program):
    return program.partition(".")[0]


def replicas_of(service):
    return [program for program in PROGRAMS if service_of(program) == service]


def until(seconds, look):
    """What `look` returns as soon as it is something; None after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        if found := look():
            return found
        if time.monotonic() >= end:
            return None
        time.sleep(0.05)


def wait(what, look, seconds=WAIT_S):
    if found := until(seconds, look):
        return found
    raise RuntimeError(f"after {seconds} s: not yet {what}")


class Links:
    """The program that every link goes through (links.c)."""

    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lock = threading.Lock()

    def tell(self, *words):
        with self.lock:
            self.process.stdin.write(" ".join(map(str, words)) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline().split(maxsplit=1)
        if not answer or answer[0] != "ok":
            raise RuntimeError(f"{words}: {answer}")
        return int(answer[1])

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def may_mount():
    """Why a disk of its own cannot be had, if so."""
    return None if os.geteuid() == 0 and subprocess.run(
        ["unshare", "--mount", "true"], check=False, stderr=subprocess.DEVNULL).returncode == 0 else "needs the right to mount"


class Stage(System):
    def __init__(self, root):
        super().__init__(root, "chaos", REPLICAS)
        self.links, self.disks = Links(f"{self.bin}/karwan-chaos-links"), {}

    def __enter__(self):
        try:
            self.verb("ports", str(REPLICAS), "kafka-controller", *(f"{program}-listener" for program in PROGRAMS))
            if not may_mount():
                self.mount()
            self.join()
            return super().__enter__()
        except BaseException:
            self.leave()
            raise

    def __exit__(self, *exc):
        self.wake_all()
        super().__exit__(*exc)
        self.leave()

    # disks

    def mount(self):
        for name, folder in DISKS.items():
            path = (self.dir / folder).resolve()
            path.mkdir(exist_ok=True)
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=755", "karwan-chaos", path], check=True)
            self.disks[name] = path

    def resize(self, name, size, check=True):
        return subprocess.run(["mount", "-o", f"remount,size={size}", self.disks[name]], check=check).returncode == 0

    def fill(self, name, left):
        """So many bytes are left. A disk is never made smaller than what is on it by then: so it is measured again."""
        for _ in range(FILL_TRIES):
            disk = os.statvfs(self.disks[name])
            if self.resize(name, (disk.f_blocks - disk.f_bfree) * disk.f_frsize + left, check=False):
                return
        raise RuntimeError(f"{name} grew faster than it could be measured")

    def leave(self):
        """What was made outside the folder; logs and data of a run that is to be looked at are kept."""
        self.links.close()
        for name, path in self.disks.items():
            kept = self.dir / f"{name}.kept"
            if name == "logs":
                subprocess.run(["cp", "-a", path, kept], check=False)
            subprocess.run(["umount", "--lazy", path], check=True)
            if name == "logs":
                subprocess.run(["cp", "-a", f"{kept}/.", path], check=False)
                subprocess.run(["rm", "-rf", kept], check=False)
        self.disks = {}

    # links

    def join(self):
        """Each service gets its servers' addresses as the proxies have them; Kafka tells each the one that it came by."""
        home = (self.dir / "data" / "kafka").resolve()
        home.mkdir(exist_ok=True)
        (self.dir / "more").mkdir()
        port, names, told = self.port("kafka"), [], {}
        for program in PROGRAMS:
            at = {"kafka": f"{program}-listener", "postgres": "postgres", "redis": "redis"}
            own = {server: self.links.tell("open", f"{program}-{server}", self.port(name)) for server, name in at.items()}
            name = f"LINK{len(names)}"
            names.append((name, self.port(f"{program}-listener")))
            told[name] = own["kafka"]
            (self.dir / "more" / program).write_text(
                f"KARWAN_KAFKA_BROKERS=127.0.0.1:{own['kafka']}\nKARWAN_REDIS_URL=redis://127.0.0.1:{own['redis']}\n"
                f"KARWAN_POSTGRES_DSN=postgresql://karwan_{SCHEMA[service_of(program)]}@127.0.0.1:{own['postgres']}/karwan"
                f"?passfile={self.dir}/secrets/pgpass\n"
                f"LD_PRELOAD={self.bin}/chaos-clock.so\nASAN_OPTIONS=verify_asan_link_order=0\n"
                f"CHAOS_CLOCK={self.clock(program)}\n", encoding="utf-8")
            self.clock(program).write_bytes(bytes(16))
        controller = self.port("kafka-controller")

        def listed(of):
            return "".join(f",{name}://127.0.0.1:{at}" for name, at in of)

        (home / "extra.properties").write_text(
            f"controller.quorum.voters=1@127.0.0.1:{controller}\n"
            f"listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{listed(names)}\n"
            f"advertised.listeners=PLAINTEXT://127.0.0.1:{port}{listed(told.items())}\n"
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"
            f"{''.join(f',{name}:PLAINTEXT' for name in told)}\n"
            "num.network.threads=1\n", encoding="utf-8")

    # clocks

    def clock(self, program):
        return self.dir / "more" / f"{program}.clock"

    def set_clock(self, program, offset_s=0.0, frozen_ns=0):
        """As clock.c has it, in place: the file is mapped."""
        with self.clock(program).open("r+b") as file:
            file.write(struct.pack("=qq", int(offset_s * 1e9), frozen_ns))

    # processes

    def pid(self, name):
        """Of a program that runs now; None between two starts."""
        try:
            pid, since = (self.dir / "run" / f"{name}.pid").read_text(encoding="utf-8").split()
            fields = pathlib.Path("/proc", pid, "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except (OSError, ValueError):
            return None
        return int(pid) if fields[19] == since and fields[0] not in "ZX" else None

    def running(self, name):
        return wait(f"{name} runs", lambda: self.pid(name))

    def kill(self, name, number):
        """A process that is gone by now was ended by another fault."""
        pid = self.running(name)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        return pid

    def hold(self, name):
        """From now on nobody starts it again."""
        self.kill(f"{name}.supervisor", signal.SIGSTOP)

    def release(self, name):
        self.kill(f"{name}.supervisor", signal.SIGCONT)

    def end(self, name, number):
        """It is gone when this returns, and stays away until it is released."""
        self.running(name)
        self.hold(name)
        if pid := self.pid(name):
            os.kill(pid, number)
        if not until(WAIT_S, lambda: not self.pid(name)):
            self.release(name)
            raise RuntimeError(f"{name} does not end")

    def hang_up(self):
        """Those that run read the partners file again; the others will."""
        for program in PROGRAMS:
            if pid := self.pid(program):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGHUP)

    def wake_all(self):
        """Nothing is stopped any more, whatever was done."""
        for file in (self.dir / "run").glob("*.pid"):
            if pid := self.pid(file.stem):
                for process in (pid, *children(pid)):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process, signal.SIGCONT)

    # looking

    def ready(self, program):
        url = f"http://127.0.0.1:{self.port(program + '-admin')}/readyz"
        done = subprocess.run(["curl", "-fs", "-m", "2", url], check=False, capture_output=True, text=True)
        return done.returncode == 0 and '"assigned":true' in done.stdout

    def not_ready(self):
        return [program for program in PROGRAMS if not self.ready(program)]


def children(pid):
    try:
        return [int(word) for word in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]
    except OSError:
        return []
