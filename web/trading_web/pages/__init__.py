"""The pages: one module and one template each."""

from trading_web.pages import (
    alerts,
    amend,
    backtests,
    books,
    chart,
    data,
    explain,
    export,
    halt,
    latency,
    logs,
    orders,
    performance,
    portfolio,
    risk,
    settings,
    strategies,
    system,
    ticket,
)

PAGES = tuple(
    page.router
    for page in (
        portfolio,
        ticket,
        amend,
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
        latency,
        books,
        settings,
        halt,
        export,
    )
)
