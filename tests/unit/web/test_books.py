"""What differs from the broker's books, holds that end, and entries by hand."""

import re
from decimal import Decimal

import pytest
from fake_services import NOW, trading

from trading_system.contracts.execution import DifferenceView, HoldView, LedgerEntryView
from trading_web.pages.books import missing

pytestmark = pytest.mark.unit

KEY = "0123456789"
ENTRY = {"symbol": "ko", "quantity": "3", "strategy": "external", "key": KEY}
SURE = {"reason": "Moved in.", "word": "ADJUST"}


def difference(kind, ours, broker, symbol=None):
    return DifferenceView(
        kind=kind,
        symbol=symbol,
        ours=ours,
        broker=broker,
        action="symbol put on hold",
        severity="critical",
    )


def hold(number, symbol):
    return HoldView(
        hold_id=number,
        symbol=symbol,
        kind="orphan_fill",
        reason=f"order {number}",
        placed_at=NOW,
    )


async def ready(open_browser, mode="simulated"):
    fake = trading()
    fake.answers["execution", "/holds"] = [hold(1, "KO"), hold(2, "*"), hold(3, "KO")]
    for symbol in ("KO", "*"):
        fake.answers["execution", f"/holds/{symbol}/release"] = []
    fake.answers["execution", "/adjustments"] = LedgerEntryView(
        entry_id=7,
        kind="adjustment",
        reference=KEY,
        symbol="KO",
        quantity_delta=Decimal(3),
        cash_delta=Decimal(0),
        strategy="external",
        timestamp=NOW,
    )
    browser = open_browser(fake, mode)
    await browser.sign_in()
    return fake, browser


@pytest.mark.parametrize(
    ("found", "query"),
    [
        (difference("position", "2", "5", "KO"), "symbol=KO&quantity=3"),
        (difference("position", "5", "2", "KO"), "symbol=KO&quantity=-3"),
        (difference("cash", "100.25", "90", None), "cash=-10.25&strategy=account"),
        (difference("position", "3 symbols differ", None), ""),
        (difference("orphan_fill", None, "order 7", "KO"), ""),
        (difference("order_missing_at_broker", "ACCEPTED", "not found", "KO"), ""),
    ],
)
def test_a_difference_of_shares_or_cash_leads_to_the_entry_that_removes_it(
    found, query
):
    assert missing(found) == query


async def test_each_difference_is_listed_and_leads_to_its_entry(open_browser):
    fake, browser = await ready(open_browser)
    run = fake.answers["execution", "/reconciliations"][0]
    found = [difference("position", "0", "3", "KO"), difference("cash", "10", "9")]
    fake.answers["execution", "/reconciliations"] = [
        run.model_copy(update={"differences": found, "clean": False})
    ]
    page = (await browser.get("/system/books")).text
    assert 'href="/system/books?symbol=KO&amp;quantity=3#entry"' in page
    assert 'href="/system/books?cash=-1&amp;strategy=account#entry"' in page
    assert 'href="/system/books"' in (await browser.get("/system")).text


async def test_an_entry_shows_the_books_before_and_after_and_sends_nothing(
    open_browser,
):
    fake, browser = await ready(open_browser)
    held = fake.answers["execution", "/positions"][0]
    fields = f"symbol={held.symbol}&quantity=-{held.quantity}&cash=1.5"
    page = (await browser.get(f"/system/books?{fields}")).text
    rows = re.findall(
        r'<td class="num">([^<]*)</td><td class="num"><strong>([^<]*)</strong>', page
    )
    cash = fake.answers["execution", "/account"].cash
    shown = [tuple(Decimal(cell.replace(",", "")) for cell in row) for row in rows]
    assert shown == [(held.quantity, 0), (cash, cash + Decimal("1.5"))]
    assert not fake.posted


async def test_an_entry_needs_its_reason_and_word_and_carries_its_key(open_browser):
    fake, browser = await ready(open_browser)
    for lacking in ({"reason": "", "word": "ADJUST"}, {"reason": "Why.", "word": "x"}):
        answer = await browser.send("/system/books/adjust", **ENTRY, **lacking)
        assert answer.status_code == 422
    assert not fake.posted
    assert (await browser.send("/system/books/adjust", **ENTRY, **SURE)).is_redirect
    service, path, body = fake.posted[-1]
    assert (service, path, fake.keys) == ("execution", "/adjustments", [KEY])
    assert (body["symbol"], body["quantity"]) == ("KO", "3")
    assert (body["reason"], body["strategy"]) == ("Moved in.", "external")


@pytest.mark.parametrize(
    "wrong",
    [
        {"quantity": "many"},
        {"quantity": "NaN"},
        {"quantity": "3", "symbol": ""},
        {"quantity": "", "cash": ""},
        {"quantity": "1", "price": "0"},
    ],
)
async def test_an_entry_that_is_none_is_refused_in_words(open_browser, wrong):
    fake, browser = await ready(open_browser)
    answer = await browser.send("/system/books/adjust", **ENTRY | wrong, **SURE)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert not fake.posted


async def test_each_form_of_an_entry_has_a_key_of_its_own(open_browser):
    _, browser = await ready(open_browser)
    path = "/system/books?symbol=KO&quantity=3"
    keys = [
        re.findall(r'name="key" value="(\w+)"', (await browser.get(path)).text)
        for _ in range(2)
    ]
    assert len(keys[0]) == 1 and keys[0] != keys[1]


async def test_an_entry_whose_answer_is_lost_keeps_its_key(open_browser):
    fake, browser = await ready(open_browser)
    fake.down.add("execution")
    answer = await browser.send("/system/books/adjust", **ENTRY, **SURE)
    assert answer.status_code == 503
    assert f'name="key" value="{KEY}"' in answer.text


@pytest.mark.parametrize(("symbol", "ids"), [("KO", ["1", "3"]), ("*", ["2"])])
async def test_a_release_names_the_holds_that_were_shown(open_browser, symbol, ids):
    fake, browser = await ready(open_browser)
    page = (await browser.get("/system/books")).text
    forms = re.findall(r'<form method="post" action="([^"]+)".*?</form>', page, re.S)
    path = f"/system/books/holds/{symbol.replace('*', '%2A')}/release"
    assert path in forms
    form = page.split(f'action="{path}"')[1].split("</form>")[0]
    assert re.findall(r'name="holds" value="(\d+)"', form) == ids
    refused = await browser.send(path, holds=ids, reason="Seen.", word="release")
    assert refused.status_code == 422 and not fake.posted
    done = await browser.send(path, holds=ids, reason="Seen.", word="RELEASE")
    assert done.is_redirect
    sent = {"reason": "Seen.", "holds": [int(each) for each in ids]}
    assert fake.posted[-1] == ("execution", f"/holds/{symbol}/release", sent)


async def test_with_money_books_are_touched_at_the_terminal_alone(open_browser):
    fake, browser = await ready(open_browser, "live")
    page = (await browser.get("/system/books?symbol=KO&quantity=3")).text
    assert "trading adjust" in page and "trading release KO" in page
    assert 'action="/system/books/' not in page
    answer = await browser.send("/system/books/adjust", **ENTRY, **SURE)
    assert answer.status_code == 422
    asked = {"holds": "1", "reason": "Seen.", "word": "RELEASE"}
    answer = await browser.send("/system/books/holds/KO/release", **asked)
    assert answer.status_code == 422
    assert not fake.posted
