"""What the dashboard's pages cost against their budgets, and how soon they tell.

`python benchmarks/web.py [--minutes M] [--sockets N]` starts the whole stack at speed
60 in a temporary data directory, waits until two years of bars of its 25 symbols are
stored, and looks at it with headless Chromium. It prints every budget beside what was
measured (the median of five loads into an empty browser cache; percentiles where the
budget is one), how long after an event was written its row stands in the open page,
and how far apart many open tabs hear the same event. Every row that is waited for must
come, or nothing is printed.
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
from typing import Any, NamedTuple

import httpx
import numpy as np
import psutil
import websockets
from playwright.sync_api import (
    Browser,
    CDPSession,
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
ANSWERS = 40
"""Requests for the 95th percentile of a page's first byte."""

GOAL_EVENT, GOAL_FAN_OUT = 2_000.0, 250.0
STORED = 24 * 2 * 250 * 7
"""Bars of two years and 24 symbols, a few holidays less."""

FRAMES = 10_000
WITH_CHART = ("Portfolio", "Chart", "Explain")


class Budget(NamedTuple):
    """The most that something may cost, without a chart on the page and with one."""

    what: str
    unit: str
    plain: float
    chart: float


BUDGETS = {
    "ttfb": Budget("first byte, p95", "ms", 150, 150),
    "part": Budget("first byte of a section, p95", "ms", 80, 80),
    "fcp": Budget("first paint", "ms", 600, 600),
    "lcp": Budget("largest paint", "ms", 800, 1_000),
    "cls": Budget("layout shift", "", 0.02, 0.02),
    "tbt": Budget("blocked", "ms", 50, 400),
    "tbt_slow": Budget("blocked, CPU slowed 4 times", "ms", 200, 1_700),
    "script": Budget("scripts", "KB", 25, 400),
    "style": Budget("styles", "KB", 20, 20),
    "html": Budget("HTML", "KB", 25, 25),
    "requests": Budget("requests before the load event", "", 8, 10),
    "inp": Budget("a click or key until it shows, p95", "ms", 200, 200),
    "frame": Budget("CPU of a live frame", "ms", 15, 100),
    "heap": Budget(f"heap after {FRAMES:,} frames", "MB", 60, 120),
    "nodes": Budget(f"nodes more after {FRAMES:,} frames", "", 100, 100),
}

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
window.seen = {lcp: 0, cls: 0, tbt: 0, acts: []};
const watch = (type, heard, more) => new PerformanceObserver(
  (list) => list.getEntries().forEach(heard)).observe({type, buffered: true, ...more});
watch("largest-contentful-paint", (e) => { seen.lcp = e.startTime; });
watch("layout-shift", (e) => { if (!e.hadRecentInput) seen.cls += e.value; });
watch("longtask", (e) => { seen.tbt += Math.max(0, e.duration - 50); });
watch("event", (e) => { if (e.interactionId) seen.acts.push(e.duration); },
  {durationThreshold: 16});
"""
LOADED = """() => ({lcp: seen.lcp, cls: seen.cls, tbt: seen.tbt,
  fcp: performance.getEntriesByName("first-contentful-paint")[0].startTime})"""

# Frames as the socket brings them, in which every live value of the page changes.
LIVE = """async ([count, every]) => {
  const names = [...document.querySelectorAll("[data-cell]")].map(
    (each) => each.dataset.cell);
  for (let i = 1; i <= count; i++) {
    const value = [`${i}.00`, i % 2 ? "up" : "down", ""];
    const v = Object.fromEntries(names.map((name) => [name, value]));
    const data = JSON.stringify(
      {t: "cells", topic: `of ${count}`, seq: i, v, as_of: "now", problem: null});
    document.dispatchEvent(new CustomEvent(
      "htmx:ws:before:message:incoming", {detail: {message: {data}}}));
    if (i % every === 0) await new Promise(requestAnimationFrame);
  }
}"""
CHART = """async (count) => {
  for (let i = 0; i < count; i++) {
    document.dispatchEvent(new CustomEvent("figures:refresh", {detail: null}));
    await new Promise((done) => setTimeout(done, 1500));
  }
}"""

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
            console.print(budget_table(site.weigh(chromium)))
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

    def wait_for_bars(self) -> None:
        """Wait until the history of two years is stored."""
        deadline = time.monotonic() + 1800
        while sum(each.bars for each in self.services.ingestion.coverage()) < STORED:
            assert time.monotonic() < deadline, "the history did not come"
            time.sleep(2)

    def weigh(self, chromium: Browser) -> dict[str, dict[str, float]]:
        """Return what each page costs, by name of the page."""
        self.wait_for_bars()
        decision = self.services.strategy.decisions(limit=1)[0].decision_id
        paths = {
            "Portfolio": ("/", "#kpis"),
            "Chart": ("/charts/SPY", "#bars"),
            "Explain": (f"/explain/{decision}", ""),
            "Orders": ("/orders?tab=history", "#list"),
            "Risk": ("/risk", "#limits"),
            "Data": ("/data", "#coverage"),
            "System": ("/system", "#services"),
        }
        return {
            name: self._costs(chromium, path, part)
            for name, (path, part) in paths.items()
        }

    def _costs(self, chromium: Browser, path: str, part: str) -> dict[str, float]:
        found = self._answers(path, part)
        loads = [self._load(chromium, path) for _ in range(LOADS)]
        found |= {
            key: statistics.median(each[key] for each in loads) for key in loads[0]
        }
        slow = [self._load(chromium, path, slowed=4) for _ in range(LOADS)]
        found["tbt_slow"] = statistics.median(each["tbt"] for each in slow)
        return found | self._lived_with(chromium, path)

    def _answers(self, path: str, part: str) -> dict[str, float]:
        """Return how soon a page, and a section of it, begin to come."""
        cookies = {c["name"]: c["value"] for c in (self.session or {})["cookies"]}
        found = {}
        with httpx.Client(
            base_url=self.gateway, cookies=cookies, trust_env=False, timeout=30
        ) as client:
            asked = {"ttfb": {"Accept": "text/html"}}
            if part:
                asked["part"] = {"HX-Request": "true", "HX-Target": f"section{part}"}
            for name, headers in asked.items():
                times = []
                for _ in range(ANSWERS):
                    begun = time.perf_counter()
                    with client.stream("GET", path, headers=headers) as answer:
                        times.append((time.perf_counter() - begun) * 1000)
                        assert answer.status_code == 200, answer.status_code
                        answer.read()
                found[name] = float(np.percentile(times[1:], 95))
        return found

    def _load(
        self, chromium: Browser, path: str, slowed: float = 1
    ) -> dict[str, float]:
        """Return what the browser says of one load into an empty cache."""
        with signed_in(chromium, self, OBSERVE) as page:
            client = page.context.new_cdp_session(page)
            client.send("Network.enable")
            client.send("Network.clearBrowserCache")
            client.send("Emulation.setCPUThrottlingRate", {"rate": slowed})
            kinds: dict[str, str] = {}
            sizes: dict[str, float] = defaultdict(float)
            client.on(
                "Network.responseReceived",
                lambda e: kinds.setdefault(e["requestId"], e["type"]),
            )

            def finished(e: dict[str, Any]) -> None:
                sizes[kinds.get(e["requestId"], "")] += e["encodedDataLength"] / 1000

            client.on("Network.loadingFinished", finished)
            page.goto(self.gateway + path)
            requests = len(kinds)
            settled(page)
            said: dict[str, float] = page.evaluate(LOADED)
        return {
            **said,
            "requests": requests,
            "script": sizes["Script"],
            "style": sizes["Stylesheet"],
            "html": sizes["Document"],
        }

    def _lived_with(self, chromium: Browser, path: str) -> dict[str, float]:
        """Return what an open page costs: acts, live frames, memory."""
        with signed_in(chromium, self, OBSERVE) as page:
            client = page.context.new_cdp_session(page)
            client.send("Performance.enable")
            page.goto(self.gateway + path)
            settled(page)
            for _ in range(5):
                page.keyboard.press("Shift+H")
                page.keyboard.press("Escape")
                page.locator("header summary").click()
                page.locator("header summary").click()
                page.keyboard.press("j")
                page.keyboard.press("t")
            page.wait_for_timeout(500)
            acts: list[float] = page.evaluate("seen.acts")
            # Its own frames go on and are counted in, a few of hundreds.
            begun = metrics(client)["TaskDuration"]
            page.evaluate(LIVE, [200, 1])
            frame = (metrics(client)["TaskDuration"] - begun) / 200 * 1000
            if page.locator("[data-figure]").count():
                begun = metrics(client)["TaskDuration"]
                page.evaluate(CHART, 10)
                frame += (metrics(client)["TaskDuration"] - begun) / 10 * 1000
            client.send("HeapProfiler.collectGarbage")
            before = metrics(client)["Nodes"]
            page.evaluate(LIVE, [FRAMES, 20])
            client.send("HeapProfiler.collectGarbage")
            after = metrics(client)
        return {
            # Quicker than the browser measures is 16 ms.
            "inp": float(np.percentile(acts or [16.0], 95)),
            "frame": frame,
            "heap": after["JSHeapUsedSize"] / 1e6,
            "nodes": max(0.0, after["Nodes"] - before),
        }

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


def settled(page: Page) -> None:
    """Wait until a page is live and has drawn what is in sight."""
    page.wait_for_selector("#feed[data-tone=ok]")
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1500)


def metrics(client: CDPSession) -> dict[str, float]:
    """Return what the browser counted on a page so far."""
    answer = client.send("Performance.getMetrics")
    return {each["name"]: each["value"] for each in answer["metrics"]}


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


def budget_table(found: dict[str, dict[str, float]]) -> Table:
    """Return every budget beside what each page costs; what is over it is marked."""
    shown = Table(
        *("", "unit", "budget", "with chart", *found),
        title=f"Median of {LOADS} loads, empty cache; * is over the budget",
    )
    for key, budget in BUDGETS.items():
        cells = []
        for name, costs in found.items():
            most = budget.chart if name in WITH_CHART else budget.plain
            value = costs.get(key)
            text = "" if value is None else f"{value:.{3 if most < 1 else 0}f}"
            cells.append(f"{text}*" if value is not None and value > most else text)
        shown.add_row(
            budget.what, budget.unit, f"{budget.plain:g}", f"{budget.chart:g}", *cells
        )
    return shown


if __name__ == "__main__":
    main()
