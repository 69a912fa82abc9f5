"""Points at which a test can kill a process, to see what recovery makes of it."""

import os
import signal
from collections import Counter

VARIABLE = "CRASH_AT"

SAID = "crash point: "

_hits: Counter[str] = Counter()


def crash_point(name: str) -> None:
    """Kill this process at once when `CRASH_AT=name:n` asks for this n-th passing.

    Several of them stand with commas between them; the first that is passed often
    enough ends the process. Without the variable this does nothing: only tests set it.
    """
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return
    for each in wanted.split(","):
        point, _, count = each.partition(":")
        if point != name:
            continue
        _hits[name] += 1
        if _hits[name] == int(count or 1):
            os.write(2, f"{SAID}{name}\n".encode())
            # SIGKILL, as a power cut: no handler runs, nothing is flushed. Windows has
            # only terminate, which is as abrupt.
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
