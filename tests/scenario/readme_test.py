"""README.md's "first order by hand" and partner's part, as they stand there: every block of shell marked
`<!-- run: NAME -->` is run, in one shell, against a whole system of its own.
Argument: the checkout. Needs what `./karwan servers env` prints."""

import pathlib
import sys
import tempfile

from running import System
from shell import Shell, blocks_of

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


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    here = tempfile.TemporaryDirectory()
    cwd = pathlib.Path(here.name)
    with System(root, "readme") as system:
        (cwd / "karwan").write_text(KARWAN.format(dir=system.dir, root=root, bin=system.bin), encoding="utf-8")
        (cwd / "karwan").chmod(0o755)
        (cwd / ".karwan").symlink_to(system.dir)
        (cwd / "infra").symlink_to(root / "infra")
        shell = Shell(cwd, cwd)
        blocks = blocks_of(root / "README.md")
        for name, block in blocks.items():
            print(f"---- {name}\n{shell.type(block)}")
        shell.close()
        system.check_messages()
    system.remove()
    here.cleanup()
    print(f"{len(blocks)} blocks, {len(system.errors)} errors in the logs")
    return 0 if len(blocks) >= 12 and not system.errors else 1


if __name__ == "__main__":
    sys.exit(main())
