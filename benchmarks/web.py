"""How fast the dashboard answers, and how soon a fact of the market is on the page.

`python benchmarks/web.py [--minutes M] [--sockets N]` starts the whole stack at speed
60 in a temporary data directory and looks at it with headless Chromium. It prints how
long after an event was written its row stands in the open page, what each page costs
(the median of five loads into an empty browser cache), and how far apart many open tabs
hear the same event. Every row that is waited for must come, or nothing is printed.
"""

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import psutil
import websockets
from playwright.sync_api import (
    Browser,
    Page,
    StorageState,
    ViewportSize,
    sync_playwright,
)
from rich.console import Console
from rich.table import Table

from trading_system import login
from trading_system.clients import Services
from trading_system.clock import utc_now
from trading_system.config.settings import Settings
from trading_system.contracts.system import EventView
from trading_system.runtime import callers, run_file
from trading_system.runtime.data_directory import DataDirectory
from trading_system.runtime.run_file import Run
from trading_system.runtime.secrets import Secrets

PORT_BASE = 21600
LOADS = 5
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
GOAL_EVENT, GOAL_FAN_OUT = 2_000.0, 250.0

# Busier than the default, so that there is something to hear of.
STRATEGIES = """
strategies:
  - name: momentum_strategy
    enabled: true
    parameters:
      lookback_period: 1
      threshold: 0.002
      max_position_size: 0.03
"""

# Before the page's own scripts: what the browser itself says of the load.
OBSERVE = """
window.seen = {lcp: 0, cls: 0, tbt: 0};
const watch = (type, heard) => new PerformanceObserver(
  (list) => list.getEntries().forEach(heard)).observe({type, buffered: true});
watch("largest-contentful-paint", (e) => { seen.lcp = e.startTime; });
watch("layout-shift", (e) => { if (!e.hadRecentInput) seen.cls += e.value; });
watch("longtask", (e) => { seen.tbt += Math.max(0, e.duration - 50); });
"""
LOADED = """() => ({...window.seen,
  ttfb: performance.getEntriesByType("navigation")[0].responseStart})"""

# When the row of each filled order first stood in the page, by the machine's clock.
ROWS = """
window.rows = {};
const note = () => document
  .querySelectorAll('#list a[href^="/explain/order/"]')
  .forEach((a) => { rows[a.getAttribute("href").split("/").pop()] ??= Date.now(); });
addEventListener("DOMContentLoaded", () => {
  note();
  new MutationObserver(note).observe(
    document.body, {subtree: true, childList: true, attributes: true});
});
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=4.0, help="to watch events")
    parser.add_argument("--sockets", type=int, default=200)
    options = parser.parse_args()
    console = Console(width=100)
    with stack() as site:
        with browser() as chromium:
            console.print(events_table(site.follow(chromium, options.minutes)))
            console.print(pages_table(site.weigh(chromium)))
        console.print(fan_out_table(asyncio.run(site.fan_out(options.sockets))))
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    console.print(f"{psutil.cpu_count()} cores, load {load}")


class Site:
    """A running dashboard, and whoever is signed in to it."""

    def __init__(self, data: DataDirectory, run: Run) -> None:
        self.secrets = Secrets.open(data.secrets)
        self.gateway = run.urls["gateway"]
        self.session: StorageState | None = None
        plain = Settings(trading_data_dir=data.root)
        settings = callers.settings_of(plain, run, self.secrets, "cli")
        self.services = Services(settings, timeout=60)

    def link(self) -> str:
        """Return a link that signs in."""
        secret = self.secrets.session.get_secret_value()
        return login.link(self.gateway, secret, utc_now())

    def follow(self, chromium: Browser, minutes: float) -> list[float]:
        """Return milliseconds from each fill's event until its row was in the page."""
        with signed_in(chromium, self, ROWS) as page:
            page.goto(self.gateway + "/orders?tab=trades")
            page.wait_for_selector("#feed[data-tone=ok]")
            first = page.evaluate("Date.now()")
            deadline = time.monotonic() + minutes * 60
            while time.monotonic() < deadline:
                page.wait_for_timeout(1000)
            page.wait_for_timeout(5000)
            rows: dict[str, int] = page.evaluate("window.rows")
        told: dict[str, float] = {}
        for event in self._events():
            at = event.occurred_at.timestamp() * 1000
            if event.topic == "execution.order_filled" and at > first:
                told.setdefault(str(event.payload["order_id"]), at)
        assert told, "nothing was filled while the page was open"
        missing = told.keys() - rows.keys()
        assert not missing, f"{len(missing)} of {len(told)} fills never came"
        return [rows[order] - at for order, at in told.items()]

    def _events(self) -> Iterator[EventView]:
        after = 0
        while found := self.services.execution.events(after=after):
            yield from found
            after = found[-1].seq

    def weigh(self, chromium: Browser) -> dict[str, dict[str, float]]:
        """Return what each page costs, by name of the page."""
        decision = self.services.strategy.decisions(limit=1)[0].decision_id
        paths = {
            "Portfolio": "/",
            "Orders": "/orders?tab=history",
            "Chart": "/charts/SPY",
            "Explain": f"/explain/{decision}",
            "System": "/system",
        }
        found = {}
        for name, path in paths.items():
            loads = [self._load(chromium, path) for _ in range(LOADS)]
            found[name] = {
                key: statistics.median(load[key] for load in loads) for key in loads[0]
            }
        return found

    def _load(self, chromium: Browser, path: str) -> dict[str, float]:
        with signed_in(chromium, self, OBSERVE) as page:
            client = page.context.new_cdp_session(page)
            client.send("Network.enable")
            client.send("Network.clearBrowserCache")
            sizes: list[float] = []
            client.on(
                "Network.loadingFinished",
                lambda e: sizes.append(e["encodedDataLength"]),
            )
            page.goto(self.gateway + path)
            page.wait_for_selector("#feed[data-tone=ok]")
            page.wait_for_timeout(1500)
            said: dict[str, float] = page.evaluate(LOADED)
        return {**said, "requests": len(sizes), "kilobytes": sum(sizes) / 1000}

    async def fan_out(self, sockets: int) -> list[float]:
        """Return milliseconds from the first tab's hearing an event to the last's.

        All tabs hear the same sequence of announcements, so the n-th of one is the n-th
        of every other.
        """
        async with httpx.AsyncClient(follow_redirects=True, trust_env=False) as client:
            (await client.get(self.link())).raise_for_status()
            cookie = "; ".join(
                f"{name}={value}" for name, value in client.cookies.items()
            )
        address = self.gateway.replace("http", "ws", 1) + "/ws?topics=account"
        headers = {"Cookie": cookie, "Origin": self.gateway}
        heard: dict[str, list[float]] = defaultdict(list)
        ready = asyncio.Barrier(sockets)

        async def listen() -> None:
            async with websockets.connect(
                address, additional_headers=headers
            ) as socket:
                await socket.recv()
                await ready.wait()
                try:
                    async with asyncio.timeout(60):
                        async for message in socket:
                            frame = json.loads(message)
                            if frame["t"] == "event":
                                told = f"{frame['group']} {frame['seq']}"
                                heard[told].append(time.monotonic() * 1000)
                except TimeoutError:
                    pass  # listened long enough

        await asyncio.gather(*(listen() for _ in range(sockets)))
        whole = [times for times in heard.values() if len(times) == sockets]
        assert len(whole) >= 3, "hardly an event was heard by every tab"
        return [max(times) - min(times) for times in whole]


@contextmanager
def signed_in(chromium: Browser, site: Site, script: str) -> Iterator[Page]:
    """Yield a signed-in tab in which a script runs before every page's own."""
    viewport: ViewportSize = {"width": 1366, "height": 800}
    if site.session is None:
        context = chromium.new_context(viewport=viewport)
        page = context.new_page()
        page.goto(site.link())
        page.wait_for_url(site.gateway + "/")
        # Once: too many signing in are taken for guessing.
        site.session = context.storage_state()
        context.close()
    context = chromium.new_context(viewport=viewport, storage_state=site.session)
    context.add_init_script(script)
    try:
        yield context.new_page()
    finally:
        context.close()


@contextmanager
def stack() -> Iterator[Site]:
    """Start the whole stack; yield its site."""
    with tempfile.TemporaryDirectory(prefix="trading-web-") as place:
        # Servers may run under another account, which must be able to enter.
        Path(place).chmod(0o755)
        data = DataDirectory(Path(place) / "data")
        (Path(place) / "strategies.yaml").write_text(STRATEGIES)
        trading(data, "up", "--detach", "--no-browser", "--port-base", str(PORT_BASE))
        try:
            run = run_file.read(data.run)
            assert run is not None
            yield Site(data, run)
        finally:
            trading(data, "down")


@contextmanager
def browser() -> Iterator[Browser]:
    """Yield a headless browser of the Chromium family."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        raise SystemExit("There is no Chromium on PATH: install one to measure pages.")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox"]
        )
        yield chromium
        chromium.close()


def trading(data: DataDirectory, *words: str) -> None:
    """Run a command of `trading` on this stack."""
    command = [sys.executable, "-m", "trading_system.cli", *words]
    done = subprocess.run(
        [*command, "--data-dir", str(data.root)],
        env={
            **os.environ,
            "TRADING_ENV_FILE": "",
            "STRATEGIES_FILE": str(data.root.parent / "strategies.yaml"),
        },
        capture_output=True,
        text=True,
        timeout=600,
    )
    if done.returncode != 0:
        raise SystemExit(f"{done.stdout}{done.stderr}")


def events_table(found: list[float]) -> Table:
    """Return how long fills took to reach the open page."""
    shown = Table("event to row", "fills", "p50 ms", "p95 ms", "max ms", "goal ms")
    shown.add_row(
        "order filled", str(len(found)), *percentiles(found), f"{GOAL_EVENT:.0f}"
    )
    return shown


def fan_out_table(found: list[float]) -> Table:
    """Return how far apart the tabs heard an event."""
    shown = Table(
        "first tab to last", "events", "p50 ms", "p95 ms", "max ms", "goal ms"
    )
    cells = percentiles(found)
    shown.add_row("fan-out", str(len(found)), *cells, f"{GOAL_FAN_OUT:.0f}")
    return shown


def percentiles(values: list[float]) -> list[str]:
    """Return the median, the 95th and the 100th percentile."""
    return [f"{np.percentile(values, p):.0f}" for p in (50, 95, 100)]


def pages_table(found: dict[str, dict[str, float]]) -> Table:
    """Return what pages cost."""
    shown = Table(
        *("page", "TTFB ms", "LCP ms", "CLS", "TBT ms", "requests", "KB"),
        title=f"Median of {LOADS} loads, empty cache",
    )
    for name, each in found.items():
        shown.add_row(
            name,
            f"{each['ttfb']:.0f}",
            f"{each['lcp']:.0f}",
            f"{each['cls']:.3f}",
            f"{each['tbt']:.0f}",
            f"{each['requests']:.0f}",
            f"{each['kilobytes']:.0f}",
        )
    return shown


if __name__ == "__main__":
    main()
