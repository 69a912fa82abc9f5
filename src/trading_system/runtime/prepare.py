"""Prepare the `trading_system` database: migrations, sessions, stamp.

A short process of `trading up`, so that the supervisor stays small:
`python -m trading_system.runtime.prepare '{"mode": "simulated", "source": "seed 1"}'`
with POSTGRES_URL naming the owner's database. A refusal is written as one line of JSON.
"""

import json
import os
import sys

from trading_system.clock import utc_now
from trading_system.runtime import faults, migrate, sessions, stamp
from trading_system.runtime.stamp import Stamp


def prepare(owner: str, wanted: Stamp) -> None:
    """Bring the database to what the services expect."""
    stamp.require_same_database(owner, wanted)
    migrate.upgrade(owner)
    sessions.fill(owner, utc_now().date())
    stamp.stamp_database(owner, wanted)


def main() -> None:
    """Prepare the database that the environment names."""
    try:
        prepare(os.environ["POSTGRES_URL"], Stamp.model_validate_json(sys.argv[1]))
    except faults.Fault as fault:
        sys.stdout.write(json.dumps(faults.to_json(fault)) + "\n")
        raise SystemExit(fault.exit_code) from None


if __name__ == "__main__":
    main()
