"""A replayed file is laid out once, and again when it is another one."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from paper_exchange.errors import StartRefused
from paper_exchange.market import replay

pytestmark = pytest.mark.unit


def write(path: Path, close: float) -> None:
    """Write two minutes of two symbols."""
    first = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
    rows = [
        {
            "symbol": symbol,
            "timestamp": first + timedelta(minutes=minute),
            "open": 10.0,
            "high": 12.0,
            "low": 9.0,
            "close": close + minute,
            "volume": 100,
        }
        for symbol in ("ONE", "TWO")
        for minute in range(2)
    ]
    pl.DataFrame(rows).write_parquet(path)


def test_a_file_is_laid_out_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, directory = tmp_path / "bars.parquet", tmp_path / "replay"
    write(path, 10.5)
    first = replay.load(path, directory)
    assert (first.first, first.last) == (date(2026, 3, 2), date(2026, 3, 2))
    assert first.seconds == 60
    assert first.columns["TWO"]["close"].tolist() == [10.5, 11.5]
    with monkeypatch.context() as patch:
        patch.setattr("subprocess.run", None)
        again = replay.load(path, directory)
    assert again.columns["ONE"]["volume"].tolist() == [100, 100]
    write(path, 9.5)
    changed = replay.load(path, directory)
    assert changed.columns["ONE"]["close"].tolist() == [9.5, 10.5]
    # Whoever still runs on the file that was there before keeps its prices.
    assert first.columns["TWO"]["close"].tolist() == [10.5, 11.5]


def test_a_file_that_is_refused_leaves_nothing_to_trade_on(tmp_path: Path) -> None:
    path, directory = tmp_path / "bars.parquet", tmp_path / "replay"
    write(path, 50.0)
    for _ in range(2):
        with pytest.raises(StartRefused, match="row 1, column"):
            replay.load(path, directory)
