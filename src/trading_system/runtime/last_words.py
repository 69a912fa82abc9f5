"""Why a process ended, from what it wrote last."""

from collections.abc import Iterator

# What uvicorn says after the reason.
EPILOGUE = "Application startup failed. Exiting"
REFUSAL = "trading_system.errors.Misconfigured: "


def last_line(output: bytes) -> str:
    """Return the last line that says something."""
    return next(_lines_backwards(output.decode(errors="replace")), "no output")


def reason(output: bytes) -> tuple[str, bool]:
    """Return why a program of ours did not start, and if by what it was given.

    That is the last line of its traceback, which a log keeps on one line.
    """
    lines = _lines_backwards(output.decode(errors="replace").replace("\\n", "\n"))
    line = next((each for each in lines if not each.endswith(EPILOGUE)), "no output")
    return line.removeprefix(REFUSAL), line.startswith(REFUSAL)


def _lines_backwards(text: str) -> Iterator[str]:
    for line in reversed(text.splitlines()):
        if line.strip():
            yield line.strip().rstrip(".")
