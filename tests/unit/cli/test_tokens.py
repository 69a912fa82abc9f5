import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from typer.testing import CliRunner

from trading_system import personal_tokens
from trading_system.cli import app
from trading_system.config.settings import Grant, Settings
from trading_system.http import create_http_app
from trading_system.runtime.faults import ExitCode
from trading_system.security import Caller, requires

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def no_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADING_ENV_FILE", "")


class Service:
    """An app that lets in whoever may read, and asks for more to trade."""

    def __init__(self, data_dir: Path) -> None:
        ours = {
            personal_tokens.token_hash("ours"): Grant(
                caller="cli", scopes=frozenset({"admin"})
            )
        }
        settings = Settings(trading_data_dir=data_dir, service_token_hashes=ours)
        self._app = create_http_app("test", settings)

        @self._app.get("/look", dependencies=[requires("read")])
        def look() -> str:
            return "seen"

        @self._app.post("/trade")
        def trade(caller: Annotated[Caller, requires("trade")]) -> str:
            return caller.name

    def get(self, path: str, headers: dict[str, str]) -> httpx.Response:
        """Ask."""
        return self._request("GET", path, headers)

    def post(self, path: str, headers: dict[str, str]) -> httpx.Response:
        """Ask for something to be done."""
        return self._request("POST", path, headers)

    def _request(
        self, method: str, path: str, headers: dict[str, str]
    ) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
            url = "http://127.0.0.1:8000"
            async with httpx.AsyncClient(transport=transport, base_url=url) as client:
                return await client.request(method, path, headers=headers)

        return asyncio.run(ask())


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


def trading(tmp_path: Path, *words: str) -> Any:
    return CliRunner().invoke(app, ["token", *words, "--data-dir", str(tmp_path)])


def shown(token: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", **more}


def test_a_token_is_accepted_until_it_is_revoked(
    tmp_path: Path, service: Service
) -> None:
    made = trading(tmp_path, "create", "notebook")
    assert made.exit_code == 0
    assert made.stderr == "It is not shown again: only its hash is kept.\n"
    token = made.stdout.strip()
    assert service.get("/look", headers=shown(token)).json() == "seen"
    assert trading(tmp_path, "revoke", "notebook").exit_code == 0
    assert service.get("/look", headers=shown(token)).status_code == 401
    assert service.get("/look", headers=shown("ours")).status_code == 200


def test_a_token_may_do_what_it_was_made_for_and_no_more(
    tmp_path: Path, service: Service
) -> None:
    looks = trading(tmp_path, "create", "looks").stdout.strip()
    refused = service.post("/trade", headers=shown(looks))
    assert refused.status_code == 403
    assert "token looks may not do this" in refused.json()["detail"]
    trades = json.loads(
        trading(tmp_path, "create", "bot", "--scope", "trade", "--json").stdout
    )
    assert trades["scopes"] == "read trade"
    assert service.post("/trade", headers=shown(trades["token"])).json() == "token bot"


def test_a_token_speaks_in_no_other_name(tmp_path: Path, service: Service) -> None:
    token = trading(tmp_path, "create", "bot", "--scope", "trade").stdout.strip()
    headers = shown(token, **{"X-Acting-User": "ann"})
    assert service.post("/trade", headers=headers).status_code == 403
    headers = shown("ours", **{"X-Acting-User": "ann"})
    assert service.post("/trade", headers=headers).status_code == 200


def test_only_the_hash_is_kept_and_for_the_owner_alone(tmp_path: Path) -> None:
    token = trading(tmp_path, "create", "notebook").stdout.strip()
    file = tmp_path / "tokens.json"
    assert token not in file.read_text()
    assert personal_tokens.token_hash(token) in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    listed = trading(tmp_path, "list")
    assert listed.stdout.splitlines()[1].startswith("notebook\tread\t")
    assert personal_tokens.token_hash(token) not in listed.stdout


def test_a_name_is_taken_once_unknown_or_no_name(tmp_path: Path) -> None:
    assert trading(tmp_path, "create", "bot").exit_code == 0
    assert trading(tmp_path, "create", "bot").exit_code == ExitCode.CONFLICT
    assert trading(tmp_path, "revoke", "boat").exit_code == ExitCode.NOT_FOUND
    assert trading(tmp_path, "create", "a b").exit_code == ExitCode.USAGE
    assert trading(tmp_path, "create", "x", "--scope", "all").exit_code == 2


def test_a_damaged_file_lets_nobody_in_and_is_said(
    tmp_path: Path, service: Service
) -> None:
    (tmp_path / "tokens.json").write_text("{")
    assert service.get("/look", headers=shown("unknown")).status_code == 500
    assert service.get("/look", headers=shown("ours")).status_code == 200
    listed = trading(tmp_path, "list")
    assert listed.exit_code == ExitCode.CONFIGURATION
    assert "tokens.json is damaged" in listed.stderr
