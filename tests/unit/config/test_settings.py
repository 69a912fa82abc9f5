import os
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from trading_system.config.settings import Settings
from trading_system.errors import Misconfigured
from trading_system.vocabulary import ServiceName, TradingMode

pytestmark = pytest.mark.unit

KEYS = {"ALPACA_API_KEY": "PKTESTTEST", "ALPACA_SECRET_KEY": "very-secret-indeed"}


@pytest.fixture(autouse=True)
def directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty working directory, and nothing of ours in the environment."""
    names = {name.upper() for name in Settings.model_fields} | {"TRADING_ENV_FILE"}
    for name in list(os.environ):
        if name.upper() in names:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(directory: Path, text: str) -> None:
    (directory / ".env").write_text(text, encoding="utf-8")


def complaint() -> str:
    with pytest.raises(Misconfigured) as refused:
        Settings()
    return str(refused.value)


def test_names_and_defaults_are_those_of_the_design_document() -> None:
    settings = Settings()

    assert settings.alpaca_base_url == "https://paper-api.alpaca.markets"
    assert settings.prefect_api_url == "http://localhost:4200"
    assert settings.log_level == "INFO"
    assert settings.log_retention_days == 30
    assert {"postgres_url", "redis_url", "alpaca_api_key", "alpaca_secret_key"} <= set(
        Settings.model_fields
    )


def test_without_any_setting_the_market_is_simulated() -> None:
    settings = Settings()

    assert settings.trading_mode is TradingMode.SIMULATED
    assert not settings.has_alpaca_keys
    assert settings.trading_data_dir.name == "simulated"
    assert set(settings.service_urls) == {name.value for name in ServiceName}
    assert settings.strategies_file.is_file()


def test_every_setting_has_a_description_and_a_group() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert isinstance(field.json_schema_extra, dict) and (
            field.json_schema_extra["group"]
        ), name


def test_the_environment_goes_before_the_file(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(directory, "LOG_LEVEL=DEBUG\nLOG_RETENTION_DAYS=7\n")
    monkeypatch.setenv("LOG_LEVEL", "warning")

    settings = Settings()

    assert settings.log_level == "WARNING"
    assert settings.log_retention_days == 7


def test_a_child_process_sees_only_what_it_was_given(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(directory, "TRADING_MODE=paper\nALPACA_API_KEY=a\nALPACA_SECRET_KEY=b\n")
    monkeypatch.setenv("TRADING_ENV_FILE", "")

    assert not Settings().has_alpaca_keys


def test_a_named_file_that_is_missing_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRADING_ENV_FILE", "none.env")

    assert "none.env" in complaint()


def test_settings_do_not_change() -> None:
    settings = Settings()

    with pytest.raises(ValidationError, match="frozen"):
        settings.log_level = "DEBUG"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ALPACA_API_KY", "ALPACA_API_KEY"),
        ("APCA_API_KEY_ID", "ALPACA_API_KEY"),
        ("ALPACA_SECRET", "ALPACA_SECRET_KEY"),
        ("POSTGRESQL_URL", "POSTGRES_URL"),
        ("DATABASE_URL", "POSTGRES_URL"),
        ("REDIS_ULR", "REDIS_URL"),
        ("LOGLEVEL", "LOG_LEVEL"),
        ("LOG_RETENTION", "LOG_RETENTION_DAYS"),
        ("TRADING_MOD", "TRADING_MODE"),
        ("PREFECT_API_ULR", "PREFECT_API_URL"),
        ("STRATEGY_FILE", "STRATEGIES_FILE"),
    ],
)
def test_a_name_in_the_file_that_looks_like_ours_is_an_error(
    directory: Path, name: str, meant: str
) -> None:
    write(directory, f"# mine\nLOG_LEVEL=INFO\n{name}=x\n")

    assert complaint() == (
        f"{name} in .env, line 3 is not a setting: did you mean {meant}?"
    )


@pytest.mark.parametrize("name", ["ALPACA_API_KY", "trading_mod", "POSTGRES_URLS"])
def test_a_variable_that_looks_like_ours_is_an_error(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "x")

    message = complaint()

    assert message.startswith(f"{name} in the environment is not a setting")
    assert "did you mean" in message


@pytest.mark.parametrize(
    "name",
    [
        "PREFECT_HOME",
        "PREFECT_API_KEY",
        "POSTGRES_USER",
        "POSTGRES_PASSWORD",
        "REDIS_HOST",
        "DATABASE_URL",
        "SERVICE_ACCOUNT",
        "PGHOST",
        "HOME",
    ],
)
def test_the_variables_of_other_programs_are_left_alone(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "x")

    assert Settings().trading_mode is TradingMode.SIMULATED


@pytest.mark.parametrize("name", ["PREFECT_LOGGING_LEVEL", "COMPOSE_PROJECT_NAME"])
def test_the_file_may_hold_other_programs_names(directory: Path, name: str) -> None:
    write(directory, f"{name}=x\n")

    assert Settings().trading_mode is TradingMode.SIMULATED


def test_an_empty_value_means_the_default(directory: Path) -> None:
    write(directory, "LOG_RETENTION_DAYS=\nPOSTGRES_URL=\nALPACA_API_KEY=\n")

    assert Settings().log_retention_days == 30


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:4200",
        "http://127.0.0.1:4200/",
        "http://127.0.0.1:4200/api",
        "http://127.0.0.1:4200/api/",
    ],
)
def test_prefect_is_found_with_and_without_api(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", url)

    assert Settings().prefect_api == "http://127.0.0.1:4200/api"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (KEYS, "There are Alpaca keys but no TRADING_MODE"),
        ({"ALPACA_API_KEY": "a", "TRADING_MODE": "paper"}, "come as a pair"),
        ({**KEYS, "TRADING_MODE": "live"}, "TRADING_MODE=live needs ALPACA_BASE_URL="),
        (
            {"TRADING_MODE": "paper", "ALPACA_BASE_URL": "https://api.alpaca.markets"},
            "TRADING_MODE=paper disagrees with ALPACA_BASE_URL",
        ),
        (
            {
                "TRADING_MODE": "simulated",
                "ALPACA_BASE_URL": "https://paper-api.alpaca.markets",
            },
            "TRADING_MODE=simulated disagrees with ALPACA_BASE_URL",
        ),
        (
            {"ALPACA_BASE_URL": "https://api.alpaca.markets"},
            "TRADING_MODE=simulated disagrees with ALPACA_BASE_URL",
        ),
        ({"TRADING_MODE": "real"}, "TRADING_MODE is not usable"),
        ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL is not usable"),
        ({"LOG_RETENTION_DAYS": "0"}, "LOG_RETENTION_DAYS is not usable"),
        ({"SERVICE_URLS": "{"}, "SERVICE_URLS must be JSON"),
        ({"SIMULATION_SPEED": "nan"}, "SIMULATION_SPEED is not usable"),
        ({"SIMULATION_SPEED": "-1"}, "SIMULATION_SPEED is not usable"),
        ({"PREFECT_API_URL": "localhost:4200"}, "PREFECT_API_URL is not usable"),
        ({"POSTGRES_URL": "mysql://h/d"}, "must begin with postgresql://"),
        ({"POSTGRES_URL": "postgresql://db.example/d?sslmode=disable"}, "unencrypted"),
        ({"REDIS_URL": "redis://cache.example:6379/0"}, "write rediss://"),
    ],
)
def test_what_is_wrong_is_one_line(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    message = complaint()

    assert expected in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "environment",
    [
        {**KEYS, "TRADING_MODE": "paper"},
        {
            **KEYS,
            "TRADING_MODE": "live",
            "ALPACA_BASE_URL": "https://api.alpaca.markets/",
        },
        {
            **KEYS,
            "TRADING_MODE": "simulated",
            "ALPACA_BASE_URL": "http://127.0.0.1:8100",
        },
        {"ALPACA_BASE_URL": "https://paper-api.alpaca.markets"},
        {"TRADING_MODE": "PAPER"},
    ],
)
def test_a_mode_that_agrees_with_its_account_is_accepted(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    expected = environment.get("TRADING_MODE", "simulated").lower()
    assert Settings().trading_mode == expected


def test_the_stream_follows_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALPACA_BASE_URL", "http://127.0.0.1:8100")

    assert Settings().alpaca_stream_url == "ws://127.0.0.1:8100/stream"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("postgresql://u:p@localhost/t", "postgresql://u:p@localhost/t"),
        ("postgres://u:p@127.0.0.1:5432/t", "postgresql://u:p@127.0.0.1:5432/t"),
        ("postgresql:///t?host=/run/pg", "postgresql:///t?host=/run/pg"),
        ("postgresql://u@db.example/t", "postgresql://u@db.example/t?sslmode=require"),
        (
            "postgresql://db.example/t?sslmode=verify-full",
            "postgresql://db.example/t?sslmode=verify-full",
        ),
    ],
)
def test_a_database_elsewhere_is_reached_encrypted(
    monkeypatch: pytest.MonkeyPatch, written: str, read: str
) -> None:
    monkeypatch.setenv("POSTGRES_URL", written)

    assert Settings().postgres_url == read


def test_folders_of_strategies_are_written_like_a_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STRATEGY_DIRS", os.pathsep.join(["one", "two"]))

    assert Settings().strategy_dirs == (Path("one"), Path("two"))


def test_an_address_of_one_service_leaves_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SERVICE_URLS", '{"risk": "http://127.0.0.1:9004"}')

    urls = Settings().service_urls

    assert urls["risk"] == "http://127.0.0.1:9004"
    assert urls["execution"] == "http://127.0.0.1:8003"


def test_no_secret_shows_in_a_representation_or_in_a_complaint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secret = "hunter2-hunter2"
    settings = Settings(
        trading_mode=TradingMode.PAPER,
        alpaca_api_key=SecretStr(secret),
        alpaca_secret_key=SecretStr(secret),
        postgres_url=f"postgresql://u:{secret}@localhost/t",
        redis_url=f"redis://:{secret}@localhost:6379/0",
        service_token=SecretStr(secret),
        smtp_password=SecretStr(secret),
    )
    assert secret not in repr(settings)
    assert secret not in str(settings)

    monkeypatch.setenv("POSTGRES_URL", f"mysql://u:{secret}@localhost/t")
    with pytest.raises(Misconfigured) as refused:
        Settings()
    assert secret not in str(refused.value)
    assert refused.value.__cause__ is None
