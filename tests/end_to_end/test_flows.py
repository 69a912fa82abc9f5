"""Every flow: one run changes what it should, and a second run changes nothing.

The stack is real; after two days of its replay market time stands still unless a test
moves it. What a flow is to find is brought about first: a service that is behind,
an order that could not leave, rows that are gone.
"""

import asyncio
import gc
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flow_runs import Floor, as_the_runner, market_time_in_hand, without_timetable
from judge import judge
from mail_server import mail_server
from stack import SYMBOLS, running_stack

from trading_flows.ingestion import fetch_market_data
from trading_system.vocabulary import new_id

pytestmark = [
    pytest.mark.end_to_end,
    # Connections of Prefect's background threads end with the process only.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

TRADED = datetime(2015, 4, 9, 20, 30, tzinfo=UTC)

UNANSWERED = """
select s.signal_id from strategy_engine.strategy_signals s
left join risk_management.risk_outcomes r using (signal_id)
where r.signal_id is null limit 1
"""


@pytest.fixture(scope="module")
def mails() -> Iterator[list[str]]:
    """The mails that the stack sends: it knows the address of a server of ours."""
    with mail_server() as (port, received), pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(port),
            "SMTP_FROM": "trading@example.org",
            "ALERT_EMAIL_TO": "person@example.org",
        }.items():
            patch.setenv(name, value)
        yield received


@pytest.fixture(scope="module")
def floor(replay: str, mails: list[str]) -> Iterator[Floor]:
    """A stack that has traded two days; now only tests move time and start flows."""
    days = ("--from", "2015-04-08", "--to", "2015-04-30", "--speed", "max")
    with (
        running_stack("--replay", replay, *days) as stack,
        market_time_in_hand(stack, TRADED),
        as_the_runner(stack),
    ):
        without_timetable(stack)
        floor = Floor(stack)
        # Market time may have been stopped before the last bar was fetched.
        floor.fetch()
        yield floor
    # What Prefect left open is collected here, and not in another test.
    gc.collect()


# Ingestion.


def test_fetch_market_data_takes_in_the_bars_that_are_due(floor: Floor) -> None:
    end = floor.next_bar()
    bars = floor.count("data_ingestion.market_data")
    decisions = floor.count("strategy_engine.decisions")

    run = floor.run("fetch_market_data", scheduled_for=end)

    assert run.facts["status"] == "stored"
    assert set(run.shown) == {
        "fetch-market-data",
        "validate-data-quality",
        "run-strategy",
    }
    assert floor.count("data_ingestion.market_data") == bars + 4
    assert floor.count("strategy_engine.decisions") == decisions + 4
    assert floor.job("fetch_market_data", end) == ("done", 1)

    # The slot is taken; and a run by hand finds that nothing is due.
    assert floor.run_again("fetch_market_data", scheduled_for=end).name == "Superseded"
    assert floor.run_again("fetch_market_data").facts["status"] == "nothing due"


def test_one_of_two_runs_for_a_slot_acts(floor: Floor) -> None:
    end = floor.next_bar()
    told = floor.told("ingestion.bars_ingested")

    async def twice() -> list[str]:
        states = await asyncio.gather(
            fetch_market_data(scheduled_for=end, return_state=True),
            fetch_market_data(scheduled_for=end, return_state=True),
        )
        return sorted(str(state.name) for state in states)

    assert asyncio.run(twice()) == ["Completed", "Superseded"]
    floor.settle()
    assert floor.told("ingestion.bars_ingested") == told + 1


def test_a_run_for_an_old_slot_ends_superseded(floor: Floor) -> None:
    end = floor.fetch()
    old = end - timedelta(hours=3)
    run = floor.run_again("fetch_market_data", scheduled_for=old + timedelta(minutes=1))
    assert run.name == "Superseded"
    assert run.facts["status"] == "superseded"
    assert "is out of date" in run.message


def test_nine_queued_runs_make_one_catch_up_and_no_order(floor: Floor) -> None:
    # An outage over the close of one session and most of the next.
    ends = floor.bar_ends(20)
    closes = {session.close for session in floor.calendar.sessions}
    closing = next(n for n, end in enumerate(ends) if n >= 8 and end in closes)
    slots = ends[closing - 8 : closing + 1]
    for end in ends[: closing - 8]:
        floor.advance(end)
        with floor.stack.services() as services:
            services.ingestion.fetch(end)
        floor.settle()
    floor.advance(slots[-1] + timedelta(minutes=80))
    floor.settle()
    orders = floor.count("execution.orders")
    told = floor.told("ingestion.bars_ingested")

    names = [floor.run("fetch_market_data", scheduled_for=s).name for s in slots]

    assert names == ["Superseded"] * 8 + ["Completed"]
    assert floor.told("ingestion.bars_ingested") == told + 9
    assert floor.count("execution.orders") == orders
    late = floor.rows(
        "select distinct may_trade from strategy_engine.decisions"
        " where bar_end between :first and :last",
        first=slots[0],
        last=slots[-1],
    )
    assert late == [(False,)]
    statuses = floor.rows(
        "select status, count(*) from shared.job_runs where job = 'fetch_market_data'"
        " and scheduled_for = any(:slots) group by 1 order by 1",
        slots=slots,
    )
    assert statuses == [("done", 1), ("superseded", 8)]
    for look in (floor.run, floor.run_again):
        look("monitor_system_health")
        alerts = floor.rows(
            "select title from notification.notifications"
            " where kind = 'missed_schedule'"
        )
        assert alerts == [("fetch_market_data came too late",)]


@pytest.mark.parametrize("name", ["update_positions", "reconcile_trades"])
def test_a_market_slot_is_not_compared_with_the_machines(
    floor: Floor, name: str
) -> None:
    floor.sql(
        "insert into shared.job_runs (job, scheduled_for, owner, lease_until, status)"
        " values (:name, now(), 'the timetable', now(), 'done')",
        name=name,
    )
    slot = floor.stack.market_time()
    assert floor.run_again(name, scheduled_for=slot).name == "Completed"
    assert floor.run_again(name, scheduled_for=slot).name == "Superseded"


def test_validate_data_quality_finds_a_bar_that_is_gone(floor: Floor) -> None:
    floor.run("validate_data_quality")
    gone = (
        " from data_ingestion.market_data where symbol = 'BAC' and timestamp ="
        " (select max(timestamp) - interval '2 hours' from data_ingestion.market_data"
        " where symbol = 'BAC')"
    )
    floor.sql(f"create table public.gone as select * {gone}")
    assert floor.sql(f"delete {gone}") == 1
    logged = floor.count("data_ingestion.data_quality_logs")

    run = floor.run("validate_data_quality")

    assert run.facts["new_problems"] == "1"
    assert floor.count("data_ingestion.data_quality_logs") == logged + 1
    assert floor.run_again("validate_data_quality").facts["new_problems"] == "0"
    floor.sql("insert into data_ingestion.market_data select * from public.gone")
    floor.sql("drop table public.gone")


def test_archive_old_data_moves_old_bars_to_a_file(floor: Floor) -> None:
    bars = floor.count("data_ingestion.market_data")
    floor.sql(
        "insert into data_ingestion.market_data select symbol, timeframe,"
        " timestamp - interval '5 years', feed, open, high, low, close, volume,"
        " bar_end - interval '5 years', received_at, revision, source"
        " from data_ingestion.market_data order by timestamp limit 12"
    )

    run = floor.run("archive_old_data")

    assert run.facts["rows"] == "12"
    assert floor.count("data_ingestion.market_data") == bars
    (path,) = json.loads(run.facts["files"].replace("'", '"'))
    assert Path(path).is_file()
    assert floor.run_again("archive_old_data").facts["rows"] == "0"


# Strategy.


@pytest.mark.parametrize("name", ["run_strategy", "generate_signals"])
def test_a_bar_that_nobody_decided_on_is_decided(floor: Floor, name: str) -> None:
    with floor.deaf("strategy"):
        end = floor.fetch()
        decisions = floor.count("strategy_engine.decisions")

        run = floor.run(name)

        assert floor.count("strategy_engine.decisions") == decisions + 4
        assert end.isoformat()[:16] in str(run.facts).replace(" ", "T")
        floor.run_again(name)
    # When the service hears of the bar after all, it has decided already.
    assert floor.count("strategy_engine.decisions") == decisions + 4


def test_calculate_indicators_shows_what_strategies_decide_by(floor: Floor) -> None:
    floor.fetch()
    first = floor.run_again("calculate_indicators")
    assert first.facts["rows"] == "4"
    decided = floor.rows(
        "select symbol, indicators from strategy_engine.decisions where bar_end ="
        " (select max(bar_end) from strategy_engine.decisions)"
    )
    for symbol, indicators in decided:
        (shown,) = [row for row in first.facts.values() if f"'{symbol}'" in row]
        assert all(f"'{name}'" in shown for name in indicators)
    assert floor.run_again("calculate_indicators").facts == first.facts


def test_backtest_strategy_keeps_one_result(floor: Floor) -> None:
    kept = floor.count("analytics.backtests")
    run = floor.run("backtest_strategy", strategy="momentum_strategy")
    assert run.facts["rows"] == "1"
    assert floor.count("analytics.backtests") == kept + 1
    floor.run_again("backtest_strategy", strategy="momentum_strategy")


# Risk.


@pytest.mark.parametrize("name", ["calculate_position_size", "validate_risk_limits"])
def test_a_signal_without_an_answer_gets_one(floor: Floor, name: str) -> None:
    with floor.deaf("risk"):
        floor.until(UNANSWERED)
        signal = floor.value(UNANSWERED)

        run = floor.run(name)

        assert int(run.facts["examined"]) >= 1
        assert floor.value(UNANSWERED) is None
        answers = f"signal_id = '{signal}'"
        assert floor.count("risk_management.risk_outcomes", answers) == 1
        assert floor.run_again(name).facts["examined"] == "0"
    assert floor.count("risk_management.risk_outcomes", answers) == 1


def test_monitor_portfolio_risk_finds_a_limit_that_is_broken(floor: Floor) -> None:
    floor.until("select 1 from execution.positions where quantity <> 0")
    events = floor.count("risk_management.risk_events")
    alerts = floor.told("risk.risk_alert_raised")
    limit = "where limit_type = 'max_gross_exposure' and scope = 'account'"
    before = floor.value(f"select limit_value from risk_management.risk_limits {limit}")
    tighter = f"update risk_management.risk_limits set limit_value = 0.0001 {limit}"

    with floor.as_it_starts("monitor_portfolio_risk", tighter):
        run = floor.run("monitor_portfolio_risk")

    assert set(run.shown) == {"monitor-portfolio-risk", "generate-risk-alerts"}
    assert "Gross exposure" in run.facts["alerts"]
    assert floor.count("risk_management.risk_events") == events + 1
    assert floor.told("risk.risk_alert_raised") == alerts + 1
    assert floor.run_again("monitor_portfolio_risk").facts["changed"] == "0"
    floor.sql(
        f"update risk_management.risk_limits set limit_value = :before {limit}",
        before=before,
    )


def test_generate_risk_alerts_tells_what_nobody_was_told(floor: Floor) -> None:
    alerts = floor.told("risk.risk_alert_raised")
    account = floor.value(
        "select config_value #>> '{}' from shared.system_config"
        " where config_key = 'account_id'"
    )
    written = (
        "insert into risk_management.risk_events (event_id, account_id, type, severity,"
        " message, timestamp, scope, scope_id, dedup_key) values"
        f" ('{new_id()}', '{account}', 'drawdown_warning', 'warning',"
        " 'Nobody was told of this.', now(), 'account', '', 'untold')"
    )

    with floor.as_it_starts("generate_risk_alerts", written):
        run = floor.run("generate_risk_alerts")

    assert "Nobody was told of this." in run.facts["alerts"]
    assert floor.told("risk.risk_alert_raised") == alerts + 1
    assert floor.run_again("generate_risk_alerts").facts["changed"] == "0"


# Execution.


def test_execute_trades_sends_an_approved_order_that_is_unsent(floor: Floor) -> None:
    floor.in_session()
    # A worker looks every second too. Where it comes first, the run rightly finds
    # nothing, and the next symbol is tried.
    sent = next(filter(None, (_is_sent_by_the_run(floor, s) for s in SYMBOLS)), None)
    assert sent, "no run came before the worker"
    assert floor.run_again("execute_trades").facts["changed"] == "0"


@pytest.mark.parametrize(
    ("first", "followed_by"),
    [
        ("execute_trades", {"manage-orders", "update-positions"}),
        ("validate_risk_limits", {"monitor-portfolio-risk"}),
    ],
)
def test_a_safety_net_of_the_timetable_takes_the_others_along(
    floor: Floor, first: str, followed_by: set[str]
) -> None:
    floor.in_session()
    now = floor.stack.broker("/v2/clock")["timestamp"]
    own = first.replace("_", "-")
    assert set(floor.run(first, scheduled_for=now).shown) == {own} | followed_by
    assert set(floor.run(first).shown) == {own}


def _is_sent_by_the_run(floor: Floor, symbol: str) -> bool:
    floor.sql(
        "insert into execution.holds (account_id, symbol, kind, reason)"
        " select config_value #>> '{}', :symbol, 'test', 'a test'"
        " from shared.system_config where config_key = 'account_id'",
        symbol=symbol,
    )
    order = floor.order_by_hand(symbol=symbol, side="buy", quantity="1")
    status = f"select status from execution.orders where client_order_id = '{order}'"
    assert floor.value(status) == "READY"
    assert floor.at_the_broker(order) == []

    with floor.as_it_starts(
        "execute_trades",
        "update execution.holds set released_at = now(), released_by = 'test'"
        " where released_at is null and kind = 'test'",
    ):
        run = floor.run("execute_trades")

    floor.comes_true(f"{status} and status = 'FILLED'")
    assert len(floor.at_the_broker(order)) == 1
    return run.facts["changed"] == "1"


def test_manage_orders_sees_a_cancellation_through(floor: Floor) -> None:
    floor.in_session()
    seen = next(filter(None, (_is_seen_through(floor, s) for s in SYMBOLS)), None)
    assert seen, "no run came before the worker"
    assert floor.run_again("manage_orders").facts["changed"] == "0"


def _is_seen_through(floor: Floor, symbol: str) -> bool:
    price = floor.value(
        f"select close * 0.98 from data_ingestion.market_data where symbol = '{symbol}'"
        " and feed <> 'import' order by timestamp desc limit 1"
    )
    order = floor.order_by_hand(
        symbol=symbol,
        side="buy",
        quantity="1",
        order_type="limit",
        limit_price=f"{price:.2f}",
    )
    status = f"select status from execution.orders where client_order_id = '{order}'"
    assert floor.value(status) == "ACCEPTED"
    wanted = (
        "update execution.orders set cancel_requested_at = now(),"
        f" cancel_reason = 'no longer wanted' where client_order_id = '{order}'"
    )

    with floor.as_it_starts("manage_orders", wanted):
        run = floor.run("manage_orders")

    floor.comes_true(f"{status} and status = 'CANCELED'")
    (there,) = floor.at_the_broker(order)
    assert there["status"] == "canceled"
    return "'canceled': 1" in run.facts["detail"]


def test_update_positions_marks_what_is_not_marked(floor: Floor) -> None:
    floor.until("select 1 from execution.positions where quantity <> 0")
    floor.in_session()
    marks = "select symbol, last_price, market_value from execution.positions"
    held = f"{marks} where quantity <> 0 order by 1"
    last = "select equity from execution.account_snapshots order by market_time desc"
    marked, equity = floor.rows(held), floor.value(last)
    assert marked
    newest = "(select max(market_time) from execution.account_snapshots)"

    def is_marked_by_the_run() -> bool:
        with floor.as_it_starts(
            "update_positions",
            "update execution.positions set last_price = null, market_value = null",
            f"delete from execution.account_snapshots where market_time = {newest}",
        ):
            run = floor.run("update_positions")
        assert floor.rows(held) == marked
        assert floor.value(last) == equity
        return "'marked': True" in run.facts["detail"]

    # A worker looks too. Where it comes first, the run rightly finds nothing to do.
    assert any(is_marked_by_the_run() for _ in range(5)), "no run came first"
    assert floor.run_again("update_positions").facts["changed"] == "0"


def test_reconcile_trades_makes_the_books_trusted_again(floor: Floor) -> None:
    trusted = "select clean from risk_management.books_state"
    floor.sql("update risk_management.books_state set clean = false")
    runs = floor.count("execution.reconciliation_runs")

    run = floor.run("reconcile_trades")

    assert (run.facts["complete"], run.facts["clean"]) == ("True", "True")
    assert floor.value(trusted) is True
    assert floor.count("execution.reconciliation_runs") > runs
    again = floor.run_again("reconcile_trades")
    assert (again.facts["clean"], again.facts["differences"]) == ("True", "[]")


# Analytics.


def test_calculate_performance_fills_in_a_session(floor: Floor) -> None:
    floor.run("calculate_performance")
    whole = floor.contents()
    assert floor.sql("delete from analytics.performance_metrics") > 0
    assert floor.sql("delete from strategy_engine.strategy_performance") > 0

    run = floor.run("calculate_performance")

    assert int(run.facts["changed"]) == floor.count("analytics.performance_metrics") > 0
    assert floor.count("strategy_engine.strategy_performance") > 0
    assert floor.contents().keys() == whole.keys()
    assert floor.run_again("calculate_performance").facts["changed"] == "0"


@pytest.mark.parametrize("kind", ["daily", "weekly", "monthly"])
def test_generate_reports_writes_the_report_of_a_period(
    floor: Floor, kind: str
) -> None:
    of_kind = f"kind = '{kind}'"
    floor.run("generate_reports", kind=kind)
    floor.sql(f"delete from analytics.reports where {of_kind}")

    run = floor.run("generate_reports", kind=kind)

    assert f"SIMULATED {kind} report" in run.facts["summary"]
    assert floor.count("analytics.reports", of_kind) == 1
    assert floor.run_again("generate_reports", kind=kind).facts["changed"] == "0"


def test_run_backtest_keeps_one_result_for_each_set_of_parameters(
    floor: Floor,
) -> None:
    sets = [{"lookback_period": 5}, {"lookback_period": 10}]
    asked = {"strategy": "momentum_strategy", "parameters": sets}
    kept = floor.count("analytics.backtests")
    run = floor.run("run_backtest", **asked)
    assert run.facts["rows"] == "2"
    assert floor.count("analytics.backtests") == kept + 2
    floor.run_again("run_backtest", **asked)


def test_analyze_trades_builds_the_round_trips_again(floor: Floor) -> None:
    floor.run("analyze_trades")
    trips = "select to_jsonb(t) - 'updated_at' from analytics.round_trips t order by 1"
    before = floor.rows(trips)
    assert before
    floor.sql("delete from analytics.round_trips")

    run = floor.run("analyze_trades")

    assert run.facts["changed"] == str(len(before))
    assert floor.rows(trips) == before
    assert floor.run_again("analyze_trades").facts["changed"] == "0"


# Notification.


def test_send_trade_alerts_sends_a_mail_that_is_due(
    floor: Floor, mails: list[str]
) -> None:
    message = new_id()
    floor.sql(
        "insert into notification.notifications (notification_id, dedup_key, kind,"
        " severity, title, message) values (:id, :key, 'order_filled', 'info',"
        " 'A fill nobody was told of', 'Bought 1 SPY')",
        id=message,
        key=str(message),
    )
    due = (
        "insert into notification.deliveries (notification_id, channel,"
        f" next_attempt_at, message_id) values ('{message}', 'email', now(),"
        f" '<{message}@test>')"
    )

    with floor.as_it_starts("send_trade_alerts", due):
        run = floor.run("send_trade_alerts")

    assert "'outstanding': 0" in run.facts["detail"]
    assert [f"{message}@test" in mail for mail in mails].count(True) == 1
    sent = f"notification_id = '{message}' and status = 'sent'"
    assert floor.count("notification.deliveries", sent) == 1
    number = len(mails)
    assert floor.run_again("send_trade_alerts").facts["changed"] == "0"
    assert len(mails) == number


def test_monitor_system_health_notes_what_has_changed(floor: Floor) -> None:
    floor.run("monitor_system_health")
    about = "component = 'database'"
    noted = floor.count("notification.health_checks", about)
    broken = f"update notification.health_state set status = 'fail' where {about}"

    with floor.as_it_starts("monitor_system_health", broken):
        run = floor.run("monitor_system_health")

    assert any("'database'" in check for check in run.facts.values())
    assert floor.count("notification.health_state", f"{about} and status = 'pass'") == 1
    assert floor.count("notification.health_checks", about) == noted + 1
    floor.run_again("monitor_system_health")
    assert floor.count("notification.health_checks", about) == noted + 1


def test_aggregate_logs_sums_up_hours_that_are_over(floor: Floor) -> None:
    floor.sql(
        "insert into logging.system_logs (timestamp, service, level, message)"
        " values (now() - interval '3 hours', 'a test', 'ERROR', 'Something is wrong')"
    )
    floor.sql("delete from notification.log_summaries")
    floor.sql("delete from notification.log_progress")

    run = floor.run("aggregate_logs")

    assert int(run.facts["changed"]) >= 1
    assert floor.count("notification.log_summaries", "service = 'a test'") == 1
    assert floor.run_again("aggregate_logs").facts["changed"] == "0"


def test_send_daily_summary_sums_the_day_up_once(floor: Floor) -> None:
    summaries = "kind = 'daily_summary'"
    floor.sql(
        "delete from notification.deliveries where notification_id in (select"
        f" notification_id from notification.notifications where {summaries})"
    )
    floor.sql(f"delete from notification.notifications where {summaries}")

    run = floor.run("send_daily_summary")

    assert run.facts["status"] == "sent"
    assert floor.count("notification.notifications", summaries) == 1
    assert floor.run_again("send_daily_summary").facts["status"] == "sent before"


# The books, after all that.


def test_the_books_still_hold(floor: Floor) -> None:
    floor.settle()
    judge(floor.stack)
