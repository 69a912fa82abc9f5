"""The broker account behind the keys: who it is, and whether the keys are right."""

import json
import urllib.error
import urllib.request

from trading_system.runtime.faults import DependencyDown, WrongConfiguration


def account_number(base_url: str, key: str, secret: str) -> str:
    """Return the account's number, as the broker tells it."""
    request = urllib.request.Request(f"{base_url}/v2/account")
    for name, value in headers(key, secret).items():
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            account = json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            raise WrongConfiguration(
                f"The broker at {base_url} refuses the Alpaca keys.",
                remedy="Check ALPACA_API_KEY and ALPACA_SECRET_KEY: keys of the paper "
                "account and of the live account are not the same.",
            ) from None
        raise DependencyDown(
            f"The broker at {base_url} answered {error.code} {error.reason}.",
            remedy="Try again later, or see Alpaca's status page.",
        ) from error
    except (OSError, ValueError) as error:
        raise DependencyDown(
            f"The broker at {base_url} does not answer: {error}.",
            remedy="Check the network and ALPACA_BASE_URL.",
        ) from error
    return str(account["account_number"])


def headers(key: str, secret: str) -> dict[str, str]:
    """Return what signs a request to the broker."""
    return {"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret}
