"""The tables of states that the checker has written down for itself are those of the services' READMEs, both ways."""

import re
import sys

import states
from seen import ROOT

EDGE = re.compile(r"^    (\S+) --> ([A-Z_]+)(?:: (\S+)( \(same\))?)?$", re.M)


def diagram(service, name):
    """(before, event, after) of the edges that change something; name: of the comment, or of the section."""
    text = (ROOT / "services" / service / "README.md").read_text(encoding="utf-8")
    part = text.partition(name)[2].partition("```mermaid")[2].partition("```")[0]
    return {(before, event, after) for before, after, event, same in EDGE.findall(part) if before != "[*]" and not same}


def without_events(edges):
    return {(before, after) for before, _, after in edges}


def pairs(table):
    return {(before, after) for before, afters in table.items() for after in afters.split()}


EXCEPTION_FACTS = {"NONE": "NONE", "OPEN": "opened", "ACCEPTED": "accepted", "RESOLVED": "resolved"}
PAYMENT_FACTS = {"CAPTURED": "captured", "PARTLY_REFUNDED": "refunded", "REFUNDED": "refunded"}

ROWS = (
    ("parcel", diagram("courier-dispatch", "<!-- states: parcel -->"),
     {(before, event, after) for (before, event), after in states.PARCEL.items()}),
    ("fulfilment", diagram("order-routing", "<!-- states: fulfilment -->"),
     {(before, event, after) for (before, event), after in states.FULFILMENT.items()}),
    ("expectation", without_events(diagram("payment-reconciliation", "<!-- states: expectation -->")), states.EXPECTATION),
    ("exception", {(EXCEPTION_FACTS[before], EXCEPTION_FACTS[after]) for before, after in
                   without_events(diagram("payment-reconciliation", "<!-- states: exception -->"))}, states.EXCEPTION),
    ("payment", {(PAYMENT_FACTS.get(before, "NEW"), PAYMENT_FACTS[after]) for before, after in
                 without_events(diagram("payment-reconciliation", "<!-- states: payment -->")) if after in PAYMENT_FACTS},
     states.PAYMENT),
    ("maker", without_events(diagram("listing-ingestion", "## Makers")), pairs(states.MAKER_EDGES)),
    ("listing", without_events(diagram("listing-ingestion", "## Listings")), pairs(states.LISTING_EDGES)),
)


def main():
    bad = 0
    for name, theirs, ours in ROWS:
        if not theirs:
            print(f"{name}: no diagram")
            bad += 1
        for edge in sorted(theirs ^ ours):
            print(f"{name}: {edge} is in the {'README' if edge in theirs else 'checker'} alone")
            bad += 1
    print(f"{len(ROWS)} tables, {sum(len(ours) for _, _, ours in ROWS)} edges, {bad} faults")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
