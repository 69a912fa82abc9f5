"""Commands about Prefect's deployments."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from trading_system.cli import installation
from trading_system.cli.installation import DataDir
from trading_system.cli.output import JsonFlag, show_rows
from trading_system.errors import NotFound, Unavailable
from trading_system.runtime.faults import ExitCode
from trading_system.runtime.secrets import Secrets

flows = typer.Typer(help="Flows: show their timetable, start one.")

ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
# The most that Prefect answers at once.
PAGE = 200


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(flows, name="flows", no_args_is_help=True)


@flows.command("list")
def list_flows(data_dir: DataDir = None, as_json: JsonFlag = False) -> None:
    """Show every deployed flow with its timetable.

    Example: `trading flows list`.
    """
    with _prefect(data_dir) as ask:
        found = sorted(_deployments(ask), key=lambda each: str(each["name"]))
    rows = [
        {
            "name": each["name"],
            "status": each["status"],
            "paused": each["paused"],
            "schedule": ", ".join(map(_schedule, each["schedules"])) or None,
            "description": _first_line(each["description"]),
        }
        for each in found
    ]
    show_rows(rows, as_json=as_json)


@flows.command("run")
def run_flow(
    name: Annotated[
        str, typer.Argument(help="Name, as `trading flows list` shows it.")
    ],
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until it has ended.")
    ] = True,
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds to wait at the most.")
    ] = 300,
    data_dir: DataDir = None,
    as_json: JsonFlag = False,
) -> None:
    """Start a flow now.

    Example: `trading flows run fetch_market_data`. Exit code 9 when it fails, 124 when
    it does not end in time.
    """
    with _prefect(data_dir) as ask:
        known = {str(each["name"]): each for each in _deployments(ask)}
        if name not in known:
            raise NotFound(
                f"No flow is called {name}.", remedy="`trading flows list` shows them."
            )
        path = f"/deployments/{known[name]['id']}/create_flow_run"
        run = _answer(ask.post(path, json={"state": {"type": "SCHEDULED"}}))
        deadline = time.monotonic() + timeout
        while wait and run["state_type"] not in ENDED:
            if time.monotonic() > deadline:
                raise typer.Exit(ExitCode.TIMEOUT)
            time.sleep(0.5)
            run = _answer(ask.get(f"/flow_runs/{run['id']}"))
    message = (run["state"] or {}).get("message")
    row = {
        "flow": name,
        "state": run["state_name"],
        "message": message,
        "run_id": run["id"],
    }
    show_rows([row], as_json=as_json, document=row)
    if wait and run["state_type"] != "COMPLETED":
        raise typer.Exit(ExitCode.CHECK_FAILED)


@contextmanager
def _prefect(data_dir: Path | None) -> Iterator[httpx.Client]:
    where = installation.place(data_dir)
    run = installation.running(where)
    user, _, password = Secrets.open(where.secrets).prefect_auth.partition(":")
    url = f"{run.urls['prefect']}/api"
    try:
        with httpx.Client(
            base_url=url, auth=(user, password), timeout=10, trust_env=False
        ) as client:
            yield client
    except httpx.HTTPError as error:
        raise Unavailable(
            f"Prefect does not answer at {url} ({type(error).__name__}).",
            remedy="See `trading status` and `trading logs prefect`.",
        ) from error


def _deployments(ask: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _answer(
        ask.post("/deployments/filter", json={"limit": PAGE})
    )
    return found


def _answer(response: httpx.Response) -> Any:
    if response.is_error:
        raise Unavailable(
            f"Prefect answered {response.status_code} to {response.request.url.path}.",
            remedy="See `trading logs prefect`.",
        )
    return response.json()


def _schedule(schedule: dict[str, Any]) -> str:
    rule = schedule["schedule"]
    text = rule.get("cron") or rule.get("rrule") or f"every {rule.get('interval')} s"
    return f"{text} {rule.get('timezone') or ''}".strip()


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]
