"""Settings with which a program of ours asks the running services."""

from pydantic import SecretStr

from trading_system.config.settings import Settings
from trading_system.runtime.run_file import Run
from trading_system.runtime.secrets import Secrets

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
