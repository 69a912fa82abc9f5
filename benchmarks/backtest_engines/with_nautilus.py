"""nautilus_trader, under the benchmark: a quote at each open, a bar at its end."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import polars as pl
from backtest_engines.turns import CASH, FAST, SLOW, above, serve
from nautilus_trader.backtest.engine import (  # type: ignore[import-not-found]
    BacktestEngine,
    BacktestEngineConfig,
)
from nautilus_trader.config import (  # type: ignore[import-not-found]
    LoggingConfig,
    RiskEngineConfig,
)
from nautilus_trader.indicators import (  # type: ignore[import-not-found]
    SimpleMovingAverage,
)
from nautilus_trader.model.currencies import USD  # type: ignore[import-not-found]
from nautilus_trader.model.data import (  # type: ignore[import-not-found]
    Bar,
    BarType,
    QuoteTick,
)
from nautilus_trader.model.enums import (  # type: ignore[import-not-found]
    AccountType,
    OmsType,
    OrderSide,
)
from nautilus_trader.model.identifiers import (  # type: ignore[import-not-found]
    InstrumentId,
    Symbol,
    Venue,
)
from nautilus_trader.model.instruments import Equity  # type: ignore[import-not-found]
from nautilus_trader.model.objects import (  # type: ignore[import-not-found]
    Money,
    Price,
    Quantity,
)
from nautilus_trader.trading.strategy import Strategy  # type: ignore[import-not-found]

VENUE = Venue("SIM")
SPY = InstrumentId(Symbol("SPY"), VENUE)
BARS = BarType.from_str("SPY.SIM-1-HOUR-LAST-EXTERNAL")
HALF_AN_HOUR = 1_800_000_000_000
"""In nanoseconds: no bar is shorter, and a bar must stand before the next open."""


class Averages(Strategy):  # type: ignore[misc]
    """Long while the fast average is above the slow one; orders at the next open."""

    def __init__(self, fee: float) -> None:
        super().__init__()
        self.fee = fee
        self.fast, self.slow = SimpleMovingAverage(FAST), SimpleMovingAverage(SLOW)
        self.held = 0
        self.money = CASH
        self.wanted = 0
        self.number = -1
        self.fills: list[tuple[int, int, float]] = []
        self.values: list[float] = []

    def on_start(self) -> None:
        self.subscribe_quote_ticks(SPY)
        self.subscribe_bars(BARS)

    def on_quote_tick(self, tick: Any) -> None:
        self.number += 1
        if self.wanted > 0 and not self.held:
            # Its account rounds fees to the cent: sizes come of money kept here.
            price = float(tick.ask_price)
            self.order(OrderSide.BUY, int(self.money / (price * (1 + self.fee)) + 1e-9))
        elif self.wanted < 0 and self.held:
            self.order(OrderSide.SELL, self.held)

    def order(self, side: Any, shares: int) -> None:
        self.submit_order(
            self.order_factory.market(SPY, side, Quantity.from_int(shares))
        )

    def on_order_filled(self, event: Any) -> None:
        shares, price = int(event.last_qty), float(event.last_px)
        signed = shares if event.order_side == OrderSide.BUY else -shares
        self.held += signed
        self.money -= signed * price + shares * price * self.fee
        self.fills.append((self.number, signed, price))

    def on_bar(self, bar: Any) -> None:
        close = float(bar.close)
        self.fast.update_raw(close)
        self.slow.update_raw(close)
        self.values.append(self.money + self.held * close)
        self.wanted = 0
        if self.number >= SLOW:
            self.wanted = 1 if above(self.fast.value, self.slow.value) else -1


def prepare(work: str, bars: pl.DataFrame, fee: float) -> Callable[[], Any]:
    """Return a run over the bars."""
    instrument = Equity(
        instrument_id=SPY,
        raw_symbol=Symbol("SPY"),
        currency=USD,
        price_precision=4,
        price_increment=Price.from_str("0.0001"),
        lot_size=Quantity.from_int(1),
        ts_event=0,
        ts_init=0,
        maker_fee=Decimal(str(fee)),
        taker_fee=Decimal(str(fee)),
    )
    plenty = Quantity.from_int(1_000_000)
    events: list[Any] = []
    names = ("timestamp", "open", "high", "low", "close")
    columns = [bars["timestamp"].dt.epoch("ns").to_list()]
    columns += [bars[name].to_list() for name in names[1:]]
    for start, *prices in zip(*columns, strict=True):
        open_, high, low, close = (Price(price, 4) for price in prices)
        events.append(QuoteTick(SPY, open_, open_, plenty, plenty, start, start))
        end = start + HALF_AN_HOUR - 1
        events.append(Bar(BARS, open_, high, low, close, plenty, end, end))

    def run() -> Any:
        engine = BacktestEngine(
            BacktestEngineConfig(
                logging=LoggingConfig(bypass_logging=True),
                risk_engine=RiskEngineConfig(bypass=True),
            )
        )
        engine.add_venue(
            venue=VENUE,
            oms_type=OmsType.NETTING,
            account_type=AccountType.CASH,
            base_currency=USD,
            starting_balances=[Money(CASH, USD)],
            bar_execution=False,
        )
        engine.add_instrument(instrument)
        engine.add_data(events, sort=False)
        strategy = Averages(fee)
        engine.add_strategy(strategy)
        engine.run()
        made = strategy.fills, strategy.values, float(bars["close"][-1])
        engine.dispose()
        return made

    return run


def told(made: Any) -> dict[str, Any]:
    """Return what was traded: fills in pairs."""
    fills, values, last = made
    entries, exits = fills[::2], fills[1::2]
    trades = []
    for number, (bar, size, price) in enumerate(entries):
        is_closed = number < len(exits)
        left = exits[number] if is_closed else (len(values) - 1, 0, last)
        trades.append([0, bar, left[0], size, price, left[2]])
    return {"trades": trades, "final": [values[-1]], "counts": [len(trades)]}


if __name__ == "__main__":
    serve(prepare, told)
