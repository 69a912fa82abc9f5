import os
import sys
from pathlib import Path

import pytest

from trading_system.runtime import account
from trading_system.runtime.account import Account

pytestmark = [
    pytest.mark.unit,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such accounts"),
]


def test_a_closed_folder_on_the_way_keeps_another_account_out(tmp_path: Path) -> None:
    for parent in (tmp_path, *tmp_path.parents):
        if parent.owner() != "root" or os.geteuid() == 0:
            parent.chmod(parent.stat().st_mode | 0o011)
        if parent.name.startswith("pytest-of"):
            break
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    stranger = Account("stranger", user=os.geteuid() + 12345, group=12345)
    owner = Account("owner", user=os.geteuid(), group=os.getegid())
    assert account._can_reach(stranger, closed)
    assert not account._can_reach(stranger, closed / "data")
    assert account._can_reach(owner, closed / "data")


def test_servers_never_run_as_root(tmp_path: Path) -> None:
    chosen = account.for_servers((tmp_path,))
    if os.geteuid() != 0:
        assert chosen == Account()
    else:
        assert chosen.user != 0
        assert chosen.user or chosen.before_exec
