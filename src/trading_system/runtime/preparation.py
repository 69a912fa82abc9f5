"""Runs `trading_system.runtime.prepare` in a short process."""

import asyncio
import json
import sys
from collections.abc import Mapping

from trading_system.runtime import faults
from trading_system.runtime.faults import DependencyDown
from trading_system.runtime.last_words import last_line
from trading_system.runtime.stamp import Stamp


async def run_preparation(environment: Mapping[str, str], stamp: Stamp) -> None:
    """Migrate and stamp the database; raise the fault that the process reports."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "trading_system.runtime.prepare"),
        stamp.model_dump_json(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(environment),
    )
    try:
        output, errors = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        raise
    if process.returncode == 0:
        return
    try:
        report = json.loads(last_line(output))
    except ValueError:
        raise DependencyDown(
            f"The database could not be migrated: {last_line(errors)}.",
            remedy="See docs/operations.md, or restore a backup.",
        ) from None
    raise faults.from_json(report)
