"""What the stack asks of Prefect's server, over HTTP."""

from datetime import datetime
from typing import Any

import httpx

from trading_system.clients import authorities
from trading_system.errors import Unavailable
from trading_system.runtime.run_file import birth

# The most that Prefect answers at once.
PAGE = 200


class PrefectServer:
    """Prefect's API, signed in."""

    def __init__(self, url: str, auth: str) -> None:
        user, _, password = auth.partition(":")
        self.url = f"{url}/api"
        self._arguments: dict[str, Any] = {
            "base_url": self.url,
            "auth": (user, password),
            "timeout": 10,
            "trust_env": False,
            "verify": authorities(),
        }

    async def polled_by(self, pid: int) -> bool:
        """Return whether a process, the runner, has asked for work since its birth."""
        try:
            async with httpx.AsyncClient(**self._arguments) as client:
                answer = await client.post("/deployments/filter", json={"limit": PAGE})
                deployments = answer.raise_for_status().json()
        except httpx.HTTPError:
            return False
        polls = [each["last_polled"] for each in deployments if each["last_polled"]]
        latest = max(map(datetime.fromisoformat, polls), default=None)
        return latest is not None and latest.timestamp() > birth(pid)

    def deployments(self) -> list[dict[str, Any]]:
        """Return every deployment, each with the name of its flow."""
        found: list[dict[str, Any]] = self._ask(
            "POST", "/deployments/filter", {"limit": PAGE}
        )
        flows = self._ask("POST", "/flows/filter", {"limit": PAGE})
        names = {flow["id"]: flow["name"] for flow in flows}
        return [each | {"flow": names[each["flow_id"]]} for each in found]

    def start(
        self, deployment_id: str, parameters: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Start a run now, and return it."""
        path = f"/deployments/{deployment_id}/create_flow_run"
        asked = {"state": {"type": "SCHEDULED"}, "parameters": parameters or {}}
        run: dict[str, Any] = self._ask("POST", path, asked)
        return run

    def cancel(self, run_id: str) -> None:
        """Ask for a run to be canceled; its runner stops it."""
        state = {"state": {"type": "CANCELLING"}}
        self._ask("POST", f"/flow_runs/{run_id}/set_state", state)

    def run(self, run_id: str) -> dict[str, Any]:
        """Return a run as it is now."""
        run: dict[str, Any] = self._ask("GET", f"/flow_runs/{run_id}")
        return run

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        try:
            with httpx.Client(**self._arguments) as client:
                answer = client.request(method, path, json=body)
                return answer.raise_for_status().json()
        except httpx.HTTPStatusError as error:
            said = error.response
            raise Unavailable(
                f"Prefect answered {said.status_code} to {path}: {said.text[:300]}",
                remedy="See `trading logs prefect`.",
            ) from error
        except httpx.HTTPError as error:
            raise Unavailable(
                f"Prefect does not answer at {self.url} ({type(error).__name__}).",
                remedy="See `trading status` and `trading logs prefect`.",
            ) from error
