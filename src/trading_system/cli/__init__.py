"""The `trading` command."""

from trading_system.cli.app import app

__all__ = ["app"]
