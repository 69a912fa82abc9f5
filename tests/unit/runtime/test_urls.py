import pytest

from trading_system.runtime import urls

pytestmark = pytest.mark.unit

URL = "postgresql://ann:s%2Fcret@db.example:5433/trading?sslmode=require"


def test_a_part_is_replaced_and_the_rest_is_kept() -> None:
    assert urls.database_of(URL) == "trading"
    assert urls.with_database(URL, "prefect") == URL.replace("/trading?", "/prefect?")
    other = urls.with_user(URL, "bob", "p@ss/word")
    assert other == URL.replace("ann:s%2Fcret", "bob:p%40ss%2Fword")


def test_the_password_is_not_shown() -> None:
    assert urls.shown(URL) == URL.replace("s%2Fcret", "***")
    assert urls.shown("redis://127.0.0.1:6379/0") == "redis://127.0.0.1:6379/0"


def test_asyncpg_is_told_of_tls_in_its_own_word() -> None:
    url = urls.with_driver(URL, "asyncpg")
    assert url.startswith("postgresql+asyncpg://ann:")
    assert url.endswith("?ssl=require")
    assert urls.with_driver(URL, "psycopg2").endswith("?sslmode=require")
