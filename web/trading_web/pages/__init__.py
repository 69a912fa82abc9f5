"""The pages: one module and one template each."""

from trading_web.pages import (
    alerts,
    backtests,
    chart,
    data,
    explain,
    export,
    halt,
    logs,
    orders,
    performance,
    portfolio,
    risk,
    strategies,
    system,
    ticket,
)

PAGES = tuple(
    page.router
    for page in (
        portfolio,
        ticket,
        orders,
        chart,
        explain,
        risk,
        strategies,
        performance,
        backtests,
        data,
        alerts,
        logs,
        system,
        halt,
        export,
    )
)
