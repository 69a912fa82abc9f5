"""Our books against the broker's and against each other, asked over HTTP alone."""

import functools
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from trading_system.clients import Services
from trading_system.config.settings import Settings
from trading_system.contracts.system import IdentityView
from trading_system.errors import Unavailable
from trading_system.runtime import callers
from trading_system.runtime.data_directory import DataDirectory
from trading_system.runtime.finding import Finding, State
from trading_system.runtime.run_file import Run
from trading_system.runtime.secrets import Secrets

CENT = Decimal("0.01")
LOOKS = 3
PAUSE = 1.0
REMEDY = "See the reconciliation on the System page; nothing is corrected by trading."
FIGURES = "`trading flows run update_positions`; a mark may be under way."


def check(settings: Settings, place: DataDirectory, run: Run) -> list[Finding]:
    """Return everything that must hold in the books, and how it does."""
    secrets = Secrets.open(place.secrets)
    asking = callers.settings_of(settings, run, secrets, "cli")
    broker = Broker(settings, secrets, run)
    with Services(asking) as services:
        for _ in range(LOOKS - 1):
            findings = _look(services, broker)
            if all(finding.state is State.PASS for finding in findings):
                return findings
            # While trading goes on a fill may be on its way between the two sides.
            time.sleep(PAUSE)
        return _look(services, broker)


def _look(services: Services, broker: "Broker") -> list[Finding]:
    account = services.execution.account()
    ours = {each.symbol: each.quantity for each in services.execution.positions()}
    theirs, cash = broker.positions(), broker.cash()
    portfolio = services.analytics.portfolio()
    recorded = services.execution.equity(account.market_time)
    chain = [identity for service in services.all for identity in service.books()]
    return [
        *map(identity, chain),
        positions(ours, theirs),
        cash_balance(account.cash, cash),
        figures(
            "equity",
            {
                "the account": account.equity,
                "its last snapshot": recorded[-1].equity if recorded else None,
                "the portfolio": portfolio.total_value,
            },
        ),
        figures(
            "profit and loss",
            {
                "the account": account.realized_pnl + account.unrealized_pnl,
                "the portfolio": portfolio.pnl,
            },
        ),
    ]


def identity(seen: IdentityView) -> Finding:
    """Return what a service says of its own books."""
    if not seen.broken:
        return Finding(seen.name, State.PASS, f"holds for {seen.counted}")
    words = f"{seen.broken} of {seen.counted} break it: {_first(seen)}"
    return Finding(seen.name, State.FAIL, words, seen.remedy)


def _first(seen: IdentityView) -> str:
    more = ", …" if seen.broken > len(seen.examples) else ""
    return ", ".join(seen.examples) + more


def positions(ours: Mapping[str, Decimal], theirs: Mapping[str, Decimal]) -> Finding:
    """Compare quantities, symbol by symbol; no row is the same as none held."""
    different = [
        f"{symbol} {ours.get(symbol, 0)} here, {theirs.get(symbol, 0)} at the broker"
        for symbol in sorted({*ours, *theirs})
        if ours.get(symbol, Decimal(0)) != theirs.get(symbol, Decimal(0))
    ]
    if different:
        return Finding("positions", State.FAIL, "; ".join(different), REMEDY)
    return Finding("positions", State.PASS, f"{len(theirs)} agree with the broker")


def cash_balance(ours: Decimal, theirs: Decimal) -> Finding:
    """Compare cash to the cent."""
    if ours.quantize(CENT) != theirs.quantize(CENT):
        words = f"{ours:.2f} here, {theirs:.2f} at the broker"
        return Finding("cash", State.FAIL, words, REMEDY)
    return Finding("cash", State.PASS, f"{theirs:.2f}, to the cent")


def figures(name: str, said: Mapping[str, Decimal | None]) -> Finding:
    """Compare a figure wherever it is shown; before the first mark nobody has one."""
    if len({_cents(value) for value in said.values()}) == 1:
        return Finding(name, State.PASS, f"{_shown(next(iter(said.values())))}")
    words = ", ".join(f"{_shown(value)} by {who}" for who, value in said.items())
    return Finding(name, State.FAIL, words, FIGURES)


def _cents(value: Decimal | None) -> Decimal | None:
    return None if value is None else value.quantize(CENT)


def _shown(value: Decimal | None) -> str:
    return "none" if value is None else f"{value:.2f}"


class Broker:
    """The broker, asked by its own client and not by the adapter that is judged."""

    def __init__(self, settings: Settings, secrets: Secrets, run: Run) -> None:
        # Imported here: it brings pandas, which no other command should wait for.
        from alpaca.trading.client import TradingClient

        simulated = "exchange" in run.urls
        key = secrets.exchange_key if simulated else settings.alpaca_api_key
        secret = secrets.exchange_secret if simulated else settings.alpaca_secret_key
        self._client = TradingClient(
            key.get_secret_value(),
            secret.get_secret_value(),
            url_override=run.urls.get("exchange", settings.alpaca_base_url),
            raw_data=True,
        )
        session = self._client._session
        session.trust_env = False
        # It knows no time-out of its own.
        patient = functools.partial(session.request, timeout=10)
        session.request = patient  # type: ignore[method-assign]

    def positions(self) -> dict[str, Decimal]:
        """Return the shares of each symbol that the broker holds for the account."""
        rows = self._ask(self._client.get_all_positions)
        return {str(row["symbol"]): Decimal(row["qty"]) for row in rows}

    def cash(self) -> Decimal:
        """Return the account's cash."""
        return Decimal(self._ask(self._client.get_account)["cash"])

    def _ask(self, question: Callable[[], Any]) -> Any:
        try:
            return question()
        except (OSError, ValueError) as error:
            raise Unavailable(
                f"The broker does not answer ({type(error).__name__}).",
                remedy="Try again later.",
            ) from error
        except Exception as error:  # the client's own error is no OSError
            raise Unavailable(
                f"The broker answered with an error: {error}.",
                remedy="See Alpaca's status page, or `trading logs exchange`.",
            ) from error
