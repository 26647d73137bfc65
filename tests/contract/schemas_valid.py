"""Every schema of a message is valid JSON Schema 2020-12, and its examples are valid by it. Argument: schemas/."""

import json
import pathlib
import re
import sys

from jsonschema import Draft202012Validator, FormatChecker

formats = FormatChecker(formats=())
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@formats.checks("date-time")
def is_time(value):
    """Only the one form in which we write times."""
    return not isinstance(value, str) or TIME.fullmatch(value) is not None


@formats.checks("uuid")
def is_uuid(value):
    return not isinstance(value, str) or UUID.fullmatch(value) is not None


def no_doubles(pairs):
    names = [name for name, _ in pairs]
    if len(names) != len(set(names)):
        raise ValueError(f"a member twice: {names}")
    return dict(pairs)


def objects(schema, at=""):
    """All schemas of objects in a schema, with their place."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield at, schema
        for name, value in schema.items():
            if name not in ("examples", "enum"):
                yield from objects(value, f"{at}/{name}")


def faults(path):
    schema = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=no_doubles)
    if schema.get("$schema") != Draft202012Validator.META_SCHEMA["$id"]:
        yield "$schema is not Draft 2020-12"
    if schema.get("title") != path.stem:
        yield "the title is not the type"
    if not schema.get("description"):
        yield "no description"
    if not schema.get("examples"):
        yield "no examples"
    try:
        Draft202012Validator.check_schema(schema)
    except Exception as error:  # the library raises several kinds
        yield f"no valid schema: {error}"
        return
    for at, part in objects(schema):
        for name in part.get("required", []):
            if name not in part.get("properties", {}):
                yield f"{at}: {name} is required and not described"
    validator = Draft202012Validator(schema, format_checker=formats)
    for i, example in enumerate(schema.get("examples", [])):
        for error in validator.iter_errors(example):
            yield f"example {i} /{'/'.join(map(str, error.path))}: {error.message}"
    # a schema that says nothing would accept anything
    if schema.get("required") and validator.is_valid({}):
        yield "accepts an empty object"


def main():
    paths = sorted(pathlib.Path(sys.argv[1], "events").glob("*.json"))
    bad = 0
    for path in paths:
        for fault in faults(path):
            print(f"{path.name}: {fault}")
            bad += 1
    print(f"{len(paths)} schemas, {bad} faults")
    return 0 if paths and not bad else 1


if __name__ == "__main__":
    sys.exit(main())
