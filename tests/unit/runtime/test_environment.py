import json
from pathlib import Path

import pytest

from trading_system.config.settings import Settings
from trading_system.runtime.data_directory import DataDirectory
from trading_system.runtime.environment import Environments
from trading_system.runtime.ports import Ports
from trading_system.runtime.secrets import Secrets
from trading_system.vocabulary import ServiceName

pytestmark = pytest.mark.unit


@pytest.fixture
def environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environments:
    monkeypatch.setenv("TRADING_ENV_FILE", "")
    monkeypatch.setenv("PREFECT_PROFILE", "mine")
    monkeypatch.setenv("PGPASSWORD", "shell")
    settings = Settings(
        trading_mode="paper",
        trading_data_dir=tmp_path,
        alpaca_api_key="broker-key",
        alpaca_secret_key="broker-secret",
        smtp_password="mail-secret",
    )
    return Environments(
        settings=settings,
        place=DataDirectory(tmp_path),
        ports=Ports.plan(9000),
        secrets=Secrets.open(tmp_path / "secrets.json"),
        owner_url="postgresql://owner:owner-secret@127.0.0.1:9009/trading_system",
        redis_url="redis://:valkey-secret@127.0.0.1:9010/0",
        prefect_database_url="postgresql://p:prefect-secret@127.0.0.1:9009/prefect",
        prefect_url="http://127.0.0.1:9007",
    )


def everyone(environments: Environments) -> dict[str, dict[str, str]]:
    return {name.value: environments.service(name) for name in ServiceName} | {
        "gateway": environments.gateway(),
        "flows": environments.flows(),
        "prefect": environments.prefect(),
        "exchange": environments.exchange(),
        "preparation": environments.preparation(),
    }


def holders(environments: Environments, secret: str) -> set[str]:
    return {
        name
        for name, variables in everyone(environments).items()
        if any(secret in value for value in variables.values())
    }


def test_each_child_gets_only_its_own_secrets(environments: Environments) -> None:
    secrets = environments.secrets
    brokers = {"ingestion", "execution", "exchange"}
    assert holders(environments, "broker-key") == brokers
    assert holders(environments, "broker-secret") == brokers
    assert holders(environments, "mail-secret") == {"notification"}
    assert holders(environments, "owner-secret") == {"preparation"}
    assert holders(environments, "prefect-secret") == {"prefect"}
    services = {name.value for name in ServiceName}
    assert holders(environments, "valkey-secret") == services | {"gateway"}
    assert holders(environments, secrets.session.get_secret_value()) == {"gateway"}
    control = secrets.exchange_control.get_secret_value()
    assert holders(environments, control) == {"exchange"}
    for name in ServiceName:
        assert holders(environments, secrets.token(name)) == {name.value}
        password = secrets.role_password(f"trading_{name}")
        assert holders(environments, password) == {name.value}
    for caller in ("cli", "conductor"):
        assert holders(environments, secrets.token(caller)) == set()


def test_nothing_of_the_shell_changes_what_a_child_does(
    environments: Environments,
) -> None:
    for variables in everyone(environments).values():
        assert "PREFECT_PROFILE" not in variables
        assert "PGPASSWORD" not in variables


def test_prefect_is_told_where_its_home_is_and_to_keep_quiet(
    environments: Environments, tmp_path: Path
) -> None:
    for name in (*ServiceName, "gateway", "flows", "prefect"):
        variables = everyone(environments)[name]
        assert variables["PREFECT_API_URL"] == "http://127.0.0.1:9007/api"
        assert variables["PREFECT_HOME"] == str(tmp_path / "prefect")
        assert variables["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
        assert variables["DO_NOT_TRACK"] == "1"


def test_children_read_settings_that_agree_with_ours(
    environments: Environments, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environments.service(ServiceName.EXECUTION).items():
        monkeypatch.setenv(name, value)
    child = Settings()
    assert child.trading_mode == environments.settings.trading_mode
    assert child.service_urls["risk"] == "http://127.0.0.1:9004"
    assert child.alpaca_secret_key.get_secret_value() == "broker-secret"
    assert child.postgres_url.startswith("postgresql://trading_execution:")
    callers = {grant.caller for grant in child.service_token_hashes.values()}
    assert {"gateway", "flows", "cli"} <= callers


def test_one_role_serves_all_when_roles_are_off(environments: Environments) -> None:
    off = environments.settings.model_copy(update={"database_roles": "off"})
    alone = Environments(**vars(environments) | {"settings": off})
    assert alone.service(ServiceName.RISK)["POSTGRES_URL"] == alone.owner_url
    assert json.loads(alone.service(ServiceName.RISK)["SERVICE_URLS"])
