"""The margin that holdings need, worked by hand from the broker's table."""

from decimal import Decimal

import pytest

from paper_exchange.valuation import maintenance

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("quantity", "price", "needed"),
    [
        ("100", "2.00", "200"),
        ("100", "2.50", "125"),
        ("100", "5.00", "250"),
        ("100", "50.00", "1500"),
        ("-100", "2.00", "250"),
        ("-100", "4.00", "400"),
        ("-100", "10.00", "500"),
        ("-100", "50.00", "1500"),
    ],
)
def test_cheap_and_short_shares_need_more(
    quantity: str, price: str, needed: str
) -> None:
    assert maintenance(Decimal(quantity), Decimal(price)) == Decimal(needed)
