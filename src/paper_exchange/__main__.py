"""`python -m paper_exchange`: the exchange as a program."""

import argparse
import asyncio
import gc
import logging
import os
import socket
import sys
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal

import uvicorn
from platformdirs import user_data_path

from paper_exchange import app, instants, sessions
from paper_exchange.api.stream_protocol import StreamProtocol
from paper_exchange.errors import StartRefused
from paper_exchange.exchange import Exchange
from paper_exchange.market import replay
from paper_exchange.market.companies import COMPANIES
from paper_exchange.market.generated import GeneratedMarket
from paper_exchange.market.market import Market
from paper_exchange.market.source import PriceSource
from paper_exchange.pacer import FASTEST, Pacer
from paper_exchange.store import Store
from paper_exchange.tape import Tape
from trading_core.matching import FILL_MODELS

# A Monday; the clock begins five minutes before its open.
FIRST_DAY = date(2026, 9, 14)
BEGINS = time(9, 25)
HISTORY_YEARS = 2
FUTURE_YEARS = 2
RUN = "STACK_RUN_ID"
"""The variable in which whoever starts a whole system names that run of it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Start the exchange and serve until it is stopped."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    try:
        exchange, pacer = build(options)
    except StartRefused as refusal:
        print(refusal, file=sys.stderr)
        return 3
    application = app.create(
        exchange,
        pacer,
        options.control_token,
        options.rate_limit,
        {"run": os.environ.get(RUN), "directory": str(options.data_dir.resolve())},
    )
    try:
        listener = _listen(options.host, options.port)
    except OSError as error:
        print(
            f"Port {options.port} on {options.host} cannot be used: {error.strerror}. "
            "Choose another --port.",
            file=sys.stderr,
        )
        return 4
    host, port = listener.getsockname()[:2]
    print(f"Paper exchange ({exchange.market.source.name}) on http://{host}:{port}")
    sys.stdout.flush()
    config = uvicorn.Config(
        application,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        http=_protocol(),
        ws=StreamProtocol,
        timeout_graceful_shutdown=3,
        headers=_mark(),
    )
    # What is there now stays; pages of rows are no reason to look through it.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    uvicorn.Server(config).run(sockets=[listener])
    return 0


def _protocol() -> type[asyncio.Protocol] | Literal["auto"]:
    """Return the server's side of HTTP: Windows has no httptools to build ours on."""
    if sys.platform == "win32":
        return "auto"
    from paper_exchange.api.answer_protocol import AnswerProtocol

    return AnswerProtocol


def _mark() -> list[tuple[str, str]]:
    """Return the header that tells whoever started this exchange that it is theirs."""
    run = os.environ.get(RUN)
    return [("X-Stack-Run", run)] if run else []


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    if sys.platform != "win32":
        # Elsewhere it would let two programs share the port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(2048)
    return listener


def build(options: argparse.Namespace) -> tuple[Exchange, Pacer]:
    """Return the exchange and its clock that some options describe."""
    options.data_dir = options.data_dir or _own_directory(options)
    directory: Path = options.data_dir
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartRefused(f"{directory} cannot be used: {error}") from error
    model = FILL_MODELS[options.fill_model]
    market = Market(_source(options, directory), model)
    store = Store(directory / "exchange.sqlite")
    tape = Tape(directory / "tape.jsonl", store.unflushed_tape())
    exchange = Exchange(market, store, tape, options.seed)
    is_new = not exchange.accounts
    exchange.create_account(options.key, options.secret, options.cash)
    pacer = Pacer(exchange)
    # Without the control API nobody could ever start the clock.
    starts = options.start or options.control_token is None
    if starts and not pacer.is_running:
        pacer.run(options.speed, options.skip_closed)
    elif is_new:
        pacer.speed = options.speed
    return exchange, pacer


def _own_directory(options: argparse.Namespace) -> Path:
    """Return where a market is kept when nobody says where: each in its own place."""
    market = f"seed-{options.seed}" if options.replay is None else options.replay.stem
    return user_data_path("paper-exchange", False) / f"{market}-{options.fill_model}"


def _source(options: argparse.Namespace, directory: Path) -> PriceSource:
    calendar = directory / "sessions.json"
    if options.replay is not None:
        file = replay.load(options.replay, directory / "replay")
        margin = timedelta(days=30)
        known = sessions.load(calendar, file.first - margin, file.last + margin)
        return replay.ReplayedMarket(file, known, options.first, options.last)
    first = options.first or FIRST_DAY
    known = sessions.load(
        calendar,
        first.replace(year=first.year - HISTORY_YEARS, day=1),
        options.last or first.replace(year=first.year + FUTURE_YEARS, day=1),
    )
    opens = known.between(first, first + timedelta(days=14))
    if not opens:
        raise StartRefused(f"No session begins within two weeks of {first}.")
    begins = datetime.combine(opens[0].day, BEGINS, instants.NEW_YORK)
    return GeneratedMarket(
        options.seed, known, instants.from_datetime(begins), COMPANIES
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m paper_exchange", description=__doc__
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=8100)
    add("--data-dir", type=Path, help="where state and tape are kept")
    add("--seed", type=int, default=7, help="of prices and random draws")
    add("--speed", type=_speed, default=1.0, help="market seconds in one second")
    add("--start", action="store_true", help="let the clock run from the beginning")
    add("--skip-closed", action="store_true", help="jump over closed hours")
    add("--replay", type=Path, metavar="FILE", help="Parquet or CSV file of bars")
    add("--from", dest="first", type=date.fromisoformat, metavar="DATE")
    add("--to", dest="last", type=date.fromisoformat, metavar="DATE")
    # A command line is seen by every user of the machine; the environment is not.
    given = os.environ.get
    add("--control-token", default=given("EXCHANGE_CONTROL_TOKEN"))
    add("--key", default=given("ALPACA_API_KEY", "paper"))
    add("--secret", default=given("ALPACA_SECRET_KEY", "paper"))
    add("--cash", type=_cash, default=Decimal(100_000))
    add("--fill-model", choices=sorted(FILL_MODELS), default="alpaca-paper")
    add("--rate-limit", type=int, default=200, help="requests a minute at speed 1")
    return parser


def _cash(text: str) -> Decimal:
    try:
        cash = Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is not an amount") from None
    if not (cash.is_finite() and 0 < cash <= 10**12):
        raise argparse.ArgumentTypeError("cash must be above 0 and at most 1e12")
    return cash


def _speed(text: str) -> float:
    if text == "max":
        return FASTEST
    try:
        speed = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0 < speed <= FASTEST:
        raise argparse.ArgumentTypeError(f"speed must be in (0, {FASTEST:.0f}]")
    return speed


if __name__ == "__main__":
    sys.exit(main())
