"""docker-compose.yml as an operator has it, on stand-ins of the official images: what the file says, what the images are, the stack
started, scaled 1-4-2 under load, restarted, refused, drained, upgraded, restored, and clean in the end. Each step is a function with the stack.
Arguments: the checkout, a folder to work in, the steps (none: all). Started by tests/compose/run."""

import pathlib
import signal
import sys
import time

# not by PYTHONPATH: docker-compose would find the validators' libraries in the place of its own
sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(pathlib.Path(sys.argv[1], ".karwan", "python"))]

import faults  # noqa: E402
import gateway  # noqa: E402
import images  # noqa: E402
import operating  # noqa: E402
import scaling  # noqa: E402
import start  # noqa: E402
from stack import Stack, Wrong  # noqa: E402

# in this order; a step needs what those of START made
FILES = (start.what_the_file_says, images.what_they_are)
START = (start.up, start.nothing_else_is_published, start.memory, scaling.demo)
STEPS = (gateway.paths, gateway.limits, gateway.tls, scaling.one_four_two, scaling.restarts, scaling.killed, faults.no_replica, faults.kafka_away,
         faults.what_is_wrong_is_said, faults.comes_back_by_itself, scaling.stop_drains, operating.upgrade, operating.restore, start.clean, gateway.rate)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started goes
    stack = Stack(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve())
    wanted = sys.argv[3:]
    done, began = [], time.monotonic()
    try:
        with stack:
            for step in (*FILES, *START, *STEPS):
                if wanted and step.__name__ not in wanted and step not in START:
                    continue
                begin = time.monotonic()
                done += [step(stack)]
                print(f"  {step.__name__.replace('_', ' ')}: {time.monotonic() - begin:.0f} s", flush=True)
    except Wrong as error:
        print(f"compose: {error}")
        return 1
    print(f"compose: {time.monotonic() - began:.0f} s with {'docker-compose 1.29 and ' if stack.v1 else ''}compose v2")
    print("compose: " + ", ".join(text for text in done if text))
    return 0


sys.exit(main())
