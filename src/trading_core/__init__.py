"""The arithmetic of trading: pure functions and values, the same for a backtest, a
rehearsal and a trading day.

Nothing here reads a clock, a file, a setting or a socket. Bars are float64 Polars
frames; money, prices of orders and quantities are `Decimal`; time is aware UTC and
handed in.
"""
