from pathlib import Path

import pytest

from trading_system.config.settings import Settings
from trading_system.errors import Invalid
from trading_system.runtime import planning
from trading_system.runtime.component import Component
from trading_system.runtime.data_directory import DataDirectory
from trading_system.runtime.planning import Options
from trading_system.runtime.ports import free_port

pytestmark = pytest.mark.unit


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("TRADING_ENV_FILE", "")
    return Settings(trading_data_dir=tmp_path)


@pytest.fixture
def place(tmp_path: Path) -> DataDirectory:
    return DataDirectory(tmp_path)


def options(seed: int | None = None, replay: Path | None = None) -> Options:
    return Options(port_base=free_port(), seed=seed, replay=replay)


def test_a_market_goes_on_with_the_seed_it_was_made_with(
    settings: Settings, place: DataDirectory
) -> None:
    first = planning.make_plan(settings, options(seed=42), place)
    again = planning.make_plan(settings, options(), place)
    assert first.stamp.source == again.stamp.source == "seed 42"


@pytest.mark.parametrize(
    ("speed", "words"),
    [
        ("60", "trading at speed 60: mode simulated, seed 3"),
        ("max", "trading as fast as it can: mode simulated, seed 3"),
    ],
)
def test_a_start_says_whose_market_it_trades_and_how_fast(
    settings: Settings, place: DataDirectory, speed: str, words: str
) -> None:
    asked = settings.model_copy(update={"simulation_speed": speed})
    plan = planning.make_plan(asked, options(seed=3), place)
    assert plan.words() == words


def test_a_replay_has_no_seed(
    settings: Settings, place: DataDirectory, tmp_path: Path
) -> None:
    bars = tmp_path / "bars.csv"
    bars.write_text("bars")
    with pytest.raises(Invalid, match="--seed"):
        planning.make_plan(settings, options(seed=1, replay=bars), place)


def test_servers_of_ones_own_are_not_started(
    settings: Settings, place: DataDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trading_system.runtime.databases.require_server", print)
    monkeypatch.setattr("trading_system.runtime.valkey.require_server", print)
    own = settings.model_copy(
        update={
            "postgres_url": "postgresql://ann:pw@127.0.0.1:5432/trading_system",
            "redis_url": "redis://127.0.0.1:6379/0",
            "prefect_api_url": "https://prefect.example",
        }
    )
    plan = planning.make_plan(own, options(), place)
    names = {unit.name for unit in plan.units()}
    assert not names & {"postgres", "valkey", "prefect"}
    assert {"databases", "migrations", "exchange", "account", "gateway"} <= names
    assert plan.environments.prefect_url == "https://prefect.example"


def test_prefects_port_is_the_one_that_its_address_names(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The default ports may be another stack's.
    monkeypatch.setattr("trading_system.runtime.ports.require_free", dict)
    port = free_port()
    address = f"http://localhost:{port}"
    plan = planning._ports(
        settings.model_copy(update={"prefect_api_url": address}), Options(), False
    )
    assert plan.prefect == port


def test_no_secret_stands_on_a_command_line(
    settings: Settings, place: DataDirectory
) -> None:
    plan = planning.make_plan(settings, options(), place)
    commands = " ".join(
        word
        for unit in plan.units()
        if isinstance(unit, Component)
        for word in unit.command
    )
    made = plan.secrets
    for secret in (made.postgres, made.valkey, made.prefect, made.exchange_control):
        assert secret.get_secret_value() not in commands
    assert made.exchange_secret.get_secret_value() not in commands
