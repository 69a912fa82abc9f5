"""The pages of the menu, in its order, with the key that opens each after `g`."""

from typing import Final, NamedTuple


class MenuPage(NamedTuple):
    """One entry of the menu."""

    icon: str
    href: str
    label: str
    key: str


PAGES: Final = (
    MenuPage("portfolio", "/", "Portfolio", "p"),
    MenuPage("orders", "/orders", "Orders", "o"),
    MenuPage("chart", "/charts", "Chart", "c"),
    MenuPage("explain", "/explain", "Explain", "e"),
    MenuPage("risk", "/risk", "Risk", "r"),
    MenuPage("strategies", "/strategies", "Strategies", "s"),
    MenuPage("performance", "/performance", "Performance", "f"),
    MenuPage("backtests", "/backtests", "Backtests", "b"),
    MenuPage("data", "/data", "Data", "d"),
    MenuPage("alerts", "/alerts", "Alerts", "n"),
    MenuPage("logs", "/logs", "Logs", "l"),
    MenuPage("system", "/system", "System", "y"),
    MenuPage("settings", "/settings", "Settings", ","),
)
