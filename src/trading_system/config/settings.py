"""Everything that differs between two machines, read from the environment and `.env`.

Settings are read where a process begins (`create`, a flow, a command) and handed
inwards. A child process of `trading up` is given `TRADING_ENV_FILE=` (empty), so that
it sees the variables it was given and not the whole of the owner's file.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from platformdirs import user_data_path
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from trading_system.config.addresses import (
    PostgresAddress,
    PrefectAddress,
    RedisAddress,
    WebAddress,
)
from trading_system.config.names import unknown_in_environment, unknown_in_file
from trading_system.config.shipped import shipped
from trading_system.config.wording import in_plain_words, unreadable
from trading_system.errors import Misconfigured
from trading_system.vocabulary import ServiceName, TradingMode

PAPER_URL = "https://paper-api.alpaca.markets"
LIVE_URL = "https://api.alpaca.markets"
_NOTHING = SecretStr("")


class Grant(BaseModel):
    """Whom a service token belongs to, and what it may do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    caller: str
    scopes: frozenset[str]


def _default_data_dir(values: dict[str, Any]) -> Path:
    mode = values.get("trading_mode", TradingMode.SIMULATED)
    # Under root a place that every account may enter: servers do not run as root.
    folder: Path = (
        user_data_path("trading-system", False, use_site_for_root=True) / mode
    )
    return folder


def _default_stream_url(values: dict[str, Any]) -> str:
    base: str = values.get("alpaca_base_url", PAPER_URL)
    return base.replace("http", "ws", 1) + "/stream"


def _default_service_urls() -> dict[str, str]:
    return {
        name.value: f"http://127.0.0.1:{8001 + place}"
        for place, name in enumerate(ServiceName)
    }


def _setting(default: Any, description: str, group: str, **limits: Any) -> Any:
    about: Any = {"description": description, "json_schema_extra": {"group": group}}
    if callable(default):
        return Field(default_factory=default, **about, **limits)
    return Field(default, **about, **limits)


class Settings(BaseSettings):
    """Everything that differs between two machines."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        # Our check of names knows other programs' variables from misspelt ones.
        extra="ignore",
        frozen=True,
        # A message of pydantic's would repeat a secret that it refuses.
        hide_input_in_errors=True,
    )

    trading_mode: TradingMode = _setting(
        TradingMode.SIMULATED,
        "Whose market is traded: `simulated` (a local exchange, no keys), `paper` "
        "(Alpaca's paper account) or `live` (money).",
        "Market",
    )
    trading_data_dir: Path = _setting(
        _default_data_dir,
        "Where databases, logs, reports and secrets are kept. Default: a folder per "
        "mode in the user's data directory.",
        "Market",
    )
    alpaca_api_key: SecretStr = _setting(
        _NOTHING,
        "Key of the Alpaca account. Not needed in simulated mode.",
        "Alpaca",
    )
    alpaca_secret_key: SecretStr = _setting(
        _NOTHING,
        "Secret of the Alpaca account. Not needed in simulated mode.",
        "Alpaca",
    )
    alpaca_base_url: WebAddress = _setting(
        PAPER_URL,
        "Alpaca's trading API. For money it is `https://api.alpaca.markets`, and "
        "`TRADING_MODE` must say `live`.",
        "Alpaca",
    )
    alpaca_data_url: WebAddress = _setting(
        "https://data.alpaca.markets", "Alpaca's market data API.", "Alpaca"
    )
    alpaca_stream_url: str = _setting(
        _default_stream_url,
        "WebSocket that tells of fills. Default: `/stream` of `ALPACA_BASE_URL`.",
        "Alpaca",
    )
    alpaca_feed: Literal["iex", "sip"] = _setting(
        "iex",
        "Source of bars and quotes: `iex` comes with every account, `sip` (all "
        "exchanges) with a subscription.",
        "Alpaca",
    )
    # Connection addresses may hold a password: they never show in a representation.
    postgres_url: PostgresAddress = _setting(
        "",
        "The `trading_system` database: `postgresql://user:password@host:port/name`. "
        "Left out, `trading up` starts a PostgreSQL of its own. To another machine the "
        "connection is always encrypted.",
        "Database and cache",
        repr=False,
    )
    redis_url: RedisAddress = _setting(
        "",
        "Redis or Valkey, as `redis://host:port/0`, to another machine `rediss://`. "
        "Left out, `trading up` starts one of its own.",
        "Database and cache",
        repr=False,
    )
    database_roles: Literal["on", "off"] = _setting(
        "on",
        "`on`: every service signs in to PostgreSQL with its own role. `off`: all use "
        "the role of `POSTGRES_URL`, for servers where it may not create roles.",
        "Database and cache",
    )
    prefect_api_url: PrefectAddress = _setting(
        "http://localhost:4200",
        "Prefect's server, with or without `/api` at its end.",
        "Prefect",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = _setting(
        "INFO", "The least level that is logged.", "Logging"
    )
    log_retention_days: int = _setting(
        30, "Days that log files and log rows are kept.", "Logging", ge=1, le=3650
    )
    strategies_file: Path = _setting(
        lambda: shipped("config/strategies.yaml"),
        "What runs, with which parameters and limits. Default: the file that comes "
        "with the code.",
        "Strategies",
    )
    strategy_dirs: Annotated[tuple[Path, ...], NoDecode] = _setting(
        (),
        "Folders with strategies of your own, separated by colons, on Windows by "
        "semicolons.",
        "Strategies",
    )
    smtp_host: str = _setting(
        "", "Mail server. Left out, alerts go to the dashboard only.", "Mail"
    )
    smtp_port: int = _setting(587, "Port of the mail server.", "Mail", ge=1, le=65535)
    smtp_username: str = _setting("", "Who signs in to the mail server.", "Mail")
    smtp_password: SecretStr = _setting(
        _NOTHING, "Password for the mail server.", "Mail"
    )
    smtp_from: str = _setting("", "Address that alerts come from.", "Mail")
    alert_email_to: str = _setting(
        "", "Addresses that alerts go to, separated by commas.", "Mail"
    )
    service_urls: dict[str, str] = _setting(
        _default_service_urls,
        "Where the six services answer: JSON, name to address.",
        "Between processes",
    )
    service_token: SecretStr = _setting(
        _NOTHING,
        "The token that this process shows when it asks a service.",
        "Between processes",
        repr=False,
    )
    service_token_hashes: dict[str, Grant] = _setting(
        dict,
        "The tokens that this service accepts: JSON, SHA-256 of the token to caller "
        "and scopes.",
        "Between processes",
        repr=False,
    )
    session_secret: SecretStr = _setting(
        _NOTHING, "Signs the dashboard's cookies.", "Between processes"
    )
    exchange_control_url: WebAddress = _setting(
        "",
        "Where the paper exchange's clock is steered, in simulated mode.",
        "Between processes",
    )
    exchange_control_token: SecretStr = _setting(
        _NOTHING, "The token for steering that clock.", "Between processes"
    )
    simulation_speed: str = _setting(
        "60",
        "Market seconds per second in simulated mode, or `max`.",
        "Between processes",
    )
    simulation_fill_model: Literal["alpaca-paper", "realistic"] = _setting(
        "alpaca-paper",
        "How the simulated exchange fills orders: `alpaca-paper` as the broker's paper "
        "account does, or `realistic` with spread, slippage, size, fees and latency.",
        "Between processes",
    )

    def __init__(self, **values: Any) -> None:
        """Read the environment; say what is wrong with it in one line a problem."""
        known = frozenset(name.upper() for name in type(self).model_fields)
        problems = unknown_in_environment(os.environ, known)
        file = env_file()
        if file is not None:
            written = dotenv_values(file, encoding="utf-8")
            problems += unknown_in_file(file, written, known)
        if problems:
            raise Misconfigured("\n".join(problems))
        try:
            super().__init__(**values, _env_file=file)
        except SettingsError as error:
            raise Misconfigured(unreadable(error)) from None
        except ValidationError as error:
            # Without its cause: it holds the values, and some are secrets.
            raise Misconfigured(in_plain_words(error)) from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read what is handed in, then the environment, then the file."""
        return init_settings, env_settings, dotenv_settings

    @property
    def prefect_api(self) -> str:
        """The address that Prefect itself expects in PREFECT_API_URL."""
        return f"{self.prefect_api_url}/api"

    @property
    def log_dir(self) -> Path:
        """Where each service keeps its log file."""
        return self.trading_data_dir / "logs"

    @property
    def has_alpaca_keys(self) -> bool:
        """Say whether both halves of the Alpaca credentials are there."""
        return bool(self.alpaca_api_key) and bool(self.alpaca_secret_key)

    @field_validator("trading_mode", "log_level", "alpaca_feed", mode="before")
    @classmethod
    def _any_case(cls, value: Any, info: Any) -> Any:
        if not isinstance(value, str):
            return value
        return value.upper() if info.field_name == "log_level" else value.lower()

    @field_validator("strategy_dirs", mode="before")
    @classmethod
    def _like_a_path(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part for part in value.split(os.pathsep) if part)
        return value

    @field_validator("service_urls")
    @classmethod
    def _every_service(cls, value: dict[str, str]) -> dict[str, str]:
        return _default_service_urls() | value

    @field_validator("simulation_speed")
    @classmethod
    def _a_speed(cls, value: str) -> str:
        try:
            positive = value == "max" or 0 < float(value) < float("inf")
        except ValueError:
            positive = False
        if not positive:
            raise ValueError("must be a number above 0, or max")
        return value

    @model_validator(mode="after")
    def _mode_and_account_agree(self) -> Self:
        given = self.model_fields_set
        keys = bool(self.alpaca_api_key) or bool(self.alpaca_secret_key)
        if keys and not self.has_alpaca_keys:
            raise ValueError(
                "ALPACA_API_KEY and ALPACA_SECRET_KEY come as a pair; one is missing"
            )
        if keys and "trading_mode" not in given:
            raise ValueError(
                "There are Alpaca keys but no TRADING_MODE: write TRADING_MODE=paper "
                "to trade that account, or TRADING_MODE=simulated"
            )
        return self._agreeing_with_url(stated="trading_mode" in given)

    def _agreeing_with_url(self, stated: bool) -> Self:
        url, mode = self.alpaca_base_url, self.trading_mode
        host = urlsplit(url).hostname or ""
        of_money = host == urlsplit(LIVE_URL).hostname
        of_alpaca = host == "alpaca.markets" or host.endswith(".alpaca.markets")
        if mode is TradingMode.LIVE and not of_money:
            raise ValueError(
                f"TRADING_MODE=live needs ALPACA_BASE_URL={LIVE_URL}, and it is {url}"
            )
        if mode is TradingMode.PAPER and of_money:
            raise ValueError(
                f"TRADING_MODE=paper disagrees with ALPACA_BASE_URL={url}, the account "
                f"with money: write {PAPER_URL}"
            )
        named = "alpaca_base_url" in self.model_fields_set
        if mode is TradingMode.SIMULATED and named and of_alpaca:
            if of_money or stated:
                raise ValueError(
                    f"TRADING_MODE={mode} disagrees with ALPACA_BASE_URL={url}: remove "
                    "that line, or name the mode that trades there"
                )
        return self


def env_file() -> Path | None:
    """Return the file that settings are read from, if there is one.

    It is `.env` in the working directory unless `TRADING_ENV_FILE` names another.
    """
    named = os.environ.get("TRADING_ENV_FILE")
    path = Path(".env" if named is None else named)
    if named and not path.is_file():
        raise Misconfigured(f"TRADING_ENV_FILE names {path}, which is not a file.")
    return path if path.is_file() else None
