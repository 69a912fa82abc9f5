from pathlib import Path

import pytest

from trading_system.runtime import stamp
from trading_system.runtime.faults import OtherInstallation
from trading_system.runtime.stamp import Stamp
from trading_system.vocabulary import TradingMode

pytestmark = pytest.mark.unit

SIMULATED = Stamp(mode=TradingMode.SIMULATED, source="seed 7")


def test_the_first_start_stamps_and_the_same_start_is_let_in(tmp_path: Path) -> None:
    file = tmp_path / "stamp.json"
    assert stamp.stamp_directory(file, SIMULATED) == SIMULATED
    assert stamp.stamp_directory(file, SIMULATED) == SIMULATED


def test_the_account_is_added_when_it_becomes_known_and_then_kept(
    tmp_path: Path,
) -> None:
    file = tmp_path / "stamp.json"
    stamp.stamp_directory(file, SIMULATED)
    known = SIMULATED.model_copy(update={"account_id": "PA1"})
    assert stamp.stamp_directory(file, known) == known
    assert stamp.stamp_directory(file, SIMULATED) == known
    with pytest.raises(OtherInstallation):
        stamp.stamp_directory(file, SIMULATED.model_copy(update={"account_id": "PA2"}))


@pytest.mark.parametrize(
    "other",
    [
        Stamp(mode=TradingMode.SIMULATED, source="seed 8"),
        Stamp(mode=TradingMode.PAPER, source="seed 7"),
        Stamp(mode=TradingMode.SIMULATED, source="replay sha256 00"),
    ],
)
def test_another_start_is_refused_in_one_sentence(tmp_path: Path, other: Stamp) -> None:
    file = tmp_path / "stamp.json"
    stamp.stamp_directory(file, SIMULATED)
    with pytest.raises(OtherInstallation, match="belongs to mode simulated, seed 7,"):
        stamp.stamp_directory(file, other)


def test_a_replay_is_known_by_its_content_and_not_by_its_name(tmp_path: Path) -> None:
    first, copy, other = (tmp_path / name for name in ("a.csv", "b.csv", "c.csv"))
    first.write_text("bars")
    copy.write_text("bars")
    other.write_text("other bars")
    source = stamp.source_of_replay(first)
    assert source == stamp.source_of_replay(copy)
    assert source != stamp.source_of_replay(other)
