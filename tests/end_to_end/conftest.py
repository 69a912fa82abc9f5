"""A stack of its own, started by the command line, that replays bars we made."""

import pytest
from stack import write_bars


@pytest.fixture(scope="session")
def replay(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Parquet file of hourly bars of four symbols, two months of 2015."""
    return str(write_bars(tmp_path_factory.mktemp("replay") / "bars.parquet"))
