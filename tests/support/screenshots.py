"""Pictures of every page, for eyes: `python tests/support/screenshots.py`.

Starts a stack, lets it trade, and looks at it with headless Chromium. Then
`build/screenshots` holds every page in light and dark, for a desktop and a phone; each
page without data, without services and with values that are old; and Prefect's own
pages with the hourly runs and what each left behind. `--data-dir` looks at a stack that
is running already; `--guide` writes the few pictures that the user guide shows.
"""

import argparse
import base64
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from dashboard import (
    DARK,
    EMPTY,
    FAILED,
    LIGHT,
    STALE,
    STATES,
    THEMES,
    WIDTHS,
    Gateway,
    addresses,
    chromium_program,
    fake_addresses,
    fake_services,
    fall_silent,
    headless,
    settle,
    window,
)
from playwright.sync_api import Browser, BrowserContext, Page
from stack import Stack, running_stack

from trading_system import login
from trading_system.clock import utc_now
from trading_system.runtime.data_directory import DataDirectory

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "user-guide" / "pictures"
PATIENCE = 1800
HOURS = 2
"""Hourly runs that Prefect's pages are to show."""

GUIDE_PAGES = (
    *("portfolio", "orders-history", "chart", "explain-order", "risk", "strategies"),
    *("strategy", "performance", "backtests", "backtest", "compare", "data"),
    *("alerts", "logs", "system", "ticket", "halt"),
)


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=ROOT / "build" / "screenshots")
    parser.add_argument("--data-dir", type=Path, help="of a stack that runs already")
    parser.add_argument("--guide", action="store_true", help="the user guide's only")
    parser.add_argument("--prefect", action="store_true", help="Prefect's pages only")
    asked = parser.parse_args()
    program = chromium_program()
    if program is None:
        raise SystemExit("There is no Chromium on PATH: install one to take pictures.")
    with headless(program) as browser, traded(asked.data_dir) as stack:
        if asked.guide:
            picture_guide(browser, stack)
            return
        asked.to.mkdir(parents=True, exist_ok=True)
        picture_prefect(browser, stack, asked.to)
        if not asked.prefect:
            picture_pages(browser, stack, asked.to)
            picture_states(browser, asked.to)
    print(asked.to)


@contextmanager
def traded(data: Path | None) -> Iterator[Stack]:
    """Yield a stack in which something of every kind has happened."""
    if data is not None:
        stack = Stack(DataDirectory(data.resolve()), 0, [])
        wait_for_trades(stack)
        yield stack
        return
    with running_stack("--speed", "120", wait=900) as stack:
        wait_for_trades(stack)
        yield stack


def wait_for_trades(stack: Stack) -> None:
    """Wait for a round trip, positions, two backtests and a few hourly runs."""
    with stack.services() as services:
        until(lambda: services.analytics.round_trips(limit=1), "a round trip")
        until(lambda: services.execution.positions(), "a position")
        strategy = services.strategy.strategies()[0].name
        for threshold in ("0.02", "0.03")[len(services.analytics.backtests()) :]:
            changed = ("--set", f"threshold={threshold}")
            done = stack.cli("backtest", "run", strategy, *changed, timeout=600)
            assert done.returncode == 0, done.stdout + done.stderr
    until(lambda: len(hourly_runs(stack)) >= HOURS, f"{HOURS} hourly runs")


def until(holds: Callable[[], Any], what: str) -> Any:
    """Wait for something, and return it."""
    deadline = time.monotonic() + PATIENCE
    while not (found := holds()):
        if time.monotonic() > deadline:
            raise SystemExit(f"It never came to pass: {what}.")
        time.sleep(1)
    return found


# The dashboard.


def picture_pages(browser: Browser, stack: Stack, folder: Path) -> None:
    """Take every page of the running stack, in each theme and width."""
    with stack.services() as services:
        found = addresses(services)
    gateway = stack.run.urls["gateway"]
    kept = signed_in(browser, gateway, stack.secrets.session.get_secret_value())
    for theme in THEMES:
        for width in WIDTHS:
            context = window(browser, width, theme, storage_state=kept)
            page = context.new_page()
            for name, path in found.items():
                page.goto(gateway + path)
                settle(page)
                whole(page, folder / f"{name}.{theme}.{width}.png")
            context.close()
    page = window(browser, 1366, LIGHT).new_page()
    page.goto(gateway + "/")
    whole(page, folder / "signed-out.light.1366.png")


def picture_states(browser: Browser, folder: Path) -> None:
    """Take every page of fake services that have nothing, or do not answer."""
    for state, theme, width in (
        (EMPTY, LIGHT, 1366),
        (FAILED, DARK, 1366),
        (STALE, LIGHT, 360),
    ):
        settings = fake_services.settings(trading_data_dir=folder)
        gateway = Gateway(STATES[state](), settings)
        gateway.start()
        kept = signed_in(browser, gateway.base, fake_services.SECRET)
        context = window(browser, width, theme, storage_state=kept)
        if state == STALE:
            for path in fake_addresses().values():
                context.request.get(gateway.base + path)
        if state in (FAILED, STALE):
            fall_silent(gateway.fake)
        page = context.new_page()
        for name, path in fake_addresses().items():
            page.goto(gateway.base + path)
            settle(page, live=page.locator("#feed").count() > 0)
            whole(page, folder / f"{name}.{state}.{theme}.{width}.png")
        context.close()
        gateway.stop()


def signed_in(browser: Browser, gateway: str, secret: str) -> Any:
    """Return the cookies of somebody who signed in: once, for tries are counted."""
    context = browser.new_context()
    answer = context.request.get(login.link(gateway, secret, utc_now()))
    assert answer.ok, answer.status
    kept = context.storage_state()
    context.close()
    return kept


def whole(page: Page, file: Path) -> None:
    """Save a page from its top to its end, and what is drawn only when in sight."""
    height = page.evaluate("document.documentElement.scrollHeight")
    size = page.viewport_size
    assert size is not None
    page.set_viewport_size({"width": size["width"], "height": min(height, 6000)})
    settle(page, live=False)
    page.wait_for_timeout(300)
    page.screenshot(path=file)
    page.set_viewport_size(size)


# Prefect.


def picture_prefect(browser: Browser, stack: Stack, folder: Path) -> None:
    """Take Prefect's own pages: the hourly runs, one of them, and what it left."""
    run = hourly_runs(stack)[0]
    of_it = {"flow_run_id": {"any_": [run["id"]]}}
    left = prefect(stack, "artifacts", artifacts=of_it)
    pages = {
        "runs": "/runs",
        "flow": f"/flows/flow/{run['flow_id']}",
        "run": f"/runs/flow-run/{run['id']}",
        "run-artifacts": f"/runs/flow-run/{run['id']}?tab=Artifacts",
        "deployments": "/deployments",
        "artifacts": "/artifacts",
    }
    pages |= {
        f"artifact-{each['key']}": f"/artifacts/artifact/{each['id']}" for each in left
    }
    base = stack.run.urls["prefect"]
    home = browser.new_context().new_page()
    home.goto(base)
    home.wait_for_load_state("networkidle")
    # Its present pages stand below a path of their own, which the first one tells.
    root = "/v2" if home.url.removeprefix(base).startswith("/v2") else ""
    context = window(browser, 1366, LIGHT)
    # Where its own sign-in page puts what was typed.
    word = base64.b64encode(stack.secrets.prefect_auth.encode()).decode()
    context.add_init_script(f"localStorage.setItem('prefect-password', '{word}')")
    page = context.new_page()
    for name, path in pages.items():
        page.goto(base + root + path)
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(5000)  # its lists come after its page
        page.screenshot(path=folder / f"prefect-{name}.png")
    context.close()


def hourly_runs(stack: Stack) -> list[dict[str, Any]]:
    """Return the runs that fetched the bars of an hour, the newest first."""
    return prefect(
        stack,
        "flow_runs",
        flows={"name": {"any_": ["fetch_market_data"]}},
        flow_runs={"state": {"name": {"any_": ["Completed"]}}},
        sort="END_TIME_DESC",
    )


def prefect(stack: Stack, what: str, **asked: Any) -> list[dict[str, Any]]:
    """Return what Prefect has of something."""
    name, _, password = stack.secrets.prefect_auth.partition(":")
    answer = httpx.post(
        f"{stack.run.urls['prefect']}/api/{what}/filter",
        json={"limit": 50, **asked},
        auth=(name, password),
        timeout=60,
        trust_env=False,
    )
    found: list[dict[str, Any]] = answer.raise_for_status().json()
    return found


# The user guide.


def picture_guide(browser: Browser, stack: Stack) -> None:
    """Take what the guide shows: each page on a desktop, and one on a phone."""
    GUIDE.mkdir(parents=True, exist_ok=True)
    with stack.services() as services:
        found = addresses(services)
    gateway = stack.run.urls["gateway"]
    kept = signed_in(browser, gateway, stack.secrets.session.get_secret_value())
    for width, names in ((1366, GUIDE_PAGES), (360, GUIDE_PAGES[:1])):
        context = window(browser, width, LIGHT, storage_state=kept)
        page = context.new_page()
        for name in names:
            page.goto(gateway + found[name])
            settle(page)
            page.wait_for_timeout(500)
            suffix = "" if width == 1366 else "-phone"
            compressed(context, page, GUIDE / f"{name}{suffix}.webp")
        context.close()


def compressed(context: BrowserContext, page: Page, file: Path) -> None:
    """Save the part of a page that is in sight, small enough for a repository."""
    shot = context.new_cdp_session(page).send(
        "Page.captureScreenshot", {"format": "webp", "quality": 75}
    )
    file.write_bytes(base64.b64decode(shot["data"]))


if __name__ == "__main__":
    main()
