"""Flows as Prefect runs them: planned, started, picked up by the runner, and shown."""

import signal
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, TypeVar

import httpx
import pytest
from flow_runs import Floor
from judge import judge
from stack import Stack, left_of, running_stack

from trading_flows.timetable import NEW_YORK, TIMETABLE
from trading_system.runtime.conductor import AFTER_CLOSE
from trading_system.runtime.faults import ExitCode
from trading_system.runtime.prefect_server import PrefectServer
from trading_system.vocabulary import TradingMode

pytestmark = pytest.mark.end_to_end

T = TypeVar("T")
PATIENCE = 300.0
BARS = 7
"""Bars of a session, and so runs of the hourly flow."""


@pytest.fixture(scope="module")
def stack(replay: str) -> Iterator[Stack]:
    """A stack that trades one session in six and a half minutes, through Prefect."""
    days = ("--from", "2015-04-08", "--to", "2015-04-08", "--speed", "60")
    with running_stack("--replay", replay, *days) as stack:
        yield stack


@pytest.fixture(scope="module")
def prefect(stack: Stack) -> PrefectServer:
    """The stack's Prefect, signed in."""
    return PrefectServer(stack.run.urls["prefect"], stack.secrets.prefect_auth)


def asked(stack: Stack, path: str, **body: Any) -> Any:
    """Ask Prefect's API."""
    user, _, password = stack.secrets.prefect_auth.partition(":")
    answer = httpx.post(
        f"{stack.run.urls['prefect']}/api{path}",
        json=body,
        auth=(user, password),
        timeout=30,
        trust_env=False,
    )
    answer.raise_for_status()
    return answer.json()


def runs_of(stack: Stack, flow: str) -> list[dict[str, Any]]:
    """Return the runs of a flow's deployment, the earliest planned first."""
    found: list[dict[str, Any]] = asked(
        stack,
        "/flow_runs/filter",
        flows={"name": {"any_": [flow]}},
        flow_runs={"parent_task_run_id": {"is_null_": True}},
        sort="EXPECTED_START_TIME_ASC",
        limit=200,
    )
    return found


def artifacts_of(stack: Stack, run_id: str) -> set[str]:
    """Return the keys of what a run showed."""
    found = asked(
        stack, "/artifacts/filter", artifacts={"flow_run_id": {"any_": [run_id]}}
    )
    return {artifact["key"] for artifact in found}


def eventually(look: Callable[[], T | None], what: str, seconds: float) -> T:
    """Return what a look finds in the end."""
    deadline = time.monotonic() + seconds
    while (found := look()) is None:
        assert time.monotonic() < deadline, f"no {what} after {seconds:.0f} seconds"
        time.sleep(1)
    return found


def test_every_flow_is_deployed_with_its_timetable(prefect: PrefectServer) -> None:
    found = {each["flow"]: each for each in prefect.deployments()}
    assert found.keys() == {entry.name for entry in TIMETABLE}
    for entry in TIMETABLE:
        deployment = found[entry.name]
        assert deployment["name"] == "trading"
        assert set(deployment["tags"]) == {str(entry.service), "simulated"}
        module = f"trading_flows.{entry.service}"
        assert deployment["entrypoint"] == f"{module}.{entry.name}"
        assert deployment["paused"] is False
        planned = {
            (one["schedule"]["cron"], one["schedule"]["timezone"], one["active"])
            for one in deployment["schedules"]
        }
        cron = entry.cron_in(TradingMode.SIMULATED)
        assert planned == ({(cron, NEW_YORK, True)} if cron else set())


def test_a_cron_deployment_gets_scheduled_runs(stack: Stack) -> None:
    def planned() -> list[dict[str, Any]] | None:
        found = [
            run
            for run in runs_of(stack, "monitor_system_health")
            if "auto-scheduled" in run["tags"] and run["state_type"] == "SCHEDULED"
        ]
        return found or None

    runs = eventually(planned, "scheduled run", PATIENCE)
    for run in runs:
        start = datetime.fromisoformat(run["expected_start_time"])
        assert (start.minute % 5, start.second) == (0, 0)


def test_a_run_started_by_hand_is_picked_up_and_shows_what_it_did(
    stack: Stack, prefect: PrefectServer
) -> None:
    (deployment,) = [
        each for each in prefect.deployments() if each["flow"] == "validate_risk_limits"
    ]
    run = prefect.start(deployment["id"])

    def ended() -> dict[str, Any] | None:
        seen = prefect.run(run["id"])
        return (
            seen if seen["state_type"] in ("COMPLETED", "FAILED", "CRASHED") else None
        )

    done = eventually(ended, "end of the run", PATIENCE)
    assert (done["state_type"], done["state_name"]) == ("COMPLETED", "Completed")
    assert artifacts_of(stack, run["id"]) == {"validate-risk-limits"}


def test_a_run_for_a_bar_is_picked_up_and_takes_it_in(stack: Stack) -> None:
    floor = Floor(stack)

    def ended() -> dict[str, Any] | None:
        done = [
            run
            for run in runs_of(stack, "fetch_market_data")
            if run["state_type"] == "COMPLETED" and run["parameters"]
        ]
        return done[0] if done else None

    run = eventually(ended, "run for the first bar", PATIENCE)
    slot = datetime.fromisoformat(run["parameters"]["scheduled_for"])
    assert run["name"] == f"fetch_market_data {slot:%Y-%m-%d %H:%M}Z"
    assert floor.job("fetch_market_data", slot)[0] == "done"
    assert floor.count("strategy_engine.decisions", f"bar_end = '{slot}'") == 4
    shown = artifacts_of(stack, run["id"])
    assert shown == {"fetch-market-data", "validate-data-quality"}


@pytest.mark.soak
@pytest.mark.timeout(1500)
def test_a_session_is_traded_through_prefect(stack: Stack) -> None:
    stack.wait_for_end(900)
    floor = Floor(stack)

    def all_ended() -> bool | None:
        names = ("fetch_market_data", *AFTER_CLOSE)
        states = [
            run["state_type"]
            for name in names
            for run in runs_of(stack, name)
            if run["parameters"].get("scheduled_for")
        ]
        return True if set(states) == {"COMPLETED"} else None

    eventually(all_ended, "end of all runs", PATIENCE)
    floor.settle()
    fetched = [
        run["parameters"]["scheduled_for"]
        for run in runs_of(stack, "fetch_market_data")
        if run["parameters"].get("scheduled_for")
    ]
    assert len(set(fetched)) == len(fetched) == BARS
    for name in AFTER_CLOSE:
        (run,) = [
            run
            for run in runs_of(stack, name)
            if run["parameters"].get("scheduled_for")
        ]
        assert run["state_name"] == "Completed", name
        assert name.replace("_", "-") in artifacts_of(stack, run["id"])
    counted = judge(stack)
    assert counted["decisions"] == BARS * 4
    assert floor.count("analytics.reports", "kind = 'daily'") == 1
    assert floor.count("analytics.performance_metrics", "strategy = 'portfolio'") >= 1
    summaries = "kind = 'daily_summary'"
    assert floor.count("notification.notifications", summaries) == 1


def test_ctrl_c_leaves_no_process(stack: Stack) -> None:
    # The last test here: nothing of the stack is needed any more.
    run = stack.run
    assert {"postgres", "valkey", "gateway"} <= set(left_of(run))
    assert stack.supervisor is not None
    stack.supervisor.send_signal(signal.SIGINT)
    assert stack.supervisor.wait(60) == ExitCode.OK
    assert not left_of(run)
    assert stack.run.state == "stopped"
