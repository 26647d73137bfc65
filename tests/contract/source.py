"""What no C file of ours has: functions that are banned, text that was left for later, more lines than a person
reads at once. Argument: the checkout."""

import pathlib
import re
import sys

# lines of a file and of a function; tests are lists of cases and may be longer
LIMITS = {"common": (520, 75), "services": (520, 75), "infra": (520, 75), "tests": (750, 90)}

BANNED = re.compile(r"\b(v?sprintf|strn?cpy|strn?cat|strtok|ato[ifl]|atoll|strtod|gets|s?rand|localtime|gmtime|asctime"
                    r"|ctime|alloca)\s*\(")
SLEEP = re.compile(r"\b(u?sleep|nanosleep)\s*\(")
SHELL = re.compile(r"\b(system|popen)\s*\(")
LATER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
CODE = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])+'", re.S)

ALLOWED = {
    ("infra/simulators/courier/main.c", "strtod"),  # probabilities of the command line
}


def only_code(text):
    """Without comments and strings; line numbers stay."""
    return CODE.sub(lambda m: '""' + "\n" * m.group().count("\n"), text)


def functions(lines):
    """(first line, number of lines) of each function: its body's braces stand alone at the line's beginning."""
    begin = None
    for i, line in enumerate(lines):
        if line == "{":
            begin = i - 1
            while begin > 0 and lines[begin - 1].strip() and not lines[begin - 1].endswith((";", "}", "*/")) \
                    and not lines[begin - 1].startswith("#"):
                begin -= 1
        elif line == "}" and begin is not None:
            yield begin + 1, i - begin + 1
            begin = None


def faults(root, path):
    text = path.read_text(encoding="utf-8")
    name = path.relative_to(root).as_posix()
    part = name.split("/")[0]
    lines = text.splitlines()
    file_max, function_max = LIMITS[part]
    if len(lines) > file_max:
        yield f"{name}: {len(lines)} lines, more than {file_max}"
    for first, n in functions(lines):
        if n > function_max:
            yield f"{name}:{first}: a function of {n} lines, more than {function_max}"
    for i, line in enumerate(only_code(text).splitlines(), 1):
        banned = [m.group(1) for m in BANNED.finditer(line)]
        if part == "tests":
            banned += [m.group(1) for m in SLEEP.finditer(line)]
        else:
            banned += [m.group(1) for m in SHELL.finditer(line)]
        for call in banned:
            if (name, call) not in ALLOWED:
                yield f"{name}:{i}: {call}() is banned"
    for i, line in enumerate(lines, 1):
        for word in LATER.findall(re.sub(r'"(?:\\.|[^"\\])*"', "", line)):
            yield f"{name}:{i}: {word}"


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    paths = [path for part in LIMITS for path in sorted((root / part).rglob("*.[ch]"))]
    bad = n_functions = 0
    for path in paths:
        n_functions += sum(1 for _ in functions(path.read_text(encoding="utf-8").splitlines()))
        for fault in faults(root, path):
            print(fault)
            bad += 1
    print(f"{len(paths)} files, {n_functions} functions, {bad} faults")
    return 0 if n_functions and not bad else 1


if __name__ == "__main__":
    sys.exit(main())
