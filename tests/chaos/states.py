"""The tables of states, written down a second time: a test compares them with the diagrams of the services' READMEs."""

WAY = ("BOOKED", "LABELLED", "HANDED_OVER")

# (state, what happens) -> state; "same" where a version more is told and the state stays
PARCEL = {
    ("EXPECTED", "routed"): "PLANNED", ("PLANNED", "cleared"): "READY", ("PLANNED", "cancel"): "CANCELLED",
    ("READY", "refused"): "READY", ("READY", "booked"): "BOOKED", ("READY", "cancel"): "CANCELLED",
    ("BOOKED", "labelled"): "LABELLED",
    **{(state, event): to for state in ("BOOKED", "LABELLED") for event, to in (
        ("scanned", "HANDED_OVER"), ("late", "HANDED_OVER"), ("story", state), ("cancel", "CANCELLED"))},
    ("HANDED_OVER", "scanned"): "HANDED_OVER", ("HANDED_OVER", "story"): "HANDED_OVER",
    **{(state, event): to for state in WAY for event, to in (
        ("delivered", "DELIVERED"), ("returning", "RETURNING"), ("returned", "RETURNED"), ("lost", "LOST"))},
    ("DELIVERED", "returning"): "RETURNING", ("DELIVERED", "returned"): "RETURNED",
    ("RETURNING", "returned"): "RETURNED", ("RETURNING", "lost"): "LOST",
    **{("RETURNING", event): "RETURNING" for event in ("scanned", "story", "delivered", "returning")},
    **{("LOST", event): "LOST" for event in ("scanned", "story", "delivered", "returning", "returned")},
    **{("CANCELLED", event): "CANCELLED" for event in ("scanned", "story", "delivered", "returning", "returned", "lost")},
}

FACTS = {"READY": "created", "BOOKED": "booked", "LABELLED": "labelled", "HANDED_OVER": "handed_over", "DELIVERED": "delivered",
         "RETURNING": "returning", "RETURNED": "returned", "LOST": "lost", "CANCELLED": "cancelled"}


def fact_of(before, event, after):
    """The type of the event that a step tells."""
    return "refused" if event == "refused" else "tracked" if before == after else FACTS[after]


# (state before or None, type, state after)
PARCEL_STEPS = {(before, fact_of(before, event, after), after) for (before, event), after in PARCEL.items()
                if before not in ("EXPECTED", "PLANNED")} | {(None, "created", "READY")}

FULFILMENT = {
    **{(state, event): to for state in ("OPEN", "ON_HOLD") for event, to in (
        ("CANCEL", "CANCELLED"), ("HANDED_OVER", "IN_PROGRESS"), ("DELIVERED", "CLOSED"), ("RETURNED", "INCOMPLETE"),
        ("LOST", "INCOMPLETE"))},
    ("OPEN", "PARCEL_CANCELLED"): "ON_HOLD",
    ("IN_PROGRESS", "DELIVERED"): "CLOSED", ("IN_PROGRESS", "RETURNED"): "INCOMPLETE", ("IN_PROGRESS", "LOST"): "INCOMPLETE",
}
PARCEL_FACTS = {"karwan.parcel.handed_over.v1": "HANDED_OVER", "karwan.parcel.delivered.v1": "DELIVERED",
                "karwan.parcel.returned.v1": "RETURNED", "karwan.parcel.lost.v1": "LOST",
                "karwan.parcel.cancelled.v1": "PARCEL_CANCELLED"}

# (before, after): an expectation's event is one step
EXPECTATION = {(before, after) for before, afters in {
    "WAITING_ORDER": "EXPECTED POSTED OVER UNDER CURRENCY_MISMATCH PARTLY VOID",
    "EXPECTED": "EXPECTED POSTED OVER UNDER CURRENCY_MISMATCH PARTLY VOID",
    "POSTED": "POSTED OVER PARTLY VOID",
    "OVER": "POSTED OVER PARTLY VOID",
    "UNDER": "POSTED OVER UNDER CURRENCY_MISMATCH PARTLY WAIVED VOID",
    "WAIVED": "POSTED OVER UNDER CURRENCY_MISMATCH PARTLY WAIVED VOID",
    "CURRENCY_MISMATCH": "EXPECTED POSTED OVER UNDER CURRENCY_MISMATCH PARTLY WAIVED VOID",
    "PARTLY": "POSTED OVER PARTLY VOID",
    "VOID": "VOID",
}.items() for after in afters.split()}

PAYMENT = {("NEW", "captured"), ("captured", "refunded"), ("refunded", "refunded")}
EXCEPTION = {("NONE", "opened"), ("opened", "resolved"), ("opened", "accepted"), ("accepted", "resolved"), ("resolved", "opened")}

MAKER_EDGES = {
    "INVITED": "REGISTERED ID_VERIFIED PAYABLE ACTIVE SUSPENDED", "REGISTERED": "ID_VERIFIED PAYABLE ACTIVE SUSPENDED",
    "ID_VERIFIED": "PAYABLE ACTIVE SUSPENDED", "PAYABLE": "ACTIVE SUSPENDED", "ACTIVE": "ON_LEAVE SUSPENDED GRADUATED",
    "ON_LEAVE": "ACTIVE SUSPENDED GRADUATED", "SUSPENDED": "ACTIVE", "GRADUATED": "",
}
LISTING_EDGES = {"DRAFT": "APPROVED RETIRED", "APPROVED": "DRAFT RETIRED", "RETIRED": ""}
ANY_MAKER, ANY_LISTING = tuple(MAKER_EDGES), tuple(LISTING_EDGES)


def edges_and_same(table):
    """A new version may say the state that was."""
    return {(before, after) for before, afters in table.items() for after in (before, *afters.split())}


MAKER, LISTING = edges_and_same(MAKER_EDGES), edges_and_same(LISTING_EDGES)

# an order's state is a function of its lines; these are told, and never in another order
ORDER_RANKS = {"in_progress": 1, "shipped": 2, "delivered": 3, "closed": 3}
OPENING = ("routed", "parked", "expired")


def rank_name(rank):
    return "/".join(name for name, of in ORDER_RANKS.items() if of == rank) or "received"


def order_state(lines):
    parts = {name: sum(line[name] for line in lines)
             for name in ("allocated", "parked", "shipped", "delivered", "incomplete", "cancelled", "expired")}
    if not parts["shipped"]:
        if parts["allocated"]:
            return "PARTLY_ROUTED" if parts["parked"] else "ROUTED"
        if parts["parked"]:
            return "PARKED"
        return "EXPIRED" if parts["expired"] and parts["expired"] == parts["cancelled"] else "CANCELLED"
    if parts["allocated"] or parts["parked"]:
        return "IN_PROGRESS"
    if parts["delivered"] + parts["incomplete"] < parts["shipped"]:
        return "SHIPPED"
    return "CLOSED" if parts["incomplete"] else "DELIVERED"
