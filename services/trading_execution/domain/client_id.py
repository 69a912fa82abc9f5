"""The name under which the broker knows an order of ours."""

import base64
import hashlib
from uuid import UUID

from trading_system.vocabulary import TradingMode

PREFIX = "ts1"
_LETTERS = {
    TradingMode.SIMULATED: "s",
    TradingMode.PAPER: "p",
    TradingMode.LIVE: "l",
}


def client_order_id(
    mode: TradingMode,
    account_id: str,
    signal_id: UUID,
    leg: int,
    generation: int,
    salt: str,
) -> str:
    """Return the id that one leg of one signal always has; 31 characters.

    Neither price nor quantity is in it: whatever changes, a repeat is the same order.
    """
    named = "|".join((account_id, str(signal_id), str(leg), str(generation), salt))
    digest = base64.b32encode(hashlib.sha256(named.encode()).digest()).decode()
    return f"{PREFIX}{_LETTERS[mode]}-{digest[:26].lower()}"


def is_ours(client_id: str) -> bool:
    """Say whether an id at the broker follows our pattern."""
    return len(client_id) == 31 and client_id[:3] == PREFIX and client_id[4] == "-"
