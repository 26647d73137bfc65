"""Stock, states and parcels: invariants 5, 8 and 11."""

import collections

from seen import Offender
import states


# ---- 5 ----

def running_sums(seen, saw):
    """Movements of a listing are 1..n; pieces are never negative, nor are more promised than are there; the row is their sum."""
    stock = seen.by("routing.stock", "listing_id")
    moves = seen.all_by("routing.stock_movements", "listing_id")
    for listing in sorted(stock.keys() | moves.keys()):
        on_hand = allocated = 0
        rows = sorted(moves.get(listing, ()), key=lambda row: row["version"])
        for version, row in enumerate(rows, 1):
            saw()
            on_hand, allocated = on_hand + row["on_hand"], allocated + row["allocated"]
            if row["version"] != version:
                yield Offender(listing, f"stock of {listing}: movement {version} is {row['version']}")
                break
            if not 0 <= allocated <= on_hand:
                yield Offender(row["order_id"] or listing, f"stock of {listing}: after movement {version}, {row['kind']}, "
                                                           f"{on_hand} are there and {allocated} promised")
        row = stock.get(listing)
        if not row or (row["on_hand"], row["allocated"], row["version"]) != (on_hand, allocated, len(rows)):
            yield Offender(listing, f"stock of {listing} is {row and (row['on_hand'], row['allocated'], row['version'])}, its "
                                    f"movements make {(on_hand, allocated, len(rows))}")
        counted = sum(move["on_hand"] for move in rows if move["kind"] in ("RECEIPT", "ADJUST"))
        if row and row["missing"] == 0 and counted < row["counted"]:
            yield Offender(listing, f"stock of {listing}: {row['counted']} were counted, movements brought {counted}")


def held_of_lines(seen):
    """{(order id, line): {"live"|"cancelled"|"gone": pieces}} from stock, by the allocations and what became of their parcels."""
    held = collections.defaultdict(collections.Counter)
    fulfilments = seen.by("routing.fulfilments", "order_no", "n")
    for row in seen.rows("routing.allocations"):
        fulfilment = fulfilments.get((row["order_no"], row["n"]))
        if row["week"] != 0 or not fulfilment:
            continue
        state = fulfilment["state"]
        what = "live" if state in ("OPEN", "ON_HOLD") else "cancelled" if state == "CANCELLED" else "gone"
        held[fulfilment["order_id"], row["line_no"]][what] += row["quantity"]
        held[fulfilment["order_id"], row["line_no"]]["times"] += 1
    return held


def reserved_once(seen, saw):
    """Each line is reserved once for each allocation, released once where that was cancelled, and sold once where it left."""
    held = held_of_lines(seen)
    moved, times = collections.defaultdict(collections.Counter), collections.defaultdict(collections.Counter)
    for row in seen.rows("routing.stock_movements"):
        if row["order_id"]:
            at = row["order_id"], row["line_no"]
            moved[at][row["kind"]] += row["allocated"]
            times[at][row["kind"]] += 1
    waiting = collections.Counter()
    for row in seen.rows("routing.sales"):
        waiting[row["order_id"], row["line_no"]] += row["quantity"]
    for at in held.keys() | moved.keys():
        saw()
        pieces, is_moved = held[at], moved[at]
        should = {"RESERVE": pieces["live"] + pieces["cancelled"] + pieces["gone"], "RELEASE": -pieces["cancelled"],
                  "SALE": waiting[at] - pieces["gone"]}
        for kind, quantity in should.items():
            if is_moved[kind] != quantity:
                yield Offender(at[0], f"line {at[1]} of order {at[0]}: {kind} moved {is_moved[kind]}, its fulfilments say "
                                      f"{quantity}")
        for kind in should:
            if times[at][kind] > pieces["times"]:
                yield Offender(at[0], f"line {at[1]} of order {at[0]}: {times[at][kind]} times {kind}, {pieces['times']} "
                                      f"allocations")


def stock(seen, saw):
    """5: stock is never negative, is its movements; no line is reserved twice; a cancelled line is released once."""
    yield from running_sums(seen, saw)
    yield from reserved_once(seen, saw)


# ---- 8 ----

def walk(seen, saw, topic, prefix, edges, first, state_of):
    """Each entity's events of a kind lead along a table; edges: {(state, state)}; first: where an entity may come from."""
    for entity, records in seen.histories(topic).items():
        if not records[0].type.startswith(prefix):
            continue
        state = None
        for record in records:
            saw()
            now = state_of(record)
            if not any((before, now) in edges for before in ((state,) if state else first)):
                yield Offender(record.key, f"{record.where()}: {prefix[7:-1]} {entity} went from {state or '/'.join(first)} to "
                                           f"{now}")
                break
            state = now


def order_histories(seen, saw):
    """An order is received first and once; its states follow each other; nothing follows the last one."""
    for order, records in seen.histories("karwan.orders.events").items():
        rank, cancelled = 0, collections.Counter()
        for version, record in enumerate(records, 1):
            saw()
            fact = record.type.split(".")[2] if record.type.count(".") > 2 else record.type
            if (version == 1) != (fact == "received"):
                yield Offender(order, f"order {order}: its event {version} is {fact}")
                break
            now = states.ORDER_RANKS.get(fact)
            if now is not None and now <= rank or fact in states.OPENING and rank > states.ORDER_RANKS["in_progress"]:
                yield Offender(order, f"order {order}: {fact} after it was {states.rank_name(rank)}")
                break
            rank = now or rank
            if fact in ("cancelled", "expired"):
                for line in record.data["lines"]:
                    cancelled[line["line_id"]] += line["quantity"]
        row = seen.by("routing.orders", "order_id").get(order)
        for line in seen.all_by("routing.order_lines", "order_no").get(row["order_no"], ()) if row else ():
            if line["cancelled"] != cancelled[line["line_id"]]:
                yield Offender(order, f"line {line['line_id']} of order {order}: {line['cancelled']} are cancelled, its events "
                                      f"say {cancelled[line['line_id']]}")


def order_rows(seen, saw):
    """An order's state is a function of its lines; its version is the number of its events."""
    histories = seen.histories("karwan.orders.events")
    lines = seen.all_by("routing.order_lines", "order_no")
    for row in seen.rows("routing.orders"):
        saw()
        should = states.order_state(lines.get(row["order_no"], ()))
        if row["state"] != should:
            yield Offender(row["order_id"], f"order {row['order_id']} is {row['state']}, its lines say {should}")
        if row["version"] != len(histories.get(row["order_id"], ())):
            yield Offender(row["order_id"], f"order {row['order_id']} is at version {row['version']}, it has "
                           f"{len(histories.get(row['order_id'], ()))} events")


def fulfilments(seen, saw):
    """A fulfilment is where its parcel's events and the order's cancellations lead it."""
    ended = {one["fulfilment_id"] for record in seen.events("karwan.orders.events")
             if record.type in ("karwan.order.cancelled.v1", "karwan.order.expired.v1")
             for one in record.data.get("fulfilments", ())}
    parcels = collections.defaultdict(list)
    for records in seen.histories("karwan.dispatch.events").values():
        parcels[records[0].data["fulfilment_id"]] += records
    for row in seen.rows("routing.fulfilments"):
        saw()
        state = "CANCELLED" if row["fulfilment_id"] in ended else "OPEN"
        for record in parcels.get(row["fulfilment_id"], ()):
            state = states.FULFILMENT.get((state, states.PARCEL_FACTS.get(record.type)), state)
        if row["state"] != state:
            yield Offender(row["order_id"], f"fulfilment {row['fulfilment_id']} of order {row['order_id']} is {row['state']}, "
                                            f"events say {state}")


def listings(seen, saw):
    """Makers and listings move along their tables."""
    yield from walk(seen, saw, "karwan.listings.events", "karwan.maker.", states.MAKER, states.ANY_MAKER,
                    lambda r: r.data["state"])
    yield from walk(seen, saw, "karwan.listings.events", "karwan.listing.", states.LISTING, states.ANY_LISTING,
                    lambda r: r.data["state"])


def parcel_versions(seen, saw):
    """Each event of a parcel carries the next version, and is the type that its step has."""
    for parcel, records in seen.histories("karwan.dispatch.events").items():
        before = None
        for version, record in enumerate(records, 1):
            saw()
            step = before, record.type.split(".")[2], record.data["state"]
            if record.data["version"] != version:
                yield Offender(parcel, f"parcel {parcel}: event {version} carries version {record.data['version']}")
                break
            if step not in states.PARCEL_STEPS:
                yield Offender(parcel, f"parcel {parcel}: {step[1]} led from {step[0] or 'nothing'} to {step[2]}")
                break
            before = record.data["state"]


def state_tables(seen, saw):
    """8: states only along their table; versions grow by one; what is ended stays ended."""
    yield from parcel_versions(seen, saw)
    yield from walk(seen, saw, "karwan.payments.events", "karwan.expectation.", states.EXPECTATION, ("WAITING_ORDER", "EXPECTED"),
                    lambda record: record.data["state"])
    yield from walk(seen, saw, "karwan.payments.events", "karwan.payment.", states.PAYMENT, ("NEW",),
                    lambda record: record.type.split(".")[2])
    yield from walk(seen, saw, "karwan.payments.events", "karwan.exception.", states.EXCEPTION, ("NONE",),
                    lambda record: record.type.split(".")[2])
    yield from order_histories(seen, saw)
    yield from order_rows(seen, saw)
    yield from fulfilments(seen, saw)
    yield from listings(seen, saw)


# ---- 11 ----

def parcel_stories(seen, saw):
    """Booked once, by a courier that stays; refused at most once by each."""
    for parcel, records in seen.histories("karwan.dispatch.events").items():
        times, held = collections.Counter(), None
        for record in records:
            saw()
            fact, data = record.type.split(".")[2], record.data
            times[fact] += 1
            now = data.get("courier"), data.get("tracking_number")
            if fact == "booked":
                held = now
            elif held and now != held:
                yield Offender(parcel, f"parcel {parcel}: at {held}, and then at {now}")
                break
        if times["booked"] > 1:
            yield Offender(parcel, f"parcel {parcel}: booked {times['booked']} times")


def one_courier(seen, saw):
    """11: a parcel goes to one courier at a time; each courier's answer is applied once."""
    yield from parcel_stories(seen, saw)
    accepted = collections.defaultdict(list)
    for row in seen.rows("dispatch.intents"):
        if row["kind"] == "book" and row["state"] == "DONE" and (row["detail"] or "").startswith("ACCEPTED "):
            accepted[row["entity"]].append(row)
    refused = collections.Counter(row["parcel_id"] for row in seen.rows("dispatch.refusals"))
    facts = collections.Counter((record.key, record.type) for record in seen.events("karwan.dispatch.events"))
    for row in seen.rows("dispatch.parcels"):
        saw()
        parcel, told = row["parcel_id"], accepted[row["parcel_id"]]
        if len(told) > 1:
            yield Offender(parcel, f"parcel {parcel}: {len(told)} couriers have accepted it")
        if row["tracking_number"] and [f"ACCEPTED {row['tracking_number']}"] != [one["detail"] for one in told]:
            yield Offender(parcel, f"parcel {parcel} has the number {row['tracking_number']}, couriers answered "
                           f"{[one['detail'] for one in told]}")
        if facts[parcel, "karwan.parcel.booked.v1"] > len(told):
            yield Offender(parcel, f"parcel {parcel}: told as booked, and no courier has accepted it")
        if facts[parcel, "karwan.parcel.refused.v1"] != refused[parcel]:
            yield Offender(parcel, f"parcel {parcel}: {facts[parcel, 'karwan.parcel.refused.v1']} refusals told, "
                                   f"{refused[parcel]} known")
    once = collections.Counter((row["order_id"], row["n"]) for row in seen.rows("dispatch.parcels") if row["n"] is not None)
    for (order, n), times in once.items():
        if times > 1:
            yield Offender(order, f"order {order}: {times} parcels of fulfilment {n}")
