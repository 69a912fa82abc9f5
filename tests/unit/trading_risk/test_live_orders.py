"""What risk counts as open is what execution says is not over."""

import re

import pytest

from trading_execution.domain.order_status import LIVE as NOT_OVER
from trading_risk.repository.placed import LIVE

pytestmark = pytest.mark.unit


def test_no_order_that_is_not_over_is_left_out_of_the_exposure() -> None:
    assert set(re.findall(r"'(\w+)'", LIVE)) == {str(status) for status in NOT_OVER}
