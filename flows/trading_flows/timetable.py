"""The timetable: which flow runs when, by which clock, and whose it is.

Minutes are staggered, so that the safety nets do not all start at once. Entries that
go by the market have no schedule of their own in simulated mode: there the conductor
starts them with their market time.
"""

from dataclasses import dataclass

from trading_system.vocabulary import ServiceName

SESSION = "9-16"
"""Hours, New York, in which the safety nets run."""


@dataclass(frozen=True)
class Also:
    """A further schedule of a flow, with parameters of its own."""

    cron: str
    parameters: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Entry:
    """A flow in the timetable.

    `cron` is in New York time; without one the flow runs on demand only. `interval` is
    the distance of its slots in seconds: a slot that has been followed by another is
    out of date. `by_market` says that its slots are market times.
    """

    name: str
    service: ServiceName
    cron: str | None = None
    interval: float | None = None
    by_market: bool = False
    also: tuple[Also, ...] = ()


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
RUN_STRATEGY = Entry("run_strategy", STRATEGY)
CALCULATE_INDICATORS = Entry("calculate_indicators", STRATEGY)
GENERATE_SIGNALS = Entry("generate_signals", STRATEGY)
BACKTEST_STRATEGY = Entry("backtest_strategy", STRATEGY, "0 19 * * 1-5", DAY)
EXECUTE_TRADES = Entry("execute_trades", EXECUTION, f"1-59/5 {SESSION} * * 1-5", 300)
MANAGE_ORDERS = Entry("manage_orders", EXECUTION, f"2-59/5 {SESSION} * * 1-5", 300)
UPDATE_POSITIONS = Entry(
    "update_positions", EXECUTION, f"3-59/5 {SESSION} * * 1-5", 300
)
RECONCILE_TRADES = Entry(
    "reconcile_trades", EXECUTION, f"4-59/15 {SESSION} * * 1-5", 900
)
CALCULATE_POSITION_SIZE = Entry("calculate_position_size", RISK)
VALIDATE_RISK_LIMITS = Entry(
    "validate_risk_limits", RISK, f"*/5 {SESSION} * * 1-5", 300
)
MONITOR_PORTFOLIO_RISK = Entry(
    "monitor_portfolio_risk", RISK, f"2-59/5 {SESSION} * * 1-5", 300
)
GENERATE_RISK_ALERTS = Entry("generate_risk_alerts", RISK)
CALCULATE_PERFORMANCE = Entry(
    "calculate_performance", ANALYTICS, "15 16 * * 1-5", DAY, by_market=True
)
ANALYZE_TRADES = Entry(
    "analyze_trades", ANALYTICS, "10 16 * * 1-5", DAY, by_market=True
)
GENERATE_REPORTS = Entry(
    "generate_reports",
    ANALYTICS,
    "30 16 * * 1-5",
    DAY,
    by_market=True,
    also=(
        Also("35 16 * * 5", (("kind", "weekly"),)),
        Also("40 16 1 * *", (("kind", "monthly"),)),
    ),
)
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
