"""A run that has not met a point, a kill or a fault often enough has failed."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from trading_chaos.campaign import Verdict
from trading_chaos.command import main
from trading_chaos.plan import POINTS
from trading_chaos.report import FAULTS, KILLS, WORK, note

pytestmark = pytest.mark.chaos

SEEDS, LEAST = 20, 2


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """Where the verdicts of a run are noted."""
    return tmp_path / "notes.jsonl"


def run(
    notes: Path, without: str = "", once: str = "", violated: tuple[int, ...] = ()
) -> None:
    """Note seeds that have met everything just often enough, but for one thing."""
    for seed in range(SEEDS):

        def counted(names: Iterable[str], seed: int = seed) -> Counter[str]:
            first = {without: SEEDS, once: SEEDS - 1}
            return Counter(n for n in names if seed >= first.get(n, SEEDS - LEAST))

        note(
            notes,
            Verdict(
                seed,
                "mixed",
                "slow",
                ["O4: the ledger holds less"] if seed in violated else [],
                dict(counted(WORK)),
                counted(KILLS),
                counted(POINTS),
                counted(FAULTS),
                Counter(),
                Counter(),
                10.0,
                3.0,
            ),
        )


def test_a_run_that_met_everything_often_enough_passes(
    notes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(notes)
    assert main(["report", "--note", str(notes)]) == 0
    said = capsys.readouterr().out
    assert "20 seeds" in said and "violations in 0 seeds" in said
    assert "too rarely" not in said


@pytest.mark.parametrize("name", [*POINTS, "postgres", "laptop sleep", "reset"])
def test_a_run_that_never_met_something_fails_and_names_it(
    notes: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    run(notes, without=name)
    assert main(["report", "--note", str(notes)]) == 1
    assert f"{name}: 0 of {LEAST}" in capsys.readouterr().out


def test_a_run_that_met_a_point_too_rarely_fails(
    notes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(notes, once="after_call")
    assert main(["report", "--note", str(notes)]) == 1
    assert f"point after_call: 1 of {LEAST}" in capsys.readouterr().out


def test_a_seed_that_was_run_again_counts_once(
    notes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(notes, violated=(7,))
    assert main(["report", "--note", str(notes)]) == 1
    assert "violations in 1 seeds [7]" in capsys.readouterr().out
    run(notes)
    assert main(["report", "--note", str(notes)]) == 0
    assert "20 seeds" in capsys.readouterr().out


def test_a_report_of_nothing_says_what_it_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["report", "--note", str(tmp_path / "none.jsonl")])
    assert "report needs --note" in capsys.readouterr().err
