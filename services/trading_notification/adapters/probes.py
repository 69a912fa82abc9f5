"""Looks at the parts of the system from outside of them."""

from collections.abc import Sequence
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import psutil
import redis

from trading_notification.domain import health
from trading_notification.domain.health import Seen
from trading_notification.ports import Probe
from trading_system.clients import authorities
from trading_system.clock import monotonic, utc_now
from trading_system.config.settings import Settings
from trading_system.vocabulary import TradingMode

TIMEOUT = 2.0


class ServiceProbe:
    """Asks a service whether it is ready."""

    def __init__(self, name: str, address: str) -> None:
        self._name = name
        self._http = httpx.Client(
            base_url=address, timeout=TIMEOUT, trust_env=False, verify=authorities()
        )

    def look(self) -> Seen:
        """Say what the service answered."""
        begun = monotonic()
        try:
            answer = self._http.get("/health/ready")
            health_said = answer.json()
            status = health_said["status"]
            checks = health_said["checks"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            return Seen(self._name, "fail", f"does not answer ({_said(error)})")
        took = (monotonic() - begun) * 1000
        trouble = "; ".join(
            f"{check['component']}: {check['output']}"
            for check in checks
            if check["status"] != "pass"
        )
        words = trouble[:300] or f"ready, answers in {took:.0f} ms"
        if status not in ("pass", "warn") or answer.status_code != 200:
            return Seen(self._name, "fail", words, f"{took:.1f}")
        return Seen(self._name, status, words, f"{took:.1f}")


class RedisProbe:
    """Asks Redis for a sign of life."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(
            url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT
        )

    def look(self) -> Seen:
        """Say how fast Redis answers; without it everything is only slower."""
        begun = monotonic()
        try:
            self._redis.ping()
        except (redis.RedisError, OSError) as error:
            return Seen("redis", "fail", f"does not answer ({_said(error)})")
        took = (monotonic() - begun) * 1000
        return Seen("redis", "pass", f"answers in {took:.0f} ms", f"{took:.1f}")


class DiskProbe:
    """Looks how much room is left where the data are."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def look(self) -> Seen:
        """Say how much room is left."""
        try:
            usage = psutil.disk_usage(str(self._directory))
        except OSError as error:
            return Seen("disk", "fail", f"{self._directory}: {_said(error)}")
        return health.disk(usage.free / usage.total, usage.free)


class BrokerClockProbe:
    """Compares the machine's clock with the one of the broker's web server."""

    def __init__(self, address: str) -> None:
        self._address = address

    def look(self) -> Seen:
        """Say how far the clocks are apart; the answer's status does not matter."""
        try:
            answer = httpx.head(self._address, timeout=TIMEOUT, trust_env=False)
            theirs = parsedate_to_datetime(answer.headers["date"])
        except (httpx.HTTPError, KeyError, ValueError) as error:
            return Seen("broker clock", "warn", f"not known ({_said(error)})")
        # The header has whole seconds; its middle is the best guess.
        offset = utc_now() - theirs - timedelta(milliseconds=500)
        seen = health.skew(offset, "the broker's clock")
        return Seen("broker clock", seen.status, seen.detail, seen.observed_value)


def probes(settings: Settings) -> Sequence[Probe]:
    """Return every look there is."""
    found: list[Probe] = [
        ServiceProbe(name, address) for name, address in settings.service_urls.items()
    ]
    found.append(RedisProbe(settings.redis_url))
    found.append(DiskProbe(settings.trading_data_dir))
    if settings.trading_mode is not TradingMode.SIMULATED:
        found.append(BrokerClockProbe(settings.alpaca_base_url))
    return found


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]
