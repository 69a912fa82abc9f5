"""Our books against the broker's, and the chain that leads to them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import httpx

from trading_system.clients import Services
from trading_system.config.settings import Settings
from trading_system.errors import Unavailable
from trading_system.runtime import broker_account, callers, chain
from trading_system.runtime.data_directory import DataDirectory
from trading_system.runtime.finding import Finding, State
from trading_system.runtime.run_file import Run
from trading_system.runtime.secrets import Secrets

CENT = Decimal("0.01")
REMEDY = "See the reconciliation on the System page; nothing is corrected by trading."


def check(settings: Settings, place: DataDirectory, run: Run) -> list[Finding]:
    """Compare positions and cash with what the broker says, and follow the chain."""
    secrets = Secrets.open(place.secrets)
    asking = callers.settings_of(settings, run, secrets, "cli")
    with Services(asking) as services:
        account = services.execution.account()
        ours = {each.symbol: each.quantity for each in services.execution.positions()}
    with _broker(settings, secrets, run) as broker:
        theirs = {
            str(each["symbol"]): Decimal(each["qty"])
            for each in _answer(broker, "/v2/positions")
        }
        cash = Decimal(_answer(broker, "/v2/account")["cash"])
    owner = callers.databases_of(settings, place, secrets, run).owner_url
    return [
        positions(ours, theirs),
        cash_balance(account.cash, cash),
        *chain.check(owner),
    ]


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


def _broker(settings: Settings, secrets: Secrets, run: Run) -> httpx.Client:
    simulated = "exchange" in run.urls
    key = secrets.exchange_key if simulated else settings.alpaca_api_key
    secret = secrets.exchange_secret if simulated else settings.alpaca_secret_key
    return httpx.Client(
        base_url=run.urls.get("exchange", settings.alpaca_base_url),
        headers=broker_account.headers(
            key.get_secret_value(), secret.get_secret_value()
        ),
        timeout=10,
        trust_env=False,
    )


def _answer(broker: httpx.Client, path: str) -> Any:
    try:
        return broker.get(path).raise_for_status().json()
    except httpx.HTTPError as error:
        raise Unavailable(
            f"The broker does not answer {path} ({type(error).__name__}).",
            remedy="Try again later.",
        ) from error
