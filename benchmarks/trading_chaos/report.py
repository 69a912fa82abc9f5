"""What a run of seeds came to: violations, and whether everything was met often enough.

A point that is never met proves nothing, so that a run that misses one has failed.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path

from trading_chaos.campaign import Verdict
from trading_chaos.plan import (
    CHEAP,
    LISTENERS,
    PLACING,
    POINTS,
    READING,
    SILENT,
    VICTIMS,
)

OFTEN_ENOUGH = 10
"""In this many seeds each point, kill and fault must be met once at least."""

KILLS = (
    *(name for name in VICTIMS if name != "listener"),
    *LISTENERS,
    *CHEAP,
    *("sleep", "laptop sleep", "clock jump", "market jump", "kill file"),
)
WORK = ("fills", "replacements", "halts", "denied")
"""What a run must have done, or its disturbances disturbed nothing."""

FAULTS = tuple(dict.fromkeys((*PLACING, *READING, *SILENT)))


@dataclass
class Report:
    """The verdicts of a run, added up."""

    seeds: int = 0
    violated: list[int] = field(default_factory=list)
    hits: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    counted: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    settled: list[float] = field(default_factory=list)

    def add(self, verdict: Verdict) -> None:
        """Count a seed."""
        self.seeds += 1
        if verdict.violations:
            self.violated.append(verdict.seed)
        self.hits += verdict.hits
        self.kills += verdict.kills
        self.faults += verdict.faults
        self.counted += Counter(verdict.counted)
        self.seconds += verdict.seconds
        self.settled.append(verdict.settled)

    def missed(self) -> list[str]:
        """Return what was met too rarely for so many seeds."""
        least = self.seeds // OFTEN_ENOUGH
        return [
            f"{kind} {name}: {counts[name]} of {least}"
            for kind, names, counts in (
                ("point", POINTS, self.hits),
                ("kill", KILLS, self.kills),
                ("fault", FAULTS, self.faults),
                ("work", WORK, self.counted),
            )
            for name in names
            if counts[name] < least
        ]

    def lines(self) -> Iterable[str]:
        """Return the report as text."""
        counted = self.counted
        yield (
            f"{self.seeds} seeds, {self.seconds:.0f} s: {counted['signals']} signals,"
            f" {counted['orders']} orders, {counted['attempts']} attempts,"
            f" {counted['fills']} fills, {counted['replacements']} replacements,"
            f" {counted['halts']} halts"
        )
        for title, names, counts in (
            ("crash points", POINTS, self.hits),
            ("kills", (*KILLS, "failed start"), self.kills),
            ("faults", FAULTS, self.faults),
        ):
            yield f"{title}: " + ", ".join(f"{n} {counts[n]}" for n in names)
        if self.settled:
            ordered = sorted(self.settled)
            high = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
            yield (
                f"settled after the last disturbance: median"
                f" {ordered[len(ordered) // 2]:.1f} s, p95 {high:.1f} s"
            )
        for each in self.missed():
            yield f"met too rarely: {each}"
        yield f"violations in {len(self.violated)} seeds {self.violated or ''}"


def note(path: Path, verdict: Verdict) -> None:
    """Add a verdict to a file, so that chunks of a run become one report."""
    with path.open("a") as notes:
        # Not `asdict`: it makes a counter of a counter's pairs.
        said = {each.name: getattr(verdict, each.name) for each in fields(verdict)}
        notes.write(json.dumps(said, default=str) + "\n")


def noted(path: Path) -> Iterator[Verdict]:
    """Return the verdicts in a file, of each seed the last one."""
    last = {}
    for line in path.read_text().splitlines():
        found = json.loads(line)
        for name in ("kills", "hits", "faults", "codes", "ends"):
            found[name] = Counter(found[name])
        last[found["seed"]] = Verdict(**found)
    yield from last.values()


def line_of(verdict: Verdict) -> str:
    """Return what there is to say of one seed."""
    counted = verdict.counted
    word = "ok" if not verdict.violations else "VIOLATED"
    done = f"{counted.get('orders', 0):3d} orders {counted.get('fills', 0):3d} fills"
    return (
        f"seed {verdict.seed:4d} {verdict.profile:10s}{verdict.rate:5s}"
        f" {verdict.seconds:5.1f} s  {done}"
        f" {counted.get('replacements', 0):2d} replaced"
        f" {sum(verdict.kills.values()):2d} kills"
        f" {sum(verdict.hits.values()):2d} crashes"
        f" {sum(verdict.faults.values()):2d} faults  {word}"
    )


def details(verdict: Verdict) -> Iterable[str]:
    """Return what was violated, and where its traces are."""
    for violation in verdict.violations:
        yield f"     {violation}"
    if verdict.violations:
        yield f"     points passed: {dict(verdict.hits)}, kills: {dict(verdict.kills)}"
        yield f"     orders: {dict(verdict.ends)}, denied: {dict(verdict.codes)}"
        yield f"     again: trading-chaos --seed {verdict.seed}"
    if verdict.kept is not None:
        yield f"     tape and logs: {verdict.kept}"
