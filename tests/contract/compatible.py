"""What may change while old and new programs run side by side (docs/changes.md), held against the last release:
schemas/released.json has its messages, topics and migrations. Arguments: the checkout [--record].
--record writes released.json anew, as a part of making a release."""

import hashlib
import json
import pathlib
import re
import sys

TOLD = ("description", "examples", "title", "$schema", "$defs")  # says nothing of what is valid
EMBEDDED = ("common/flow/sql", "services/*/sql")


# ---- messages ----

def resolved(schema, root):
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    return schema


def facts(schema, root, at="", required=True):
    """Pointer of each member: all that decides what is valid there."""
    schema = resolved(schema, root)
    kept = [f"{name}={value if isinstance(value, str) else json.dumps(value, sort_keys=True)}"
            for name, value in sorted(schema.items()) if name not in TOLD + ("properties", "required", "items")]
    yield at, ("* " if required else "") + " ".join(kept)
    for name, part in schema.get("properties", {}).items():
        yield from facts(part, root, f"{at}/{name}", name in schema.get("required", []))
    if "items" in schema:
        yield from facts(schema["items"], root, f"{at}/*")


def messages(root):
    found = {}
    for path in sorted((root / "schemas" / "events").glob("*.json")):
        schema = json.loads(path.read_text(encoding="utf-8"))
        found[path.stem] = dict(facts(schema, schema))
    return found


def changed_messages(old, new):
    for name, before in old.items():
        after = new.get(name)
        if after is None:
            yield f"{name}: is gone"
            continue
        for at, fact in before.items():
            if at not in after:
                yield f"{name}{at}: is gone"
            elif after[at] != fact:
                yield f"{name}{at}: was {fact}, is {after[at]}"
        for at, fact in after.items():
            parent = at.rsplit("/", 1)[0]
            if at not in before and parent in before and fact.startswith("* "):
                yield f"{name}{at}: is new and required"


# ---- topics ----

def topics(root):
    told = json.loads((root / "schemas" / "topics.json").read_text(encoding="utf-8"))["topics"]
    return {topic["name"]: topic["partitions"] for topic in told}


def changed_topics(old, new):
    for name, partitions in old.items():
        if new.get(name) != partitions:
            yield f"topic {name}: had {partitions} partitions, has {new.get(name)}"


# ---- migrations ----

# what stops those who write for longer than a moment, or what programs of the release before still need
NEVER = [
    (r"\bDROP\s+(TABLE|COLUMN)\b|\bDROP\s+(?!CONSTRAINT|DEFAULT|NOT|VIEW|FUNCTION|INDEX|TRIGGER)\w+\s*[,;]", "drops what is in use"),
    (r"\bRENAME\b", "renames what is in use"),
    (r"\bALTER\s+(COLUMN\s+)?\w+\s+(SET\s+DATA\s+)?TYPE\b", "rewrites a table"),
    (r"\bSET\s+NOT\s+NULL\b", "reads a whole table under a lock"),
    (r"\bLOCK\s+TABLE\b|\bVACUUM\b|\bCLUSTER\b|\bREINDEX\b", "locks a table"),
    (r"\bTRUNCATE\b", "empties a table"),
]


def statements(text):
    """Without comments, texts, and bodies of functions."""
    text = re.sub(r"--[^\n]*", "", text)
    text = re.sub(r"(\$\w*\$).*?\1", "''", text, flags=re.S)
    text = re.sub(r"'(?:[^']|'')*'", "''", text)
    return [" ".join(part.split()) for part in text.split(";") if part.strip()]


def locks(text):
    """What a migration of a running system must not do. Tables that it makes itself are nobody's yet."""
    own = set()
    for statement in statements(text):
        if made := re.match(r"CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?(\w+)", statement, re.I):
            own.add(made[1])
            continue
        indexed = re.match(r"CREATE (?:UNIQUE )?INDEX (IF NOT EXISTS )?\w+ ON (?:ONLY )?(\w+)", statement, re.I)
        if indexed and indexed[2] not in own and not indexed[1]:
            yield f"builds an index under a lock: {statement}"
        altered = re.match(r"ALTER TABLE (?:IF EXISTS )?(?:ONLY )?(\w+)", statement, re.I)
        if altered and altered[1] in own:
            continue
        for pattern, why in NEVER:
            if re.search(pattern, statement + ";", re.I) and not re.match(r"(GRANT|REVOKE|ALTER (VIEW|FUNCTION|INDEX))\b", statement, re.I):
                yield f"{why}: {statement}"
        for added in re.finditer(r"\bADD (?:COLUMN )?(?:IF NOT EXISTS )?(.*?)(?=, ADD |$)", statement if altered else "", re.I):
            if re.match(r"(CONSTRAINT|CHECK|FOREIGN|UNIQUE|PRIMARY|EXCLUDE)\b", added[1], re.I):
                if not re.search(r"\bNOT VALID\b", added[1], re.I):
                    yield f"reads a whole table under a lock (NOT VALID first): {statement}"
            elif re.search(r"\bNOT NULL\b", added[1], re.I) and not re.search(r"\bDEFAULT\b", added[1], re.I):
                yield f"a column that programs of the release before do not fill: {statement}"
        if re.match(r"UPDATE (?!.*\bWHERE\b)|DELETE FROM (?!.*\bWHERE\b)", statement, re.I):
            yield f"changes every row at once: {statement}"


def migrations(root):
    return {str(path.relative_to(root)): path.read_text(encoding="utf-8")
            for pattern in EMBEDDED for path in sorted(root.glob(f"{pattern}/*.sql"))}


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def changed_migrations(old, new):
    for name, was in old.items():
        if name not in new:
            yield f"{name}: was released, and is gone"
        elif digest(new[name]) != was:
            yield f"{name}: was released, and is another: add a new one"
    for name, text in new.items():
        if name not in old:
            yield from (f"{name}: {fault}" for fault in locks(text))


# ---- the check's own check ----

def mutants(released):
    """Each is a change that must be found: name, faults."""
    name, before = "karwan.parcel.booked.v1", released["messages"]["karwan.parcel.booked.v1"]

    def message(**changes):
        after = {at: fact for at, fact in {**before, **changes}.items() if fact is not None}
        return list(changed_messages(released["messages"], {**released["messages"], name: after}))

    yield "a member less", message(**{"/weight_g": None})
    yield "another type", message(**{"/weight_g": '* type=string'})
    yield "optional now", message(**{"/weight_g": before["/weight_g"].removeprefix("* ")})
    yield "required now", message(**{"/label_url": '* type=string'})
    yield "new and required", message(**{"/insured": '* type=boolean'})
    yield "a topic with more partitions", list(changed_topics(released["topics"], {**released["topics"], "karwan.orders.in": 24}))
    for sql in ("ALTER TABLE orders ADD gift text NOT NULL", "ALTER TABLE orders DROP COLUMN total", "DROP TABLE orders",
                "ALTER TABLE orders RENAME total TO sum", "ALTER TABLE orders ALTER total TYPE numeric", "UPDATE orders SET total = 0",
                "CREATE INDEX orders_total ON orders (total)", "ALTER TABLE orders ADD CHECK (total > 0)",
                "ALTER TABLE orders ALTER total SET NOT NULL", "LOCK TABLE orders"):
        yield sql, list(locks(sql + ";"))


def allowed(released):
    name, before = "karwan.parcel.booked.v1", released["messages"]["karwan.parcel.booked.v1"]
    after = {**before, "/gift": 'type=object', "/gift/note": '* type=string'}
    yield "a new optional member", list(changed_messages(released["messages"], {**released["messages"], name: after}))
    for sql in ("ALTER TABLE orders ADD gift text", "ALTER TABLE orders ADD gift boolean NOT NULL DEFAULT false",
                "CREATE TABLE gifts (id uuid); CREATE INDEX gifts_id ON gifts (id); ALTER TABLE gifts ADD CHECK (id IS NOT NULL)",
                "ALTER TABLE orders ADD CONSTRAINT positive CHECK (total > 0) NOT VALID", "CREATE INDEX IF NOT EXISTS i ON orders (total)",
                "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ LOCK TABLE orders $$", "GRANT UPDATE ON orders TO karwan_routing",
                "ALTER TABLE orders SET (fillfactor = 50)", "UPDATE orders SET cod = false WHERE order_id = '1'"):
        yield sql, list(locks(sql + ";"))


def main():
    root = pathlib.Path(sys.argv[1])
    file = root / "schemas" / "released.json"
    if sys.argv[2:] == ["--record"]:
        record = {"messages": messages(root), "topics": topics(root),
                  "migrations": {name: digest(text) for name, text in migrations(root).items()}}
        file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        return 0
    released = json.loads(file.read_text(encoding="utf-8"))
    faults = [*changed_messages(released["messages"], messages(root)), *changed_topics(released["topics"], topics(root)),
              *changed_migrations(released["migrations"], migrations(root)),
              *(f"not found: {name}" for name, found in mutants(released) if not found),
              *(f"refused, and is allowed: {name}: {found}" for name, found in allowed(released) if found)]
    for fault in faults:
        print(fault)
    print(f"{len(released['messages'])} messages, {len(released['migrations'])} migrations, {len(faults)} faults (docs/changes.md)")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
