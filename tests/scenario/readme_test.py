"""README.md's "first order by hand" and partner's part, as they stand there: every block of shell marked
`<!-- run: NAME -->` is run, in one shell, against a whole system of its own. `until: TEXT`: the block is run again
until it prints TEXT, as a person would ask again. Argument: the checkout. Needs what `./karwan servers env` prints."""

import pathlib
import re
import subprocess
import sys
import tempfile
import time

from running import System

BLOCK = re.compile(r"<!-- run: (?P<name>[\w-]+)(?:, until: (?P<until>[^\n]+?))? -->\n```sh\n(?P<text>.*?)\n```\n", re.S)
END = "::the block ends:"
WAIT_S = 60

# What `./karwan` is in a run of `up`, for the run in DIR.
KARWAN = """#!/usr/bin/env bash
set -euo pipefail
case $1 in
env) cat "{dir}/env" ;;
ctl)
	shift
	mapfile -t settings <"{dir}/env"
	env -i "PATH=$PATH" "${{settings[@]}}" KARWAN_TOPICS_FILE="{root}/schemas/topics.json" "{bin}/karwanctl" "$@"
	;;
*) exit 64 ;;
esac
"""


class Shell:
    def __init__(self, cwd):
        self.cwd = cwd
        self.bash = subprocess.Popen(["bash", "--norc"], cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, text=True)

    def run(self, text):
        """Exit status and output of a block; what it defines stays for the next."""
        (self.cwd / "block.sh").write_text(text + "\n", encoding="utf-8")
        self.bash.stdin.write(f'. ./block.sh </dev/null; echo "{END} $?"\n')
        self.bash.stdin.flush()
        output = ""
        for line in self.bash.stdout:
            head, found, status = line.partition(END)
            output += head
            if found:
                return int(status), output
        raise SystemExit(f"the shell ended\n{output}")

    def close(self):
        self.bash.stdin.close()
        self.bash.wait()


def run_blocks(root, shell):
    blocks = list(BLOCK.finditer((root / "README.md").read_text(encoding="utf-8")))
    for block in blocks:
        end, until = time.monotonic() + WAIT_S, block["until"] or ""
        while True:
            status, output = shell.run(block["text"])
            if status == 0 and until in output:
                break
            if time.monotonic() > end or not until:
                raise SystemExit(f"{block['name']}: status {status}, and not '{until}':\n{output}")
        print(f"---- {block['name']}\n{output}")
    return len(blocks)


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    here = tempfile.TemporaryDirectory()
    cwd = pathlib.Path(here.name)
    with System(root, "readme") as system:
        (cwd / "karwan").write_text(KARWAN.format(dir=system.dir, root=root, bin=system.bin), encoding="utf-8")
        (cwd / "karwan").chmod(0o755)
        (cwd / ".karwan").symlink_to(system.dir)
        (cwd / "infra").symlink_to(root / "infra")
        shell = Shell(cwd)
        n = run_blocks(root, shell)
        shell.close()
        system.check_messages()
    system.remove()
    here.cleanup()
    print(f"{n} blocks, {len(system.errors)} errors in the logs")
    return 0 if n >= 12 and not system.errors else 1


if __name__ == "__main__":
    sys.exit(main())
