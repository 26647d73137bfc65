"""What the tests of OpenAPI and AsyncAPI documents share: YAML without doubles, schemas by value. The validators are in
.karwan/python (infra/dev/validators.txt), apart from what the machine has."""

import copy
import json
import pathlib
import subprocess
import sys

SERVICES = ("listing-ingestion", "order-routing", "payment-reconciliation", "courier-dispatch")
NOTES = {"description", "example", "examples", "title", "summary", "deprecated"}


def use_validators(root):
    folder = root / ".karwan" / "python"
    if not (folder / "complete").exists():
        raise SystemExit("the validators are not there: ./karwan install")
    sys.path.insert(0, str(folder))


def read_yaml(path):
    import yaml

    class Loader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):
        """Refuses a member that is there twice."""

    def mapping(loader, node):
        names = [loader.construct_object(key) for key, _ in node.value]
        if len(names) != len(set(names)):
            raise SystemExit(f"{path.name}:{node.start_mark.line + 1}: a member twice: {names}")
        return loader.construct_mapping(node, deep=True)

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    return yaml.load(path.read_text(encoding="utf-8"), Loader)


def told_by(bin_dir, service):
    return json.loads(subprocess.run([bin_dir / service, "--describe"], check=True, capture_output=True, text=True).stdout)


def follow(document, pointer):
    at = document
    for part in pointer.removeprefix("#/").split("/"):
        at = at[part.replace("~1", "/").replace("~0", "~")]
    return at


def value_of(schema, document):
    """A schema without references and notes, so that two can be compared."""
    if isinstance(schema, list):
        return [value_of(part, document) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        if not schema["$ref"].startswith("#/"):
            return {"$ref": schema["$ref"]}
        return value_of(follow(document, schema["$ref"]), document)
    value = {name: ({k: value_of(v, document) for k, v in part.items()} if name == "properties" else value_of(part, document))
             for name, part in schema.items() if name not in NOTES and name != "$defs"}
    if isinstance(value.get("required"), list):
        value["required"] = sorted(value["required"])
        if not value["required"]:
            del value["required"]
    return value


def schema_faults(at, ours, told):
    """Where two values of schemas differ, by member."""
    if type(ours) is not type(told) or not isinstance(ours, dict):
        if ours != told:
            yield f"{at}: {ours!r} in the document, {told!r} in the program"
        return
    for name in sorted(set(ours) | set(told)):
        if name not in told:
            yield f"{at}/{name}: in the document alone"
        elif name not in ours:
            yield f"{at}/{name}: in the program alone"
        else:
            yield from schema_faults(f"{at}/{name}", ours[name], told[name])


def set_faults(at, ours, told):
    ours, told = set(ours), set(told)
    yield from (f"{at}: {name} is in the document alone" for name in sorted(ours - told, key=str))
    yield from (f"{at}: {name} is in the program alone" for name in sorted(told - ours, key=str))


def changed(document, pointer, change):
    """A copy in which one place is changed."""
    copied = copy.deepcopy(document)
    change(follow(copied, pointer))
    return copied


def report(faults, what):
    for fault in faults:
        print(fault)
    print(f"{what}, {len(faults)} faults")
    return 1 if faults else 0


def paths_of(arguments):
    return pathlib.Path(arguments[0]).resolve(), pathlib.Path(arguments[1]).resolve()
