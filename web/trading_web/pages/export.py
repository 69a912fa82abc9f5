"""Every table as CSV and JSON: full precision, UTC, with New York time beside it."""

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, Literal, TypeVar

from fastapi import APIRouter, Request
from starlette.responses import Response

from trading_system.clients import Services
from trading_system.errors import NotFound
from trading_system.vocabulary import View
from trading_web import formats
from trading_web.errors import PageRoute
from trading_web.shell import OnDesk

router = APIRouter(route_class=PageRoute)

Row = TypeVar("Row", bound=View)

PAGE: Final = 1000
"""Rows that a service is asked for at once."""

MOST: Final = 100_000
# A cell that starts so is a formula to a spreadsheet.
FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")

Query = dict[str, Any]
TABLES: Final[dict[str, Callable[[Services, Query], list[Any]]]] = {
    "positions": lambda s, q: s.execution.positions(),
    "working": lambda s, q: _orders(s, q | {"state": "open"}),
    "history": lambda s, q: _orders(s, q),
    "executions": lambda s, q: walked(
        lambda last: s.execution.trades(**q, cursor=last), "trade_id"
    ),
    "trades": lambda s, q: walked(
        lambda last: s.analytics.round_trips(**q, before=last), "round_trip_id"
    ),
    "denied": lambda s, q: walked(
        lambda last: s.risk.outcomes(**q, outcome="denied", before=last), "outcome_id"
    ),
    "decisions": lambda s, q: walked(
        lambda last: s.strategy.decisions(**q, before=last), "decision_id"
    ),
    "strategies": lambda s, q: s.strategy.strategies(),
    "limits": lambda s, q: s.risk.limits(),
    "breakers": lambda s, q: s.risk.breakers(),
    "locks": lambda s, q: s.risk.locks(),
    "trading-states": lambda s, q: s.risk.trading_states(PAGE),
    "performance": lambda s, q: s.analytics.performance(limit=PAGE),
    "backtests": lambda s, q: s.analytics.backtests(),
    "equity": lambda s, q: s.execution.equity(limit=50_000),
    "bars": lambda s, q: s.ingestion.bars(q["symbol"] or "SPY", limit=10_000),
    "coverage": lambda s, q: s.ingestion.coverage(),
    "quality": lambda s, q: walked(
        lambda last: s.ingestion.quality(PAGE, before=last), "log_id"
    ),
    "alerts": lambda s, q: walked(
        lambda last: s.notification.notifications(limit=PAGE, before=last),
        "notification_id",
    ),
    "logs": lambda s, q: walked(
        lambda last: s.notification.logs(level="INFO", limit=PAGE, before=last),
        "log_id",
    ),
    "audit": lambda s, q: walked(
        lambda last: s.risk.audit(limit=PAGE, before=last), "audit_id"
    ),
    "runs": lambda s, q: s.ingestion.jobs(500),
}


def walked(read: Callable[[Any], Sequence[Row]], key: str) -> list[Row]:
    """Return all pages of a list, each after the last row of the one before it."""
    rows: list[Row] = []
    while len(rows) < MOST:
        page = read(getattr(rows[-1], key) if rows else None)
        rows += page
        if len(page) < PAGE:
            break
    return rows


def _orders(services: Services, query: Query) -> list[Any]:
    return walked(
        lambda last: services.execution.orders(**query, cursor=last), "order_id"
    )


@router.get("/export/{table}.{kind}")
def export(
    request: Request, desk: OnDesk, table: str, kind: Literal["csv", "json"]
) -> Response:
    """Return a table's rows; symbol and outcome narrow them as on its page."""
    read = TABLES.get(table)
    if read is None:
        raise NotFound(f"There is no table {table}.")
    asked = request.query_params
    query: Query = {"limit": PAGE, "symbol": asked.get("symbol", "").upper() or None}
    if table == "decisions":
        query["outcome"] = asked.get("outcome") or None
    rows: list[View] = read(desk.services, query)
    return as_file(table, kind, rows)


def as_file(name: str, kind: str, rows: Sequence[View]) -> Response:
    """Return views as a file to keep."""
    # A header's text is of few characters, and a name may have been any.
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    headers = {"Content-Disposition": f'attachment; filename="{plain}.{kind}"'}
    if kind == "json":
        body = json.dumps([row.model_dump(mode="json") for row in rows], indent=1)
        return Response(body, media_type="application/json", headers=headers)
    return Response(as_csv(rows), media_type="text/csv", headers=headers)


def as_csv(rows: Sequence[View]) -> str:
    """Return views as lines; a time has its New York time in a column beside it."""
    lines = [_flat(row) for row in rows]
    names = list(dict.fromkeys(name for line in lines for name in line))
    out = io.StringIO()
    writer = csv.DictWriter(out, names, restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def _flat(row: View) -> dict[str, str]:
    line: dict[str, str] = {}
    exact, plain = row.model_dump(), row.model_dump(mode="json")
    for name, value in plain.items():
        if isinstance(exact[name], datetime):
            local = exact[name].astimezone(formats.NEW_YORK)
            line[name] = str(value)
            line[f"{name}_new_york"] = local.isoformat()
        elif isinstance(value, dict | list):
            line[name] = json.dumps(value)
        else:
            line[name] = "" if value is None else _inert(exact[name], str(value))
    return line


def _inert(exact: object, text: str) -> str:
    """Return words that no spreadsheet takes for a formula; numbers stay."""
    is_words = isinstance(exact, str) and text.startswith(FORMULAS)
    return f"'{text}" if is_words else text
