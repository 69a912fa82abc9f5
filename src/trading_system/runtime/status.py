"""What runs, and whether it is well."""

import asyncio
from dataclasses import dataclass
from typing import Any

from trading_system.runtime import probe, run_file
from trading_system.runtime.data_directory import DataDirectory
from trading_system.runtime.run_file import Child, Run


@dataclass(frozen=True)
class ComponentStatus:
    """One process, seen from outside."""

    name: str
    state: str
    pid: int | None
    memory_mb: int | None
    restarts: int
    url: str | None


@dataclass(frozen=True)
class StackStatus:
    """A stack, seen from outside."""

    run: Run
    alive: bool
    components: tuple[ComponentStatus, ...]

    @property
    def is_well(self) -> bool:
        """Whether the supervisor runs and every process is well."""
        return self.alive and all(part.state == "ready" for part in self.components)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row a process."""
        return [
            {
                "component": part.name,
                "state": part.state,
                "pid": part.pid,
                "memory MB": part.memory_mb,
                "restarts": part.restarts,
                "url": part.url,
            }
            for part in self.components
        ]

    def document(self) -> dict[str, Any]:
        """Return everything for programs."""
        return {
            "state": self.run.state if self.alive else "dead",
            "mode": self.run.mode,
            "source": self.run.source,
            "speed": self.run.speed,
            "urls": self.run.urls,
            "components": [vars(part) for part in self.components],
        }


async def read_status(place: DataDirectory) -> StackStatus | None:
    """Return the state of a data directory's stack, or None when nothing runs."""
    run = run_file.read(place.run)
    if run is None or run.state == "stopped":
        return None
    components = await asyncio.gather(
        *(_status_of(child, run.run_id) for child in run.children)
    )
    alive = run.is_alive()
    if not alive and all(part.pid is None for part in components):
        return None
    return StackStatus(run, alive, tuple(components))


async def _status_of(child: Child, run_id: str) -> ComponentStatus:
    process = child.process()
    if process is None:
        return ComponentStatus(
            child.name, "ended", None, None, child.restarts, child.url
        )
    memory = round(process.memory_info().rss / 1_000_000)
    state = "ready" if await _is_well(child, run_id) else "not ready"
    return ComponentStatus(
        child.name, state, child.pid, memory, child.restarts, child.url
    )


async def _is_well(child: Child, run_id: str) -> bool:
    if child.health is not None:
        return await probe.is_well(child.health, run_id)
    return child.url is None or await probe.listens(child.url)
