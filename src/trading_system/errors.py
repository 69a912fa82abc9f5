"""What can go wrong in ways we expect, and who must act.

TradingError                 carries an HTTP status, a code and a remedy
├── Invalid                  422  the caller sent something that cannot be right
├── NotFound                 404  no such thing
├── Conflict                 409  the state of things forbids it now
├── Refused                  409  risk or the trading state says no
├── Unauthorized             401  who is asking?
├── Forbidden                403  known, and not allowed
├── Unavailable              503  something we need does not answer
└── Misconfigured            500  settings or files must be changed by a person
"""

from typing import Any


class TradingError(Exception):
    """An anticipated failure: what happened, where, and what to do about it."""

    status = 500
    code = "error"
    title = "Something went wrong"

    def __init__(
        self,
        detail: str,
        *,
        remedy: str | None = None,
        code: str | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail if remedy is None else f"{detail} {remedy}")
        self.detail = detail
        self.remedy = remedy
        self.code = code or type(self).code
        self.extra = extra


class Invalid(TradingError):
    """The input cannot be right."""

    status, code, title = 422, "invalid", "Invalid input"


class NotFound(TradingError):
    """There is no such thing."""

    status, code, title = 404, "not-found", "Not found"


class Conflict(TradingError):
    """The present state forbids it."""

    status, code, title = 409, "conflict", "Conflict"


class Refused(TradingError):
    """Risk, or the trading state, says no."""

    status, code, title = 409, "refused", "Refused by risk"


class Unauthorized(TradingError):
    """The caller did not say who it is."""

    status, code, title = 401, "unauthorized", "Not signed in"


class Forbidden(TradingError):
    """The caller may not do this."""

    status, code, title = 403, "forbidden", "Not allowed"


class Unavailable(TradingError):
    """Something we depend on does not answer."""

    status, code, title = 503, "unavailable", "Not available"


class Misconfigured(TradingError):
    """A setting or a file must be changed by a person."""

    status, code, title = 500, "misconfigured", "Wrong configuration"
