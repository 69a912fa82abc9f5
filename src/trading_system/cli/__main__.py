"""`python -m trading_system.cli`: the command without its script."""

from trading_system.cli import app

app()
