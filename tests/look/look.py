"""What rules, boards and pages name, read once for the tests of this folder."""

import json
import pathlib
import re
import subprocess

SERVICES = ("listing-ingestion", "order-routing", "payment-reconciliation", "courier-dispatch")
NAME = re.compile(r"\b(?:karwan|process)_[a-z0-9_]+\b")
SUFFIX = re.compile(r"_(?:bucket|sum|count)$")


def told(bin_dir):
    """Metric by name, of all programs: kind, labels, help, and which services have it."""
    metrics = {}
    for service in SERVICES:
        text = subprocess.run([pathlib.Path(bin_dir, service), "--describe"], check=True, capture_output=True, text=True, env={}).stdout
        for metric in json.loads(text)["metrics"]:
            metrics.setdefault(metric["name"], {**metric, "services": []})["services"].append(service)
    return metrics


def boards(root):
    return {path.name: json.loads(path.read_text(encoding="utf-8"))
            for path in sorted((root / "infra" / "grafana" / "dashboards").glob("*.json"))}


def queries(root):
    """(board, panel, query) of each target."""
    return [(name, panel["title"], target["expr"]) for name, board in boards(root).items()
            for panel in board["panels"] for target in panel["targets"]]


def alerts(root):
    """Name of an alert to its lines."""
    text = "".join(path.read_text(encoding="utf-8") for path in sorted((root / "infra" / "prometheus" / "rules").glob("*.yml")))
    return {part.split("\n", 1)[0]: part for part in text.split("- alert: ")[1:]}


def families(text, metrics):
    """Names of metrics in a query; a histogram's series count as it."""
    return {SUFFIX.sub("", name) if name not in metrics and metrics.get(SUFFIX.sub("", name), {}).get("kind") == "histogram" else name
            for name in NAME.findall(re.sub(r'"(?:[^"\\]|\\.)*"', '""', text))}
