"""Values kept in Redis for a while; every failure is a miss."""

from collections.abc import Sequence
from typing import Any

import orjson
import redis
from loguru import logger

from trading_system.clock import monotonic


class Cache:
    """JSON values in Redis.

    Nothing may depend on a value being there. A Redis that does not answer is left
    alone for a second, so that it slows nobody.
    """

    def __init__(self, url: str, prefix: str) -> None:
        self._redis = redis.Redis.from_url(
            url, socket_timeout=0.25, socket_connect_timeout=0.25
        )
        self._prefix = prefix
        self._quiet_until = 0.0

    def get(self, key: str) -> Any | None:
        """Return the value, or None when it is not there or Redis is away."""
        if monotonic() < self._quiet_until:
            return None
        try:
            found = self._redis.get(f"{self._prefix}:{key}")
            return None if found is None else orjson.loads(found)
        except (redis.RedisError, OSError, orjson.JSONDecodeError) as error:
            self._be_quiet(error)
            return None

    def set(self, key: str, value: Any, seconds: int) -> bool:
        """Keep a value for some seconds; return whether Redis took it."""
        if monotonic() < self._quiet_until:
            return False
        try:
            self._redis.set(f"{self._prefix}:{key}", orjson.dumps(value), ex=seconds)
        except (redis.RedisError, OSError) as error:
            self._be_quiet(error)
            return False
        return True

    def forget(self, keys: Sequence[str]) -> bool:
        """Drop values in one round trip; return whether none is there any more."""
        if not keys or monotonic() < self._quiet_until:
            return not keys
        try:
            self._redis.delete(*(f"{self._prefix}:{key}" for key in keys))
        except (redis.RedisError, OSError) as error:
            self._be_quiet(error)
            return False
        return True

    def _be_quiet(self, error: Exception) -> None:
        self._quiet_until = monotonic() + 1.0
        logger.debug("cache does not answer: {}", error)

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()
