"""What the broker's own clients offer."""

import inspect

# What sends any request, and what unpacks its answer.
PLUMBING = {"get", "post", "put", "patch", "delete", "response_wrapper"}


def public(client: type) -> set[str]:
    """Return the names of a client's public methods that are no plumbing."""
    found = inspect.getmembers(client, inspect.isfunction)
    return {name for name, _ in found if not name.startswith("_")} - PLUMBING
