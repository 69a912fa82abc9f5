"""Errors as Alpaca answers them: an HTTP status, a code and a message."""

from typing import Any


class ApiError(Exception):
    """A request that is refused; `details` are further keys of the answer."""

    def __init__(self, status: int, code: int, message: str, **details: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details

    def body(self) -> dict[str, Any]:
        """Return the answer's JSON."""
        return {"code": self.code, "message": self.message, **self.details}


def malformed(message: str) -> ApiError:
    """A body or query that cannot be read at all."""
    return ApiError(400, 40010000, message)


def invalid(message: str, **details: Any) -> ApiError:
    """A field that is missing, contradictory or out of range."""
    return ApiError(422, 40010001, message, **details)


def unprocessable(message: str, **details: Any) -> ApiError:
    """A well-formed request that the rules of the market do not allow."""
    return ApiError(422, 42210000, message, **details)


def forbidden(message: str, **details: Any) -> ApiError:
    """A request that this account may not make now."""
    return ApiError(403, 40310000, message, **details)


def not_found(message: str) -> ApiError:
    """Something that does not exist."""
    return ApiError(404, 40410000, message)


class StartRefused(Exception):
    """The exchange cannot start like this; the message says what to change."""
