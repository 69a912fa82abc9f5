"""The portfolio by symbol."""

from datetime import datetime

from trading_analytics.models import PortfolioSummary
from trading_analytics.repository import AnalyticsTransaction
from trading_core.money import ZERO

CASH = "$USD"


def summarize_portfolio(tx: AnalyticsTransaction, market_time: datetime) -> int:
    """Bring the portfolio's rows to what the books say; return how many changed."""
    account_id = tx.account_id
    rows = [(CASH, tx.books.cash(account_id), ZERO), *tx.books.positions(account_id)]
    changed = 0
    for symbol, value, pnl in rows:
        row = PortfolioSummary(
            account_id=account_id,
            symbol=symbol,
            total_value=value,
            pnl=pnl,
            market_time=market_time,
        )
        changed += tx.results.put(row)
    tx.results.drop_portfolio_rows(account_id, {symbol for symbol, _, _ in rows})
    return changed
