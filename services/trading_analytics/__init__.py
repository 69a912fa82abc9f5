"""Analytics: what trading has earned, how, and how that compares.

Owns the schema `analytics`: the portfolio by symbol, performance per strategy and day,
round trips, reports, and backtests. Hears executions and account updates; says
`analytics.performance_calculated`, `analytics.round_trip_closed`,
`analytics.report_generated` and `analytics.backtest_completed`. Every figure is
computed by `trading_core`, with its convention beside it.
"""
