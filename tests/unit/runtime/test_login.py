from datetime import UTC, datetime, timedelta

import pytest

from trading_system import login

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)


def test_a_fresh_link_is_good_and_an_old_one_is_not() -> None:
    token = login.make_token("secret", NOW)
    assert login.verify_token("secret", token, NOW)
    assert login.verify_token("secret", token, NOW + timedelta(minutes=14))
    assert not login.verify_token("secret", token, NOW + timedelta(minutes=15))


@pytest.mark.parametrize("token", ["", "x", "e30.x", "e30"])
def test_what_we_did_not_sign_is_refused(token: str) -> None:
    assert not login.verify_token("secret", token, NOW)
    assert not login.verify_token("secret", login.make_token("other", NOW), NOW)


def test_no_two_links_are_alike() -> None:
    assert login.make_token("secret", NOW) != login.make_token("secret", NOW)
    assert login.link("http://127.0.0.1:8000", "secret", NOW).startswith(
        "http://127.0.0.1:8000/login?token="
    )
