"""The timetable: which flow runs when, by which clock, and whose it is.

Minutes are staggered, so that the safety nets do not all start at once. What goes by
the market, and the safety nets of the session, have no schedule of their own in
simulated mode: there the conductor, which knows the simulated session, starts them.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

from trading_system.vocabulary import ServiceName, TradingMode

NEW_YORK = "America/New_York"
SESSION = " 9-16 * * 1-5"
"""Hours and days, New York, in which the safety nets run."""


@dataclass(frozen=True)
class Entry:
    """A flow in the timetable.

    `cron` is in New York time; without one the flow runs on demand only. `interval` is
    the usual distance of its slots in seconds. `by_market` says that its slots are
    market times. `within` names the flow in whose runs it follows, at the same slots: a
    run of its own would cost an interpreter. `kind` tells the slots of a flow that has
    several timetables apart.
    """

    name: str
    service: ServiceName
    cron: str | None = None
    interval: float | None = None
    by_market: bool = False
    within: str | None = None
    kind: str | None = None
    also: tuple["Entry", ...] = ()

    @property
    def job(self) -> str:
        """The name under which its slots are claimed."""
        return f"{self.name} {self.kind}" if self.kind else self.name

    @property
    def is_safety_net(self) -> bool:
        """Whether it runs all through the session, by the machine's clock."""
        return not self.by_market and self.cron is not None and SESSION in self.cron

    def cron_in(self, mode: TradingMode) -> str | None:
        """Return when Prefect itself starts it in a mode; None when others do.

        A simulated market has its sessions at any hour of the machine's clock.
        """
        simulated = mode is TradingMode.SIMULATED
        if self.within or (simulated and (self.by_market or self.is_safety_net)):
            return None
        return self.cron

    def distance(self, slot: datetime) -> float | None:
        """Return the seconds from a slot to the one that puts it out of date.

        The timetable is asked, for not every slot is followed by another after an
        interval: nothing follows Friday's close before Monday. A slot may be some
        minutes off its place, such as the bar end that a run a minute later is for.
        """
        if self.cron is None or self.interval is None:
            return None
        after = slot + timedelta(seconds=self.interval / 2)
        following: datetime = next(
            CronSim(self.cron, after.astimezone(ZoneInfo(NEW_YORK)))
        )
        return (following - slot).total_seconds()


INGESTION, STRATEGY = ServiceName.INGESTION, ServiceName.STRATEGY
EXECUTION, RISK = ServiceName.EXECUTION, ServiceName.RISK
ANALYTICS, NOTIFICATION = ServiceName.ANALYTICS, ServiceName.NOTIFICATION
HOUR, DAY = 3600.0, 86400.0

FETCH_MARKET_DATA = Entry(
    # A minute after the hour: bars need some seconds to settle. 10:01 to 16:01.
    "fetch_market_data",
    INGESTION,
    "1 10-16 * * 1-5",
    HOUR,
    by_market=True,
)
VALIDATE_DATA_QUALITY = Entry(
    "validate_data_quality", INGESTION, "30 18 * * 1-5", DAY, by_market=True
)
ARCHIVE_OLD_DATA = Entry("archive_old_data", INGESTION, "0 6 * * 6", 7 * DAY)
RUN_STRATEGY = Entry("run_strategy", STRATEGY, by_market=True)
CALCULATE_INDICATORS = Entry("calculate_indicators", STRATEGY)
GENERATE_SIGNALS = Entry("generate_signals", STRATEGY)
BACKTEST_STRATEGY = Entry("backtest_strategy", STRATEGY, "0 19 * * 1-5", DAY)
EXECUTE_TRADES = Entry("execute_trades", EXECUTION, f"1-59/5{SESSION}", 300)
MANAGE_ORDERS = replace(EXECUTE_TRADES, name="manage_orders", within="execute_trades")
UPDATE_POSITIONS = replace(MANAGE_ORDERS, name="update_positions")
RECONCILE_TRADES = Entry("reconcile_trades", EXECUTION, f"4-59/15{SESSION}", 900)
CALCULATE_POSITION_SIZE = Entry("calculate_position_size", RISK)
VALIDATE_RISK_LIMITS = Entry("validate_risk_limits", RISK, f"3-59/5{SESSION}", 300)
MONITOR_PORTFOLIO_RISK = replace(
    VALIDATE_RISK_LIMITS, name="monitor_portfolio_risk", within="validate_risk_limits"
)
GENERATE_RISK_ALERTS = Entry("generate_risk_alerts", RISK)
CALCULATE_PERFORMANCE = Entry(
    "calculate_performance", ANALYTICS, "15 16 * * 1-5", DAY, by_market=True
)
ANALYZE_TRADES = Entry(
    "analyze_trades", ANALYTICS, "10 16 * * 1-5", DAY, by_market=True
)
WEEKLY_REPORT = Entry(
    "generate_reports", ANALYTICS, "35 16 * * 5", 7 * DAY, by_market=True, kind="weekly"
)
# On the last day: on the first the month at hand would be the next one.
MONTHLY_REPORT = Entry(
    "generate_reports",
    ANALYTICS,
    "40 16 L * *",
    28 * DAY,
    by_market=True,
    kind="monthly",
)
GENERATE_REPORTS = Entry(
    "generate_reports",
    ANALYTICS,
    "30 16 * * 1-5",
    DAY,
    by_market=True,
    also=(WEEKLY_REPORT, MONTHLY_REPORT),
)
REPORTS = {
    "daily": GENERATE_REPORTS,
    "weekly": WEEKLY_REPORT,
    "monthly": MONTHLY_REPORT,
}
RUN_BACKTEST = Entry("run_backtest", ANALYTICS)
SEND_TRADE_ALERTS = Entry("send_trade_alerts", NOTIFICATION, "7-59/15 * * * *", 900)
MONITOR_SYSTEM_HEALTH = Entry("monitor_system_health", NOTIFICATION, "*/5 * * * *", 300)
AGGREGATE_LOGS = Entry("aggregate_logs", NOTIFICATION, "43 * * * *", HOUR)
SEND_DAILY_SUMMARY = Entry(
    "send_daily_summary", NOTIFICATION, "45 16 * * 1-5", DAY, by_market=True
)

TIMETABLE: tuple[Entry, ...] = (
    FETCH_MARKET_DATA,
    VALIDATE_DATA_QUALITY,
    ARCHIVE_OLD_DATA,
    RUN_STRATEGY,
    CALCULATE_INDICATORS,
    GENERATE_SIGNALS,
    BACKTEST_STRATEGY,
    EXECUTE_TRADES,
    MANAGE_ORDERS,
    UPDATE_POSITIONS,
    RECONCILE_TRADES,
    CALCULATE_POSITION_SIZE,
    VALIDATE_RISK_LIMITS,
    MONITOR_PORTFOLIO_RISK,
    GENERATE_RISK_ALERTS,
    CALCULATE_PERFORMANCE,
    ANALYZE_TRADES,
    GENERATE_REPORTS,
    RUN_BACKTEST,
    SEND_TRADE_ALERTS,
    MONITOR_SYSTEM_HEALTH,
    AGGREGATE_LOGS,
    SEND_DAILY_SUMMARY,
)
