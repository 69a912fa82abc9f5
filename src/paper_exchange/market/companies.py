"""The companies of the generated market: real names, invented prices."""

from typing import NamedTuple

from paper_exchange.market.source import Listing


class Company(NamedTuple):
    """A listing and how its price behaves.

    `volatility` is the yearly standard deviation of its own part of the return, `beta`
    its share in the market's, `volume` the usual number of shares a day.
    """

    symbol: str
    name: str
    exchange: str
    sector: str
    price: float
    volatility: float
    beta: float
    volume: float

    @property
    def listing(self) -> Listing:
        """The part an asset list shows."""
        return Listing(self.symbol, self.name, self.exchange)


COMPANIES = (
    Company("AAPL", "Apple Inc.", "NASDAQ", "hardware", 212, 0.19, 1.10, 52e6),
    Company(
        "MSFT", "Microsoft Corporation", "NASDAQ", "software", 428, 0.17, 1.05, 2e7
    ),
    Company("NVDA", "NVIDIA Corporation", "NASDAQ", "chips", 124, 0.36, 1.60, 2.1e8),
    Company("AMZN", "Amazon.com, Inc.", "NASDAQ", "internet", 186, 0.23, 1.25, 38e6),
    Company("GOOGL", "Alphabet Inc.", "NASDAQ", "internet", 172, 0.21, 1.10, 27e6),
    Company(
        "META", "Meta Platforms, Inc.", "NASDAQ", "internet", 505, 0.27, 1.30, 14e6
    ),
    Company("TSLA", "Tesla, Inc.", "NASDAQ", "cars", 246, 0.46, 1.70, 95e6),
    Company("JPM", "JPMorgan Chase & Co.", "NYSE", "banks", 206, 0.14, 1.00, 9e6),
    Company(
        "BAC", "Bank of America Corporation", "NYSE", "banks", 41, 0.16, 1.10, 36e6
    ),
    Company("WFC", "Wells Fargo & Company", "NYSE", "banks", 58, 0.18, 1.10, 17e6),
    Company("XOM", "Exxon Mobil Corporation", "NYSE", "energy", 115, 0.14, 0.70, 15e6),
    Company("CVX", "Chevron Corporation", "NYSE", "energy", 157, 0.14, 0.75, 8e6),
    Company("JNJ", "Johnson & Johnson", "NYSE", "health", 150, 0.12, 0.45, 7e6),
    Company("PFE", "Pfizer Inc.", "NYSE", "health", 28, 0.19, 0.55, 37e6),
    Company("UNH", "UnitedHealth Group", "NYSE", "health", 520, 0.19, 0.60, 4e6),
    Company("KO", "The Coca-Cola Company", "NYSE", "staples", 64, 0.10, 0.45, 13e6),
    Company("PEP", "PepsiCo, Inc.", "NASDAQ", "staples", 170, 0.11, 0.45, 6e6),
    Company("WMT", "Walmart Inc.", "NYSE", "staples", 68, 0.14, 0.55, 17e6),
    Company("HD", "The Home Depot, Inc.", "NYSE", "retail", 352, 0.16, 0.95, 3.5e6),
    Company("DIS", "The Walt Disney Company", "NYSE", "media", 97, 0.20, 1.00, 11e6),
    Company("NFLX", "Netflix, Inc.", "NASDAQ", "media", 655, 0.28, 1.15, 3.6e6),
    Company("AMD", "Advanced Micro Devices", "NASDAQ", "chips", 158, 0.37, 1.65, 52e6),
    Company("INTC", "Intel Corporation", "NASDAQ", "chips", 31, 0.33, 1.20, 47e6),
    Company("CSCO", "Cisco Systems, Inc.", "NASDAQ", "hardware", 47, 0.15, 0.90, 18e6),
    Company("SPY", "SPDR S&P 500 ETF Trust", "ARCA", "index", 545, 0.005, 1.00, 58e6),
)
