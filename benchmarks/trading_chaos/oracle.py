"""The judge of a seed. It reads the exchange's tape and the rows, and none of our code.

Each rule is a function that yields what breaks it; the letters are those of
`docs/reliability.md`.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, text

if TYPE_CHECKING:
    from trading_chaos.cell import Cell

UNCLEAR = {
    "unheard signals": "select count(*) from shared.events e"
    " where e.topic = 'strategy.signal_generated' and not exists (select"
    " from risk_management.risk_outcomes o"
    " where o.signal_id = cast(e.payload->>'signal_id' as uuid))",
    "unheard approvals": "select count(*) from risk_management.risk_outcomes o"
    " where o.order_id is not null and not exists (select from execution.orders e"
    " where e.order_id = o.order_id)",
    "unclear orders": "select count(*) from execution.orders"
    " where status in ('READY', 'SUBMITTING', 'UNKNOWN')",
}
"""What must be zero before the market may close, in the order of the chain.

Each is asked by itself: what one is found to have passed on, the next one has.
"""

HEARD = {
    "execution": ("risk.order_approved", "risk.trading_state_changed"),
    "risk": (
        "execution.order_closed",
        "execution.order_accepted",
        "strategy.signal_generated",
    ),
    "analytics": ("execution.order_filled",),
    "notification": (
        "execution.order_filled",
        "execution.order_closed",
        "execution.order_unresolved",
        "risk.order_denied",
        "risk.trading_state_changed",
    ),
}
"""What each consumer must have handled of what a seed says."""


def unended(listener: str) -> dict[str, str]:
    """Return what must be zero when everything is at rest."""
    unread = {
        f"events that {who} has not read": "select count(*) from shared.events e"
        f" where e.topic in ({', '.join(map(repr, HEARD[who]))}) and not exists"
        f" (select from shared.inbox i where i.consumer = '{who}'"
        " and i.event_id = e.event_id)"
        for who in ("execution", "risk", listener)
    }
    return {
        "staged events": "select count(*) from shared.event_staging",
        **unread,
        "orders that have not ended": "select count(*) from execution.orders"
        " where closed_at is null",
    }


BAR = """
insert into data_ingestion.market_data (symbol, timeframe, timestamp, feed, open, high,
  low, close, volume, bar_end, received_at, source)
values (:symbol, :timeframe, :start, 'iex', :close, :close, :close, :close, 1000, :end,
  :end, 'chaos') on conflict do nothing
"""

ENDS = ("filled", "canceled", "expired", "rejected", "replaced")
"""How an order can end at the broker."""

OURS = {"REPLACED": "CANCELED"}
"""What a status of the broker's is called here, where it is called otherwise."""

LIMIT = Decimal("0.10")
"""The account's limit on one symbol, as a share of what it is worth."""

MOST_EQUITY = Decimal(103_000)
"""What the account could be worth at best after some minutes of market time."""


MARK, HALTED, RESUMED = "PEP", 171.0, 172.0
"""A symbol that nobody trades: at these prices it marks the tape."""

UNDER_WAY = 2
"""Calls that may be under way when a halt commits: one of each executor."""


def money(number: float) -> Decimal:
    """Return a price exactly as it is written."""
    return Decimal(str(number))


@dataclass(slots=True)
class Judgement:
    """What was found and what was counted."""

    violations: list[str] = field(default_factory=list)
    counted: dict[str, int] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    """Why risk denied, by code."""
    ends: Counter[str] = field(default_factory=Counter)
    """How orders ended, by status."""


@dataclass(slots=True)
class Tape:
    """What the exchange wrote down."""

    lines: list[dict[str, Any]]

    def of(self, kind: str) -> Iterator[dict[str, Any]]:
        """Return the lines of a kind."""
        return (line for line in self.lines if line["kind"] == kind)


def judge(cell: "Cell", listener: str) -> Judgement:
    """Return every violation of a seed that has come to rest."""
    path = cell.directory / "exchange" / "tape.jsonl"
    tape = Tape([json.loads(line) for line in path.read_text().splitlines()])
    judged = Judgement()
    judged.faults = _struck(tape)
    with cell.engine.connect() as connection:
        for rule, found in (
            ("O1", _one_outcome_for_each_signal(connection)),
            ("O2", _one_order_for_each_approval(connection, tape)),
            ("O3", _orders_end_as_at_the_broker(connection, tape)),
            ("O3", _terminals_are_true(connection, tape)),
            ("O3", _replacements_are_one_chain(connection, tape)),
            ("O4", _books_equal_the_tape(connection, tape, cell)),
            ("O5", _exposure_stays_in_its_limit(tape, cell)),
            ("O6", _nothing_is_claimed_while_halted(connection)),
            ("O6", _no_entry_leaves_after_a_halt(tape)),
            ("O7", _log_is_whole(connection, listener)),
            ("O7", _LISTENED[listener](connection)),
            ("O9", _audit_holds(connection)),
            ("O10", _no_secret_is_told(cell)),
        ):
            judged.violations += [f"{rule}: {each}" for each in found]
        judged.codes = Counter(
            dict(
                _rows(
                    connection,
                    "select code, count(*) from risk_management.risk_outcomes"
                    " where order_id is null group by 1",
                )
            )
        )
        judged.ends = Counter(
            dict(
                _rows(
                    connection,
                    "select status, count(*) from execution.orders group by 1",
                )
            )
        )
        for name, query in {
            "orders": "select count(*) from execution.orders",
            "fills": "select count(*) from execution.trades",
            "attempts": "select count(*) from execution.submit_attempts",
            "denied": "select count(*) from risk_management.risk_outcomes"
            " where order_id is null",
            "epochs": "select max(epoch) from execution.executor",
            "replacements": "select count(*) from execution.orders"
            " where replaces_order_id is not null and broker_order_id is not null",
        }.items():
            judged.counted[name] = int(connection.scalar(text(query)) or 0)
    return judged


def _struck(tape: Tape) -> Counter[str]:
    """Count what each fault of the menu struck."""
    return Counter(line["fault"] for line in tape.of("fault"))


def _rows(connection: Connection, query: str) -> list[Any]:
    return list(connection.execute(text(query)))


def _one_outcome_for_each_signal(connection: Connection) -> Iterator[str]:
    for row in _rows(
        connection,
        "select payload->>'signal_id', count(*) from shared.events"
        " where topic in ('risk.order_approved', 'risk.order_denied')"
        " group by 1 having count(*) <> 1",
    ):
        yield f"signal {row[0]} was answered {row[1]} times"
    for row in _rows(
        connection,
        "select s.payload->>'signal_id' from shared.events s where"
        " s.topic = 'strategy.signal_generated' and not exists (select from"
        " risk_management.risk_outcomes o"
        " where o.signal_id = cast(s.payload->>'signal_id' as uuid))",
    ):
        yield f"signal {row[0]} was never answered"


def _one_order_for_each_approval(connection: Connection, tape: Tape) -> Iterator[str]:
    for row in _rows(
        connection,
        "select o.signal_id, count(e.order_id) from risk_management.risk_outcomes o"
        " left join execution.orders e on e.signal_id = o.signal_id"
        " group by o.signal_id, o.order_id"
        " having count(e.order_id) <> (case when o.order_id is null then 0 else 1 end)",
    ):
        yield f"signal {row[0]} has {row[1]} orders"
    taken = Counter(
        line["client_order_id"]
        for line in tape.of("order")
        if line["event"] == "pending_new"
    )
    ours = {
        row[0]: row
        for row in _rows(
            connection,
            "select o.client_order_id, o.broker_order_id, o.status, o.reason,"
            " (select count(*) from execution.submit_attempts a"
            "  where a.order_id = o.order_id) from execution.orders o",
        )
    }
    for client, number in taken.items():
        row = ours.get(client)
        if number != 1:
            yield f"{client} is {number} orders at the broker"
        if row is None:
            yield f"{client} is at the broker and has no row here"
        elif row[4] == 0:
            yield f"{client} is at the broker without an attempt on record"
        elif row[1] is None:
            yield f"{client} is at the broker, and {row[2]} here: {row[3]}"
    calls = Counter(
        line["body"].get("client_order_id")
        for line in tape.of("request")
        if _places(line) and isinstance(line.get("body"), dict)
    )
    for client, number in calls.items():
        attempts = ours[client][4] if client in ours else 0
        if number > attempts:
            yield f"{client} was sent {number} times in {attempts} attempts"
    for client, row in ours.items():
        if row[1] is not None and client not in taken:
            yield f"{client} is not at the broker, and {row[2]} here"


def _places(line: dict[str, Any]) -> bool:
    """Say whether a request places an order, alone or in another's place."""
    method, path = line["method"], line["path"]
    return (method, path) == ("POST", "/v2/orders") or method == "PATCH"


def _orders_end_as_at_the_broker(connection: Connection, tape: Tape) -> Iterator[str]:
    last = {line["id"]: line for line in tape.of("order")}
    executed: dict[str, Decimal] = defaultdict(Decimal)
    keys: dict[tuple[str, Decimal], tuple[Decimal, Decimal]] = {}
    for fill in tape.of("fill"):
        executed[fill["order_id"]] += Decimal(fill["qty"])
        key = fill["order_id"], Decimal(fill["cum_qty"])
        keys[key] = Decimal(fill["qty"]), Decimal(fill["price"])
    booked = {
        (row[0], row[1]): (row[2], row[3])
        for row in _rows(
            connection,
            "select broker_order_id, cumulative_quantity, quantity, price"
            " from execution.trades",
        )
    }
    for key in sorted(keys.keys() ^ booked.keys()):
        where = "not booked" if key in keys else "booked and not on the tape"
        yield f"execution {key[0]} up to {key[1]} is {where}"
    for key in keys.keys() & booked.keys():
        if keys[key] != booked[key]:
            yield f"execution {key} is {booked[key]} here and {keys[key]} on the tape"
    for row in _rows(
        connection,
        "select broker_order_id, client_order_id, status, quantity, filled_quantity"
        " from execution.orders where broker_order_id is not null",
    ):
        broker, client, status, quantity, filled = row
        if filled > quantity:
            yield f"{client} filled {filled} of {quantity}"
        if filled != executed[broker]:
            yield f"{client} filled {filled} here and {executed[broker]} on the tape"
        said = last[broker]["status"] if broker in last else "unknown"
        if OURS.get(said.upper(), said.upper()) != status:
            yield f"{client} is {status} here and {said} at the broker"


def _terminals_are_true(connection: Connection, tape: Tape) -> Iterator[str]:
    """REJECTED is the broker's own word, and NOT_SENT means that nobody tried."""
    lived = {
        line["client_order_id"]
        for line in tape.of("order")
        if line["event"] == "pending_new"
    }
    for row in _rows(
        connection,
        "select distinct o.client_order_id, h.status from execution.order_history h"
        " join execution.orders o using (order_id)"
        " where h.status = 'REJECTED' or h.status = 'NOT_SENT' and exists (select from"
        " execution.submit_attempts a where a.order_id = o.order_id"
        " and a.claimed_at < h.at)",
    ):
        if row[1] == "NOT_SENT":
            yield f"{row[0]} was attempted, and called NOT_SENT"
        elif row[0] in lived:
            yield f"{row[0]} was called REJECTED, and the broker took it"


def _replacements_are_one_chain(connection: Connection, tape: Tape) -> Iterator[str]:
    """An order is replaced once, by the order of ours that says so, and no more is
    bought or sold by both together than one of them was for.
    """
    ours = {
        row[0]: row
        for row in _rows(
            connection,
            "select n.broker_order_id, o.broker_order_id, n.client_order_id,"
            " greatest(n.quantity, o.quantity), o.filled_quantity + n.filled_quantity"
            " from execution.orders n join execution.orders o"
            " on o.order_id = n.replaces_order_id where n.broker_order_id is not null",
        )
    }
    successors: dict[str, str] = {}
    before: dict[str, Any] | None = None
    for line in tape.of("order"):
        if before is not None and before["event"] == "replaced":
            # The exchange commits both steps together.
            if line["event"] != "pending_new":
                yield f"{before['client_order_id']} was replaced by no order"
            elif before["id"] in successors.values():
                yield f"{before['client_order_id']} was replaced twice"
            else:
                successors[line["id"]] = before["id"]
        before = line
    for new in sorted(successors.keys() ^ ours.keys()):
        where = "on the tape alone" if new in successors else "here alone"
        yield f"{new} stands in another's place {where}"
    for new in successors.keys() & ours.keys():
        _, old, client, most, filled = ours[new]
        if old != successors[new]:
            yield f"{client} replaced {successors[new]}, and {old} here"
        if filled > most:
            yield f"{client} and its old order filled {filled} of {most}"


def _books_equal_the_tape(
    connection: Connection, tape: Tape, cell: "Cell"
) -> Iterator[str]:
    shares: dict[str, Decimal] = defaultdict(Decimal)
    cash = Decimal(next(tape.of("account"))["cash"])
    for fill in tape.of("fill"):
        signed = Decimal(fill["qty"]) * (1 if fill["side"] == "buy" else -1)
        shares[fill["symbol"]] += signed
        cash -= signed * Decimal(fill["price"])
    cash += sum(Decimal(fee["net_amount"]) for fee in tape.of("fee"))
    truth = {symbol: held for symbol, held in shares.items() if held}
    for name, query in {
        "ledger": "select symbol, sum(quantity_delta) from execution.ledger"
        " where symbol is not null group by 1 having sum(quantity_delta) <> 0",
        "positions": "select symbol, quantity from execution.positions"
        " where quantity <> 0",
        "strategies' books": "select symbol, sum(quantity)"
        " from execution.strategy_positions group by 1 having sum(quantity) <> 0",
    }.items():
        held = {row[0]: row[1] for row in _rows(connection, query)}
        if held != truth:
            yield f"the {name} hold {held}, the tape {truth}"
    broker = {p["symbol"]: Decimal(p["qty"]) for p in cell.broker("/v2/positions")}
    if broker != truth:
        yield f"the broker holds {broker}, its tape {truth}"
    booked = connection.scalar(text("select sum(cash_delta) from execution.ledger"))
    if round(booked or Decimal(0), 2) != round(cash, 2):
        yield f"cash is {booked} here and {cash} on the tape"


def _exposure_stays_in_its_limit(tape: Tape, cell: "Cell") -> Iterator[str]:
    """Walk the tape: what is held and could still be bought, at every instant."""
    held: dict[str, Decimal] = defaultdict(Decimal)
    still_open: dict[str, tuple[str, str, Decimal]] = {}
    for line in tape.lines:
        if line["kind"] == "fill":
            sign = 1 if line["side"] == "buy" else -1
            held[line["symbol"]] += sign * Decimal(line["qty"])
        elif line["kind"] == "order":
            left = Decimal(line["order_qty"]) - Decimal(line["filled_qty"])
            symbol, side = line["symbol"], line["side"]
            if line["status"] in ENDS:
                still_open.pop(line["id"], None)
                continue
            still_open[line["id"]] = symbol, side, left
            if line["event"] != "pending_new":
                continue
            coming = sum(
                quantity
                for what, way, quantity in still_open.values()
                if (what, way) == (symbol, side)
            )
            price = money(cell.closes[symbol])
            worst = (held[symbol] + coming) * price
            if side == "buy" and worst > LIMIT * MOST_EQUITY:
                yield f"{symbol} could come to {worst} at {line['time']}"
            if side == "sell" and coming > held[symbol]:
                yield f"{coming} {symbol} on sale of {held[symbol]} at {line['time']}"


def _nothing_is_claimed_while_halted(connection: Connection) -> Iterator[str]:
    for row in _rows(
        connection,
        """
        with states as (
          select state, level, set_at,
            coalesce(lead(set_at) over (order by history_id), 'infinity') as until
          from risk_management.trading_state_history)
        select o.client_order_id, a.attempt, a.claimed_at, s.state, s.set_at
        from execution.submit_attempts a join execution.orders o using (order_id)
        join states s on a.claimed_at > s.set_at and a.claimed_at < s.until
        where o.tag <> 'flatten'
          and (s.state = 'HALTED' or s.state = 'REDUCING' and not o.reduces)
        """,
    ):
        yield f"{row[0]} was claimed at {row[2]}, {row[3]} since {row[4]}"


def _no_entry_leaves_after_a_halt(tape: Tape) -> Iterator[str]:
    """Count the entries that the broker took after a halt was answered.

    A call whose arrival the broker put off had left before; each may land later.
    """
    halted, entries, put_off, marks = False, 0, 0, 0
    for line in tape.lines:
        if line["kind"] == "price" and line["symbol"] == MARK:
            halted, entries = line["value"] == HALTED, 0
            marks += 1
        elif line["kind"] == "fault":
            put_off += line["fault"] == "hang_before_accepting"
        elif halted and line["kind"] == "order" and line["event"] == "pending_new":
            entries += line["side"] == "buy"
            if entries > UNDER_WAY + put_off:
                yield f"{entries} entries were taken after a halt, at {line['time']}"
    # The end of the disturbance is marked in each seed: without, nothing was judged.
    if not marks:
        yield "no mark of a halt or of its end is on the tape"


def _log_is_whole(connection: Connection, listener: str) -> Iterator[str]:
    for row in _rows(
        connection,
        "select topic, key, count(*), max(key_version) from shared.events"
        " group by 1, 2 having count(*) <> max(key_version) or min(key_version) <> 1",
    ):
        yield f"{row[0]} of {row[1]}: {row[2]} events up to version {row[3]}"
    for row in _rows(
        connection,
        "select consumer, topic, key, status, last_error from shared.dead_letters"
        " where status <> 'replayed'",
    ):
        yield f"{row[0]} has a letter about {row[1]} {row[2]}, {row[3]}: {row[4]}"
    for name, query in unended(listener).items():
        if left := connection.scalar(text(query)):
            yield f"{name}: {left}"


def _each_round_trip_is_told_once(connection: Connection) -> Iterator[str]:
    """What analytics made of the executions equals what they come to when counted."""
    held: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    closed: Counter[tuple[str, str]] = Counter()
    for row in _rows(
        connection,
        "select strategy, symbol, side, quantity from analytics.executions"
        " order by timestamp, broker_order_id nulls first, cumulative_quantity",
    ):
        pair = row[0], row[1]
        held[pair] += row[3] if row[2] == "buy" else -row[3]
        closed[pair] += not held[pair]
    for what, query, expected in (
        (
            "open round trips",
            "select strategy, symbol, count(*) from analytics.round_trips"
            " where exit_time is null group by 1, 2",
            {pair: 1 for pair, quantity in held.items() if quantity},
        ),
        (
            "closed round trips",
            "select strategy, symbol, count(*) from analytics.round_trips"
            " where exit_time is not null group by 1, 2",
            +closed,
        ),
        (
            "round trips told of",
            "select payload->>'strategy', payload->>'symbol', count(*)"
            " from shared.events where topic = 'analytics.round_trip_closed'"
            " group by 1, 2",
            +closed,
        ),
    ):
        found = {(row[0], row[1]): row[2] for row in _rows(connection, query)}
        if found != dict(expected):
            yield f"{what}: {found}, by the executions {dict(expected)}"


def _each_filled_order_is_told_once(connection: Connection) -> Iterator[str]:
    told = connection.scalar(
        text(
            "select coalesce(sum(count), 0) from notification.notifications"
            " where kind = 'order_filled'"
        )
    )
    filled = connection.scalar(
        text(
            "select count(*) from shared.events where topic = 'execution.order_filled'"
            " and (payload->>'complete')::boolean"
        )
    )
    if told != filled:
        yield f"{told} filled orders were told of, and {filled} were filled"


_LISTENED = {
    "analytics": _each_round_trip_is_told_once,
    "notification": _each_filled_order_is_told_once,
}


def _audit_holds(connection: Connection) -> Iterator[str]:
    broken = connection.scalar(text("select shared.verify_audit()"))
    if broken is not None:
        yield f"the audit's chain breaks at {broken}"


def _no_secret_is_told(cell: "Cell") -> Iterator[str]:
    for log in cell.directory.glob("*.log"):
        if "PKCANARY" in log.read_text(errors="replace"):
            yield f"{log.name} holds a secret"
