from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from trading_system.config import strategies
from trading_system.config.shipped import shipped
from trading_system.errors import Misconfigured

pytestmark = pytest.mark.unit

BLOCK = """\
strategies:
  - name: "momentum_strategy"
    enabled: true
    parameters:
      lookback_period: 20
      threshold: 0.02
      max_position_size: 0.1
    risk_limits:
      max_drawdown: 0.05
      max_daily_loss: 0.02
"""


class MomentumParameters(BaseModel):
    model_config = ConfigDict(extra="forbid")

    lookback_period: int = Field(20, ge=1)
    threshold: float = 0.02
    max_position_size: float = 0.1


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "strategies.yaml"
    path.write_text(BLOCK, encoding="utf-8")
    return path


def change(path: Path, old: str, new: str) -> Path:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


def complaint(path: Path) -> str:
    with pytest.raises(Misconfigured) as refused:
        strategies.load(path)
    return str(refused.value)


def test_the_block_of_the_design_document_is_read_as_written(file: Path) -> None:
    (block,) = strategies.load(file).enabled

    assert block.name == "momentum_strategy"
    assert block.parameters == {
        "lookback_period": 20,
        "threshold": 0.02,
        "max_position_size": 0.1,
    }
    assert block.risk_limits.max_drawdown == Decimal("0.05")
    assert block.risk_limits.max_daily_loss == Decimal("0.02")


def test_the_file_that_comes_with_the_code_holds_that_block() -> None:
    text = shipped("config/strategies.yaml").read_text(encoding="utf-8")

    assert BLOCK in text
    assert strategies.load(shipped("config/strategies.yaml")).enabled


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("enabled", "enabeld", "line 3: enabeld is not a word of this file: "),
        ("enabled", "enabeld", "did you mean enabled?"),
        ("max_drawdown", "max_drawdwon", "line 9: max_drawdwon is not"),
        ("max_drawdown", "max_drawdwon", "did you mean max_drawdown?"),
        ("strategies:", "strategy:", "line 1: strategy is not a word of this file"),
        ("max_daily_loss: 0.02", "max_daily_loss: 2", "line 10: max_daily_loss: "),
        ("max_daily_loss: 0.02", "max_daily_loss: .nan", "line 10: max_daily_loss: "),
        ("max_daily_loss: 0.02", "max_daily_loss: -0.1", "line 10: max_daily_loss: "),
        ("enabled: true", 'enabled: "yes"', "line 3: enabled: "),
        ('name: "momentum_strategy"', 'name: ""', "line 2: name: "),
        ("threshold: 0.02", "lookback_period: 5", "lookback_period is there twice"),
        ("enabled: true", "enabled: [true", "this is not YAML"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(
    file: Path, old: str, new: str, expected: str
) -> None:
    message = complaint(change(file, old, new))

    assert expected in message
    assert str(file) in message


def test_a_misspelt_parameter_is_refused_by_the_strategy_it_belongs_to(
    file: Path,
) -> None:
    loaded = strategies.load(change(file, "lookback_period", "lookback_perod"))

    with pytest.raises(Misconfigured) as refused:
        loaded.parameters(loaded.strategies[0], MomentumParameters)

    assert str(refused.value) == (
        f"{file}, line 5: lookback_perod is not a parameter of momentum_strategy: "
        "did you mean lookback_period?"
    )


def test_a_parameter_out_of_range_is_said_with_its_line(file: Path) -> None:
    loaded = strategies.load(change(file, "lookback_period: 20", "lookback_period: 0"))

    with pytest.raises(Misconfigured, match="line 5: lookback_period: .*greater"):
        loaded.parameters(loaded.strategies[0], MomentumParameters)


def test_good_parameters_come_back_typed(file: Path) -> None:
    loaded = strategies.load(file)

    parameters = loaded.parameters(loaded.strategies[0], MomentumParameters)

    assert parameters == MomentumParameters()


def test_a_strategy_that_no_plugin_declares_is_refused(file: Path) -> None:
    loaded = strategies.load(change(file, "momentum_strategy", "momentun_strategy"))

    with pytest.raises(Misconfigured, match="line 2: .*mean momentum_strategy"):
        loaded.refuse_unknown(["momentum_strategy", "mean_reversion"])


def test_two_blocks_of_one_name_are_refused(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    file.write_text(text + '  - name: "momentum_strategy"\n', encoding="utf-8")

    assert "line 11: momentum_strategy has a block already" in complaint(file)


@pytest.mark.parametrize("text", ["", "# nothing\n", "[]\n", "strategies: 3\n"])
def test_a_file_without_a_list_of_strategies_is_refused(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")

    assert str(file) in complaint(file)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    message = complaint(tmp_path / "none.yaml")

    assert "cannot be read" in message
    assert "\n" not in message


def test_a_disabled_strategy_does_not_run(file: Path) -> None:
    loaded = strategies.load(change(file, "enabled: true", "enabled: false"))

    assert loaded.enabled == ()
    assert loaded.block("momentum_strategy") is not None
