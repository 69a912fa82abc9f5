"""From a page's context to HTML: the whole page, or the one section htmx asked for."""

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from trading_web import (
    audit_words,
    decision_words,
    formats,
    order_states,
    order_words,
    risk_words,
)
from trading_web.cells import Cell
from trading_web.menu import PAGES
from trading_web.static import asset_url

templates: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(default=True, default_for_string=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(
    request: Request, page: str, status: int = 200, **context: Any
) -> HTMLResponse:
    """Return the page, or only the block named like the element htmx will fill."""
    template = templates.get_template(page)
    # htmx 4 sends the target as tag#id.
    target = request.headers.get("HX-Target", "").rpartition("#")[2]
    block = template.blocks.get(target)
    values = {"request": request, "shell": request.state.shell, **context}
    # A block that is rendered alone does not see what its template imports.
    values["ui"] = templates.get_template("_macros.html").make_module(values)
    if block is None or request.headers.get("HX-Request") != "true":
        body = template.render(values)
    else:
        body = "".join(block(template.new_context(values)))
    return HTMLResponse(body, status, {"Vary": "HX-Request, HX-Target"})


def moment(value: datetime | None, form: str = "clock") -> Markup:
    """Return a time element: the chosen zone on its face, all zones in its title."""
    if value is None:
        return Markup('<span title="not known">{}</span>').format(formats.MISSING)
    shown = {
        "clock": formats.clock_time,
        "short": formats.short_time,
        "day": formats.day,
        "day_time": formats.day_time,
    }[form](value)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        value.isoformat().replace("+00:00", "Z"), formats.all_zones(value), shown
    )


def cell(cells: dict[str, Cell], name: str) -> Markup:
    """Return a live value: the element that the socket's frames keep current."""
    value = cells.get(name) or Cell(formats.MISSING, "", "not known")
    title = Markup(' title="{}"').format(value.title) if value.title else ""
    return Markup('<span data-cell="{}" data-tone="{}"{}>{}</span>').format(
        name, value.tone, title, value.text
    )


def signed(value: Decimal | float | None) -> Markup:
    """Return a profit or loss with its colour."""
    return Markup('<span data-tone="{}">{}</span>').format(
        formats.direction(value), formats.pnl(value)
    )


def signed_percent(value: Decimal | float | None) -> Markup:
    """Return a signed percentage with its colour."""
    return Markup('<span data-tone="{}">{}</span>').format(
        formats.direction(value), formats.percent(value)
    )


templates.globals.update(
    asset=asset_url,
    audit_words=audit_words,
    cell=cell,
    decision_words=decision_words,
    escape=escape,
    formats=formats,
    moment=moment,
    order_states=order_states,
    order_words=order_words,
    pages=PAGES,
    risk_words=risk_words,
    signed=signed,
    signed_percent=signed_percent,
)
