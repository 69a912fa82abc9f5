"""One seed from its start to its verdict."""

import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from trading_chaos import oracle
from trading_chaos.cell import SPEED, Cell
from trading_chaos.mutants import MUTANTS
from trading_chaos.plan import SECONDS, SILENT, SYMBOLS, Act, Plan, draw
from trading_chaos.servers import Servers

from trading_system.clock import monotonic, sleep
from trading_system.contracts.strategy import SignalGenerated
from trading_system.database import Database, Transaction
from trading_system.vocabulary import (
    TIMEFRAME,
    Side,
    correlation_id,
    decision_id,
    signal_id,
)

REST, REST_OF_MUTANTS = 60.0, 20.0
"""Seconds within which everything must be settled after the last disturbance. It takes
three or four of them, more on a busy machine; of a defect nobody waits for the rest."""

USUAL, SLOWEST = 2.0, 4.0
"""Seconds in which everything is ready to trade on a machine that does nothing else;
all that a seed does is stretched by as much as it takes longer, up to so many times."""


RISKS = ("risk", "risk-2")
"""Both answer; people ask one or the other."""

REPLACING = 3.0
"""Seconds for which a person goes on asking for an order to be replaced."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a seed."""

    seed: int
    profile: str
    rate: str
    violations: list[str]
    counted: dict[str, int]
    kills: Counter[str]
    hits: Counter[str]
    faults: Counter[str]
    codes: Counter[str]
    ends: Counter[str]
    seconds: float
    settled: float
    kept: Path | None = None


@dataclass
class Campaign:
    """A seed under way."""

    cell: Cell
    plan: Plan
    began: float = 0.0
    pace: float = 1.0
    signals: int = 0
    rest: float = REST
    by_hand: dict[int, dict[str, Any]] = field(default_factory=dict)
    halts: int = 0
    replacements: int = 0

    def __post_init__(self) -> None:
        self.database = Database(self.cell.engine, Transaction)
        self._do: dict[str, Callable[[Act], None]] = {
            "signals": self._signals,
            "by hand": self._by_hand,
            "cancel by hand": self._cancel_by_hand,
            "replace by hand": self._replace_by_hand,
            "kill": self._kill,
            "sleep": self._sleep,
            "laptop sleep": self._laptop_sleep,
            "jump": self._jump,
            "market jump": self._market_jump,
            "halt": self._halt,
            "kill file": self._kill_file,
            "resume": self._resume,
            "connections": self._end_connections,
        }
        # These end processes or servers: one after the other, by one thread.
        self._here = frozenset(("kill", "sleep", "laptop sleep", "jump"))

    def disturb(self) -> None:
        """Work and be disturbed, as planned."""
        self.cell.inject(self.plan.faults)
        self.began = monotonic()
        self.pace = min(max(self.cell.opened_in / USUAL, 1.0), SLOWEST)
        acts = list(self.plan.acts)
        with ThreadPoolExecutor(8) as pool:
            doing = []
            while self._moment() < SECONDS:
                while acts and acts[0].at <= self._moment():
                    act = acts.pop(0)
                    do = self._do.get(act.what, self._disturb_valkey)
                    if act.what in self._here:
                        do(act)
                    else:
                        doing.append(pool.submit(do, act))
                self.cell.tend()
                sleep(0.01)
            for each in doing:
                while not each.done():
                    self.cell.tend()
                    sleep(0.02)
                each.result()

    def _moment(self) -> float:
        """Return how far the plan is: on a busy machine it takes longer."""
        return (monotonic() - self.began) / self.pace

    def come_to_rest(self) -> float:
        """End the disturbance, wait until all is settled; return how long it took."""
        began = monotonic()
        cell = self.cell
        cell.calm()
        cell.mark(oracle.RESUMED)
        answer = cell.ask(
            "POST",
            "risk",
            "/trading-state/resume",
            {"reason": "the seed ends", "by": "chaos"},
            patience=self.rest * self.pace,
        )
        if answer is None or not answer.is_success:
            raise TimeoutError(f"trading was not resumed: {answer and answer.text}")
        self._settled(oracle.UNCLEAR, "an order is still unclear")
        # Over the next day: what was sent at the last moment waits for its open.
        close = self.cell.opened + timedelta(days=1, hours=6, minutes=1)
        cell.control("clock", advance_to=close.isoformat())
        cell.control("clock", run=SPEED)
        self._settled(oracle.unended(self.plan.listener), "not at rest after the close")
        self._compared()
        return monotonic() - began

    def _settled(self, queries: dict[str, str], complaint: str) -> None:
        left: dict[str, Any] = {}

        def nothing_left() -> bool:
            self.cell.tend()
            left.clear()
            for name, query in queries.items():
                found = self.cell.scalar(query)
                if found is None or found:
                    left[name] = found
            return not left

        try:
            self.cell.until(nothing_left, self.rest * self.pace, complaint)
        except TimeoutError:
            raise TimeoutError(f"{complaint}: {left}") from None

    def _compared(self) -> None:
        """Have the executor compare the books until nothing differs."""
        said = ""

        def clean() -> bool:
            nonlocal said
            for name in ("execution-1", "execution-2"):
                answer = self.cell.ask("POST", name, "/reconcile", patience=5)
                if answer is not None:
                    said = answer.text
                    if answer.is_success and answer.json().get("clean"):
                        return True
            return False

        try:
            self.cell.until(clean, self.rest * self.pace, "")
        except TimeoutError:
            raise TimeoutError(f"the books never agreed: {said[:600]}") from None

    # Work -------------------------------------------------------------------------

    def _signals(self, act: Act) -> None:
        """Say what strategies would, each symbol in a transaction of its own."""
        bar_end = self.cell.opened + timedelta(minutes=act.detail["round"])
        now = self.cell.market_time()
        by_symbol: dict[str, list[SignalGenerated]] = {}
        for symbol, strategy, side, size in act.detail["signals"]:
            decision = decision_id(strategy, symbol, TIMEFRAME, bar_end)
            event = SignalGenerated(
                correlation_id=correlation_id(symbol, TIMEFRAME, bar_end),
                signal_id=signal_id(decision),
                decision_id=decision,
                strategy=strategy,
                strategy_version=1,
                symbol=symbol,
                side=Side(side),
                timeframe=TIMEFRAME,
                bar_start=bar_end - timedelta(hours=1),
                bar_end=bar_end,
                decision_price=oracle.money(self.cell.closes[symbol]),
                reason="chaos",
                max_position_size=size,
                may_trade=True,
                session_closed=False,
                valid_until=now + timedelta(minutes=self._valid()),
                market_time=now,
            )
            by_symbol.setdefault(symbol, []).append(event)
        for symbol, events in by_symbol.items():
            self._publish(symbol, events)

    def _valid(self) -> int:
        """Return for how many market minutes the next signal holds: some for few."""
        return 5 if self.signals % 4 == 0 else 60

    def _publish(self, symbol: str, events: list[SignalGenerated]) -> None:
        """Commit events with the bar they rest on, once, however often it takes."""
        close = self.cell.closes[symbol]
        while True:
            try:
                with self.database.transaction() as tx:
                    for event in events:
                        tx.publish(event)
                    tx.session.flush()
                    tx.session.execute(
                        text(oracle.BAR),
                        {
                            "symbol": symbol,
                            "start": events[0].bar_start,
                            "end": events[0].bar_end,
                            "close": close,
                            "timeframe": TIMEFRAME,
                        },
                    )
                    # A slow writer: others commit while its events are written.
                    tx.session.execute(text("select pg_sleep(random() * 0.05)"))
                break
            except IntegrityError:
                # The commit before had arrived; only its answer had not.
                break
            except SQLAlchemyError:
                sleep(0.1)
        self.signals += len(events)

    def _by_hand(self, act: Act) -> None:
        """Ask risk for an order as a person would, with a key, until it answers."""
        symbol = act.detail["symbol"]
        wanted: dict[str, Any] = {
            "symbol": symbol,
            "side": "buy",
            "quantity": str(act.detail["quantity"]),
            "reason": "chaos",
        }
        if below := act.detail.get("below"):
            price = round(self.cell.closes[symbol] * (1 - below), 2)
            wanted |= {"order_type": "limit", "limit_price": str(price)}
        key = {"Idempotency-Key": f"chaos-{act.detail['number']:06d}"}
        risk = RISKS[act.detail["number"] % 2]
        answer = self.cell.ask("POST", risk, "/manual-orders", wanted, headers=key)
        if answer is not None and answer.is_success:
            self.by_hand[act.detail["number"]] = answer.json()

    def _replace_by_hand(self, act: Act) -> None:
        """Ask for an order to be different, until it is taken or can be no more."""
        number, step = act.detail["number"], act.detail["step"]
        until = monotonic() + REPLACING * self.pace
        while monotonic() < until:
            old = self.by_hand.get(number, {})
            if old.get("order_id"):
                price = self.cell.closes[old["symbol"]] * (1 - act.detail["below"])
                wanted = {"limit_price": str(round(price, 2)), "reason": "chaos"}
                if quantity := act.detail["quantity"]:
                    wanted["quantity"] = str(quantity)
                answer = self.cell.ask(
                    "POST",
                    RISKS[step % 2],
                    f"/orders/{old['order_id']}/replace",
                    wanted,
                    headers={"Idempotency-Key": f"chaos-{number:06d}-{step}"},
                )
                if answer is not None and answer.is_success:
                    if answer.json().get("order_id"):
                        self.by_hand[number] = answer.json()
                        self.replacements += 1
                    return
            # Not at the broker yet, or the change before is still under way.
            sleep(0.2)

    def _cancel_by_hand(self, act: Act) -> None:
        order = self.by_hand.get(act.detail["number"], {}).get("order_id")
        if order:
            for name in ("execution-1", "execution-2"):
                path = f"/orders/{order}/cancel"
                answer = self.cell.ask("POST", name, path, patience=1)
                if answer is not None and answer.is_success:
                    return

    # Disturbance ------------------------------------------------------------------

    def _kill(self, act: Act) -> None:
        victim = act.detail["victim"]
        if victim in ("postgres", "valkey"):
            kill = f"kill_{victim}"
            getattr(self.cell.servers, kill)()
        else:
            self.cell.processes[victim].kill()
        self.cell.kills[victim] += 1

    def _sleep(self, act: Act) -> None:
        process = self.cell.processes[act.detail["victim"]]
        if process.alive and process.asleep_until is None:
            process.send(signal.SIGSTOP)
            process.asleep_until = monotonic() + act.detail["seconds"]
            self.cell.kills["sleep"] += 1

    def _laptop_sleep(self, act: Act) -> None:
        self.cell.stand_still(act.detail["seconds"])
        self.cell.kills["laptop sleep"] += 1

    def _jump(self, act: Act) -> None:
        self.cell.jump.value += act.detail["seconds"]
        self.cell.kills["clock jump"] += 1

    def _market_jump(self, act: Act) -> None:
        to = self.cell.market_time() + timedelta(minutes=act.detail["minutes"])
        with suppress(httpx.HTTPError):
            self.cell.control("clock", advance_to=to.isoformat())
        with suppress(httpx.HTTPError):
            self.cell.control("clock", run=SPEED)
        self.cell.kills["market jump"] += 1

    def _halt(self, act: Act) -> None:
        level = act.detail["level"]
        body = {"level": level, "reason": "chaos", "by": "chaos"}
        answer = self.cell.ask("POST", "risk", "/trading-state/halt", body)
        if answer is not None and answer.is_success:
            self.halts += 1
            self.cell.mark(oracle.HALTED)

    def _kill_file(self, act: Act) -> None:
        (self.cell.directory / "data" / "KILL").touch()
        self.cell.kills["kill file"] += 1

    def _resume(self, act: Act) -> None:
        (self.cell.directory / "data" / "KILL").unlink(missing_ok=True)
        body = {"reason": "chaos", "by": "chaos"}
        if self.cell.mark(oracle.RESUMED):
            self.cell.ask("POST", "risk", "/trading-state/resume", body)

    def _end_connections(self, act: Act) -> None:
        self.cell.servers.end_connections(self.cell.name)
        self.cell.kills["connections"] += 1

    def _disturb_valkey(self, act: Act) -> None:
        self.cell.servers.disturb_valkey(act.what)
        self.cell.kills[act.what] += 1


def run_seed(
    servers: Servers,
    made: BaseContext,
    seed: int,
    mutant: str | None = None,
    keep: Path | None = None,
) -> Verdict:
    """Run one seed and judge it; `keep` is where a violation's traces are left."""
    began, settled = monotonic(), 0.0
    directory = Path(tempfile.mkdtemp(prefix=f"seed-{seed}-", dir=servers.root))
    plan = draw(seed)
    servers.start()
    cell = Cell(servers, directory, f"seed_{seed}_{directory.name[-6:]}", made, mutant)
    campaign = Campaign(cell, plan)
    if mutant is not None:
        campaign.rest = REST_OF_MUTANTS
    violations: list[str] = []
    judged = oracle.Judgement()
    try:
        if mutant is not None:
            MUTANTS[mutant].change(cell.engine)
        cell.open(plan.crashes, SYMBOLS, plan.listener)
        campaign.disturb()
        try:
            settled = campaign.come_to_rest()
        except TimeoutError as error:
            violations.append(f"rest: {error}")
        judged = oracle.judge(cell, plan.listener)
        violations += judged.violations
    except (TimeoutError, RuntimeError, httpx.HTTPError) as error:
        violations.append(f"broken: {type(error).__name__}: {error}"[:1500])
    finally:
        cell.close()
    kept = None
    if violations and keep is not None:
        kept = keep / f"seed-{seed}"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(directory, kept)
    shutil.rmtree(directory, ignore_errors=True)
    return Verdict(
        seed,
        plan.profile,
        plan.rate,
        violations,
        {
            **judged.counted,
            "signals": campaign.signals,
            "halts": campaign.halts,
            "replacements asked for": campaign.replacements,
        },
        cell.kills,
        cell.hits,
        judged.faults
        + Counter(each["kind"] for each in plan.faults if each["kind"] in SILENT),
        judged.codes,
        judged.ends,
        monotonic() - began,
        settled,
        kept,
    )
