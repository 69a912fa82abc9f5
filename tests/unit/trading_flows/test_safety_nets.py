"""A safety net that fails does not take those along that follow in its run."""

from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest

from trading_flows import execution, risk
from trading_system.errors import Unavailable

pytestmark = pytest.mark.unit

SLOT = datetime(2026, 11, 25, 15, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("module", "first", "followers"),
    [
        (execution, "execute_trades", ["manage_orders", "update_positions"]),
        (risk, "validate_risk_limits", ["monitor_portfolio_risk"]),
    ],
)
async def test_what_follows_runs_although_the_first_failed(
    module: ModuleType,
    first: str,
    followers: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ran: list[tuple[str, datetime]] = []

    def follower(name: str) -> Any:
        async def instead(scheduled_for: datetime) -> None:
            ran.append((name, scheduled_for))

        return instead

    async def fails(*_: Any, **__: Any) -> None:
        raise Unavailable("The service does not answer.")

    for name in followers:
        monkeypatch.setattr(module, name, follower(name))
    monkeypatch.setattr(module, "run", fails)
    flow = getattr(module, first).fn

    with pytest.raises(Unavailable):
        await flow(scheduled_for=SLOT)
    assert ran == [(name, SLOT) for name in followers]

    ran.clear()
    with pytest.raises(Unavailable):
        await flow()  # a person's run, which has no slot
    assert ran == []
