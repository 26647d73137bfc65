"""Who includes whom. Argument: the checkout.

Libraries: core < json < {pg, bus, http, cache} < flow < svc; siblings never include each other, and nobody another's
impl.h. A service includes common libraries and itself. Decisions (model, rules, states and what is as pure) include the
core and each other. A third-party header is in one library alone; tests may take what they need."""

import pathlib
import re
import sys

BELOW = {
    "core": set(),
    "json": {"core"},
    "pg": {"core", "json"},
    "bus": {"core", "json"},
    "http": {"core", "json"},
    "cache": {"core", "json"},
    "flow": {"core", "json", "pg", "bus"},
    "svc": {"core", "json", "pg", "bus", "http", "cache", "flow"},
}
TOOLS_MAY = {"core", "json", "http"}  # programs in infra

THIRD_PARTY = {  # header, by its beginning: where it may be
    "jansson.h": ("common/json", "infra/dev/broker"),
    "libpq-fe.h": ("common/pg",),
    "librdkafka/rdkafka.h": ("common/bus", "infra/dev/broker"),
    "librdkafka/rdkafka_mock.h": ("infra/dev/broker",),
    "microhttpd.h": ("common/http",),
    "curl/": ("common/http",),
    "openssl/": ("common/http",),
    "hiredis/": ("common/cache",),
    "glib.h": ("services/courier-dispatch",),
    "cairo-pdf.h": ("services/courier-dispatch",),
    "fontconfig/": ("services/courier-dispatch",),
    "pango/": ("services/courier-dispatch",),
    "zint.h": ("services/courier-dispatch",),
    "sanitizer/": ("common/core",),
}
SYSTEM = re.compile(
    r"(arpa|linux|netinet|sys)/\w+\.h|(ctype|dirent|errno|fcntl|getopt|inttypes|limits|netdb|poll|pthread|pwd|signal|spawn"
    r"|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|strings|time|unistd|endian|sched|math)\.h")

PURE = re.compile(r"(model|rules\w*|states|allocate|stock)\.[ch]")
PURE_SYSTEM = {"ctype.h", "inttypes.h", "limits.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "string.h"}
IMPURE = re.compile(r"\b(fopen|fputs|fprintf|printf|puts|getenv|time|clock_gettime|kw_now|kw_monotonic_us|kw_log|kw_pg_\w+"
                    r"|kw_emit|kw_random\w*)\s*\(")

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.M)
CODE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)


class Tree:
    def __init__(self, root):
        self.root = root
        self.faults = []
        self.files = sorted(path.relative_to(root) for part in ("common", "services", "infra", "tests")
                            for path in (root / part).rglob("*.[ch]"))

    def fault(self, path, what):
        self.faults.append(f"{path}: {what}")

    def third_party(self, path, header):
        if SYSTEM.fullmatch(header):
            return
        for beginning, places in THIRD_PARTY.items():
            if header.startswith(beginning):
                if not any(path.is_relative_to(place) for place in places):
                    self.fault(path, f"<{header}> belongs to {' and '.join(places)}")
                return
        self.fault(path, f"<{header}> is neither the system's nor in the list of this test")

    def ours(self, path, header):
        part, owner = path.parts[0], path.parts[1]
        layer, _, name = header.partition("/")
        if ".." in pathlib.PurePath(header).parts:
            self.fault(path, f'"{header}" leaves its folder')
        elif layer in BELOW:
            if not (self.root / "common" / header).is_file():
                self.fault(path, f'"{header}" is not there')
            if part == "common" and layer != owner and layer not in BELOW[owner]:
                self.fault(path, f'"{header}": {layer} is not below {owner}')
            if part == "infra" and layer not in TOOLS_MAY:
                self.fault(path, f'"{header}": a tool includes {", ".join(sorted(TOOLS_MAY))} only')
            if name == "impl.h" and path.parts[:2] != ("common", layer):
                self.fault(path, f'"{header}" is private to {layer}')
        elif part == "common":
            self.fault(path, f'"{header}": a library\'s headers are named with their layer')
        elif not any((self.root / folder / header).is_file() for folder in (path.parent, pathlib.Path(part, owner))):
            self.fault(path, f'"{header}" is not of {owner}')

    def pure(self, path, text):
        for kind, header in INCLUDE.findall(text):
            if kind == "<" and header not in PURE_SYSTEM:
                self.fault(path, f"decides, and includes <{header}>")
            if kind == '"' and not header.startswith("core/") and not PURE.fullmatch(header):
                self.fault(path, f'decides, and includes "{header}"')
        for call in IMPURE.findall(CODE.sub(" ", text)):
            self.fault(path, f"decides, and calls {call}()")

    def check(self):
        pure = 0
        for path in self.files:
            text = (self.root / path).read_text(encoding="utf-8")
            if path.parts[0] == "tests":
                if '#include "../' in text:
                    self.fault(path, "includes by a path upwards")
                continue
            for kind, header in INCLUDE.findall(text):
                if kind == "<":
                    self.third_party(path, header)
                else:
                    self.ours(path, header)
            if path.parts[0] == "services" and PURE.fullmatch(path.name) and len(path.parts) == 3:
                pure += 1
                self.pure(path, text)
        return pure


def main():
    tree = Tree(pathlib.Path(sys.argv[1]).resolve())
    pure = tree.check()
    layers = {path.name for path in (tree.root / "common").iterdir() if path.is_dir()}
    for name in sorted(layers ^ set(BELOW)):
        tree.fault("common", f"{name} is not both a folder and a layer of this test")
    for fault in tree.faults:
        print(fault)
    print(f"{len(tree.files)} files, {pure} of them decide, {len(tree.faults)} faults")
    return 0 if tree.files and pure and not tree.faults else 1


if __name__ == "__main__":
    sys.exit(main())
