"""Stops a stack from outside its supervisor."""

import time

from trading_system.runtime import run_file
from trading_system.runtime.data_directory import DataDirectory
from trading_system.runtime.faults import DependencyDown

# Reverse order, ten seconds a level at the worst.
PATIENCE = 60.0


def stop(place: DataDirectory) -> bool:
    """End what runs in a data directory; return False when nothing does.

    A file asks the supervisor, which looks for it all the time: that works on every
    system, signals do not.
    """
    run = run_file.read(place.run)
    if run is None or run.state == "stopped":
        return False
    if not run.is_alive():
        # The supervisor was killed: what it left is ended here.
        return run_file.end_orphans(run) > 0
    place.stop_request.touch()
    deadline = time.monotonic() + PATIENCE
    while run.is_alive():
        if time.monotonic() > deadline:
            raise DependencyDown(
                f"The supervisor (process {run.supervisor.pid}) does not stop.",
                remedy="End it by hand, then run `trading down` again.",
            )
        time.sleep(0.05)
    place.stop_request.unlink(missing_ok=True)
    return True
