"""What differs between systems when processes are started apart and ended."""

import os
import signal
import subprocess
import sys
from asyncio.subprocess import Process
from typing import Any


def own_group() -> dict[str, Any]:
    """Return what keeps Ctrl-C from reaching the children."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def ask_to_end(process: Process, stop_signal: int) -> None:
    """Send a process the signal upon which it ends in order."""
    try:
        if sys.platform == "win32":
            # The one signal that reaches another process group. Not tried there.
            process.send_signal(signal.CTRL_BREAK_EVENT)
        else:
            process.send_signal(stop_signal)
    except ProcessLookupError:
        pass


def end_group(leader: int) -> None:
    """Kill what a process started itself and left behind."""
    if sys.platform != "win32":
        try:
            os.killpg(leader, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass


def ending(code: int) -> str:
    """Return how a process ended, in words."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"
