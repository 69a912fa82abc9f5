"""What is told, once for what, in which words, to whom."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

import pytest

from trading_core.limits import MARKET_CHECKS
from trading_notification.domain import health, summary
from trading_notification.domain.alert import (
    CHANNELS,
    KINDS,
    Rule,
    default_rule,
)
from trading_notification.domain.deliveries import MOST_ATTEMPTS, pause_after
from trading_notification.domain.health import Status
from trading_notification.domain.log_patterns import commonest, pattern
from trading_notification.domain.mail import compose, message_id
from trading_notification.domain.summary import Executed, Figures, Holding
from trading_notification.domain.wording import denied, strategy_failed
from trading_system.contracts.risk import OrderDenied
from trading_system.contracts.strategy import StrategyFailed
from trading_system.vocabulary import Severity, Side, TradingMode, new_id

pytestmark = pytest.mark.unit

NOON = datetime(2024, 3, 5, 17, tzinfo=UTC)


def denial(code: str, symbol: str = "AAPL", at: datetime = NOON) -> OrderDenied:
    return OrderDenied(
        outcome_id=new_id(),
        signal_id=new_id(),
        strategy="momentum",
        symbol=symbol,
        side=Side.BUY,
        code=code,
        detail="because",
        market_time=at,
    )


def test_a_denial_is_told_once_a_day_for_each_reason() -> None:
    first, other = denied(denial("EVENT_LAG")), denied(denial("EVENT_LAG", "XOM"))
    assert first and other and first.dedup_key == other.dedup_key
    tomorrow = denied(denial("EVENT_LAG", at=NOON + timedelta(days=1)))
    assert tomorrow and tomorrow.dedup_key != first.dedup_key
    # 03:00 UTC is still the evening before in New York.
    evening = denied(denial("EVENT_LAG", at=datetime(2024, 3, 6, 3, tzinfo=UTC)))
    assert evening and evening.dedup_key == first.dedup_key


@pytest.mark.parametrize(
    "code", ["AT_TARGET", "LATE_BAR", "MAX_GROSS", "OVERNIGHT_ENTRY", "REDUCING_ONLY"]
)
def test_what_happens_every_day_is_not_told(code: str) -> None:
    assert denied(denial(code)) is None


def test_the_same_error_of_a_strategy_is_told_once_a_day() -> None:
    def failed(error: str) -> Any:
        event = StrategyFailed(
            strategy="momentum", bar_end=NOON, error=error, market_time=NOON
        )
        return strategy_failed(event).dedup_key

    assert failed("Traceback 1\nKeyError: 'x'") == failed("Traceback 2\nKeyError: 'x'")
    assert failed("KeyError: 'x'") != failed("KeyError: 'y'")
    assert failed("")


def test_every_kind_has_a_rule_for_every_channel() -> None:
    for kind in KINDS:
        for channel in CHANNELS:
            assert default_rule(kind, channel).enabled
    assert not default_rule("report", "email").lets("info")
    assert default_rule("report", "dashboard").lets("info")
    assert Rule(True, Severity.WARNING).lets("critical")
    assert not Rule(True, Severity.WARNING).lets("info")
    assert not Rule(False, Severity.INFO).lets("critical")


@pytest.mark.parametrize("mode", list(TradingMode))
def test_mail_says_whose_market_it_is(mode: TradingMode) -> None:
    mail = compose(
        message_id=message_id(new_id()),
        severity="critical",
        title="Halted",
        message="Why",
        lines=(),
        mode=mode,
        market_time=NOON,
        now=NOON,
    )
    marked = mode is not TradingMode.LIVE
    assert (mode.upper() in mail.subject) is marked
    assert (mode.upper() in mail.text) is marked
    assert "[CRITICAL] Halted" in mail.subject
    assert "2024-03-05 17:00 UTC" in mail.text


def test_a_failed_mail_waits_longer_each_time_and_ends() -> None:
    pauses = [pause_after(attempt) for attempt in range(1, MOST_ATTEMPTS)]
    assert pauses[0] == timedelta(seconds=30)
    assert pauses == sorted(pauses, key=lambda pause: pause or timedelta.max)
    assert pauses[-1] == timedelta(hours=2)
    assert pause_after(MOST_ATTEMPTS) is None


def test_like_log_lines_count_together() -> None:
    first = "order 01890a5d-ac96-774b-bcce-b302099a8057 took 12.5 ms\nmore"
    second = "order 01890a5d-ac96-774b-bcce-b302099a8058 took 7 ms"
    assert pattern(first) == pattern(second) == "order <id> took <n> ms"
    assert commonest([first, second, "other"]) == [
        {"pattern": "order <id> took <n> ms", "count": 2},
        {"pattern": "other", "count": 1},
    ]
    assert commonest([""]) == [{"pattern": "", "count": 1}]


def test_the_day_on_a_page() -> None:
    figures = Figures(
        day=date(2024, 3, 5),
        equity=Decimal("99500"),
        day_pnl=Decimal("-500"),
        cash=Decimal("-10.5"),
        positions=[Holding("AAPL", Decimal(3), None, None)],
        trades=[
            Executed("AAPL", "buy", Decimal(5), Decimal(10)),
            Executed("AAPL", "sell", Decimal(2), Decimal("11.5")),
        ],
    )
    assert summary.title(figures) == "2024-03-05: $99,500.00, -$500.00, 2 executions"
    page = "\n".join(summary.lines(figures, []))
    for words in ("no price", "sold 2 at $11.50", "-$10.50", "Alerts (0)"):
        assert words in page


@pytest.mark.parametrize(
    ("seen", "status"),
    [
        (health.disk(0.5, 10**9), "pass"),
        (health.disk(0.09, 10**9), "warn"),
        (health.disk(0.04, 10**9), "fail"),
        (health.skew(timedelta(seconds=-1), "x"), "pass"),
        (health.skew(timedelta(seconds=-3), "x"), "warn"),
        (health.skew(timedelta(seconds=11), "x"), "fail"),
        (health.consumer("risk", 10, 0, False), "pass"),
        (health.consumer("risk", 10, 1, False), "warn"),
        (health.consumer("risk", 1001, 0, False), "warn"),
        (health.consumer("risk", 0, 0, True), "fail"),
    ],
)
def test_what_is_seen_is_judged(seen: Any, status: Status) -> None:
    assert status in get_args(Status)
    assert seen.status == status


def test_the_worst_part_is_how_the_whole_is() -> None:
    assert health.worst([]) == "pass"
    assert health.worst(["pass", "warn"]) == "warn"
    assert health.worst(["warn", "fail", "pass"]) == "fail"


def test_the_codes_that_are_told_exist() -> None:
    # Read from the source, since a check gives its code only when it refuses.
    import inspect

    import trading_core.limits as limits
    from trading_notification.domain.wording import NOTEWORTHY

    assert MARKET_CHECKS
    market = {code for code in NOTEWORTHY if f'"{code}"' in inspect.getsource(limits)}
    live = {
        "SYMBOL_PARKED",
        "EVENT_LAG",
        "BOOKS_NOT_CLEAN",
        "BOOKS_OLD",
        "PRICE_COLLAR",
        "NO_REFERENCE_PRICE",
        "KILL_FILE",
    }
    assert market | live == set(NOTEWORTHY)
