"""Blocks of shell that a page of the documentation has, run as they stand there, in one shell. Each is marked
`<!-- run: NAME -->`; `until: TEXT`: it is run again until it prints TEXT, as a person would ask again."""

import re
import subprocess
import time

BLOCK = re.compile(r"<!-- run: (?P<name>[\w-]+)(?:, until: (?P<until>[^\n]+?))? -->\n```sh\n(?P<text>.*?)\n```\n", re.S)
END = "::the block ends:"
WAIT_S = 120


def blocks_of(page):
    """By name, in the page's order."""
    return {block["name"]: block for block in BLOCK.finditer(page.read_text(encoding="utf-8"))}


class Shell:
    """scratch: a folder for the block that is run."""

    def __init__(self, cwd, scratch, env=None):
        self.scratch = scratch
        self.bash = subprocess.Popen(["bash", "--norc"], cwd=cwd, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, text=True)

    def run(self, text):
        """Exit status and output of a block; what it defines stays for the next."""
        file = self.scratch / "block.sh"
        file.write_text(text + "\n", encoding="utf-8")
        self.bash.stdin.write(f'. {file} </dev/null; echo "{END} $?"\n')
        self.bash.stdin.flush()
        output = ""
        for line in self.bash.stdout:
            head, found, status = line.partition(END)
            output += head
            if found:
                return int(status), output
        raise SystemExit(f"the shell ended\n{output}")

    def type(self, block):
        """Its output, when it has succeeded and printed what it is to print."""
        end, until = time.monotonic() + WAIT_S, block["until"] or ""
        while True:
            status, output = self.run(block["text"])
            if status == 0 and until in output:
                return output
            if time.monotonic() > end or not until:
                raise SystemExit(f"{block['name']}: status {status}, and not '{until}':\n{output}")

    def close(self):
        self.bash.stdin.close()
        self.bash.wait()
