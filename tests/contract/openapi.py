"""schemas/openapi/<service>.yaml is valid OpenAPI 3.1, and says of every route just what the program tells (--describe): path,
method, who may ask, arguments, largest body, fields of bodies, every answer. Arguments: the checkout, the programs' folder."""

import copy
import json
import re
import sys

import documents
from documents import SERVICES, follow, schema_faults, set_faults, value_of

SIGNED = ("channel", "provider", "courier")


def validity_faults(document, path):
    from jsonschema import Draft202012Validator
    from openapi_spec_validator import OpenAPIV31SpecValidator
    faults = [f"not valid: /{'/'.join(map(str, error.absolute_path))}: {error.message}"
              for error in OpenAPIV31SpecValidator(document, base_uri=path.as_uri()).iter_errors()]
    for at, schema, example in examples(document):
        resolved = value_of(schema, document)
        if "anyOf" not in resolved:
            faults += [f"{at}: the example: {error.message}" for error in Draft202012Validator(resolved).iter_errors(example)]
    return faults


def examples(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for media in operation.get("requestBody", {}).get("content", {}).values():
                for example in media.get("examples", {}).values():
                    yield f"{method.upper()} {path}", media["schema"], example["value"]


def operations(document):
    return {(method.upper(), path): operation for path, methods in document["paths"].items()
            for method, operation in methods.items()}


def parameter_faults(at, operation, route):
    given = {place: {p["name"]: p for p in operation.get("parameters", []) if p["in"] == place}
             for place in ("path", "query", "header")}
    yield from set_faults(f"{at}: path", given["path"], re.findall(r":(\w+)", route["path"]))
    yield from set_faults(f"{at}: query", given["query"], [argument["name"] for argument in route["query"]])
    for argument in route["query"]:
        ours = given["query"].get(argument["name"], {"schema": {}})
        if ours.get("required", False) != argument["required"]:
            yield f"{at}: query {argument['name']}: required is {argument['required']} in the program"
        yield from set_faults(f"{at}: query {argument['name']}", ours["schema"].get("enum", []), argument.get("names", []))
    if route["auth"] not in SIGNED:  # what is signed, and how, is its adapter's business
        told = set(route.get("headers", "").split("|")) - {"", "Accept", "Content-Type"}  # no parameters, by OpenAPI
        yield from set_faults(f"{at}: header", given["header"], told)


def security_faults(at, operation, route, adapters):
    ours = {name for way in operation["security"] for name in way}
    told = {adapter["name"] for adapter in adapters if adapter["kind"] == route["auth"]} \
        if route["auth"] in SIGNED else {route["auth"]} - {"none"}
    yield from set_faults(f"{at}: security", ours, told)


def body_faults(at, operation, route, document):
    body = operation.get("requestBody")
    if (body is not None) != (route["body"] != "none"):
        yield f"{at}: a body in {'the document' if body else 'the program'} alone"
        return
    if body is None:
        return
    if body.get("x-max-bytes") != route["body_max"] or not body.get("required"):
        yield f"{at}: the body is required, and at most {route['body_max']} bytes"
    yield from set_faults(f"{at}: body", body["content"], route["media"].split("|"))
    if "schema" in route:
        told = json.loads(route["schema"])
        for media in body["content"].values():
            yield from schema_faults(f"{at}: body", value_of(media["schema"], document), value_of(told, told))


def answer_faults(at, operation, route, document):
    ours = {}
    for status, response in operation["responses"].items():
        response = follow(document, response["$ref"]) if "$ref" in response else response
        for media, content in response.get("content", {}).items():
            ours[int(status), media] = content
    told = {(answer["status"], answer["media"]): answer for answer in route["answers"]}
    yield from set_faults(f"{at}: answers", ours, told)
    for key in sorted(set(ours) & set(told)):
        if "schema" in told[key]:
            schema = json.loads(told[key]["schema"])
            yield from schema_faults(
                f"{at}: {key[0]}", value_of(ours[key].get("schema", {}), document), value_of(schema, schema))


def faults_of(document, told):
    ours = operations(document)
    routes = {(route["method"], re.sub(r":(\w+)", r"{\1}", route["path"])): route for route in told["routes"]}
    yield from set_faults("routes", [" ".join(key) for key in ours], [" ".join(key) for key in routes])
    for key in sorted(set(ours) & set(routes)):
        at, operation, route = " ".join(key), ours[key], routes[key]
        yield from parameter_faults(at, operation, route)
        yield from security_faults(at, operation, route, told["adapters"])
        yield from body_faults(at, operation, route, document)
        yield from answer_faults(at, operation, route, document)


# ---- what the comparison must see: each change of the document, each of the program ----

def mutants(document, told):
    for key, operation in operations(document).items():
        pointer = f"#/paths/{key[1].replace('/', '~1')}/{key[0].lower()}"
        yield f"{key} is gone", documents.changed(
            document, f"#/paths/{key[1].replace('/', '~1')}", lambda at, m=key[0].lower(): at.pop(m)), told
        for status in operation["responses"]:
            yield f"{key}: {status} is gone", documents.changed(
                document, f"{pointer}/responses", lambda at, s=status: at.pop(s)), told
        for i in range(len(operation.get("parameters", []))):
            if operation["parameters"][i]["in"] != "header":
                yield f"{key}: parameter {i} is gone", documents.changed(
                    document, f"{pointer}/parameters", lambda at, i=i: at.pop(i)), told
        if "requestBody" in operation:
            yield f"{key}: another limit", documents.changed(
                document, f"{pointer}/requestBody", lambda at: at.update({"x-max-bytes": 1})), told
        yield f"{key}: nobody is asked for", documents.changed(document, pointer, lambda at: at.update(security=[])), told
    for name, schema in document["components"]["schemas"].items():
        for member in schema.get("properties", {}):
            yield f"{name}/{member} is gone", documents.changed(
                document, f"#/components/schemas/{name}/properties", lambda at, m=member: at.pop(m)), told
            yield f"{name}/{member} is a boolean or null", documents.changed(
                document, f"#/components/schemas/{name}/properties", lambda at, m=member: at.update({m: {"type": "null"}})), told
    for i in range(len(told["routes"])):
        yield f"route {i} is new", document, {**told, "routes": told["routes"][:i] + told["routes"][i + 1:]}
        fewer = copy.deepcopy(told)
        fewer["routes"][i]["answers"].pop()
        yield f"route {i} has an answer less", document, fewer


def mutant_faults(document, told):
    return [f"nobody sees: {what}" for what, changed, program in mutants(document, told)
            if not any(True for _ in faults_of(changed, program))]


def currency_faults(root, told):
    ours = json.loads((root / "schemas" / "currencies.json").read_text(encoding="utf-8"))
    return list(set_faults("currencies.json", ours.items(), [(c["code"], c["digits"]) for c in told["currencies"]]))


def main():
    root, bin_dir = documents.paths_of(sys.argv[1:])
    documents.use_validators(root)
    faults, n = [], 0
    files = {path.stem for path in (root / "schemas" / "openapi").glob("*.yaml")}
    faults += set_faults("schemas/openapi", files, SERVICES)
    for service in sorted(files & set(SERVICES)):
        path = root / "schemas" / "openapi" / f"{service}.yaml"
        document, told = documents.read_yaml(path), documents.told_by(bin_dir, service)
        n += len(told["routes"])
        found = [*validity_faults(document, path), *faults_of(document, told), *currency_faults(root, told)]
        faults += [f"{path.name}: {fault}" for fault in found or mutant_faults(document, told)]
    return documents.report(faults, f"{len(files)} documents, {n} routes")


if __name__ == "__main__":
    sys.exit(main())
