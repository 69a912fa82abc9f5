"""The built assets: exact versions, no addresses, names that change with content."""

import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest
from fake_services import empty

from trading_web import static
from trading_web.static import FOLDER, assets

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]


def test_versions_are_exact_and_the_lock_file_has_them_without_addresses():
    package = json.loads((ROOT / "package.json").read_text("utf-8"))
    lock = json.loads((ROOT / "package-lock.json").read_text("utf-8"))
    wanted = package["dependencies"] | package["devDependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", v) for v in wanted.values())
    for name, version in wanted.items():
        locked = lock["packages"][f"node_modules/{name}"]
        assert locked["version"] == version
        assert locked["integrity"].startswith("sha512-")
    assert all("resolved" not in entry for entry in lock["packages"].values())


@pytest.mark.parametrize("name", ["app.js", "app.css", "plotly.js", "theme.js"])
def test_a_name_tells_the_content_and_the_compressed_file_is_the_same(name):
    file = FOLDER / assets()[name]
    content = file.read_bytes()
    assert hashlib.sha256(content).hexdigest()[:12] in file.name
    assert gzip.decompress(Path(f"{file}.gz").read_bytes()) == content


def test_htmx_its_socket_and_our_own_script_are_one_file():
    script = (FOLDER / assets()["app.js"]).read_text("utf-8")
    htmx, socket, ours = map(script.index, ("4.0.1", "hx-ws:connect", "togglePause"))
    assert htmx < socket < ours
    assert "sourceMappingURL" not in script


async def test_an_asset_is_kept_forever_and_compressed_where_it_can_be(open_browser):
    browser = open_browser(empty())
    path = f"/static/{assets()['app.css']}"
    plain = await browser.http.get(path, headers={"Accept-Encoding": "identity"})
    small = await browser.http.get(path, headers={"Accept-Encoding": "gzip"})
    assert "immutable" in plain.headers["cache-control"]
    assert plain.headers["content-type"].startswith("text/css")
    assert small.headers["content-encoding"] == "gzip"
    assert small.content == plain.content


@pytest.mark.parametrize("name", ["manifest.json", "..%2fapp.py", "app.css"])
async def test_nothing_else_is_served(open_browser, name):
    assert (await open_browser(empty()).get(f"/static/{name}")).status_code == 404


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_a_built_file_that_is_gone_is_not_found(
    open_browser, monkeypatch, tmp_path, encoding
):
    path = f"/static/{assets()['app.css']}"
    monkeypatch.setattr(static, "FOLDER", tmp_path)
    browser = open_browser(empty())
    answer = await browser.http.get(path, headers={"Accept-Encoding": encoding})
    assert answer.status_code == 404
