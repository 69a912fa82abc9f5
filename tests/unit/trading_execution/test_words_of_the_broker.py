"""Our reading of the broker's words, held against its own client's list."""

import pytest
from alpaca.trading.enums import ActivityType, OrderStatus, TradeEvent

from trading_execution.adapters.alpaca_forms import _KINDS, FILLS, MEANING

pytestmark = pytest.mark.unit

NEWER = {"SSP", "SSO", "TRANS"}
"""Kinds of activity that the broker's pages name and its client does not know."""


def test_every_status_that_the_client_knows_has_a_meaning() -> None:
    assert {str(word.value) for word in OrderStatus} <= set(MEANING)


def test_we_read_no_status_that_does_not_exist() -> None:
    assert set(MEANING) <= {str(word.value) for word in OrderStatus}


def test_executions_are_told_by_the_clients_events() -> None:
    assert FILLS == {TradeEvent.FILL.value, TradeEvent.PARTIAL_FILL.value}


def test_kinds_of_activity_are_the_clients_or_known_to_be_newer() -> None:
    assert set(_KINDS) - NEWER <= {str(kind.value) for kind in ActivityType}
