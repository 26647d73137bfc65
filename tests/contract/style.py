"""The form of the sources: every C file as the project's clang-format (version 14) writes it, every shell script without
a finding of shellcheck. Argument: the checkout. Ends with 77 (skipped) where there is only another clang-format."""

import pathlib
import re
import shutil
import subprocess
import sys

FOLDERS = ("common", "services", "infra", "tests", ".ci")
SHELL = re.compile(r"#!.*\b(ba|da)?sh\b|# shellcheck shell=")
VERSION = "14"


def sources(root):
    """C files; shell scripts that are run by themselves; their parts, which are checked where they are read."""
    c, scripts, parts = [], [root / "karwan"], []
    for path in sorted(path for folder in FOLDERS for path in (root / folder).rglob("*") if path.is_file()):
        if path.suffix in (".c", ".h"):
            c.append(path)
            continue
        with path.open("rb") as file:
            first = file.readline(200).decode("utf-8", "replace")
        if SHELL.match(first):
            (scripts if first.startswith("#!") else parts).append(path)
    return c, scripts, parts


def formatter():
    for name in ("clang-format-" + VERSION, "clang-format"):
        program = shutil.which(name)
        if program:
            told = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
            return program, re.search(r"version (\d+)", told).group(1)
    raise SystemExit("no clang-format: ./karwan install")


def run(command, root):
    """The findings, with paths as they are in the checkout."""
    done = subprocess.run(command, cwd=root, check=False, capture_output=True, text=True)
    text = (done.stdout + done.stderr).replace(f"{root}/", "")
    return text or ("" if done.returncode == 0 else f"{command[0]}: status {done.returncode}")


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    c, scripts, parts = sources(root)
    if not c or len(scripts) < 2 or not parts:
        raise SystemExit(f"{len(c)} C files, {len(scripts)} scripts, {len(parts)} parts: that is not the checkout")
    findings = run(["shellcheck", "--external-sources", "--check-sourced", *scripts], root)
    read = "".join(path.read_text(encoding="utf-8") for path in scripts)
    for part in parts:
        if f"shellcheck source={part.relative_to(root)}\n" not in read and \
                f"shellcheck source={part.name}\n" not in read:
            findings += f"{part.relative_to(root)}: no script names it in a shellcheck source=\n"
    program, version = formatter()
    if version == VERSION:
        findings += run([program, "--dry-run", "-Werror", *c], root)
    print(findings, end="")
    print(f"{len(c)} C files ({program}, version {version}), {len(scripts)} scripts, {len(parts)} parts of scripts")
    if findings:
        return 1
    return 0 if version == VERSION else 77


if __name__ == "__main__":
    sys.exit(main())
