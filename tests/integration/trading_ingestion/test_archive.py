"""Old rows go to Parquet, are read back and compared, and only then deleted."""

from datetime import date, datetime

import polars as pl
import pytest
from sqlalchemy import text

from trading_core.calendar import NEW_YORK
from trading_ingestion import operations
from trading_ingestion.operations import archive
from trading_system.errors import Invalid, Unavailable

pytestmark = pytest.mark.integration

TODAY = date(2024, 12, 31)
LIMIT = date(2024, 6, 1)


@pytest.fixture
def loaded(database, source):
    operations.load_history(database, source)
    return database


def count(database, table, where="true"):
    with database.read_only() as tx:
        return tx.session.scalar(
            text(f"select count(*) from data_ingestion.{table} where {where}")
        )


OLD = "timestamp < '2024-06-01T00:00:00Z'"


def test_old_rows_move_to_a_file_for_each_month(loaded, tmp_path):
    old = count(loaded, "market_data", OLD) + count(loaded, "received_bars", OLD)
    young = count(loaded, "market_data", f"not {OLD}")

    result = operations.archive_old_data(loaded, tmp_path, TODAY, LIMIT)

    assert result.rows == old > 0
    assert count(loaded, "market_data") == young
    assert count(loaded, "market_data", OLD) == 0
    files = sorted(tmp_path.glob("market_data/*.parquet"))
    assert [file.name[:7] for file in files] == ["2024-04", "2024-05"]
    kept = pl.concat([pl.read_parquet(file) for file in files])
    assert (
        kept.height
        == old
        - pl.concat(
            [pl.read_parquet(f) for f in tmp_path.glob("received_bars/*.parquet")]
        ).height
    )
    with loaded.read_only() as tx:
        assert sorted(row.path for row in tx.archives.all()) == sorted(result.files)
        assert sum(row.rows for row in tx.archives.all()) == old


def test_archiving_again_changes_nothing(loaded, tmp_path):
    operations.archive_old_data(loaded, tmp_path, TODAY, LIMIT)
    files = sorted(tmp_path.rglob("*"))

    result = operations.archive_old_data(loaded, tmp_path, TODAY, LIMIT)

    assert (result.rows, result.files) == (0, [])
    assert sorted(tmp_path.rglob("*")) == files


def test_archived_bars_are_not_loaded_as_due_again(loaded, source, feed, tmp_path):
    feed.now = datetime(2024, 7, 1, 10, 2, tzinfo=NEW_YORK)
    operations.fetch_due_bars(loaded, source)
    operations.archive_old_data(loaded, tmp_path, TODAY, date(2024, 9, 1))

    assert count(loaded, "market_data") == 0
    assert operations.fetch_due_bars(loaded, source).status == "nothing due"


def test_a_file_that_does_not_read_back_deletes_nothing(loaded, tmp_path, monkeypatch):
    before = count(loaded, "market_data")
    empty = pl.DataFrame()
    monkeypatch.setattr(archive.pl, "read_parquet", lambda content: empty)

    with pytest.raises(Unavailable, match="Nothing was deleted"):
        operations.archive_old_data(loaded, tmp_path, TODAY, LIMIT)

    assert count(loaded, "market_data") == before
    assert list(tmp_path.rglob("*.parquet")) == []


def test_a_disk_that_cannot_be_written_deletes_nothing(loaded, tmp_path):
    before = count(loaded, "market_data")
    (tmp_path / "market_data").write_text("a file where a folder should be")

    with pytest.raises(Unavailable, match="Nothing was deleted"):
        operations.archive_old_data(loaded, tmp_path, TODAY, LIMIT)

    assert count(loaded, "market_data") == before


def test_imported_bars_stay(loaded, tmp_path):
    with loaded.transaction() as tx:
        tx.session.execute(
            text("update data_ingestion.market_data set source = 'import'")
        )
    before = count(loaded, "market_data")

    operations.archive_old_data(loaded, tmp_path, TODAY, LIMIT)

    assert count(loaded, "market_data") == before


def test_what_strategies_still_need_is_refused(loaded, tmp_path):
    with pytest.raises(Invalid, match="90 days"):
        operations.archive_old_data(loaded, tmp_path, TODAY, date(2024, 12, 1))


def test_by_default_nothing_young_moves(loaded, tmp_path):
    assert operations.archive_old_data(loaded, tmp_path, TODAY).rows == 0
