"""The judge: what must hold after a run, read from the exchange's tape and books."""

from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text
from stack import Stack


def rows(connection: Connection, query: str, **values: Any) -> list[Any]:
    """Return the rows of a query."""
    return list(connection.execute(text(query), values))


def scalar(connection: Connection, query: str, **values: Any) -> Any:
    """Return one value."""
    return connection.scalar(text(query), values)


def judge(stack: Stack) -> dict[str, int]:
    """Assert every identity of the books; return what was counted."""
    engine = stack.engine()
    with engine.connect() as connection:
        counted = {
            "decisions": _every_bar_has_its_decisions(connection),
            "signals": _every_signal_has_one_outcome(connection),
            "orders": _every_approval_has_one_order(connection),
            "fills": _executions_equal_the_exchanges(connection, stack),
        }
        _positions_and_cash_equal_the_exchanges(connection, stack)
        _the_tape_tells_the_same(connection, stack)
        assert scalar(connection, "select shared.verify_audit()") is None
        assert scalar(connection, "select count(*) from shared.event_staging") == 0
        assert not rows(
            connection, "select * from shared.dead_letters where status <> 'replayed'"
        )
    engine.dispose()
    return counted


def _every_bar_has_its_decisions(connection: Connection) -> int:
    ends = scalar(
        connection,
        "select count(distinct payload->>'bar_end') from shared.events"
        " where topic = 'ingestion.bars_ingested'",
    )
    assert ends, "no bar was ingested"
    doubled = rows(
        connection,
        "select strategy, symbol, bar_end, count(*) from strategy_engine.decisions"
        " group by 1, 2, 3 having count(*) <> 1",
    )
    assert not doubled, doubled[:5]
    symbols = scalar(connection, "select count(*) from data_ingestion.universe")
    strategies = scalar(
        connection,
        "select count(*) from strategy_engine.strategies where status = 'enabled'",
    )
    decisions = scalar(connection, "select count(*) from strategy_engine.decisions")
    assert decisions == ends * symbols * strategies, (
        decisions,
        ends,
        symbols,
        strategies,
    )
    return int(decisions)


def _every_signal_has_one_outcome(connection: Connection) -> int:
    lonely = rows(
        connection,
        "select s.signal_id from strategy_engine.strategy_signals s full join"
        " risk_management.risk_outcomes r using (signal_id)"
        " where r.signal_id is null"
        # An order by hand is asked of risk itself: no strategy made its signal.
        " or (s.signal_id is null and r.strategy <> 'manual')",
    )
    assert not lonely, lonely[:5]
    unchecked = rows(
        connection,
        "select o.outcome_id from risk_management.risk_outcomes o left join"
        " risk_management.risk_checks c using (outcome_id) where c.outcome_id is null",
    )
    assert not unchecked, unchecked[:5]
    return int(
        scalar(connection, "select count(*) from strategy_engine.strategy_signals")
    )


def _every_approval_has_one_order(connection: Connection) -> int:
    wrong = rows(
        connection,
        "select r.signal_id, count(o.order_id) from risk_management.risk_outcomes r"
        " left join execution.orders o on o.signal_id = r.signal_id"
        " group by r.signal_id, r.order_id"
        " having count(o.order_id) <> (case when r.order_id is null then 0 else 1 end)",
    )
    assert not wrong, wrong[:5]
    unsettled = rows(
        connection,
        "select order_id, status from execution.orders"
        " where status in ('READY', 'SUBMITTING', 'UNKNOWN')",
    )
    assert not unsettled, unsettled[:5]
    return int(scalar(connection, "select count(*) from execution.orders"))


def _executions_equal_the_exchanges(connection: Connection, stack: Stack) -> int:
    ours = _our_executions(connection)
    theirs = {
        (fill["order_id"], Decimal(fill["cum_qty"])): _executed(fill)
        for fill in _activities(stack)
    }
    assert ours == theirs
    return len(ours)


def _our_executions(
    connection: Connection,
) -> dict[tuple[str, Decimal], tuple[Decimal, Decimal]]:
    return {
        (broker, cumulative): (quantity, price)
        for broker, cumulative, quantity, price in rows(
            connection,
            "select broker_order_id, cumulative_quantity, quantity, price"
            " from execution.trades",
        )
    }


def _executed(fill: dict[str, Any]) -> tuple[Decimal, Decimal]:
    return Decimal(fill["qty"]), Decimal(fill["price"])


def _ledger(connection: Connection) -> dict[str, Decimal]:
    return {
        symbol: quantity
        for symbol, quantity in rows(
            connection,
            "select symbol, sum(quantity_delta) from execution.ledger"
            " where symbol is not null group by symbol having sum(quantity_delta) <> 0",
        )
    }


def _activities(stack: Stack) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    token = ""
    while True:
        page = stack.broker(
            f"/v2/account/activities/FILL?page_size=100&direction=asc{token}"
        )
        found += page
        if len(page) < 100:
            return found
        token = f"&page_token={page[-1]['id']}"


def _positions_and_cash_equal_the_exchanges(
    connection: Connection, stack: Stack
) -> None:
    theirs = {p["symbol"]: Decimal(p["qty"]) for p in stack.broker("/v2/positions")}
    positions = {
        symbol: quantity
        for symbol, quantity in rows(
            connection,
            "select symbol, quantity from execution.positions where quantity <> 0",
        )
    }
    assert _ledger(connection) == theirs
    assert positions == theirs
    books: dict[str, Decimal] = defaultdict(Decimal)
    for symbol, quantity in rows(
        connection, "select symbol, quantity from execution.strategy_positions"
    ):
        books[symbol] += quantity
    assert {s: q for s, q in books.items() if q} == theirs
    cash = scalar(connection, "select sum(cash_delta) from execution.ledger")
    account = stack.broker("/v2/account")
    assert round(cash, 2) == round(Decimal(account["cash"]), 2)


def _the_tape_tells_the_same(connection: Connection, stack: Stack) -> None:
    tape = stack.tape()
    taken = Counter(
        line["client_order_id"]
        for line in tape
        if line["kind"] == "order" and line["event"] == "pending_new"
    )
    assert all(number == 1 for number in taken.values()), taken.most_common(3)
    at_broker = rows(
        connection,
        "select client_order_id from execution.orders"
        " where broker_order_id is not null",
    )
    assert set(taken) == {client for (client,) in at_broker}
    fills = [line for line in tape if line["kind"] == "fill"]
    executed = {
        (fill["order_id"], Decimal(fill["cum_qty"])): _executed(fill) for fill in fills
    }
    assert len(executed) == len(fills)
    assert executed == _our_executions(connection)
    (opened,) = (line for line in tape if line["kind"] == "account")
    cash = Decimal(opened["cash"])
    shares: dict[str, Decimal] = defaultdict(Decimal)
    for fill in fills:
        quantity, price = _executed(fill)
        signed = quantity if fill["side"] == "buy" else -quantity
        cash -= signed * price
        shares[fill["symbol"]] += signed
    cash += sum(Decimal(x["net_amount"]) for x in tape if x["kind"] == "fee")
    booked = scalar(connection, "select sum(cash_delta) from execution.ledger")
    assert round(cash, 2) == round(booked, 2)
    assert {s: q for s, q in shares.items() if q} == _ledger(connection)
