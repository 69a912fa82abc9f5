"""Which operating-system account runs the database servers.

PostgreSQL refuses to run as root, so under root it runs as `postgres` or `nobody`.
Where that account cannot reach the files (a checkout below /root), it runs in a user
namespace in which root itself appears as `nobody`.
"""

import ctypes
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trading_system.runtime.faults import WrongConfiguration

CLONE_NEWUSER = 0x10000000


@dataclass(frozen=True)
class Account:
    """How a child process is started so that it runs as the right user."""

    name: str | None = None
    user: int | None = None
    group: int | None = None
    before_exec: Callable[[], None] | None = None

    def process_arguments(self) -> dict[str, Any]:
        """Return the keyword arguments for `subprocess.Popen`."""
        arguments: dict[str, Any] = {}
        if self.user is not None:
            arguments |= {"user": self.user, "group": self.group, "extra_groups": []}
        if self.before_exec is not None:
            arguments["preexec_fn"] = self.before_exec
        return arguments

    def own(self, path: Path) -> None:
        """Make the directory or file belong to this account."""
        if self.user is not None and sys.platform != "win32":
            os.chown(path, self.user, -1 if self.group is None else self.group)


def for_servers(paths: Iterable[Path]) -> Account:
    """Return the account for servers that must read the paths and write below them."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return Account()
    places = [path.resolve() for path in paths]
    for account in _unprivileged_accounts():
        if all(_can_reach(account, place) for place in places):
            return account
    namespaced = Account("root as nobody", before_exec=_become_nobody_in_a_namespace)
    if _starts(namespaced):
        return namespaced
    raise WrongConfiguration(
        "PostgreSQL does not run as root, and no other account can reach "
        f"{' and '.join(str(place) for place in places)}.",
        remedy="Run trading as an ordinary user, or choose a place that everyone may "
        "enter with --data-dir (TRADING_DATA_DIR), for example /var/lib/trading.",
    )


def _unprivileged_accounts() -> list[Account]:
    """Return the accounts that servers may run as under root, best first."""
    if sys.platform == "win32":
        return []
    import pwd

    accounts = []
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        accounts.append(Account(name, entry.pw_uid, entry.pw_gid))
    return accounts


def _can_reach(account: Account, path: Path) -> bool:
    """Return whether the account may enter every directory above the path."""
    for parent in path.parents:
        if not parent.exists():
            continue
        status = parent.stat()
        enter = stat.S_IXUSR if status.st_uid == account.user else stat.S_IXOTH
        if not status.st_mode & enter:
            return False
    return True


def _become_nobody_in_a_namespace() -> None:
    """Enter a user namespace in which this process, root outside, is `nobody`."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text("65534 0 1")
    Path("/proc/self/gid_map").write_text("65534 0 1")


def _starts(account: Account) -> bool:
    """Return whether a process can be started as the account."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", "import os; exit(os.geteuid() == 0)"],
            cwd="/",
            capture_output=True,
            timeout=30,
            check=False,
            **account.process_arguments(),
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0
