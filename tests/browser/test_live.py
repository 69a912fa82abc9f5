"""Values that move without a reload, and what happens when they cannot."""

from datetime import timedelta
from decimal import Decimal

import pytest
from fake_services import NOW, SECRET, a_market, trading
from playwright.sync_api import expect

from trading_system import login
from trading_system.clock import utc_now
from trading_system.contracts.system import EventView
from trading_system.vocabulary import TradingState, new_id

pytestmark = pytest.mark.browser


def filled(seq: int) -> EventView:
    return EventView(
        seq=seq,
        topic="execution.order_filled",
        key="x",
        payload={
            "side": "buy",
            "symbol": "AAPL",
            "fill_quantity": "40",
            "price": "231.38",
            "order_id": str(new_id()),
        },
        producer="execution",
        occurred_at=NOW,
    )


def account(fake, **values):
    path = ("execution", "/account")
    fake.answers[path] = fake.answers[path].model_copy(update=values)


def test_a_number_moves_without_a_reload(serve, look):
    fake = trading()
    tab = look(serve(fake))
    page = tab.open("/")
    page.evaluate("window.kept = true")
    account(fake, equity=Decimal("123456.78"), day_pnl=Decimal("-9.99"))
    equity = page.locator("#kpis [data-cell='account.equity']")
    expect(equity).to_have_text("$123,456.78")
    day = page.locator("#kpis [data-cell='account.day']")
    expect(day).to_have_text("−$9.99")
    expect(day).to_have_attribute("data-tone", "down")
    assert page.evaluate("window.kept") is True
    assert not tab.faults


def test_a_fill_is_told_and_its_lists_are_fetched_again(serve, look):
    fake = trading()
    tab = look(serve(fake))
    page = tab.open("/orders?tab=history")
    rows = page.locator("#list tbody tr")
    before = rows.count()
    page.wait_for_timeout(2500)  # the log is followed from when the tab opened
    fake.answers["execution", "/orders"] = []
    fake.events.append(filled(1))
    expect(page.locator("#announce")).to_have_text("Bought 40 AAPL at 231.38")
    expect(page.locator("section#list.panel")).to_contain_text("Nothing yet.")
    assert before > 10
    assert not tab.faults


def test_silent_services_leave_their_last_values_marked_stale(serve, look):
    fake = trading()
    tab = look(serve(fake))
    page = tab.open("/")
    equity = page.locator("#kpis [data-cell='account.equity']")
    before = equity.text_content()
    page.wait_for_timeout(1500)
    fake.down.add("execution")
    expect(page.locator("#kpis")).to_have_attribute("data-state", "stale")
    assert equity.text_content() == before
    fake.down.clear()
    expect(page.locator("#kpis")).not_to_have_attribute("data-state", "stale")
    assert not tab.faults


def test_paused_values_stand_still_until_resumed(serve, look):
    fake = trading()
    page = look(serve(fake)).open("/")
    page.wait_for_timeout(1500)
    page.keyboard.press(".")
    expect(page.locator("#feed")).to_contain_text("Paused")
    account(fake, equity=Decimal("55555.00"))
    expect(page.locator("#feed")).to_contain_text("held")
    equity = page.locator("#kpis [data-cell='account.equity']")
    assert equity.text_content() != "$55,555.00"
    page.keyboard.press(".")
    expect(equity).to_have_text("$55,555.00")


def test_a_restarted_gateway_is_found_again_without_a_reload(serve, look):
    fake = trading()
    first = serve(fake)
    page = look(first).open("/")
    page.evaluate("window.kept = true")
    first.stop()
    expect(page.locator("#feed")).not_to_contain_text("Live")
    account(fake, equity=Decimal("77777.00"))
    serve(fake, port=first.port)
    expect(page.locator("#feed")).to_contain_text("Live", timeout=20_000)
    equity = page.locator("#kpis [data-cell='account.equity']")
    expect(equity).to_have_text("$77,777.00", timeout=10_000)
    assert page.evaluate("window.kept") is True


@pytest.mark.parametrize("load", range(5))
def test_every_load_opens_its_socket(serve, look, load):
    tab = look(serve(trading()))
    for _ in range(5):
        tab.open("/halt")
    assert not tab.faults


def test_two_clicks_halt_from_any_page(serve, look):
    fake = trading()
    page = look(serve(fake)).open("/charts/AAPL")
    page.get_by_role("link", name="Halt", exact=True).click()
    page.get_by_role("button", name="Pause entries").click()
    expect(page.get_by_text("Entries paused").first).to_be_visible()
    assert fake.state is TradingState.REDUCING


def test_the_keyboard_alone_halts(serve, look):
    fake = trading()
    page = look(serve(fake)).open("/")
    page.keyboard.press("Shift+H")
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(page.get_by_role("button", name="Keep trading")).to_be_focused()
    for _ in range(3):
        page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("button", name="Pause entries")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Entries paused").first).to_be_visible()
    assert fake.level == 1


def test_without_scripts_pages_read_and_halt_works(serve, chromium):
    fake = trading()
    stack = serve(fake)
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(login.link(stack.base, SECRET, utc_now()))
    page.goto(stack.base + "/")
    assert page.locator("#positions tbody tr").count() == len(
        fake.answers["execution", "/positions"]
    )
    page.get_by_role("link", name="Halt", exact=True).click()
    page.get_by_role("button", name="Flatten everything").click()
    said = page.get_by_text("Only orders that flatten positions may leave.")
    expect(said).to_be_visible()
    assert fake.state is TradingState.HALTED
    context.close()


def test_why_is_one_click_away_and_opens_the_chain(serve, look):
    page = look(serve(trading())).open("/")
    page.locator("#positions").get_by_role("link", name="Why?").first.click()
    expect(page.locator("ol.chain > li")).to_have_count(7)


def test_what_was_unfolded_stays_so_when_its_section_is_fetched_again(serve, look):
    fake = trading()
    bought = next(o for o in a_market().outcomes if o.outcome == "approved")
    tab = look(serve(fake))
    page = tab.open(f"/explain/signal/{bought.signal_id}")
    page.get_by_text("Ids and history").click()
    page.wait_for_timeout(2500)
    path = ("execution", f"/orders/by-signal/{bought.signal_id}")
    fake.answers[path] = [
        order.model_copy(update={"broker_order_id": "moved-on"})
        for order in fake.answers[path]
    ]
    fake.events.append(filled(1))
    expect(page.get_by_text("moved-on")).to_be_visible()
    assert not tab.faults


def test_a_chart_is_moved_by_keys_and_another_range_is_a_click(serve, look):
    tab = look(serve(trading()))
    page = tab.open("/charts/AAPL")
    view = "document.querySelector('.plot').layout.xaxis.range[0]"
    before = page.evaluate(view)
    page.locator("#bars_figure").focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(f"() => {view} < {before}")
    page.get_by_role("link", name="1 day").click()
    page.wait_for_function(
        "() => document.querySelector('.plot').data[0].x.length < 60"
    )
    assert page.url.endswith("tf=1d")
    assert not tab.faults


def test_a_phone_shows_all_of_the_range_that_was_picked(serve, look):
    fake = trading()
    hourly = fake.answers["execution", "/equity"]
    fake.answers["execution", "/equity"] = [
        point.model_copy(update={"market_time": point.market_time - before})
        for point in hourly
        for before in (timedelta(minutes=20), timedelta(0))
    ]
    tab = look(serve(fake), width=360)
    page = tab.open("/")
    page.wait_for_function("() => document.querySelector('.plot')?.layout?.meta")
    points, view = page.evaluate(
        "() => { const plot = document.querySelector('.plot');"
        " return [plot.data[0].x.length, plot.layout.xaxis.range]; }"
    )
    # A phone has room for 42 candles; a line is not cut for that.
    assert points > 42
    assert view[0] <= 0 <= points - 1 <= view[1]
    assert not tab.faults


def test_a_number_on_a_phone_stays_on_one_line(serve, look):
    tab = look(serve(trading()), width=360)
    page = tab.open("/")
    total = page.locator("table.cards tfoot td.num > *").last
    total.evaluate("(cell) => { cell.textContent = '−$12,499.48'; }")
    lines = "(cell) => cell.getClientRects().length"
    style = (
        "(cell) => cell.offsetHeight / parseFloat(getComputedStyle(cell).lineHeight)"
    )
    assert total.evaluate(lines) == 1
    assert total.evaluate(style) < 1.5


def test_a_frame_that_was_missed_is_made_good(serve, look):
    fake = trading()
    gateway = serve(fake)
    tab = look(gateway)
    page = tab.open("/")
    page.wait_for_timeout(1500)
    rows = page.locator("#positions tbody tr")
    held = fake.answers["execution", "/positions"]
    expect(rows).to_have_count(len(held))
    # One position less, and nobody tells: the frame that would is lost on its way.
    fake.answers["execution", "/positions"] = held[1:]
    gateway.skip_a_frame("portfolio")
    expect(rows).to_have_count(len(held) - 1, timeout=20_000)
    assert not tab.faults
