"""Which strategies run, with which parameters and limits: by the file or a person."""

from collections.abc import Mapping
from typing import Any

from loguru import logger

from trading_core.strategy import StrategyError
from trading_strategy.domain.versions import Origin, Setting, Status
from trading_strategy.models import StrategyRow
from trading_strategy.operations.engine import Engine
from trading_strategy.repository import StrategyTransaction
from trading_system.config.strategies import StrategyBlock
from trading_system.contracts.strategy import StrategyChanged
from trading_system.errors import Conflict, Invalid
from trading_system.plugins import Plugin

BY_FILE = "strategies file"


def follow_file(tx: StrategyTransaction, engine: Engine) -> list[str]:
    """Bring what is in force to what the file says; return what changed.

    What a person set is kept, and shown as different from the file. A strategy whose
    own file cannot be taken stays as it is, and takes no other with it.
    """
    tx.take_turn()
    tx.act_as(BY_FILE)
    faulty = _usable(engine)
    changed = []
    for block in engine.file.strategies:
        if block.name in faulty:
            _note_fault(tx, block.name, faulty[block.name])
        else:
            changed += _follow_block(tx, engine, block)
    named = {block.name for block in engine.file.strategies}
    for row in tx.strategies.all():
        if row.name not in named and row.source == Origin.FILE:
            wanted = _with_status(row, Status.DISABLED)
            reason = "it is no longer in the strategies file"
            changed += _apply(tx, row, wanted, Origin.FILE, None, reason, BY_FILE)
    return changed


def setting_of_block(engine: Engine, block: StrategyBlock) -> Setting:
    """Return what the file says of a strategy, its defaults filled in."""
    kind = engine.plugin(block.name).strategy.parameters_type
    parameters = engine.file.parameters(block, kind)
    limits = block.risk_limits.model_dump(exclude_none=True)
    return Setting(
        Status.ENABLED if block.enabled else Status.DISABLED,
        parameters.model_dump(mode="json"),
        {name: float(value) for name, value in limits.items()},
    )


def setting_of_row(row: StrategyRow) -> Setting:
    """Return what is in force."""
    return Setting(Status(row.status), row.parameters, row.risk_limits)


def set_status(
    tx: StrategyTransaction, name: str, status: Status, reason: str, by: str
) -> StrategyRow:
    """Enable, pause or disable a strategy."""
    tx.take_turn()
    row = tx.strategies.get(name)
    wanted = _with_status(row, status)
    _apply(tx, row, wanted, Origin.PERSON, None, reason, by)
    return row


def change_settings(
    tx: StrategyTransaction,
    engine: Engine,
    name: str,
    parameters: Mapping[str, Any],
    risk_limits: Mapping[str, float] | None,
    reason: str,
    by: str,
) -> StrategyRow:
    """Give a strategy other parameters or limits; those not named stay."""
    tx.take_turn()
    row = tx.strategies.get(name)
    kind = engine.plugin(name).strategy
    try:
        configured = kind.configured({**row.parameters, **parameters})
    except StrategyError as error:
        raise Invalid(str(error)) from error
    wanted = Setting(
        Status(row.status),
        configured.parameters.model_dump(mode="json"),
        row.risk_limits if risk_limits is None else dict(risk_limits),
    )
    _apply(tx, row, wanted, Origin.PERSON, None, reason, by)
    return row


def return_to_file(
    tx: StrategyTransaction, engine: Engine, name: str, reason: str, by: str
) -> StrategyRow:
    """Let the file say again what is in force."""
    tx.take_turn()
    row = tx.strategies.get(name)
    block = engine.file.block(name)
    if block is None:
        raise Conflict(f"{engine.file.path} says nothing about {name}.")
    wanted = setting_of_block(engine, block)
    _apply(tx, row, wanted, Origin.FILE, None, reason, by)
    return row


def _usable(engine: Engine) -> dict[str, str]:
    """Return the blocks whose strategy could not be loaded, and why.

    A name that nothing defines is refused at once when no file was left out, for then
    it is misspelt.
    """
    if not engine.plugins.faults:
        engine.file.refuse_unknown(list(engine.plugins.found))
    for fault in engine.plugins.faults:
        logger.error("A strategy file was left out: {}", fault)
    said = "; ".join(str(fault) for fault in engine.plugins.faults)
    return {
        block.name: f"No usable file defines {block.name}. Left out: {said}"
        for block in engine.file.strategies
        if block.name not in engine.plugins.found
    }


def _note_fault(tx: StrategyTransaction, name: str, problem: str) -> None:
    row = tx.strategies.find(name)
    if row is not None and row.last_error != problem:
        row.last_error = problem
    tx.strategies.add_error(name, None, problem)


def _follow_block(
    tx: StrategyTransaction, engine: Engine, block: StrategyBlock
) -> list[str]:
    plugin = engine.plugin(block.name)
    wanted = setting_of_block(engine, block)
    row = tx.strategies.find(block.name)
    if row is None:
        row = _new(tx, plugin, wanted)
        _announce(tx, row, "first start", BY_FILE)
        return [f"{row.name}: new"]
    row.description = plugin.description
    row.warmup = _warmup(plugin, row.parameters)
    if row.source == Origin.FILE:
        reason = "the strategies file changed"
        return _apply(tx, row, wanted, Origin.FILE, plugin, reason, BY_FILE)
    # Set by a person: only the code can be another one.
    return _apply(tx, row, setting_of_row(row), Origin.PERSON, plugin, "", BY_FILE)


def _new(tx: StrategyTransaction, plugin: Plugin, wanted: Setting) -> StrategyRow:
    row = StrategyRow(
        strategy_id=tx.strategies.id_of(plugin.name),
        name=plugin.name,
        version=1,
        parameters=dict(wanted.parameters),
        risk_limits=dict(wanted.risk_limits),
        status=str(wanted.status),
        source=str(Origin.FILE),
        source_hash=plugin.source_hash,
        description=plugin.description,
        warmup=_warmup(plugin, wanted.parameters),
        decides_after=tx.ingested.end(),
    )
    tx.strategies.add(row)
    return row


def _warmup(plugin: Plugin, parameters: Mapping[str, Any]) -> int:
    """Return the warm-up to show, 0 where the strategy cannot tell."""
    try:
        return int(plugin.strategy.configured(parameters).history)
    except Exception as error:  # a user's code; it is told when it must decide
        logger.warning("{} cannot tell its warm-up: {}", plugin.name, error)
        return 0


def _apply(
    tx: StrategyTransaction,
    row: StrategyRow,
    wanted: Setting,
    origin: Origin,
    plugin: Plugin | None,
    reason: str,
    by: str,
) -> list[str]:
    """Put a setting in force as the next version, unless nothing is different."""
    said = setting_of_row(row).differences(wanted)
    if plugin is not None and plugin.source_hash != row.source_hash:
        said.append("its code changed")
        row.source_hash = plugin.source_hash
    if not said and row.source == origin:
        return []
    if row.status == Status.DISABLED and wanted.status is not Status.DISABLED:
        # What came in while it was off is not made up for.
        row.decides_after = tx.ingested.end()
    row.version += 1
    row.parameters = dict(wanted.parameters)
    row.risk_limits = dict(wanted.risk_limits)
    row.status, row.source = str(wanted.status), str(origin)
    summary = "; ".join(said) or "as before"
    _announce(tx, row, f"{reason}: {summary}" if reason else summary, by)
    return [f"{row.name}: {one}" for one in said]


def _announce(tx: StrategyTransaction, row: StrategyRow, reason: str, by: str) -> None:
    tx.strategies.add_version(row, reason, by)
    tx.publish(
        StrategyChanged(
            strategy=row.name,
            version=row.version,
            status=row.status,
            parameters=row.parameters,
            risk_limits=row.risk_limits,
            source=row.source,
            reason=reason,
            by=by,
        )
    )


def _with_status(row: StrategyRow, status: Status) -> Setting:
    return Setting(status, row.parameters, row.risk_limits)
