"""Every flow of the timetable exists, is documented, and is planned for its mode."""

import inspect
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from prefect.schedules import Schedule

from trading_flows.deployments import deployments, flow_of, schedules_of
from trading_flows.timetable import FETCH_MARKET_DATA, REPORTS, TIMETABLE, Entry
from trading_system.runtime.conductor import AFTER_CLOSE, NETS
from trading_system.vocabulary import TradingMode

pytestmark = pytest.mark.unit

NAMES = """
fetch_market_data validate_data_quality archive_old_data
run_strategy calculate_indicators generate_signals backtest_strategy
execute_trades manage_orders update_positions reconcile_trades
calculate_position_size validate_risk_limits monitor_portfolio_risk
generate_risk_alerts
calculate_performance generate_reports run_backtest analyze_trades
send_trade_alerts monitor_system_health aggregate_logs send_daily_summary
""".split()


def test_the_timetable_has_every_flow_once() -> None:
    assert sorted(entry.name for entry in TIMETABLE) == sorted(NAMES)


@pytest.mark.parametrize("entry", TIMETABLE, ids=lambda entry: entry.name)
def test_a_flow_is_asynchronous_documented_and_named_like_its_function(
    entry: Entry,
) -> None:
    flow = flow_of(entry)
    assert flow.name == entry.name == flow.fn.__name__
    assert inspect.iscoroutinefunction(flow.fn)
    assert flow.fn.__doc__
    assert "scheduled_for" in inspect.signature(flow.fn).parameters


def test_a_simulated_market_plans_only_what_goes_by_the_machine() -> None:
    planned = {e.name for e in TIMETABLE if schedules_of(e, TradingMode.SIMULATED)}
    assert planned == {
        "archive_old_data",
        "backtest_strategy",
        "send_trade_alerts",
        "monitor_system_health",
        "aggregate_logs",
    }


@pytest.mark.parametrize("mode", [TradingMode.PAPER, TradingMode.LIVE])
def test_every_safety_net_is_planned_or_follows_in_the_run_of_one_that_is(
    mode: TradingMode,
) -> None:
    nets = {entry.name: entry for entry in TIMETABLE if entry.is_safety_net}
    assert len(nets) == 6
    planned = {name for name, net in nets.items() if schedules_of(net, mode)}
    assert planned == set(NETS)
    for net in nets.values():
        first = nets[net.within or net.name]
        assert first.name in planned
        # At the same slots, so that the service can tell an old one.
        assert (net.cron, net.interval) == (first.cron, first.interval)


def test_a_simulated_session_has_its_safety_nets_as_often_as_a_real_one() -> None:
    every = {entry.name: entry.interval for entry in TIMETABLE}
    assert {name: every[name] for name in NETS} == NETS


def test_what_follows_a_close_is_started_by_the_conductor() -> None:
    by_market = {e.name for e in TIMETABLE if e.by_market and e.name in AFTER_CLOSE}
    machine = {"update_positions", "reconcile_trades"}
    assert by_market | machine == set(AFTER_CLOSE)


async def test_every_flow_becomes_a_deployment_by_module() -> None:
    found = await deployments(TradingMode.PAPER)
    assert sorted(str(d.flow_name) for d in found) == sorted(NAMES)
    assert all((d.entrypoint or "").startswith("trading_flows.") for d in found)


def cron(schedule: Schedule) -> str:
    assert schedule.cron is not None
    return schedule.cron


def test_the_hourly_fetch_runs_a_minute_after_each_bar_end_in_new_york() -> None:
    from cronsim import CronSim

    (schedule,) = schedules_of(FETCH_MARKET_DATA, TradingMode.PAPER)
    assert schedule.timezone == "America/New_York"
    zone = ZoneInfo("America/New_York")
    # Over the end of daylight-saving time: the exchange's hours stay where they are.
    friday = datetime(2026, 10, 30, 9, 0, tzinfo=zone)
    runs = [
        next(times) for times in [CronSim(cron(schedule), friday)] for _ in range(8)
    ]
    said = [run.strftime("%a %H:%M") for run in runs]
    assert said == [f"Fri {hour}:01" for hour in range(10, 17)] + ["Mon 10:01"]
    assert runs[-1].astimezone(UTC).hour == 15


@pytest.mark.parametrize(
    ("slot", "following"),
    [
        ("2026-11-25 10:00", "2026-11-25 11:01"),  # a bar end of the conductor's
        ("2026-11-25 10:01", "2026-11-25 11:01"),
        ("2026-11-25 16:00", "2026-11-26 10:01"),  # a close: the next morning
        ("2026-11-27 16:01", "2026-11-30 10:01"),  # a Friday's: on Monday
    ],
)
def test_a_slot_is_out_of_date_once_the_timetable_has_another(
    slot: str, following: str
) -> None:
    zone = ZoneInfo("America/New_York")
    begun = datetime.fromisoformat(slot).replace(tzinfo=zone)
    seconds = FETCH_MARKET_DATA.distance(begun)
    assert seconds is not None
    wanted = datetime.fromisoformat(following).replace(tzinfo=zone)
    assert begun.timestamp() + seconds == wanted.timestamp()


def test_a_weekly_report_does_not_put_a_daily_one_out_of_date() -> None:
    assert len({entry.job for entry in REPORTS.values()}) == 3
    friday = datetime(2026, 11, 27, 16, 35, tzinfo=ZoneInfo("America/New_York"))
    assert REPORTS["weekly"].distance(friday) == 7 * 86400


def test_the_monthly_report_is_about_the_month_that_ends() -> None:
    from cronsim import CronSim

    monthly = str(REPORTS["monthly"].cron)
    zone = ZoneInfo("America/New_York")
    runs = CronSim(monthly, datetime(2026, 2, 1, tzinfo=zone))
    assert [next(runs).strftime("%m-%d") for _ in range(2)] == ["02-28", "03-31"]
