"""Starting, watching and comparing backtests, with a Prefect that a test plays."""

import pytest
from fake_services import STRATEGY, backtest, trading

from trading_web.pages import backtests

pytestmark = pytest.mark.unit

RUN = "0b8f6a3e-51c4-4c5e-8d3a-000000000001"


class FakePrefect:
    def __init__(self, url: str, auth: str) -> None:
        self.state = "RUNNING"
        self.asked: list[dict[str, object] | None] = []

    def deployments(self) -> list[dict[str, str]]:
        return [{"flow": "run_backtest", "id": "one"}]

    def start(
        self, deployment: str, parameters: dict[str, object] | None = None
    ) -> dict[str, str]:
        self.asked.append(parameters)
        return {"id": RUN}

    def run(self, run_id: str) -> dict[str, object]:
        said = {"message": "There are no stored bars."}
        name = self.state.capitalize()
        known = {"name": "quiet-owl", "state_name": name, "state_type": self.state}
        return known | {"state": said}

    def cancel(self, run_id: str) -> None:
        self.state = "CANCELLED"


@pytest.fixture
def prefect(monkeypatch):
    fake = FakePrefect("", "")
    monkeypatch.setattr(backtests, "PrefectServer", lambda url, auth: fake)
    return fake


async def test_a_run_is_started_watched_and_canceled(open_browser, prefect):
    browser = open_browser(trading())
    await browser.sign_in()
    asked = {"strategy": STRATEGY, "start": "2026-01-02", "symbols": "aapl, xom"}
    answer = await browser.send("/backtests", **asked)
    assert answer.headers["location"] == f"/backtests/runs/{RUN}"
    assert prefect.asked == [
        {
            "strategy": STRATEGY,
            "start": "2026-01-02",
            "end": None,
            "symbols": ["AAPL", "XOM"],
        }
    ]
    page = (await browser.get(f"/backtests/runs/{RUN}")).text
    assert 'hx-trigger="every 2s"' in page
    assert "Cancel the run" in page
    await browser.send(f"/backtests/runs/{RUN}/cancel")
    page = (await browser.get(f"/backtests/runs/{RUN}")).text
    assert "every 2s" not in page.split('<main id="main"')[1]


async def test_a_run_that_failed_says_why(open_browser, prefect):
    browser = open_browser(trading())
    await browser.sign_in()
    prefect.state = "FAILED"
    assert (
        "There are no stored bars."
        in (await browser.get(f"/backtests/runs/{RUN}")).text
    )


async def test_days_in_the_wrong_order_start_nothing(open_browser, prefect):
    browser = open_browser(trading())
    await browser.sign_in()
    asked = {"strategy": STRATEGY, "start": "2026-02-01", "end": "2026-01-01"}
    assert (await browser.send("/backtests", **asked)).status_code == 422
    asked = {"strategy": STRATEGY, "start": "soon"}
    assert (await browser.send("/backtests", **asked)).status_code == 422
    assert not prefect.asked


def test_only_inputs_that_differ_are_compared():
    found = [backtest(20), backtest(40)]
    assert backtests.differences(found) == {"lookback_period": ["20", "40"]}
    assert list(backtests.figures(found)) == ["total_return", "sharpe", "profit_factor"]
