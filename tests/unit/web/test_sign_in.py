"""Signing in by a link that works once, and out for good."""

from datetime import timedelta

import pytest
from fake_services import SECRET, empty

from trading_system import login
from trading_system.clock import utc_now
from trading_web.session import LIFETIME, Sessions

pytestmark = pytest.mark.unit

PRIVATE = ("/", "/orders", "/charts/AAPL", "/explain", "/system", "/halt")


@pytest.mark.parametrize("path", (*PRIVATE, "/figures/equity"))
async def test_without_a_session_no_page_shows_anything(open_browser, path):
    answer = await open_browser(empty()).get(path)
    assert answer.status_code == 401
    assert "100,000" not in answer.text
    assert "trading login" in answer.text


async def test_a_link_signs_in_once(open_browser):
    browser = open_browser(empty())
    link = login.link("", SECRET, utc_now())
    first = await browser.get(link)
    cookie = first.headers["set-cookie"]
    assert first.status_code == 200
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie
    assert cookie.startswith("trading_session_8000=")
    assert (await browser.get("/")).status_code == 200
    browser.http.cookies.clear()
    assert (await browser.get(link)).status_code == 401


async def test_a_used_link_stays_used_after_a_restart(open_browser):
    link = login.link("", SECRET, utc_now())
    assert (await open_browser(empty()).get(link)).status_code == 200
    assert (await open_browser(empty()).get(link)).status_code == 401


@pytest.mark.parametrize("token", ["", "x", "eyJhIjoxfQ.abc"])
async def test_a_wrong_link_does_not_sign_in(open_browser, token):
    answer = await open_browser(empty()).get(f"/login?token={token}")
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


async def test_an_old_link_does_not_sign_in(open_browser):
    old = login.link("", SECRET, utc_now() - timedelta(minutes=16))
    assert (await open_browser(empty()).get(old)).status_code == 401


async def test_a_browser_that_fetches_ahead_does_not_use_the_link_up(open_browser):
    browser = open_browser(empty())
    link = login.link("", SECRET, utc_now())
    assert (await browser.get(link, Sec_Purpose="prefetch")).status_code == 503
    assert (await browser.get(link)).status_code == 200


async def test_guessing_links_is_slowed_down(open_browser):
    browser = open_browser(empty())
    statuses = [(await browser.get(f"/login?token={n}")).status_code for n in range(12)]
    assert statuses[:10] == [401] * 10
    assert statuses[10:] == [429] * 2


async def test_signing_out_ends_the_session_for_whoever_has_the_cookie(open_browser):
    browser = open_browser(empty())
    await browser.sign_in()
    kept = dict(browser.http.cookies)
    assert (await browser.send("/logout")).status_code == 401
    browser.http.cookies.update(kept)
    assert (await browser.get("/")).status_code == 401


def test_a_cookie_is_worth_nothing_when_changed_old_or_signed_by_another():
    now = utc_now()
    sessions = Sessions(SECRET)
    session, cookie = sessions.open(now)
    assert sessions.read(cookie, now) == session
    assert sessions.read(cookie[:-2] + "xx", now) is None
    assert sessions.read(cookie, now + LIFETIME) is None
    assert Sessions("another secret").read(cookie, now) is None


async def test_a_section_without_a_session_sends_the_whole_page_away(open_browser):
    browser = open_browser(empty())
    answer = await browser.get("/", HX_Request="true", HX_Target="section#kpis")
    assert answer.headers["hx-redirect"] == "/"
