"""A backtest is refused to a strategy that looks ahead."""

import io
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from trading_core.lookahead import walk
from trading_core.strategy import Condition, Parameters, Rules, Strategy
from trading_flows.backtest import backtest
from trading_system import plugins
from trading_system.errors import Invalid

pytestmark = pytest.mark.unit


class Peeking(Strategy[Parameters], name="peeking"):
    """Buy what will rise."""

    def indicators(self) -> dict[str, pl.Expr]:
        return {"next": pl.col("close").shift(-1)}

    def rules(self) -> Rules:
        return Rules(buy=(Condition("next", ">", "close"),))


class FakeServices:
    """Stored bars, and a strategy that is in force; nothing is ever kept."""

    def __init__(self) -> None:
        self.strategy = SimpleNamespace(strategy=self._known)
        self.ingestion = SimpleNamespace(arrow=self._arrow, universe=lambda: ["SPY"])

    def _known(self, name: str) -> Any:
        return SimpleNamespace(name=name, parameters={})

    def _arrow(self, *asked: Any) -> bytes:
        stream = io.BytesIO()
        walk(symbols=4, count=300).write_ipc_stream(stream)
        return stream.getvalue()


def test_it_is_refused_with_bar_and_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADING_ENV_FILE", "")
    monkeypatch.setattr(plugins, "load", lambda settings: {"peeking": Peeking})
    services: Any = FakeServices()
    with pytest.raises(Invalid, match="peeking looks ahead.*signal of WALK0") as error:
        backtest(services, "peeking")
    assert error.value.code == "lookahead"
