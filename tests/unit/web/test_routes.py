"""Every route of the gateway, walked: who may call it, and what it may answer."""

import re

import pytest
from fake_services import a_market, trading
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from trading_web.guards import SAFE_METHODS

pytestmark = pytest.mark.unit

HOME = "http://127.0.0.1:8000"
VALUES = {
    "symbol": "AAPL",
    "name": "momentum_strategy",
    "table": "positions",
    "kind": "csv",
    "path": "nothing",
}
OPEN = {"/login", "/health", "/health/live", "/health/ready", "/metrics"}


def walk(routes: list[BaseRoute]) -> list[APIRoute]:
    """Return the routes, also of routers that were included."""
    found = []
    for route in routes:
        if isinstance(route, APIRoute):
            found.append(route)
        else:
            inner = getattr(route, "original_router", route)
            found += walk(getattr(inner, "routes", []))
    return found


def address(route: APIRoute) -> str:
    """Return a path of a route, with values that look right."""
    some = str(a_market().decisions[0].decision_id)
    return re.sub(
        r"\{(\w+)(?::\w+)?\}", lambda found: VALUES.get(found[1], some), route.path
    )


def unsafe(browser) -> list[tuple[str, str]]:
    """Return method and address of each route that may change something."""
    return [
        (method, address(route))
        for route in walk(browser.app.router.routes)
        for method in sorted(route.methods - SAFE_METHODS)
    ]


async def test_no_form_is_taken_from_elsewhere_or_without_its_token(open_browser):
    fake = trading()
    browser = open_browser(fake)
    await browser.sign_in()
    forms = unsafe(browser)
    assert len(forms) > 12
    fields = {"level": "1", "act": "pause", "key": "a-key-of-a-page", "reason": "why"}
    for method, path in forms:
        for headers in (
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {},
            {"Origin": HOME, "Sec-Fetch-Site": "cross-site"},
            {"Origin": HOME},
            {"Origin": HOME, "X-CSRF-Token": "0" * 64},
        ):
            answer = await browser.http.request(
                method, path, data=fields, headers=headers
            )
            assert answer.status_code == 403, (path, headers)
    assert not fake.posted


async def test_nothing_but_health_and_sign_in_is_shown_without_a_session(open_browser):
    fake = trading()
    browser = open_browser(fake)
    for route in walk(browser.app.router.routes):
        if "GET" not in route.methods or route.path in OPEN:
            continue
        if route.path.startswith("/static"):
            continue
        answer = await browser.http.get(address(route))
        assert answer.status_code == 401, route.path
    assert not [asked for asked in fake.asked if "health" not in asked[1]]


async def test_no_route_fails_whatever_it_is_sent(open_browser):
    fake = trading()
    browser = open_browser(fake)
    await browser.sign_in()
    odd = ["", "x" * 500, "-1", "1e999", "NaN", "\x00", "<b>", "2026-02-30", "∞"]
    for route in walk(browser.app.router.routes):
        path = address(route)
        names = {
            each.alias
            for each in route.dependant.query_params + route.dependant.body_params
        }
        for value in odd:
            fields = dict.fromkeys(names, value)
            if "GET" in route.methods:
                answer = await browser.http.get(path, params=fields)
            elif path != "/logout":
                answer = await browser.send(path, **fields)
            # A service that is not there is said with 503; nothing else may fail.
            assert answer.status_code < 500 or answer.status_code == 503, (path, value)


async def test_a_ticket_that_is_sent_again_carries_the_same_key(open_browser):
    fake = trading()
    fake.answers["risk", "/manual-orders"] = a_market().outcomes[0]
    browser = open_browser(fake)
    await browser.sign_in()
    page = (await browser.get("/orders/new?symbol=AAPL&side=buy&quantity=10")).text
    key = re.search(r'name="key" value="([^"]+)"', page)
    assert key is not None
    fields = {"symbol": "AAPL", "side": "buy", "quantity": "10", "reason": "why not"}
    for _ in range(2):
        await browser.send("/orders/new", key=key.group(1), **fields)
    assert fake.keys == [key.group(1)] * 2
    again = (await browser.get("/orders/new?symbol=AAPL&side=buy&quantity=10")).text
    assert key.group(1) not in again
