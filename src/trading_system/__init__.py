"""The kernel: what every process of the trading system shares."""
