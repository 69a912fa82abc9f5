"""Whatever fits the exchange's own description is answered as it says."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.result import Ok

pytestmark = pytest.mark.integration

KEYS = {"APCA-API-KEY-ID": "paper", "APCA-API-SECRET-KEY": "paper"}
EXAMPLES = 8


def check(operation: Any) -> None:
    """Send requests that fit the description of an operation."""
    documented = set(operation.definition.raw["responses"])

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def holds(case: Any) -> None:
        answer = case.call(headers=KEYS)
        assert str(answer.status_code) in documented, (answer.status_code, case)
        assert answer.status_code < 500
        if answer.status_code >= 400:
            assert {"code", "message"} <= set(answer.json())

    holds()


def test_no_request_is_answered_by_a_failure_or_an_undocumented_status(
    lasting_exchange: Any,
) -> None:
    schema = schemathesis.openapi.from_url(
        f"{lasting_exchange.url}/openapi.json", headers=KEYS
    )
    found = list(schema.get_all_operations())
    operations = [one.ok() for one in found if isinstance(one, Ok)]
    assert len(operations) == len(found)
    public = [one for one in operations if not one.path.startswith("/control")]
    assert len(public) > 40
    for operation in public:
        check(operation)
