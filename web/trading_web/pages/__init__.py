"""The pages: one module and one template each."""

from trading_web.pages import chart, explain, halt, orders, portfolio, system

PAGES = tuple(page.router for page in (portfolio, orders, chart, explain, system, halt))
