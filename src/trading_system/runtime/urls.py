"""Addresses of databases, taken apart and put together."""

from urllib.parse import quote, urlsplit, urlunsplit


def postgres(user: str, password: str, port: int, database: str) -> str:
    """Return the URL of a database on this machine."""
    return f"postgresql://{user}:{quote(password, safe='')}@127.0.0.1:{port}/{database}"


def database_of(url: str) -> str:
    """Return the name of the database that a URL points at."""
    return urlsplit(url).path.lstrip("/")


def with_database(url: str, name: str) -> str:
    """Return the URL of another database on the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def with_user(url: str, user: str, password: str) -> str:
    """Return the URL of the same database for another role."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    credentials = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return urlunsplit(parts._replace(netloc=f"{credentials}@{host}"))


def with_driver(url: str, driver: str) -> str:
    """Return the URL for SQLAlchemy and a named driver.

    asyncpg spells the TLS option `ssl` where every other client spells it `sslmode`.
    """
    url = f"postgresql+{driver}{url[url.index('://'):]}"
    return url.replace("sslmode=", "ssl=") if driver == "asyncpg" else url


def shown(url: str) -> str:
    """Return the URL for people: without its password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:***@{host}"))
