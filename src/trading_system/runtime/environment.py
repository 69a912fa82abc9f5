"""What each child process is told: everything it needs, and no other's secrets."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass

from trading_system.config.settings import Settings
from trading_system.runtime import urls
from trading_system.runtime.component import shared_environment
from trading_system.runtime.data_directory import DataDirectory
from trading_system.runtime.databases import role_of
from trading_system.runtime.ports import Ports
from trading_system.runtime.secrets import Secrets
from trading_system.vocabulary import ServiceName, TradingMode

TALKS_TO_THE_BROKER = (ServiceName.INGESTION, ServiceName.EXECUTION)

UNHURRIED_PREFECT = {
    "PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY": "PT1M",
    **{
        f"PREFECT_SERVER_SERVICES_{service}_LOOP_SECONDS": "60"
        for service in (
            "CANCELLATION_CLEANUP",
            "CLEANUP_RECONCILER",
            "FOREMAN",
            "LATE_RUNS",
            "PAUSE_EXPIRATIONS",
            "REPOSSESSOR",
        )
    },
    "PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS": "30",
}
"""Prefect's own rounds, most of them every five seconds by default.

They see to thousands of runs of many people; here they are most of what a server costs
in which hardly anything happens.
"""


def local(port: int) -> str:
    """Return the address of a port on this machine."""
    return f"http://127.0.0.1:{port}"


@dataclass(frozen=True)
class Environments:
    """Writes the environment of every child of one stack."""

    settings: Settings
    place: DataDirectory
    ports: Ports
    secrets: Secrets
    owner_url: str
    redis_url: str
    prefect_database_url: str
    prefect_url: str

    @property
    def is_simulated(self) -> bool:
        """Whether the stack trades on its own exchange."""
        return self.settings.trading_mode is TradingMode.SIMULATED

    @property
    def exchange_url(self) -> str:
        """Where the paper exchange answers."""
        return local(self.ports.exchange)

    @property
    def service_urls(self) -> Mapping[str, str]:
        """Where the services answer."""
        return {name: local(port) for name, port in self.ports.services.items()}

    def service(self, name: ServiceName) -> dict[str, str]:
        """Return the environment of one of the six services."""
        environment = (
            self._everyone()
            | self._prefect_client()
            | {
                "POSTGRES_URL": self.database_url(name),
                "REDIS_URL": self.redis_url,
                "SERVICE_TOKEN": self.secrets.token(name),
                "SERVICE_TOKEN_HASHES": self.secrets.token_hashes(),
            }
        )
        if name in TALKS_TO_THE_BROKER:
            environment |= self.broker_keys()
        if name is ServiceName.NOTIFICATION:
            environment |= self._mail()
        return environment

    def database_url(self, service: str) -> str:
        """Return the database as a service sees it: signed in with its own role."""
        if self.settings.database_roles == "off":
            return self.owner_url
        role = role_of(service)
        return urls.with_user(self.owner_url, role, self.secrets.role_password(role))

    def flows(self) -> dict[str, str]:
        """Return the environment of the flows runner and of every run it starts."""
        return (
            self._everyone()
            | self._prefect_client()
            | self._prefect_sign_in()
            | {
                "SERVICE_TOKEN": self.secrets.token("flows"),
            }
        )

    def gateway(self) -> dict[str, str]:
        """Return the environment of the dashboard's server."""
        return (
            self._everyone()
            | self._prefect_client()
            | self._prefect_sign_in()
            | {
                "REDIS_URL": self.redis_url,
                "SERVICE_TOKEN": self.secrets.token("gateway"),
                "SERVICE_TOKEN_HASHES": self.secrets.token_hashes(),
                "SESSION_SECRET": self.secrets.session.get_secret_value(),
            }
        )

    def prefect(self) -> dict[str, str]:
        """Return the environment of the Prefect server."""
        return (
            shared_environment()
            | self._prefect_client()
            | {
                "PREFECT_SERVER_API_AUTH_STRING": self.secrets.prefect_auth,
                "PREFECT_SERVER_DATABASE_CONNECTION_URL": urls.with_driver(
                    self.prefect_database_url, "asyncpg"
                ),
                "PREFECT_SERVER_DATABASE_SQLALCHEMY_POOL_SIZE": "3",
                "PREFECT_SERVER_API_HOST": "127.0.0.1",
                "PREFECT_SERVER_API_PORT": str(self.ports.prefect),
                "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
                "PREFECT_UI_API_URL": f"{self.prefect_url}/api",
            }
            | UNHURRIED_PREFECT
        )

    def exchange(self) -> dict[str, str]:
        """Return the environment of the paper exchange."""
        control = self.secrets.exchange_control.get_secret_value()
        token = {"EXCHANGE_CONTROL_TOKEN": control}
        return shared_environment() | self.broker_keys() | token

    def preparation(self) -> dict[str, str]:
        """Return the environment of the process that migrates the database."""
        return self._everyone() | {"POSTGRES_URL": self.owner_url}

    def broker_keys(self) -> dict[str, str]:
        """Return the credentials of the account that is traded."""
        settings, secrets = self.settings, self.secrets
        simulated = self.is_simulated
        key = secrets.exchange_key if simulated else settings.alpaca_api_key
        secret = secrets.exchange_secret if simulated else settings.alpaca_secret_key
        return {
            "ALPACA_API_KEY": key.get_secret_value(),
            "ALPACA_SECRET_KEY": secret.get_secret_value(),
        }

    def _everyone(self) -> dict[str, str]:
        settings = self.settings
        return (
            shared_environment()
            | self._market()
            | {
                "TRADING_MODE": settings.trading_mode.value,
                "TRADING_DATA_DIR": str(self.place.root),
                # The owner's file holds more than a child may know.
                "TRADING_ENV_FILE": "",
                "DATABASE_ROLES": settings.database_roles,
                "LOG_LEVEL": settings.log_level,
                "LOG_RETENTION_DAYS": str(settings.log_retention_days),
                "SERVICE_URLS": json.dumps(dict(self.service_urls)),
                "SIMULATION_FILL_MODEL": settings.simulation_fill_model,
                "SIMULATION_SPEED": settings.simulation_speed,
                "STRATEGIES_FILE": str(settings.strategies_file.absolute()),
                "STRATEGY_DIRS": os.pathsep.join(
                    str(folder.absolute()) for folder in settings.strategy_dirs
                ),
            }
        )

    def _market(self) -> dict[str, str]:
        settings = self.settings
        if self.is_simulated:
            stream = self.exchange_url.replace("http", "ws", 1) + "/stream"
            return {
                "ALPACA_BASE_URL": self.exchange_url,
                "ALPACA_DATA_URL": self.exchange_url,
                "ALPACA_STREAM_URL": stream,
                "ALPACA_FEED": settings.alpaca_feed,
            }
        return {
            "ALPACA_BASE_URL": settings.alpaca_base_url,
            "ALPACA_DATA_URL": settings.alpaca_data_url,
            "ALPACA_STREAM_URL": settings.alpaca_stream_url,
            "ALPACA_FEED": settings.alpaca_feed,
        }

    def _mail(self) -> dict[str, str]:
        settings = self.settings
        return {
            "SMTP_HOST": settings.smtp_host,
            "SMTP_PORT": str(settings.smtp_port),
            "SMTP_USERNAME": settings.smtp_username,
            "SMTP_PASSWORD": settings.smtp_password.get_secret_value(),
            "SMTP_FROM": settings.smtp_from,
            "ALERT_EMAIL_TO": settings.alert_email_to,
        }

    def _prefect_client(self) -> dict[str, str]:
        # Prefect reads profiles in the home directory and `.env` files: these win.
        return {
            "PREFECT_API_URL": f"{self.prefect_url}/api",
            "PREFECT_HOME": str(self.place.prefect),
            "PREFECT_PROFILES_PATH": str(self.place.prefect / "profiles.toml"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
            "PREFECT_RUNNER_POLL_FREQUENCY": self._poll_frequency,
        }

    @property
    def _poll_frequency(self) -> str:
        """Seconds between two looks for runs that are due: fewer when hours fly by."""
        speed = self.settings.simulation_speed
        hurried = self.is_simulated and (speed == "max" or float(speed) > 1)
        return "2" if hurried else "5"

    def _prefect_sign_in(self) -> dict[str, str]:
        return {"PREFECT_API_AUTH_STRING": self.secrets.prefect_auth}
