"""Orders through execution's own operations with a broker that lies, from a seed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from trading_chaos import simulation

from trading_execution.domain.lookup import Next
from trading_execution.domain.order_status import UNSETTLED, OrderStatus
from trading_execution.operations import (
    desk,
    evidence,
    fills,
    ledger,
    orders,
    resolve,
    submit,
)

pytestmark = pytest.mark.unit

SEEDS = 40


def violations() -> list[str]:
    return [found for _, found in map(simulation.run_seed, range(SEEDS)) if found]


def test_no_invariant_breaks_at_any_instant() -> None:
    lived = [simulation.run_seed(seed) for seed in range(SEEDS)]
    assert [found for _, found in lived if found] == []
    assert sum(flows for flows, _ in lived) > 5 * SEEDS


def test_a_seed_is_the_same_life_every_time() -> None:
    def life() -> Any:
        account = simulation.Account(7)
        with simulation.virtual_time(account):
            account.run()
        return account.store.orders, account.broker.fills, account.store.events

    assert life() == life()


def uncounted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(simulation, "LIVE", simulation.LIVE - UNSETTLED)


def rejected_from_silence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(resolve, "after_silence", lambda silence, patience: Next.REJECT)


def not_sent_after_an_attempt(patch: pytest.MonkeyPatch) -> None:
    def give_up(tx: Any, order: Any, reason: str, now: Any) -> None:
        orders.become(tx, order, OrderStatus.NOT_SENT, reason, now)

    patch.setattr(submit, "give_up", give_up)
    patch.setattr(orders, "give_up", give_up)


def booked_twice(patch: pytest.MonkeyPatch) -> None:
    book = evidence.book

    def again(tx: Any, order: Any, fill: Any) -> Any:
        result = book(tx, order, fill)
        entry = ledger.fill_entry(fill, order.account_id, order.strategy)
        ledger.post(tx, replace(entry, reference=f"again {entry.reference}"))
        return result

    patch.setattr(fills, "book", again)


def gap_ignored(patch: pytest.MonkeyPatch) -> None:
    book = evidence.book

    def blind(tx: Any, order: Any, fill: Any) -> Any:
        before = fill.cumulative_quantity - order.filled_quantity
        if before > fill.quantity:
            fill = replace(fill, quantity=before)
        return book(tx, order, fill)

    patch.setattr(fills, "book", blind)


def patient_by_the_clock(patch: pytest.MonkeyPatch) -> None:
    def by_the_clock(self: Any, order: Any) -> timedelta:
        age: timedelta = resolve.utc_now() - order.claimed_at
        return age

    patch.setattr(desk.Unclear, "lasted", by_the_clock)


DEFECTS = (
    uncounted,
    rejected_from_silence,
    not_sent_after_an_attempt,
    booked_twice,
    gap_ignored,
    patient_by_the_clock,
)


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda each: each.__name__)
def test_a_defect_breaks_an_invariant(
    defect: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    defect(monkeypatch)
    assert violations()
