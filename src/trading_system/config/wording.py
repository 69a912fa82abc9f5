"""What pydantic found wrong with the settings, a line a problem, without a value."""

from pydantic import ValidationError
from pydantic_settings import SettingsError


def unreadable(error: SettingsError) -> str:
    """Say which setting could not be parsed."""
    words = str(error).split('"')
    name = words[1].upper() if len(words) > 1 else str(error)
    return f"{name} must be JSON, as docs/configuration.md shows."


def in_plain_words(error: ValidationError) -> str:
    """Say which settings are wrong, and how."""
    return "\n".join(
        _problem(problem["loc"], problem["msg"])
        for problem in error.errors()
        # It follows from another problem, which has a line of its own.
        if problem["type"] != "default_factory_not_called"
    )


def _problem(place: tuple[int | str, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    if not place:
        return f"{message}."
    name, *inside = map(str, place)
    where = f" ({'.'.join(inside)})" if inside else ""
    return f"{name.upper()}{where} is not usable: {message[0].lower()}{message[1:]}."
