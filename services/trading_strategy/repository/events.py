"""Which bars ingestion told of, and which of them were not decided."""

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from trading_system.contracts.ingestion import BarsIngested
from trading_system.models import LoggedEvent

# A strategy decides on the bars told of after it began; where one has no decision at
# all, the bar is undecided for it.
_UNDECIDED = """
select e.event_id
from shared.events e
where e.topic = :topic
  and e.seq > (select coalesce(min(s.decides_after), 0)
               from strategy_engine.strategies s where s.status <> 'disabled')
  and exists (
    select from strategy_engine.strategies s
    where s.status <> 'disabled' and e.seq > s.decides_after
      and (cast(:only as text) is null or s.name = :only)
      and not exists (
        select from strategy_engine.decisions d
        where d.strategy_id = s.strategy_id
          and d.timeframe = e.payload ->> 'timeframe'
          and d.bar_end = cast(e.payload ->> 'bar_end' as timestamptz)))
order by e.seq
limit :limit
"""


class IngestedBars:
    """What `BarsIngested` said, read from the log."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def undecided(
        self, only: str | None = None, limit: int = 500
    ) -> list[BarsIngested]:
        """Return bars on which a strategy has not decided, oldest first."""
        ids = self._session.scalars(
            text(_UNDECIDED),
            {"topic": BarsIngested.topic, "only": only, "limit": limit},
        ).all()
        rows = self._session.scalars(
            select(LoggedEvent)
            .where(LoggedEvent.event_id.in_(ids))
            .order_by(LoggedEvent.seq)
        )
        return [BarsIngested.loaded(row) for row in rows]

    def sequence(self, event: BarsIngested) -> int:
        """Return the place of an event in the log; the end of it for one not there."""
        found = self._session.scalar(
            select(LoggedEvent.seq).where(LoggedEvent.event_id == event.event_id)
        )
        return found if found is not None else self.end() + 1

    def end(self) -> int:
        """Return the last sequence number of the log."""
        query = select(LoggedEvent.seq).order_by(LoggedEvent.seq.desc()).limit(1)
        return self._session.scalar(query) or 0
