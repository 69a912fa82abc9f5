"""What was taken in, from where, and for which symbols."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trading_ingestion.models import (
    ArchivedFile,
    BarBatch,
    ImportedFile,
    Listing,
    Series,
)


class Batches:
    """The bars that were taken in, by their end."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def newest(self, timeframe: str, feed: str) -> datetime | None:
        """Return the end of the newest bar that was taken in."""
        query = select(func.max(BarBatch.bar_end)).where(
            BarBatch.timeframe == timeframe, BarBatch.feed == feed
        )
        return self._session.scalar(query)

    def ends(self, timeframe: str, feed: str, after: datetime) -> set[datetime]:
        """Return the ends of the bars that were taken in and end after a time."""
        query = select(BarBatch.bar_end).where(
            BarBatch.timeframe == timeframe,
            BarBatch.feed == feed,
            BarBatch.bar_end > after,
        )
        return set(self._session.scalars(query))

    def take(
        self,
        *,
        timeframe: str,
        feed: str,
        bar_start: datetime,
        bar_end: datetime,
        symbols: Sequence[str],
        missing: Sequence[str],
        newest: bool,
        market_time: datetime,
    ) -> bool:
        """Record that a bar was taken in; False when somebody else was first."""
        taken = self._session.execute(
            insert(BarBatch)
            .values(
                timeframe=timeframe,
                feed=feed,
                bar_end=bar_end,
                bar_start=bar_start,
                symbols=list(symbols),
                missing=list(missing),
                newest=newest,
                market_time=market_time,
            )
            .on_conflict_do_nothing()
            .returning(BarBatch.bar_end)
        )
        return taken.first() is not None


class SeriesState:
    """Where live bars begin and history ends, for a timeframe and feed."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, timeframe: str, feed: str) -> Series | None:
        """Return the state, or None before the first start."""
        return self._session.get(Series, (timeframe, feed))

    def begin(self, timeframe: str, feed: str, live_from: datetime) -> Series:
        """Return the state; the first caller says where live bars begin."""
        self._session.execute(
            insert(Series)
            .values(
                timeframe=timeframe,
                feed=feed,
                live_from=live_from,
                history_from=live_from,
            )
            .on_conflict_do_nothing()
        )
        return self.locked(timeframe, feed)

    def locked(self, timeframe: str, feed: str) -> Series:
        """Return the state; who holds it is the only one who stores bars of it."""
        query = (
            select(Series)
            .where(Series.timeframe == timeframe, Series.feed == feed)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        return self._session.scalars(query).one()


class Universe:
    """The symbols that bars are fetched for."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def active(self) -> list[str]:
        """Return the symbols in force."""
        query = select(Listing.symbol).where(Listing.active).order_by(Listing.symbol)
        return list(self._session.scalars(query))

    def all(self) -> list[Listing]:
        """Return every symbol that is or was fetched."""
        return list(self._session.scalars(select(Listing).order_by(Listing.symbol)))

    def add(self, names: Mapping[str, str], at: datetime) -> None:
        """Add symbols, or take them up again."""
        if not names:
            return
        self._session.execute(
            insert(Listing)
            .values(
                [
                    {"symbol": symbol, "name": name, "added_at": at}
                    for symbol, name in names.items()
                ]
            )
            .on_conflict_do_update(
                index_elements=["symbol"], set_={"active": True, "removed_at": None}
            )
        )

    def remove(self, symbols: Sequence[str], at: datetime) -> None:
        """Stop fetching symbols; their bars stay."""
        self._session.execute(
            update(Listing)
            .where(Listing.symbol.in_(symbols), Listing.active)
            .values(active=False, removed_at=at)
        )


class Imports:
    """Files that were taken in."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, content_hash: str, feed: str) -> ImportedFile | None:
        """Return what was recorded of a file with this content."""
        return self._session.get(ImportedFile, (content_hash, feed))

    def add(self, file: ImportedFile) -> None:
        """Record a file."""
        self._session.add(file)

    def all(self) -> list[ImportedFile]:
        """Return all files, newest first."""
        query = select(ImportedFile).order_by(ImportedFile.imported_at.desc())
        return list(self._session.scalars(query))


class Archives:
    """Files that rows were moved to."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, file: ArchivedFile) -> None:
        """Record a file, or record it again when its rows were moved once more."""
        self._session.merge(file)

    def all(self) -> list[ArchivedFile]:
        """Return all files, newest first."""
        query = select(ArchivedFile).order_by(ArchivedFile.archived_at.desc())
        return list(self._session.scalars(query))
