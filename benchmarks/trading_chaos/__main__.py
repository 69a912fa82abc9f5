"""`trading-chaos`: seeds, mutants and simulated flows from the command line."""

import argparse
import sys
from pathlib import Path

from trading_chaos.campaign import run_seed
from trading_chaos.cell import context
from trading_chaos.servers import running_servers


def main() -> int:
    """Run seeds."""
    parser = argparse.ArgumentParser(prog="trading-chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("chaos-out"))
    options = parser.parse_args()
    bad = 0
    with running_servers() as servers:
        made = context()
        for seed in range(options.first, options.first + options.seeds):
            v = run_seed(servers, made, seed, keep=options.keep)
            print(v, flush=True)
            bad += bool(v.violations)
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
