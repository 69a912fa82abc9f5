"""How a program of ours reaches what runs: services, databases, cache."""

from pydantic import SecretStr

from trading_system.config.settings import Settings
from trading_system.runtime.data_directory import DataDirectory
from trading_system.runtime.own_servers import prefect_database_url
from trading_system.runtime.postgres import PostgresServer
from trading_system.runtime.provision import Databases
from trading_system.runtime.run_file import Run
from trading_system.runtime.secrets import Secrets
from trading_system.runtime.valkey import ValkeyServer

CONDUCTOR = "conductor"


def settings_of(
    settings: Settings, run: Run, secrets: Secrets, caller: str
) -> Settings:
    """Return settings with the addresses of a run and the token of a caller."""
    update: dict[str, object] = {
        "service_urls": {
            name: url for name, url in run.urls.items() if name in settings.service_urls
        },
        "service_token": SecretStr(secrets.token(caller)),
        "prefect_api_url": run.urls["prefect"],
    }
    if caller == CONDUCTOR:
        update["exchange_control_url"] = run.urls.get("exchange", "")
        update["exchange_control_token"] = secrets.exchange_control
    return settings.model_copy(update=update)


def databases_of(
    settings: Settings, place: DataDirectory, secrets: Secrets, run: Run
) -> Databases:
    """Return the databases of a run."""
    port = run.port_of("postgres")
    server = None
    if port is not None:
        password = secrets.postgres.get_secret_value()
        server = PostgresServer(place.postgres, port, password)
    return Databases(
        secrets,
        server,
        settings.postgres_url,
        prefect_database_url(),
        settings.database_roles == "on",
    )


def redis_url_of(
    settings: Settings, place: DataDirectory, secrets: Secrets, run: Run
) -> str:
    """Return the cache of a run."""
    port = run.port_of("valkey")
    if port is None:
        return settings.redis_url
    return ValkeyServer(place.valkey, port, secrets.valkey.get_secret_value()).url()
