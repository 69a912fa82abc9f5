"""Commands for who writes strategies: start one, check it, sweep, backtest."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from trading_system.cli import flow_commands, installation
from trading_system.cli.installation import DataDir
from trading_system.cli.manner import Typer
from trading_system.cli.output import is_json, show_rows, show_text, show_views
from trading_system.contracts.analytics import BacktestView
from trading_system.runtime.faults import ExitCode

# `research` brings Polars and the compiled passes, for which no other command waits:
# each command here imports it when it runs.

backtest = Typer(help="Backtests: run one, show and compare them.")
pairs = Typer(help="Pairs of symbols that belong together.")
model = Typer(help="Models that strategies ask: train one, show them.")

Name = Annotated[str, typer.Argument(help="The strategy's name.")]
Bars = Annotated[
    Path | None, typer.Option("--bars", help="Parquet or CSV file of bars.")
]
Values = Annotated[
    list[str] | None,
    typer.Option("--set", help="A parameter, as name=value; may be repeated."),
]
Choices = Annotated[
    list[str] | None,
    typer.Option("--set", help="Values to try: name=5..50:5 or name=0.01,0.02."),
]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"])]

BACKTEST_COLUMNS = (
    "backtest_id",
    "strategy",
    "period_start",
    "period_end",
    "trades",
    "total_return",
    "status",
    "created_at",
)
WALK_COLUMNS = ("train_return", "test_return", "trades", "grown")
SWEEP_KEYS = ("place", "symbol")


def add_to(app: Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(backtest, name="backtest", no_args_is_help=True)
    app.add_typer(pairs, name="pairs", no_args_is_help=True)
    app.add_typer(model, name="model", no_args_is_help=True)
    app.command("lookahead")(look_ahead)
    app.command("sweep")(sweep)
    app.command("walk-forward")(walk_forward)
    app.command("new-strategy")(new_strategy)


def look_ahead(
    name: Name,
    bars: Bars = None,
    values: Values = None,
    cuts: Annotated[int, typer.Option(min=1, help="Cuts through the bars.")] = 12,
    data_dir: DataDir = None,
) -> None:
    """Check that a strategy knows no bar that it cannot have seen.

    Example: `trading lookahead momentum_strategy --bars bars.parquet`. Without a file
    it is asked on generated bars. Exit code 9, with bar and column, when it looks
    ahead.
    """
    from trading_system import research

    settings = installation.settings(data_dir)
    strategy = research.strategy_of(settings, name, research.values_of(values or []))
    found, asked = research.peeks(
        strategy, None if bars is None else research.bars_of(bars), cuts
    )
    rows = [
        {
            "question": peek.question,
            "changed": peek.changed,
            "symbol": peek.symbol,
            "timestamp": peek.timestamp,
            "column": peek.column,
            "expected": peek.expected,
            "value": peek.value,
        }
        for peek in found
    ]
    if is_json() or rows:
        show_rows(rows)
    if rows:
        raise typer.Exit(ExitCode.CHECK_FAILED)
    if not is_json():
        symbols = asked["symbol"].n_unique()
        show_text(
            f"{name} does not look ahead: {asked.height} bars of {symbols} symbols, "
            f"cut at {cuts} times."
        )


def sweep(
    name: Name,
    bars: Annotated[Path, typer.Option(help="Parquet or CSV file of bars.")],
    choices: Choices = None,
    best: Annotated[int, typer.Option(min=1, help="How many to show.")] = 20,
    fee_rate: Annotated[float, typer.Option(help="Fees a side, 0.0005 is 5 bp.")] = 0.0,
    slippage: Annotated[float, typer.Option(help="What the price is worse by.")] = 0.0,
    data_dir: DataDir = None,
) -> None:
    """Try every combination of parameters, each symbol with its own cash.

    Example: `trading sweep momentum_strategy --bars bars.parquet --set
    lookback_period=5..100:5`. The best of many tries is luck first: hold it against
    years that it has not seen.
    """
    from trading_core.simulation import columns
    from trading_core.simulation.terms import Terms
    from trading_system import research

    settings = installation.settings(data_dir)
    grid = research.grid_of(settings, name, research.choices_of(choices or []))
    terms = research.checked(Terms, fee_rate=fee_rate, slippage=slippage)
    made = columns.sweep([each for _, each in grid], research.bars_of(bars), terms)
    top = made.sort("final_equity", descending=True, maintain_order=True).head(best)
    show_rows(
        [
            {
                "symbol": row["symbol"],
                **grid[row["place"]][0],
                **{key: row[key] for key in columns.SWEPT if key not in SWEEP_KEYS},
            }
            for row in top.iter_rows(named=True)
        ]
    )


def walk_forward(
    name: Name,
    bars: Annotated[Path, typer.Option(help="Parquet or CSV file of bars.")],
    choices: Choices = None,
    train: Annotated[int, typer.Option(min=1, help="Days to choose on.")] = 365,
    test: Annotated[int, typer.Option(min=1, help="Days to try on.")] = 90,
    anchored: Annotated[
        bool, typer.Option("--anchored", help="Train on everything before the test.")
    ] = False,
    fee_rate: Annotated[float, typer.Option(help="Fees a side, 0.0005 is 5 bp.")] = 0.0,
    slippage: Annotated[float, typer.Option(help="What the price is worse by.")] = 0.0,
    data_dir: DataDir = None,
) -> None:
    """Choose parameters on the past of each window, and try them on what follows.

    Example: `trading walk-forward momentum_strategy --bars bars.parquet --set
    lookback_period=5..100:5 --train 365 --test 90`.
    """
    from trading_core.simulation import walk_forward as walking
    from trading_core.simulation.terms import Terms
    from trading_system import research

    settings = installation.settings(data_dir)
    grid = research.grid_of(settings, name, research.choices_of(choices or []))
    terms = research.checked(Terms, fee_rate=fee_rate, slippage=slippage)
    frame = research.bars_of(bars)
    through = research.checked(
        walking.windows,
        bars=frame,
        train=timedelta(days=train),
        test=timedelta(days=test),
        anchored=anchored,
    )
    made = walking.walk_forward([each for _, each in grid], frame, through, terms)
    show_rows(
        [
            {
                "test_from": row["test_from"],
                "until": row["until"],
                **grid[row["place"]][0],
                **{name: row[name] for name in WALK_COLUMNS},
            }
            for row in made.iter_rows(named=True)
        ]
    )


def new_strategy(
    name: Annotated[str, typer.Argument(help="Small letters, digits, underscores.")],
    folder: Annotated[
        Path, typer.Option("--dir", help="Where to write it; STRATEGY_DIRS names it.")
    ] = Path("."),
) -> None:
    """Write the file of a new strategy that runs as it stands.

    Example: `trading new-strategy my_strategy --dir strategies`.
    """
    from trading_system import research

    path = research.new_strategy(name, folder)
    show_text(
        f"Wrote {path}. Next: `trading lookahead {name}` with STRATEGY_DIRS.",
        path=str(path),
    )


@pairs.command("discover")
def discover_pairs(
    bars: Annotated[Path, typer.Option(help="Parquet or CSV file of bars.")],
    symbols: Annotated[
        list[str] | None, typer.Option("--symbol", help="May be repeated.")
    ] = None,
    formation: Annotated[
        float, typer.Option(help="Part of the bars that pairs are found on.")
    ] = 0.7,
    level: Annotated[float, typer.Option(help="Level: 0.01, 0.05 or 0.1.")] = 0.05,
    best: Annotated[int, typer.Option(min=1, help="How many to show.")] = 20,
) -> None:
    """Test which pairs are cointegrated, and hold them against later bars.

    Example: `trading pairs discover --bars bars.parquet`. `adjusted` is the p-value
    after all the tests that were made; what passes goes into `pairs` of
    `pairs_strategy`.
    """
    import polars as pl

    from trading_system import pair_discovery, research

    frame = research.bars_of(bars)
    if symbols:
        frame = frame.filter(pl.col("symbol").is_in([s.upper() for s in symbols]))
    show_rows(pair_discovery.discover(frame, formation, level)[:best])


@model.command("train")
def train_model(
    strategy: Name,
    bars: Annotated[Path, typer.Option(help="Parquet or CSV file of bars.")],
    name: Annotated[str, typer.Option(help="What to call the model.")],
    folder: Annotated[
        Path, typer.Option("--dir", help="Where to write it; STRATEGY_DIRS names it.")
    ] = Path("."),
    values: Values = None,
    train: Annotated[int, typer.Option(min=1, help="Days to train on.")] = 730,
    test: Annotated[int, typer.Option(min=1, help="Days that a fit answers.")] = 180,
    anchored: Annotated[
        bool, typer.Option("--anchored", help="Train on everything before the test.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the trees' random halves.")] = 0,
    data_dir: DataDir = None,
) -> None:
    """Train a model by walking forward, and show how each step did on its test.

    Example: `trading model train classifier_strategy --bars bars.parquet --name spring
    --dir strategies`. A log loss above that of the base rate foretells nothing.
    """
    from trading_system import model_training, research

    settings = installation.settings(data_dir)
    kind = research.strategy_of(settings, strategy, research.values_of(values or []))
    made = model_training.train(
        kind,
        research.bars_of(bars),
        name,
        timedelta(days=train),
        timedelta(days=test),
        anchored,
        seed,
    )
    path = model_training.write(made, folder)
    show_rows([_fit_shown(each) for each in made.fits])
    if not is_json():
        show_text(f"Wrote {path}, hash {made.hash}.")


@model.command("list")
def list_models(data_dir: DataDir = None) -> None:
    """Show the models in the folders of STRATEGY_DIRS.

    Example: `trading model list`.
    """
    from trading_system import plugins

    settings = installation.settings(data_dir)
    found, _ = plugins.models_in(settings.strategy_dirs)
    show_rows(
        [
            {
                "name": each.name,
                "strategy": each.strategy,
                "hash": each.hash,
                "fits": len(each.fits),
                "first": each.training.first,
                "last": each.training.last,
                "data_hash": each.training.data_hash,
                "path": str(path),
            }
            for path, each in found.items()
        ]
    )


def _fit_shown(fit: Any) -> dict[str, Any]:
    scores = None if fit.scores is None else fit.scores.model_dump()
    names = ("rows", "log_loss", "log_loss_of_base_rate", "accuracy", "auc")
    return {
        "valid_from": fit.valid_from,
        "trained_from": fit.trained_from,
        "trained_until": fit.trained_until,
        "trained_rows": fit.rows,
        **{f"test_{name}": scores and scores[name] for name in names},
    }


@backtest.command("run")
def run_backtest(
    name: Name,
    values: Values = None,
    start: Day = None,
    end: Day = None,
    symbols: Annotated[
        list[str] | None, typer.Option("--symbol", help="May be repeated.")
    ] = None,
    feed: Annotated[
        str | None, typer.Option(help="Of other bars: `import` for imported ones.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until it has ended.")
    ] = True,
    data_dir: DataDir = None,
) -> None:
    """Run a strategy over stored bars; the result is kept.

    Example: `trading backtest run momentum_strategy --set threshold=0.01 --start
    2024-01-02`. Exit code 9 when it fails, 124 when it does not end within `--timeout`.
    """
    from trading_system import research

    asked = {
        "strategy": name,
        "parameters": [research.values_of(values or [])],
        "start": None if start is None else start.date().isoformat(),
        "end": None if end is None else end.date().isoformat(),
        "symbols": [symbol.upper() for symbol in symbols] if symbols else None,
        "feed": feed,
    }
    flow_commands.start_and_show("run_backtest", asked, wait, data_dir)


@backtest.command("list")
def list_backtests(data_dir: DataDir = None) -> None:
    """Show the backtests that were kept, newest first.

    Example: `trading backtest list`.
    """
    with installation.services(data_dir) as services:
        found = services.analytics.backtests()
    show_views(found, BACKTEST_COLUMNS)


@backtest.command("show")
def show_backtest(
    identifier: Annotated[str, typer.Argument(metavar="ID")],
    data_dir: DataDir = None,
) -> None:
    """Show what came out of one backtest, and from what.

    Example: `trading backtest show ID`.
    """
    with installation.services(data_dir) as services:
        found = services.analytics.backtest(identifier)
    show_rows(_figures([found]), document=found)


@backtest.command("compare")
def compare_backtests(
    identifiers: Annotated[list[str], typer.Argument(metavar="ID...")],
    data_dir: DataDir = None,
) -> None:
    """Show backtests side by side: what differs in what was asked, and every figure.

    Example: `trading backtest compare ID ID`.
    """
    with installation.services(data_dir) as services:
        found = [services.analytics.backtest(each) for each in identifiers]
    show_rows(_figures(found), document=found)


@backtest.command("cancel")
def cancel_backtest(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="As `run` shows it.")],
    data_dir: DataDir = None,
) -> None:
    """Ask for a running backtest to be stopped.

    Example: `trading backtest cancel RUN`.
    """
    flow_commands.prefect(data_dir).cancel(run_id)
    show_text(f"{run_id} is asked to stop.", run_id=run_id)


def _figures(found: list[BacktestView]) -> list[dict[str, Any]]:
    """Return a row a figure, with a column a backtest."""
    heads = [f"{each.strategy} {str(each.backtest_id)[:8]}" for each in found]
    described: list[dict[str, Any]] = [
        {
            "period": f"{each.period_start} to {each.period_end}",
            "symbols": ", ".join(each.symbols),
            **each.parameters,
            "trades": each.trades,
            **{metric.name: metric.value for metric in each.metrics},
        }
        for each in found
    ]
    names = dict.fromkeys(name for each in described for name in each)
    return [
        {
            "figure": name,
            **{
                head: each.get(name)
                for head, each in zip(heads, described, strict=True)
            },
        }
        for name in names
    ]
