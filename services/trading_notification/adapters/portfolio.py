"""The day's figures, asked of execution."""

from datetime import date, datetime

from trading_core.calendar import NEW_YORK
from trading_notification.domain.summary import Executed, Figures, Holding
from trading_system.clients import Services

MOST_TRADES = 500


class ServicesPortfolio:
    """Asks execution for the account, its positions and executions."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def figures(self) -> Figures:
        """Return the newest day that execution knows of."""
        execution = self._services.execution
        account = execution.account()
        market_time = account.market_time or execution.clock().now
        day = _day(market_time)
        trades = execution.trades(limit=MOST_TRADES)
        return Figures(
            day=day,
            equity=account.equity,
            day_pnl=account.day_pnl,
            cash=account.cash,
            positions=[
                Holding(p.symbol, p.quantity, p.market_value, p.unrealized_pnl)
                for p in execution.positions()
                if p.quantity
            ],
            trades=[
                Executed(trade.symbol, trade.side, trade.quantity, trade.price)
                for trade in reversed(trades)
                if _day(trade.timestamp) == day
            ],
        )


def _day(moment: datetime) -> date:
    return moment.astimezone(NEW_YORK).date()
