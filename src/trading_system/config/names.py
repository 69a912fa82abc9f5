"""Names that a person wrote and nobody reads: what did they mean?"""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

# Whatever begins so is meant for us, wherever it stands.
_OURS = ("ALPACA_", "TRADING_")
# In our own file these are meant for us too; a shell may hold another program's.
_OURS_IN_FILE = (
    *_OURS,
    "ALERT_",
    "APCA_",
    "DATABASE_",
    "EXCHANGE_",
    "LOG_",
    "POSTGRES_",
    "REDIS_",
    "SERVICE_",
    "SESSION_",
    "SIMULATION_",
    "SMTP_",
    "STRATEGIES_",
    "STRATEGY_",
)
# Names that other programs use for the same thing.
_SYNONYMS = {
    "APCA_API_KEY_ID": "ALPACA_API_KEY",
    "APCA_API_SECRET_KEY": "ALPACA_SECRET_KEY",
    "APCA_API_BASE_URL": "ALPACA_BASE_URL",
    "ALPACA_API_SECRET": "ALPACA_SECRET_KEY",
    "ALPACA_KEY": "ALPACA_API_KEY",
    "ALPACA_PAPER": "TRADING_MODE",
    "DATABASE_URL": "POSTGRES_URL",
    "TRADING_ENV": "TRADING_MODE",
}
# Read before any setting is, or by the tests alone.
_NO_SETTING = ("TRADING_ENV_FILE", "TRADING_TEST_")


def did_you_mean(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the known name that is most like this one, if any is like it."""
    return next(iter(get_close_matches(name, list(known), 1, cutoff)), None)


def unknown_in_environment(
    environment: Mapping[str, str], known: frozenset[str]
) -> list[str]:
    """Say which variables look like our settings and are none."""
    return [
        _complaint(name, "the environment", known)
        for name in sorted(environment)
        if (upper := name.upper()) not in known
        and not upper.startswith(_NO_SETTING)
        and not upper.startswith("PREFECT_")
        and (upper.startswith(_OURS) or did_you_mean(upper, known, 0.9))
    ]


def unknown_in_file(
    path: Path, names: Iterable[str], known: frozenset[str]
) -> list[str]:
    """Say which names of a `.env` file look like our settings and are none."""
    return [
        _complaint(name, f"{path}, line {_line(path, name)}", known)
        for name in names
        if (upper := name.upper()) not in known and _meant_for_us(upper, known)
    ]


def _meant_for_us(name: str, known: frozenset[str]) -> bool:
    if name.startswith(_NO_SETTING):
        return False
    if name.startswith("PREFECT_"):  # Prefect reads the same file.
        return did_you_mean(name, known, 0.93) is not None
    return name.startswith(_OURS_IN_FILE) or did_you_mean(name, known, 0.8) is not None


def _complaint(name: str, where: str, known: frozenset[str]) -> str:
    meant = _SYNONYMS.get(name.upper()) or did_you_mean(name.upper(), known)
    hint = f"did you mean {meant}?" if meant else "remove it, or see .env.example."
    return f"{name} in {where} is not a setting: {hint}"


def _line(path: Path, name: str) -> int:
    pattern = re.compile(rf"\s*(export\s+)?{re.escape(name)}\s*(=|$)")
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(n for n, line in enumerate(lines, 1) if pattern.match(line))
