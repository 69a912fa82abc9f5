"""Commands about flows: their timetable, and a run by hand."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from trading_system.cli import installation, manner
from trading_system.cli.installation import DataDir
from trading_system.cli.manner import Typer
from trading_system.cli.output import show_rows
from trading_system.errors import NotFound
from trading_system.runtime.faults import ExitCode
from trading_system.runtime.prefect_server import PrefectServer
from trading_system.runtime.secrets import Secrets

flows = Typer(help="Flows: show their timetable, start one.")

ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def add_to(app: Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(flows, name="flows", no_args_is_help=True)


@flows.command("list")
def list_flows(data_dir: DataDir = None) -> None:
    """Show every deployed flow with its timetable.

    Example: `trading flows list`.
    """
    found = prefect(data_dir).deployments()
    rows = [
        {
            "flow": each["flow"],
            "status": each["status"],
            "schedule": ", ".join(map(_schedule, each["schedules"])) or None,
            "does": _first_line(each["description"]),
        }
        for each in sorted(found, key=lambda each: str(each["flow"]))
    ]
    show_rows(rows)


@flows.command("run")
def run_flow(
    name: Annotated[
        str, typer.Argument(help="Name, as `trading flows list` shows it.")
    ],
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until it has ended.")
    ] = True,
    data_dir: DataDir = None,
) -> None:
    """Start a flow now.

    Example: `trading flows run fetch_market_data`. Exit code 9 when it fails, 124 when
    it does not end within `--timeout`.
    """
    start_and_show(name, {}, wait, data_dir)


def start_and_show(
    name: str, parameters: dict[str, Any], wait: bool, data_dir: Path | None
) -> None:
    """Start a flow, wait for its end where asked, and show how it went."""
    server = prefect(data_dir)
    known = {each["flow"]: each["id"] for each in server.deployments()}
    if name not in known:
        raise NotFound(
            f"No flow is called {name}.", remedy="`trading flows list` shows them."
        )
    run = server.start(known[name], parameters)
    manner.say(f"started as run {run['id']}")
    while wait and run["state_type"] not in ENDED:
        time.sleep(0.5)
        run = server.run(run["id"])
    row = {
        "flow": name,
        "state": run["state_name"],
        "message": (run["state"] or {}).get("message"),
        "run_id": run["id"],
    }
    show_rows([row], document=row)
    if wait and run["state_type"] != "COMPLETED":
        raise typer.Exit(ExitCode.CHECK_FAILED)


def prefect(data_dir: Path | None) -> PrefectServer:
    """Return the Prefect server of a running system."""
    where = installation.place(data_dir)
    run = installation.running(where)
    return PrefectServer(run.urls["prefect"], Secrets.open(where.secrets).prefect_auth)


def _schedule(schedule: dict[str, Any]) -> str:
    rule = schedule["schedule"]
    text = rule.get("cron") or rule.get("rrule") or f"every {rule.get('interval')} s"
    return f"{text} {rule.get('timezone') or ''}".strip()


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]
