"""A market for stacks whose processes are killed."""

import pytest
from stack import write_bars


@pytest.fixture(scope="session")
def replay(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Parquet file of hourly bars of four symbols, two months of 2015."""
    return str(write_bars(tmp_path_factory.mktemp("replay") / "bars.parquet"))
