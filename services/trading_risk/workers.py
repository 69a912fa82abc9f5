"""Loops of risk: the KILL file, and a look at the limits between bars."""

from trading_risk import operations
from trading_risk.ports import Surroundings
from trading_risk.repository import RiskTransaction
from trading_system.database import Database
from trading_system.worker import Worker

LOOK_FOR_KILL_FILE = 1.0
LOOK_AT_LIMITS = 30.0


class KillFileWatch:
    """Turns a KILL file into a halt."""

    def __init__(
        self, database: Database[RiskTransaction], surroundings: Surroundings
    ) -> None:
        self._database = database
        self._switch = surroundings.kill_switch

    def run(self) -> None:
        """Halt when the file is there and trading is not halted yet."""
        if self._switch.is_pulled():
            with self._database.transaction() as tx:
                operations.obey_kill_switch(tx, self._switch)


class LimitWatch:
    """Looks at exposure and losses between the bars."""

    def __init__(
        self, database: Database[RiskTransaction], surroundings: Surroundings
    ) -> None:
        self._database = database
        self._surroundings = surroundings

    def run(self) -> None:
        """Measure, and tell what is near or over a limit."""
        with self._database.transaction() as tx:
            operations.monitor(tx, self._surroundings, tx.market_time())
            operations.announce(tx)


def workers(
    database: Database[RiskTransaction], surroundings: Surroundings
) -> list[Worker]:
    """Return the workers of one process."""
    kill = KillFileWatch(database, surroundings)
    limits = LimitWatch(database, surroundings)
    return [
        Worker("kill-file", kill.run, LOOK_FOR_KILL_FILE),
        Worker("limits", limits.run, LOOK_AT_LIMITS),
    ]
