"""Starts a stack in the background and waits until it is ready."""

import os
import subprocess
import sys
import time
from typing import Any

from trading_system import login
from trading_system.clock import utc_now
from trading_system.config.settings import Settings
from trading_system.runtime import run_file
from trading_system.runtime.data_directory import DataDirectory
from trading_system.runtime.last_words import last_line
from trading_system.runtime.planning import Options
from trading_system.runtime.secrets import Secrets
from trading_system.vocabulary import TradingMode


def start_detached(settings: Settings, options: Options, quiet: bool = False) -> str:
    """Start a supervisor that outlives us; return the sign-in link when it is ready.

    What it says is copied to stderr meanwhile, when quiet only why it failed; then we
    end with its exit code. When we are interrupted before, it ends too.
    """
    place = DataDirectory(settings.trading_data_dir.absolute())
    place.create()
    log = place.console("supervisor")
    with log.open("ab") as output:
        position = output.tell()
        process = subprocess.Popen(
            _command(settings, options),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=output,
            env={**os.environ, "PYTHONUTF8": "1"},
            **_on_its_own(),
        )
    try:
        return _link_when_ready(process, place, position, quiet)
    except KeyboardInterrupt:
        # It is a process group of its own, which Ctrl-C does not reach.
        process.terminate()
        process.wait()
        raise


def _link_when_ready(
    process: "subprocess.Popen[bytes]", place: DataDirectory, position: int, quiet: bool
) -> str:
    with place.console("supervisor").open("rb") as output:
        output.seek(position)
        while True:
            ended = process.poll()
            if not quiet:
                sys.stderr.write(output.read().decode(errors="replace"))
                sys.stderr.flush()
            elif ended is not None:
                sys.stderr.write(f"{last_line(output.read())}.\n")
            if ended is not None:
                raise SystemExit(ended)
            run = run_file.read(place.run)
            if run and run.supervisor.pid == process.pid and run.state == "running":
                secret = Secrets.open(place.secrets).session.get_secret_value()
                return login.link(run.urls["gateway"], secret, utc_now())
            time.sleep(0.05)


def _command(settings: Settings, options: Options) -> list[str]:
    command = [sys.executable, "-m", "trading_system.cli", "up", "--no-browser"]
    simulated = settings.trading_mode is TradingMode.SIMULATED
    values = {
        "--data-dir": settings.trading_data_dir,
        "--speed": settings.simulation_speed if simulated else None,
        "--fill-model": settings.simulation_fill_model if simulated else None,
        "--port-base": options.port_base,
        "--seed": options.seed,
        "--replay": options.replay,
        "--from": options.start,
        "--to": options.end,
    }
    for name, value in values.items():
        if value is not None:
            command += [name, str(value)]
    return command


def _on_its_own() -> dict[str, Any]:
    if sys.platform == "win32":
        flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
        return {"creationflags": flags}
    return {"start_new_session": True}
