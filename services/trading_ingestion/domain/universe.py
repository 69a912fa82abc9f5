"""The symbols that a first start begins with where the market lists thousands."""

FAMILIAR = (
    "AAPL",
    "AMD",
    "AMZN",
    "BAC",
    "CSCO",
    "CVX",
    "DIS",
    "GOOGL",
    "HD",
    "INTC",
    "JNJ",
    "JPM",
    "KO",
    "META",
    "MSFT",
    "NFLX",
    "NVDA",
    "PEP",
    "PFE",
    "SPY",
    "TSLA",
    "UNH",
    "WFC",
    "WMT",
    "XOM",
)
"""Large companies of every sector, and the index: liquid on every feed."""

SMALL_MARKET = 100
"""A market that lists no more than this is taken whole."""


def first_universe(listed: dict[str, str]) -> dict[str, str]:
    """Return symbol and name of what to fetch: the familiar ones of a large market."""
    if len(listed) <= SMALL_MARKET:
        return dict(sorted(listed.items()))
    return {symbol: listed[symbol] for symbol in FAMILIAR if symbol in listed}
