"""Rules, boards, pages and programs say the same: a metric that is named anywhere is one of a program, with these labels, and
docs/metrics.md lists all; each alert has its runbook and its two tests; boards are well formed, and speak to the data source
that is provisioned.
Arguments: the checkout, the folder of the programs; --write: writes the table into docs/metrics.md instead."""

import pathlib
import re
import sys

import look

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "contract"))
import documents  # noqa: E402

TABLE = re.compile(r"(<!-- metrics -->\n)((?:\|.*\n)*)")
HEAD = "| metric | kind | labels | services | what |\n|---|---|---|---|---|\n"
TITLES = {"Orders", "Flow", "Money", "Machines"}
LABELS_OF_PROMETHEUS = {"job", "instance", "service", "le", "alertname", "severity", "alertstate"}
GRID = 24


def table(metrics):
    rows = (f"| `{name}` | {m['kind']} | {', '.join(f'`{label}`' for label in m['labels'])} | "
            f"{'all' if len(m['services']) == len(look.SERVICES) else ', '.join(m['services'])} | {m['help']} |\n"
            for name, m in sorted(metrics.items()))
    return HEAD + "".join(rows)


def page_faults(root, metrics):
    page = (root / "docs" / "metrics.md").read_text(encoding="utf-8")
    have, want = TABLE.search(page)[2].splitlines(), table(metrics).splitlines()
    yield from (f"docs/metrics.md: not there: {line}" for line in want if line not in have)
    yield from (f"docs/metrics.md: no program says so: {line}" for line in have if line not in want)


def named_faults(root, metrics):
    """No name that no program has; no metric in a source that no program tells."""
    places = [(f"{board}: {panel}", query) for board, panel, query in look.queries(root)]
    places += [(f"alert {name}", re.search(r"expr: (.*?)\n +(?:for|labels|#)", part, re.S)[1]) for name, part in look.alerts(root).items()]
    for where, query in places:
        yield from (f"{where}: {name} is no metric" for name in sorted(look.families(query, metrics) - set(metrics)))
        used = {label for name in look.families(query, metrics) & set(metrics) for label in metrics[name]["labels"]}
        asked = {label for part in re.findall(r"\b(?:by|on|without) \(([^)]*)\)", query) for label in re.findall(r"\w+", part)}
        yield from (f"{where}: {label} is no label of {query}" for label in sorted(asked - used - LABELS_OF_PROMETHEUS))
    for path in [root / "README.md", *(root / "docs").glob("*.md"), *(root / "services").glob("*/README.md")]:
        for name in re.findall(r"`(karwan_[a-z_]+)`", path.read_text(encoding="utf-8")):
            if name not in metrics and not name.startswith(("karwan_listing", "karwan_routing", "karwan_payment", "karwan_dispatch",
                                                            "karwan_operator", "karwan_admin", "karwan_owner")):
                yield f"{path.relative_to(root)}: {name} is no metric"
    for path in [*(root / "common").rglob("*.c"), *(root / "services").rglob("*.c")]:
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r'"((?:karwan|process)_[a-z_]+)",', text if "KW_GAUGE" in text or "KW_COUNTER" in text else ""):
            if name not in metrics:
                yield f"{path.relative_to(root)}: {name} is not told by --describe"


def alert_faults(root):
    runbooks = (root / "docs" / "runbooks.md").read_text(encoding="utf-8")
    anchors = {title.lower().replace(" ", "-") for title in re.findall(r"^## (.*)$", runbooks, re.M)}
    tests = (root / "tests" / "look" / "alerts.yml").read_text(encoding="utf-8")
    alerts = look.alerts(root)
    for name, part in alerts.items():
        if f"runbook: docs/runbooks.md#{name.lower()}\n" not in part + "\n" or name.lower() not in anchors:
            yield f"alert {name}: no runbook"
        if "severity: " not in part or "summary: " not in part:
            yield f"alert {name}: no severity or summary"
        for case in ("fires", "is quiet"):
            if f"- name: {name} {case}\n" not in tests:
                yield f"alert {name}: no test that it {case}"
    yield from (f"docs/runbooks.md: {anchor} is no alert" for anchor in sorted(anchors - {name.lower() for name in alerts}))


def panel_faults(panels):
    """Ids, places on the grid, queries."""
    taken = {}
    for panel in panels:
        title, at = panel.get("title"), panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        if at["x"] < 0 or at["x"] + at["w"] > GRID or not cells:
            yield f"{title}: not on the grid"
        yield from {f"{title}: over {taken[cell]}" for cell in cells & set(taken)}
        taken |= dict.fromkeys(cells, title)
        refs = [target.get("refId") for target in panel.get("targets", [])]
        if not title or not refs or len(set(refs)) != len(refs) or not all(target.get("expr") for target in panel["targets"]):
            yield f"{title}: no title, or a target without a query or a name of its own"
    ids = [panel["id"] for panel in panels]
    if len(set(ids)) != len(ids):
        yield "ids of panels are not unique"


def board_faults(root):
    provisioning = root / "infra" / "grafana" / "provisioning"
    (source,) = documents.read_yaml(provisioning / "datasources" / "prometheus.yml")["datasources"]
    (provider,) = documents.read_yaml(provisioning / "dashboards" / "karwan.yml")["providers"]
    uid = source["uid"]
    if source["type"] != "prometheus" or provider["type"] != "file" or not provider["options"]["path"].startswith("/"):
        yield f"provisioning: {source}, {provider}"
    boards = look.boards(root)
    if {board["title"] for board in boards.values()} != TITLES or len({board["uid"] for board in boards.values()}) != len(TITLES):
        yield f"boards are {sorted(board['title'] for board in boards.values())}, or share a uid"
    for name, board in boards.items():
        yield from (f"{name}: {fault}" for fault in panel_faults(board["panels"]))
        for part in [*board["panels"], *(target for panel in board["panels"] for target in panel["targets"])]:
            if part.get("datasource") != {"type": "prometheus", "uid": uid}:
                yield f"{name}: {part.get('title') or part.get('expr')}: not of the data source {uid}"


def sample_faults():
    """The checks above, checked: two panels that lie on each other, with one id, one of them without a query."""
    place = {"x": 0, "y": 0, "w": 24, "h": 8}
    wrong = [{"id": 1, "title": "a", "gridPos": place, "targets": [{"refId": "A", "expr": "1"}]},
             {"id": 1, "title": "b", "gridPos": place, "targets": [{"refId": "A"}]}]
    found = list(panel_faults(wrong))
    return [] if len(found) == 3 else [f"the sample of a board gives {found}"]


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--write"]
    root = pathlib.Path(arguments[0]).resolve()
    documents.use_validators(root)
    metrics = look.told(arguments[1])
    if "--write" in sys.argv:
        page = root / "docs" / "metrics.md"
        page.write_text(TABLE.sub(lambda found: found[1] + table(metrics), page.read_text(encoding="utf-8")), encoding="utf-8")
    faults = [*page_faults(root, metrics), *named_faults(root, metrics), *alert_faults(root), *board_faults(root), *sample_faults()]
    for fault in faults:
        print(fault)
    print(f"{len(metrics)} metrics, {len(look.queries(root))} queries, {len(look.alerts(root))} alerts, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
