"""Ids that follow from the seed and a count, so that a run can be repeated exactly."""

from functools import lru_cache
from hashlib import blake2b
from uuid import NAMESPACE_URL, uuid5


class Identity:
    """A source of ids; `count` must be kept with the state."""

    def __init__(self, seed: int, count: int = 0) -> None:
        self._seed = seed
        self.count = count

    def next(self) -> str:
        """Return an id that was not given before."""
        self.count += 1
        return self.derived(str(self.count))

    def derived(self, name: str) -> str:
        """Return the id that always belongs to a name."""
        digest = blake2b(f"{self._seed}:{name}".encode(), digest_size=16).hexdigest()
        # Version 4 of RFC 9562: four bits say so, and two its variant.
        variant = "89ab"[int(digest[16], 16) & 3]
        return (
            f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-"
            f"{variant}{digest[17:20]}-{digest[20:]}"
        )


@lru_cache(maxsize=20_000)
def asset_id(symbol: str) -> str:
    """Return the id of an asset, the same on every exchange."""
    return str(uuid5(NAMESPACE_URL, f"asset:us_equity:{symbol}"))
