"""Whatever fits the exchange's own description is answered as it says."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from paper_exchange.app import ROUTERS

pytestmark = pytest.mark.integration

HEADERS = {
    "APCA-API-KEY-ID": "paper",
    "APCA-API-SECRET-KEY": "paper",
    "Authorization": "Bearer control-token",
}
EXAMPLES = 20


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
]


def check(operation: Any) -> None:
    """Send requests that fit the description of an operation."""

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
        answer = case.call_and_validate(headers=HEADERS, checks=CHECKS)
        if answer.status_code >= 400:
            assert {"code", "message"} <= set(answer.json())

    holds()


def test_no_request_is_answered_by_a_failure_or_an_undocumented_status(
    exchange: Any,
) -> None:
    schema = schemathesis.openapi.from_url(
        f"{exchange.url}/openapi.json", headers=HEADERS
    )
    found = list(schema.get_all_operations())
    operations = [one.ok() for one in found if isinstance(one, Ok)]
    assert len(operations) == len(found)
    for operation in operations:
        check(operation)


def test_every_route_is_described(exchange: Any) -> None:
    described = exchange.raw("GET", "/openapi.json").json()["paths"]
    routers = {operation for router in ROUTERS for operation in router.operations}
    assert {(one.method.lower(), one.path) for one in routers} == {
        (method, path) for path, methods in described.items() for method in methods
    }
    assert len(routers) >= 60


def test_a_method_that_a_path_has_not_is_told_those_it_has(exchange: Any) -> None:
    answer = exchange.raw("PUT", "/v2/orders")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "DELETE, GET, POST"
