"""PostgreSQL is lost under load and comes back from a copy and the WAL that was archived until some moments before. For a
system as running.py and tests/compose/stack.py have it; how each act is done there is its `postgres`'s to say."""

from load import goes_on, until


def restored(system, postgres, load):
    """In the end everything goes on under a new epoch; all_is_done() or the checker says what became of the orders."""
    goes_on(system)
    copy = postgres.take()
    goes_on(system)
    piece = system.psql("SELECT pg_walfile_name(pg_switch_wal())")[0][0]
    until("WAL after the copy is archived", lambda: system.psql(
        f"SELECT last_archived_wal >= '{piece}' FROM pg_stat_archiver") == [["t"]])
    postgres.stop_archive()
    goes_on(system)
    published = int(system.psql("SELECT sum(number) FROM dispatch.published")[0][0])
    postgres.lose()
    load.more()  # orders are accepted without it
    postgres.restore(copy)
    went_on = int(system.psql("SELECT sum(number) FROM dispatch.head")[0][0])
    if went_on >= published:
        raise SystemExit(f"nothing was lost: {went_on} numbers are there, {published} were published")
    until("it waits for a decision", lambda: "EPOCH" in system.log("courier-dispatch"))
    postgres.begin_epoch()
    goes_on(system)


def partners_know(system):
    """Of events that are void."""
    if not any(line.startswith("void") for line in system.partner()):
        raise SystemExit("no partner learnt that events are void")
