"""The exchange calendar, as the kernel keeps it in a table."""

from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session as DatabaseSession

from trading_core.calendar import Calendar, Session
from trading_system.errors import Misconfigured
from trading_system.models import TradingSession

_known: dict[tuple[date, date], Calendar] = {}


def calendar(session: DatabaseSession) -> Calendar:
    """Return the calendar; built again only when the table reaches further."""
    first, last = session.execute(
        select(func.min(TradingSession.day), func.max(TradingSession.day))
    ).one()
    if first is None:
        raise Misconfigured(
            "The table shared.sessions is empty, so no bar can be told from a night.",
            remedy="Start the system with `trading up`, which fills it.",
        )
    key = (first, last)
    if key not in _known:
        rows = session.execute(
            select(TradingSession.day, TradingSession.open, TradingSession.close)
        )
        _known.clear()
        _known[key] = Calendar(Session(*row) for row in rows)
    return _known[key]
