"""Whatever fits a service's own description is answered as it says."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from stack import Stack, running_stack

from trading_system.vocabulary import ServiceName

pytestmark = [pytest.mark.end_to_end, pytest.mark.long]

EXAMPLES = 10


def does_not_fail(context: Any, response: Any, case: Any) -> bool | None:
    """Check that nothing unexpected happened; a part that is away is said with 503."""
    assert response.status_code < 500 or response.status_code == 503, response.text
    return None


CHECKS: list[Any] = [
    does_not_fail,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def stack(replay: str) -> Iterator[Stack]:
    """A stack that has traded two days and rests; nothing else is done on it."""
    days = ("--from", "2015-04-08", "--to", "2015-04-09", "--speed", "max")
    with running_stack("--replay", replay, *days) as stack:
        stack.wait_for_end()
        yield stack


def check(operation: Any, headers: dict[str, str]) -> None:
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
        answer = case.call_and_validate(headers=headers, checks=CHECKS)
        if answer.status_code >= 400:
            assert {"type", "title", "status", "detail", "code"} <= set(answer.json())

    holds()


@pytest.mark.parametrize("service", list(ServiceName))
def test_no_request_is_answered_by_a_failure_or_an_undocumented_status(
    stack: Stack, service: ServiceName
) -> None:
    token = stack.settings().service_token.get_secret_value()
    headers = {"Authorization": f"Bearer {token}"}
    schema = schemathesis.openapi.from_url(f"{stack.run.urls[service]}/openapi.json")
    found = list(schema.get_all_operations())
    operations = [one.ok() for one in found if isinstance(one, Ok)]
    assert len(operations) == len(found) > 10
    wrong = []
    for operation in operations:
        try:
            check(operation, headers)
        except Exception as failure:  # all of them are told, and not the first only
            wrong.append(f"{operation.label}: {failure}")
    assert not wrong, "\n\n".join(wrong)
