"""Money: invariants 6 and 7."""

import collections

from seen import Offender, money, uuid_of

BPS = 10000
EARNED = {"MAKER": "amount", "FEE": "fee", "SHIPPING": "shipping", "TAX": "tax", "DIFFERENCE": "difference"}


# ---- 6 ----

def zero_sums(seen, saw):
    of_transaction, of_currency = collections.Counter(), collections.Counter()
    transactions = seen.by("payment.transactions", "entity_id", "revision")
    whole = set()
    for row in seen.rows("payment.postings"):
        saw()
        at = row["entity_id"], row["revision"]
        whole.add(at)
        if not isinstance(row["minor"], int) or row["minor"] == 0:
            yield Offender(at[0], f"posting {row['n']} of {at[0]}/{at[1]}: {row['minor']!r} is no amount in minor units")
        of_transaction[(*at, row["currency"])] += row["minor"]
        of_currency[row["currency"]] += row["minor"]
        if at not in transactions:
            yield Offender(at[0], f"posting {row['n']} of {at[0]}/{at[1]} has no transaction")
    for (entity, revision, currency), minor in of_transaction.items():
        if minor:
            yield Offender(entity, f"transaction {revision} of {entity} is off by {minor} {currency}")
    for currency, minor in of_currency.items():
        if minor:
            yield Offender(currency, f"the ledger is off by {minor} {currency}")
    for entity, revision in transactions.keys() - whole:
        yield Offender(entity, f"transaction {revision} of {entity} has no postings")


def revisions(seen, saw):
    """Transactions of an order or payment are 1, 2, 3 …: none is missing."""
    found = collections.defaultdict(list)
    for row in seen.rows("payment.transactions"):
        saw()
        found[row["entity_id"]].append(row["revision"])
    rows = {**seen.by("payment.payments", "payment_id"), **seen.by("payment.expectations", "order_id")}
    for entity, numbers in found.items():
        last = rows[entity]["revision"] if entity in rows else None
        if sorted(numbers) != list(range(1, len(numbers) + 1)) or last != len(numbers):
            yield Offender(entity, f"transactions of {entity} are {sorted(numbers)}, its row says {last}")


def by_account(seen):
    """{entity: {(account, party, currency): minor}}"""
    cache = seen.__dict__.setdefault("accounts", collections.defaultdict(collections.Counter))
    if not cache:
        for row in seen.rows("payment.postings"):
            cache[row["entity_id"]][row["account"], row["party"], row["currency"]] += row["minor"]
    return cache


def earned(seen, saw):
    """What was earned is what was posted: to each maker hers, and what was taken off."""
    should = collections.defaultdict(collections.Counter)
    orders = seen.by("payment.expectations", "order_id")
    for row in seen.rows("payment.earnings"):
        saw()
        for account, column in EARNED.items():
            party = row["maker_id"] if account == "MAKER" else orders[row["order_id"]]["channel"]
            should[row["order_id"]][account, party, row["currency"]] -= row[column]
    posted = by_account(seen)
    for entity in should.keys() | posted.keys():
        saw()
        is_posted = {at: minor for at, minor in posted[entity].items() if at[0] in EARNED and minor}
        if is_posted != {at: minor for at, minor in should[entity].items() if minor}:
            yield Offender(entity, f"earned of {entity}: posted {is_posted}, its earnings make {dict(should[entity])}")


def line_worth(line):
    return line["price"] * line["quantity"] - min(line["discount"], line["price"] * line["quantity"])


def shares(seen, saw):
    """A maker has price x quantity less the discount of her line, less the fee that was fixed at the sale, to the last unit."""
    orders = seen.by("payment.expectations", "order_id")
    lines = seen.by("payment.order_lines", "order_id", "line_id")
    worth = collections.Counter()
    for (order, _), line in lines.items():
        worth[order] += line_worth(line) if line["quantity"] is not None else 0
    for row in seen.rows("payment.earnings"):
        saw()
        order, line = orders[row["order_id"]], lines.get((row["order_id"], row["line_id"]))
        net = row["amount"] + row["fee"]
        what = f"earning {row['earning_id']} of line {row['line_id']} of order {row['order_id']}"
        if abs(row["fee"] * BPS - net * order["fee_bps"]) * 2 > BPS:
            yield Offender(row["order_id"], f"{what}: a fee of {row['fee']} is not {order['fee_bps']} basis points of {net}")
        # where the parts are the total, no discount of the whole order is divided among the lines
        whole = worth[row["order_id"]] + order["shipping"] + order["tax"] == order["total"]
        if whole and line and row["quantity"] == line["quantity"] and net != line_worth(line):
            yield Offender(row["order_id"], f"{what}: {net} is earned, its line is worth {line_worth(line)}")


def sales(seen, saw):
    """An order's first transaction books its total; what it owes at the end is what was not received."""
    kinds = seen.by("payment.transactions", "entity_id", "revision")
    sold = collections.Counter()
    for row in seen.rows("payment.postings"):
        if kinds.get((row["entity_id"], row["revision"]), {}).get("kind") == "SALE" and row["account"] == "UNEARNED":
            sold[row["entity_id"]] += row["minor"]
    posted = by_account(seen)
    for row in seen.rows("payment.expectations"):
        if row["channel"] is None or row["test"]:
            continue
        saw()
        order, currency = row["order_id"], row["currency"]
        if row["cancelled"] == 0 and sold[order] != -row["total"]:
            yield Offender(order, f"order {order} of {row['total']} {currency} was booked as {-sold[order]}")
        owed = sum(minor for (account, _, _), minor in posted[order].items() if account == "RECEIVABLE")
        should = max(row["expected"] - row["received"] - row["waived"], 0)
        if owed != should:
            yield Offender(order, f"order {order} owes {should} {currency}, its postings say {owed}")
        unearned = sum(minor for (account, _, _), minor in posted[order].items() if account == "UNEARNED")
        if unearned != row["released"] - row["expected"]:
            yield Offender(order, f"order {order}: {row['expected'] - row['released']} {currency} are not earned yet, its "
                                  f"postings say {-unearned}")


def ledger(seen, saw):
    """6: zero per transaction and currency, and in total; integers; nothing is missing or changed."""
    yield from zero_sums(seen, saw)
    yield from revisions(seen, saw)
    yield from earned(seen, saw)
    yield from shares(seen, saw)
    yield from sales(seen, saw)


# ---- 7 ----

def words_of(seen):
    """What was said of each payment, in the order of the log; of each event id the first only."""
    dead = {(row["topic"], row["partition"], row["at_offset"]) for row in seen.rows("payment.dead_letters")}
    said, first = collections.defaultdict(list), {}
    for record in seen.records("karwan.payments.in"):
        if record.type != "karwan.payment.reported.v1" or (record.topic, record.partition, record.offset) in dead:
            continue
        data = record.data
        at = data["provider"], data["provider_event_id"]
        if at not in first:
            first[at] = data
            said[data["payment_id"]].append(data)
    return said, first


def fold(words):
    """What a payment is after these words: currency, order, captured, refunded. A word that contradicts is not taken."""
    currency = order = None
    captured = refunded = 0
    for data in words:
        amount, named = money(data["amount"]), data.get("order_id")
        if currency not in (None, data["amount"]["currency"]) or (named and order and named != order):
            continue
        if data["kind"] == "SUCCEEDED" and captured and captured != amount:
            continue
        currency, order = data["amount"]["currency"], order or named
        if data["kind"] == "SUCCEEDED":
            captured = amount
        elif data["kind"] == "REFUNDED":
            refunded = max(refunded, amount)
    return currency, order, captured, refunded


def each_once(seen, saw):
    """Payments are what their providers' events say, each counted once."""
    said, first = words_of(seen)
    rows = seen.by("payment.payments", "payment_id")
    reported = {row["payment_id"] for row in seen.rows("payment.payments")} - said.keys()
    told = {record.data["reference"] for record in seen.events("karwan.orders.events")
            if record.type == "karwan.order.payment_reported.v1"}
    for payment, words in said.items():
        saw()
        row, should = rows.get(payment), fold(words)
        for data in words:
            if "order_id" in data and data["order_id"] != uuid_of("order", data.get("channel", ""), data.get("external_id", "")):
                yield Offender(payment, f"payment {payment}: it names order {data['order_id']}, which is not the id of its "
                                        f"reference")
        if row is None:
            yield Offender(payment, f"payment {payment}: {len(words)} events and no row")
        elif (row["currency"], row["order_id"], row["captured"], row["refunded"]) != should:
            yield Offender(payment, f"payment {payment} is {row['currency']} {row['order_id']} {row['captured']} "
                                    f"{row['refunded']}, its events make {should}")
    for payment in reported:
        if rows[payment]["provider_payment_id"] not in told:
            yield Offender(payment, f"payment {payment}: nobody has reported it")
    events = seen.by("payment.provider_events", "provider", "provider_event_id")
    for at, data in first.items():
        saw()
        if at not in events or events[at]["content_hash"] != data["content_hash"]:
            yield Offender(data["payment_id"], f"event {at[1]} of {at[0]}: its row is not what it said first")


def belongs(seen, saw):
    """What a payment holds is at its provider once, and of one order or in suspense."""
    orders = seen.by("payment.expectations", "order_id")
    clearing, suspense = collections.defaultdict(collections.Counter), collections.defaultdict(collections.Counter)
    received = collections.Counter()
    for row in seen.rows("payment.payments"):
        saw()
        net, order = max(row["captured"] - row["refunded"], 0), orders.get(row["order_id"])
        entity = row["order_id"] or row["payment_id"]
        if row["home"] != entity and net:
            entity = None  # it was in suspense alone before its order was named: its money lies under both
        is_here = order is not None and order["channel"] is not None and not order["test"]
        matched = is_here and order["currency"] == row["currency"]
        at = row["provider"], row["currency"]
        clearing[entity][at] += net
        suspense[entity][at] -= 0 if matched else net
        received[row["order_id"]] += net if matched else 0
    posted = by_account(seen)
    moved = {row["payment_id"] for row in seen.rows("payment.payments") if row["order_id"] and row["home"] != row["order_id"]}
    moved |= {row["order_id"] for row in seen.rows("payment.payments") if row["payment_id"] in moved}
    for entity in (clearing.keys() | posted.keys()) - moved - {None}:
        for account, should in (("CLEARING", clearing[entity]), ("SUSPENSE", suspense[entity])):
            is_posted = {at[1:]: minor for at, minor in posted[entity].items() if at[0] == account and minor}
            if is_posted != {at: minor for at, minor in should.items() if minor}:
                yield Offender(entity, f"{account} of {entity} is {is_posted}, its payments hold {dict(should)}")
    for order, row in orders.items():
        if row["channel"] is not None and not row["test"] and row["received"] != received[order]:
            yield Offender(order, f"order {order} has received {row['received']}, its payments hold {received[order]}")


def payments(seen, saw):
    """7: a captured payment belongs to one order or to suspense; a provider's event is applied once."""
    yield from each_once(seen, saw)
    yield from belongs(seen, saw)
