"""What every fuzz target begins with: its cases in corpus/ and what fixtures, schemas and vectors of the checkout give, in
OUT/<target>/; and OUT/<target>.dict, the words that stand in them (libFuzzer's dictionary). Arguments: the checkout,
OUT, and the targets (none: all)."""

import json
import pathlib
import re
import shutil
import sys

WORDS_MAX = 400
# what no fixture has at its beginning
SYNTAX = {
    "json": '{ } [ ] : , " \\ \\u0000 \\ud83e\\udde3 \\ud800 true false null -0 1e299 1e400 9223372036854775807 {} []',
    "csv": '" "" , ; \r\n \n \t "\n" \ufeff MAKERS HUBS LISTINGS SHOPIFY NDJSON channel maker weight',
    "values": '- . 0 9223372036854775807 T Z +05:00 :59:60Z 23:59:60 00- -01 PKR KWD = ==',
    "signature": '@b @h v1, v1= t= hmac-sha256-hex= Bearer 1772445600 , \n',
    "envelope": 'ce_specversion= 1.0 ce_id= ce_source= ce_type= ce_subject= ce_time= ce_sequence= content-type= traceparent= '
                'application/json application/cloudevents 000001-0000000000000000042 2026-03-02T09:15:00Z \n = \u0085',
    "http": 'GET POST HEAD /a HTTP/1.1 HTTP/1.0 Host: Content-Length: Transfer-Encoding: chunked Connection: close '
            'keep-alive Expect: 100-continue \r\n \r\n\r\n 0\r\n\r\n identity , : \t',
    "url": 'GET POST PUT / /v1/orders /cancel /v1/channels/ ? & = %41 %2F %D8%B4 + http:// limit',
}


def glob(root, *patterns):
    for pattern in patterns:
        for path in sorted(root.glob(pattern)):
            yield path.read_bytes()


def examples(root, *prefixes):
    """Examples of the messages' schemas, each behind the line with its type."""
    for path in sorted((root / "schemas" / "events").glob("*.json")):
        for example in json.loads(path.read_text(encoding="utf-8")).get("examples", ()):
            yield path.stem.encode() + b"\n" + json.dumps(example, ensure_ascii=False).encode()


def vectors(root):
    """First columns of the tables of vectors."""
    for path in sorted((root / "tests" / "vectors").glob("*.tsv")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                yield line.split("\t")[0].encode()


def nothing(_root):
    return ()


def bodies(root):
    return glob(root, "services/*/adapters/*/fixtures/*/payload.json", "services/*/adapters/*/fixtures/*.body.json")


def orders(root):
    """Bodies of webhooks; behind a line that says so, answers of APIs."""
    fixtures = "services/order-routing/adapters/*/fixtures/*/"
    yield from glob(root, fixtures + "payload.json")
    for page in glob(root, fixtures + "page.json"):
        yield b"answers\n" + page
    for path in sorted(root.glob(fixtures + "answer-1.json")):
        yield b"answers\n" + b"\n\n".join(glob(path.parent, "answer-*.json"))


# target: (its seeds, syntax of its dictionary)
TARGETS = {
    "json": (bodies, "json"),
    "fields_listing": (examples, "json"),
    "fields_routing": (examples, "json"),
    "fields_payment": (examples, "json"),
    "fields_dispatch": (examples, "json"),
    "orders": (orders, "json"),
    "payments": (lambda root: glob(root, "services/payment-reconciliation/adapters/*/fixtures/*.body.json"), "json"),
    "tracking": (lambda root: glob(root, "services/courier-dispatch/adapters/*/fixtures/*.body.json"), "json"),
    "values": (vectors, "values"),
    "signature": (nothing, "signature"),
    "envelope": (nothing, "envelope"),
    "url": (nothing, "url"),
    "http": (nothing, "http"),
    "partners": (lambda root: glob(root, "infra/dev/partners.json"), "json"),
    "import": (nothing, "csv"),
    "csv": (nothing, "csv"),
}


def quoted(word):
    return '"' + "".join(chr(b) if 0x20 <= b < 0x7F and b not in b'"\\' else f"\\x{b:02x}" for b in word) + '"'


def dictionary(seeds, syntax):
    """Short texts in quotes, without numbers that mean nothing to a reader."""
    words = [word.encode() for word in SYNTAX[syntax].split(" ") if word]
    for seed in seeds:
        words += (b'"' + word + b'"' for word in re.findall(rb'"([A-Za-z_][\w ./-]{0,39})"', seed))
    return [quoted(word) for word in dict.fromkeys(words)][:WORDS_MAX]


def main():
    root, out = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    for name in sys.argv[3:] or TARGETS:
        make, syntax = TARGETS[name]
        seeds = {f"{i:03}": seed for i, seed in enumerate(make(root))}
        kept = {path.name: path.read_bytes() for path in (root / "tests/fuzz/corpus" / name).glob("*")}
        if not seeds and not kept:
            raise SystemExit(f"{name} has nothing to begin with")
        folder = out / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for file, seed in (seeds | kept).items():
            (folder / file).write_bytes(seed)
        words = dictionary([*seeds.values(), *kept.values()], syntax)
        (out / f"{name}.dict").write_text("\n".join(words) + "\n", encoding="ascii")
    unknown = {path.name for path in (root / "tests/fuzz/corpus").iterdir()} - TARGETS.keys()
    if unknown:
        raise SystemExit(f"corpus of no target: {', '.join(sorted(unknown))}")


if __name__ == "__main__":
    main()
