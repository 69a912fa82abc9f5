"""Each page with a market, without one, and with services that are silent."""

import re
from datetime import timedelta

import httpx
import pytest
from fake_services import a_market, empty, trading

from trading_system.contracts.system import SessionView
from trading_web.topics import read_portfolio

pytestmark = pytest.mark.unit

PAGES = (
    "/",
    "/orders?tab=history",
    "/orders/new",
    "/charts/AAPL",
    "/explain",
    "/risk",
    "/strategies",
    "/performance",
    "/backtests",
    "/data",
    "/alerts",
    "/logs",
    "/system",
    "/system/books",
    "/halt",
)
SERVICES = ("ingestion", "strategy", "risk", "execution", "analytics", "notification")
TABS = ("working", "history", "executions", "trades", "denied")


def text_of(page: str) -> str:
    """Return what a person reads on a page."""
    body = re.sub(r"<(script|style|title|head).*?</\1>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("mode", ["simulated", "paper", "live"])
async def test_every_page_says_whose_market_it_is(open_browser, path, mode):
    browser = open_browser(trading(), mode)
    await browser.sign_in()
    page = (await browser.get(path)).text
    assert f'<span class="badge mode">{mode.upper()}</span>' in page
    assert re.search(rf"<title>.* · {mode.upper()} · Trading</title>", page)
    assert f'data-mode="{mode}"' in page


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_is_whole_and_has_nothing_unformatted(open_browser, path):
    browser = open_browser(trading())
    await browser.sign_in()
    answer = await browser.get(path)
    assert answer.status_code == 200
    assert answer.text.count("<h1") == 1
    words = text_of(answer.text)
    assert not re.search(r"\bNone\b|\bnan\b|\bNaN\b|N/A|Decimal\(", words)
    assert not re.search(r'style="|onclick=|<script>', answer.text)


@pytest.mark.parametrize("path", PAGES)
async def test_with_nothing_stored_no_page_invents_a_number(open_browser, path):
    browser = open_browser(empty())
    await browser.sign_in()
    answer = await browser.get(path)
    assert answer.status_code == 200
    body = answer.text.split('<main id="main"')[1].split("</main>")[0]
    amounts = re.findall(r"\$[\d,]+\.\d\d", text_of("<main " + body))
    # Cash, equity and buying power of a new account are facts; all else is zero.
    assert set(amounts) <= {"$100,000.00", "$200,000.00", "$0.00"}


@pytest.mark.parametrize("tab", TABS)
async def test_an_empty_list_says_why_and_what_comes_next(open_browser, tab):
    browser = open_browser(empty())
    await browser.sign_in()
    page = (await browser.get(f"/orders?tab={tab}")).text
    assert '<div class="empty">' in page
    assert "<table" not in page.split('<main id="main"')[1]


@pytest.mark.parametrize("tab", TABS)
async def test_a_list_shows_its_rows_with_their_reasons(open_browser, tab):
    browser = open_browser(trading())
    await browser.sign_in()
    page = (await browser.get(f"/orders?tab={tab}")).text
    assert '<table class="data cards">' in page
    assert "/explain/" in page


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("service", SERVICES)
async def test_a_silent_service_never_takes_the_page_away(open_browser, path, service):
    fake = trading()
    fake.down.add(service)
    browser = open_browser(fake)
    await browser.sign_in()
    answer = await browser.get(path)
    assert answer.status_code == 200
    if service in ("execution", "risk"):
        expected = "not known" if service == "risk" else "Market clock unknown"
        assert expected in answer.text


async def test_values_that_were_read_before_stay_and_are_marked_stale(open_browser):
    fake = trading()
    browser = open_browser(fake)
    await browser.sign_in()
    before = (await browser.get("/")).text
    equity = re.search(r'data-cell="account.equity"[^>]*>([^<]+)', before)
    fake.down.add("execution")
    after = (await browser.get("/")).text
    assert equity is not None and equity.group(0) in after
    assert after.count('data-state="stale"') >= 2
    assert "These values were read at" in after


async def test_an_unknown_trading_state_is_never_shown_as_trading(open_browser):
    fake = trading()
    browser = open_browser(fake)
    await browser.sign_in()
    await browser.get("/")
    fake.down.add("risk")
    page = (await browser.get("/")).text
    assert "Trading on" not in page
    assert "The trading state is not known." in page


@pytest.mark.parametrize(
    ("path", "section"),
    [
        ("/", "kpis"),
        ("/", "positions"),
        ("/", "activity"),
        ("/orders?tab=history", "list"),
        ("/charts/AAPL", "decisions"),
        ("/explain", "list"),
        ("/system", "services"),
    ],
)
async def test_a_section_is_the_same_alone_and_in_its_page(
    open_browser, path, section, monkeypatch
):
    # A service that is late would be shown as such in one of the two.
    monkeypatch.setattr("trading_web.desk.PATIENCE", 30.0)
    browser = open_browser(trading())
    await browser.sign_in()
    page = (await browser.get(path)).text
    target = f"section#{section}"
    part = await browser.get(path, HX_Request="true", HX_Target=target)
    assert "<html" not in part.text
    lines = part.text.strip().splitlines()
    assert lines
    assert [line for line in lines if line not in page.splitlines()] == []
    assert part.text.strip() in page
    assert "HX-Target" in part.headers["vary"]


async def test_a_section_asks_only_what_it_shows(open_browser):
    fake = trading()
    browser = open_browser(fake)
    await browser.sign_in()
    fake.asked.clear()
    await browser.get("/", HX_Request="true", HX_Target="section#working")
    assert fake.asked == {("execution", "/orders"), ("execution", "/clock")}


async def test_rows_can_be_narrowed_to_a_symbol(open_browser):
    browser = open_browser(trading())
    await browser.sign_in()
    page = (await browser.get("/orders?tab=history&symbol=xom")).text
    rows = re.findall(r'<tr id="order-.*?</tr>', page, re.DOTALL)
    assert rows and all("/charts/XOM" in row for row in rows)
    none = (await browser.get("/orders?tab=history&symbol=ZZZ")).text
    assert "Nothing matches ZZZ." in none


async def test_what_a_service_says_is_text_and_never_markup(open_browser):
    fake = trading()
    market = a_market()
    evil = market.outcomes[0].model_copy(
        update={"detail": "<script>alert(1)</script>", "code": "X", "outcome": "denied"}
    )
    fake.answers["risk", "/outcomes"] = [evil]
    browser = open_browser(fake)
    await browser.sign_in()
    for path in ("/", "/orders?tab=denied"):
        page = (await browser.get(path)).text
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert" in page


@pytest.mark.parametrize(
    "path",
    ["/charts/..%2f..%2fetc", "/charts/aapl'--", "/explain/not-a-uuid", "/nowhere"],
)
async def test_a_page_that_cannot_be_is_an_error_page(open_browser, path):
    browser = open_browser(trading())
    await browser.sign_in()
    answer = await browser.get(path)
    assert answer.status_code in (404, 422)
    assert "Go to the portfolio" in answer.text


async def test_a_script_gets_a_problem_document(open_browser):
    browser = open_browser(trading())
    await browser.sign_in()
    answer = await browser.http.get("/nowhere", headers={"Accept": "application/json"})
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 404


async def test_a_working_order_can_be_canceled(open_browser):
    fake = trading()
    browser = open_browser(fake)
    await browser.sign_in()
    page = (await browser.get("/orders?tab=working")).text
    action = re.search(r'action="(/orders/([^/]+)/cancel)"', page)
    assert action is not None
    fake.answers["execution", action.group(1)] = {
        "order_id": action.group(2),
        "status": "PENDING_CANCEL",
        "detail": "asked",
    }
    assert (await browser.send(action.group(1))).status_code == 303
    assert fake.posted[-1][:2] == ("execution", action.group(1))


async def test_all_orders_are_canceled_after_a_look_at_them(open_browser):
    fake = trading()
    fake.answers["execution", "/orders/cancel-all"] = []
    browser = open_browser(fake)
    await browser.sign_in()
    page = (await browser.get("/orders/cancel")).text
    assert "Cancel 1 order<" in page
    assert not fake.posted
    assert (await browser.send("/orders/cancel")).status_code == 303
    assert fake.posted[-1][:2] == ("execution", "/orders/cancel-all")


async def test_a_position_is_closed_or_reduced_without_typing_a_reason(open_browser):
    fake = trading()
    held = fake.answers["execution", "/positions"][0]
    fake.answers["risk", "/manual-orders"] = a_market().outcomes[0]
    browser = open_browser(fake)
    await browser.sign_in()
    closing = (await browser.get(f"/positions/{held.symbol}/close")).headers["location"]
    page = (await browser.get(closing)).text
    assert "Closes the position." in page and "it realizes" in page
    assert 'name="reason"' not in page
    half = re.search(r'href="([^"]+)"[^>]*>Half<', page)
    assert half is not None
    assert "Leaves" in (await browser.get(half.group(1).replace("&amp;", "&"))).text
    fields = {
        "symbol": held.symbol,
        "quantity": str(held.quantity),
        "limit_price": "",
        "key": "a-key-of-the-page",
    }
    assert (await browser.send("/orders/new", side="sell", **fields)).status_code == 303
    assert fake.posted[-1][2]["reason"] == "Reduced on the dashboard."
    assert (await browser.send("/orders/new", side="buy", **fields)).status_code == 422


async def test_a_chosen_zone_holds_for_pages_and_figures(open_browser):
    browser = open_browser(trading())
    await browser.sign_in()
    browser.http.cookies.set("trading_zone", "UTC")
    page = (await browser.get("/orders?tab=history")).text
    assert "UTC</time>" in page and "ET</time>" not in page
    figure = (await browser.get("/figures/bars/AAPL")).json()
    assert "UTC" in figure["caption"]


async def test_health_says_which_services_answer(open_browser):
    fake = empty()
    browser = open_browser(fake)
    assert (await browser.get("/health")).json()["status"] == "pass"
    fake.down.add("risk")
    answer = await browser.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "warn")
    fake.down |= set(SERVICES)
    assert (await browser.get("/health")).status_code == 503


@pytest.mark.parametrize("fill", [empty, trading])
async def test_a_simulated_account_is_welcomed_until_that_is_hidden(open_browser, fill):
    browser = open_browser(fill())
    await browser.sign_in()
    page = (await browser.get("/")).text
    assert "Start here" in page and "60 times as fast as yours" in page
    traded = fill is trading
    assert ("See why, step by step" in page) is traded
    assert (await browser.send("/welcome/hide")).status_code == 303
    assert "Start here" not in (await browser.get("/")).text


@pytest.mark.parametrize("mode", ["paper", "live"])
async def test_an_account_of_alpaca_is_not_welcomed(open_browser, mode):
    browser = open_browser(empty(), mode)
    await browser.sign_in()
    assert "Start here" not in (await browser.get("/")).text


async def test_the_system_page_says_what_waits_since_when_and_for_what(open_browser):
    fake = trading()
    since = "2026-09-14T14:00:00Z"
    fake.answers["execution", "/holds"] = [
        {
            "hold_id": 1,
            "symbol": "NVDA",
            "kind": "position_differs",
            "reason": "position: ours 3, broker 0",
            "placed_at": since,
        },
        {
            "hold_id": 2,
            "symbol": "*",
            "kind": "unknown_order_of_ours",
            "reason": "an order that is not known here",
            "placed_at": since,
        },
    ]
    fake.answers["execution", "/broker-contract"] = [
        {
            "endpoint": "positions",
            "path": "/v2/positions",
            "ok": False,
            "detail": "qty is missing",
            "stops": ["entries", "reconciliation"],
            "checked_at": since,
            "since": since,
        }
    ]
    fake.answers["execution", "/combos"] = [
        {
            "combo_id": "0f8fad5b-d9cb-469f-a165-70867728950e",
            "strategy": "manual",
            "status": "FAILED",
            "reason": "leg 2 is REJECTED; not taken back: 10 KO",
            "market_time": since,
            "created_at": since,
            "finished_at": since,
            "orders": [],
        }
    ]
    browser = open_browser(fake)
    await browser.sign_in()
    shown = text_of((await browser.get("/system")).text)
    for words in (
        "NVDA since",
        "ends by itself when a comparison finds that the books agree",
        "The account since",
        "when a person has looked at it",
        "The broker's positions since",
        "qty is missing",
        "Entries and reconciliation wait; cancellations go on",
        "not taken back: 10 KO",
        "Close what is left by hand",
    ):
        assert words in shown, words


async def test_an_order_that_is_unclear_says_for_how_long(open_browser):
    fake = trading()
    orders = fake.answers["execution", "/orders"]
    unclear = orders({})[0] if callable(orders) else orders[0]
    fake.answers["execution", "/orders"] = [
        unclear.model_copy(update={"status": "UNKNOWN", "reason": "HTTP 504"})
    ]
    browser = open_browser(fake)
    await browser.sign_in()
    page = (await browser.get("/orders?tab=working")).text
    assert "Unclear for" in text_of(page)
    assert "HTTP 504. It counts as exposure" in page


@pytest.mark.parametrize("path", ["/", "/risk"])
async def test_while_the_market_rests_prices_are_those_of_the_last_close(
    open_browser, path
):
    fake = trading()
    clock = fake.answers["execution", "/clock"]
    evening = clock.next_close + timedelta(hours=2)
    fake.answers["ingestion", "/sessions"] = [
        SessionView(day=close.date(), open=close - timedelta(hours=6.5), close=close)
        for close in (clock.next_close - timedelta(days=1), clock.next_close)
    ]
    browser = open_browser(fake)
    await browser.sign_in()
    assert "Last close" not in (await browser.get(path)).text

    closed = clock.model_copy(update={"now": evening, "is_open": False})
    fake.answers["execution", "/clock"] = closed
    page = (await browser.get(path)).text
    assert "Last close 20 Nov 16:00 ET" in text_of(page)
    assert 'data-state="stale"' not in page

    # A tab that is open says the same, and asks for the sessions once a day.
    fake.asked.clear()
    assert read_portfolio(browser.app.state.desk).as_of == "Last close 20 Nov 16:00 ET"
    assert ("ingestion", "/sessions") not in fake.asked


async def test_a_page_asks_for_the_last_close_once_also_when_nobody_answers(
    open_browser,
):
    fake, asked = trading(), []
    clock = fake.answers["execution", "/clock"]
    evening = clock.next_close + timedelta(hours=2)
    closed = clock.model_copy(update={"now": evening, "is_open": False})
    fake.answers["execution", "/clock"] = closed

    def away(query):
        asked.append(dict(query))
        raise httpx.ReadTimeout("no answer")

    fake.answers["ingestion", "/sessions"] = away
    browser = open_browser(fake)
    await browser.sign_in()
    asked.clear()
    # An answer that does not come holds a page up: once, not for all of its prices.
    assert "Last close" not in (await browser.get("/")).text
    assert len(asked) == 1


async def test_symbols_that_the_newest_bar_is_missing_of_are_counted(open_browser):
    fake = trading()
    browser = open_browser(fake)
    await browser.sign_in()
    assert "missing" not in text_of((await browser.get("/")).text)

    latest = fake.answers["ingestion", "/bars/latest"]
    hour = timedelta(hours=1)
    behind = [
        bar.model_copy(update={"bar_end": bar.bar_end - hour}) for bar in latest[:2]
    ]
    fake.answers["ingestion", "/bars/latest"] = [*behind, *latest[2:-1]]
    page = (await browser.get("/")).text
    assert f"3 of {len(latest)} symbols missing from the bar that ended" in text_of(
        page
    )
    assert '<a class="link" href="/data">3 of' in page
