"""Seeds of kills and lies: whatever happens, the books equal the exchange's tape."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack

import pytest
from trading_chaos.command import caught_at, verdicts
from trading_chaos.mutants import MUTANTS
from trading_chaos.plan import POINTS, PROFILES, RATES, draw
from trading_chaos.report import (
    FAULTS,
    KILLS,
    OFTEN_ENOUGH,
    Report,
    details,
    line_of,
)
from trading_chaos.servers import Servers, running_servers

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        sys.platform == "win32", reason="nothing there can be stopped and continued"
    ),
]

SEEDS = (5, 6, 7, 8, 9, 11, 13, 14)
"""Every profile under slow kills, and three of them under fast ones."""

MORE = range(15, 55)
AT_A_TIME = 2

CERTAIN = ("random id", "POST retried", "no record")
"""Defects that hardly a seed lets through; `trading-chaos mutants` tries them all."""


@pytest.fixture(scope="module")
def servers() -> Iterator[list[Servers]]:
    """Databases that may be killed, for as many seeds as run at a time."""
    with ExitStack() as stack:
        yield [stack.enter_context(running_servers()) for _ in range(AT_A_TIME)]


def hold(servers: list[Servers], seeds: Iterable[int]) -> Report:
    total = Report()
    for verdict in verdicts(servers, seeds):
        total.add(verdict)
        print(line_of(verdict), *details(verdict), sep="\n")
        assert not verdict.violations, "\n".join(details(verdict))
    print(*total.lines(), sep="\n")
    return total


def test_eight_seeds_end_without_a_violation(servers: list[Servers]) -> None:
    total = hold(servers, SEEDS)
    assert sum(total.kills.values()) >= len(SEEDS)
    assert sum(total.hits.values()) >= len(SEEDS)
    assert total.counted["fills"] > 0


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_more_seeds_end_without_a_violation(servers: list[Servers]) -> None:
    total = hold(servers, MORE)
    assert total.missed() == []


@pytest.mark.soak
@pytest.mark.parametrize("mutant", CERTAIN)
def test_a_defect_put_in_on_purpose_is_caught(
    servers: list[Servers], mutant: str
) -> None:
    caught = caught_at(servers[0], mutant)
    assert caught is not None, MUTANTS[mutant].what


def test_a_seed_is_the_same_plan_every_time() -> None:
    assert draw(1234) == draw(1234)
    assert draw(1234) != draw(1235)


@pytest.mark.parametrize("seeds", [MORE, range(200)], ids=len)
def test_everything_is_planned_often_enough(seeds: range) -> None:
    least = len(seeds) // OFTEN_ENOUGH
    said = {"jump": "clock jump"}
    planned: Counter[str] = Counter()
    for plan in map(draw, seeds):
        for act in plan.acts:
            if act.what == "kill":
                planned[act.detail["victim"]] += 1
            else:
                planned[said.get(act.what, act.what)] += 1
        for starts in plan.crashes.values():
            points = ",".join(starts).split(",")
            planned.update(each.partition(":")[0] for each in points)
        planned.update(fault["kind"] for fault in plan.faults)
    assert {n for n in (*POINTS, *KILLS, *FAULTS) if planned[n] < least} == set()


def test_all_profiles_meet_all_kill_rates() -> None:
    met = {(plan.profile, plan.rate) for plan in map(draw, range(15))}
    assert met == {(profile, rate) for profile in PROFILES for rate in RATES}
