"""`trading-chaos`: seeds, mutants and simulated flows from the command line.

`trading-chaos --seeds 200` runs seeds and judges them, `--seed 17` one of them again,
`trading-chaos mutants` shows that each defect put in on purpose is found, and
`trading-chaos simulate --flows 1000000` runs orders through a simulated broker. With
`--note FILE` a run is noted; `trading-chaos report --note FILE` adds such runs up.
"""

import argparse
import queue
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from pathlib import Path

from trading_chaos import report, simulation
from trading_chaos.campaign import Verdict, run_seed
from trading_chaos.cell import context
from trading_chaos.mutants import MUTANTS
from trading_chaos.servers import Servers, running_servers

MUTANT_SEEDS = 20
"""Seeds within which each mutant must be caught."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; 0 when all of it held."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.what == "report" and not (options.note and options.note.exists()):
        parser.error("report needs --note and the file that runs were noted in")
    if options.what == "simulate":
        first = options.first
        return simulation.main(options.flows, first, options.jobs)
    if options.what == "report":
        return _noted(options.note)
    with ExitStack() as stack:
        servers = [stack.enter_context(running_servers()) for _ in range(options.jobs)]
        if options.what == "mutants":
            return _mutants(servers, options.first, options.mutant or list(MUTANTS))
        if options.seed is not None:
            seeds: Iterable[int] = [options.seed]
        else:
            seeds = range(options.first, options.first + options.seeds)
        return _seeds(servers, seeds, options.keep, options.note)


def verdicts(
    servers: Sequence[Servers],
    seeds: Iterable[int],
    keep: Path | None = None,
) -> Iterator[Verdict]:
    """Run seeds, as many at a time as there are servers."""
    made = context()
    free: queue.SimpleQueue[Servers] = queue.SimpleQueue()
    for each in servers:
        free.put(each)

    def one(seed: int) -> Verdict:
        taken = free.get()
        try:
            return run_seed(taken, made, seed, keep=keep)
        finally:
            free.put(taken)

    with _pool(len(servers)) as pool:
        for done in as_completed([pool.submit(one, seed) for seed in seeds]):
            yield done.result()


@contextmanager
def _pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool that begins nothing more when it is left early."""
    pool = ThreadPoolExecutor(workers)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _seeds(
    servers: Sequence[Servers],
    seeds: Iterable[int],
    keep: Path,
    notes: Path | None = None,
) -> int:
    total = report.Report()
    for verdict in verdicts(servers, seeds, keep):
        total.add(verdict)
        if notes is not None:
            report.note(notes, verdict)
        print(report.line_of(verdict), *report.details(verdict), sep="\n", flush=True)
    return _said(total)


def _said(total: report.Report) -> int:
    print(*total.lines(), sep="\n")
    return int(bool(total.violated or total.missed()))


def _noted(notes: Path) -> int:
    """Report what several runs have noted as if it had been one."""
    total = report.Report()
    for verdict in report.noted(notes):
        total.add(verdict)
    return _said(total)


def caught_at(servers: Servers, mutant: str, first: int = 0) -> Verdict | None:
    """Run seeds with a defect in them until one is violated; return that one."""
    made = context()
    for seed in range(first, first + MUTANT_SEEDS):
        verdict = run_seed(servers, made, seed, mutant)
        if verdict.violations:
            return verdict
    return None


def _mutants(servers: Sequence[Servers], first: int, names: Sequence[str]) -> int:
    free: queue.SimpleQueue[Servers] = queue.SimpleQueue()
    for each in servers:
        free.put(each)

    def one(name: str) -> tuple[str, Verdict | None]:
        taken = free.get()
        try:
            return name, caught_at(taken, name, first)
        finally:
            free.put(taken)

    survived = []
    with _pool(len(servers)) as pool:
        for done in as_completed([pool.submit(one, name) for name in names]):
            name, verdict = done.result()
            if verdict is None:
                survived.append(name)
                print(f"{name:24s} SURVIVED {MUTANT_SEEDS} seeds", flush=True)
                continue
            number = verdict.seed - first + 1
            # What was seen broken says more than that it never came to rest.
            said = sorted(verdict.violations, key=lambda each: each[0] != "O")[0]
            print(f"{name:24s} seed {number:2d}  {said[:150]}", flush=True)
    print(f"{len(names) - len(survived)} of {len(names)} mutants were caught")
    return int(bool(survived))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="trading-chaos",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    kinds = ("seeds", "mutants", "simulate", "report")
    add("what", nargs="?", choices=kinds, default="seeds")
    add("--seeds", type=int, default=8, help="how many seeds")
    add("--first", type=int, default=0, help="the first seed")
    add("--seed", type=int, help="one seed again")
    add("--jobs", type=int, default=1, help="seeds at a time, each with own servers")
    add("--keep", type=Path, default=Path("chaos-out"), help="where traces are kept")
    add("--note", type=Path, help="the file that verdicts are noted in, to be added up")
    add("--mutant", action="append", choices=sorted(MUTANTS), help="only this one")
    add("--flows", type=int, default=1_000_000, help="orders to simulate")
    return parser
