"""The built scripts and styles: names that change with their content."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, Response

from trading_system.errors import Misconfigured, NotFound

FOLDER: Final = Path(__file__).parent / "static"
FOREVER: Final = "public, max-age=31536000, immutable"
TYPES: Final = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}

router = APIRouter(include_in_schema=False)


@lru_cache
def assets() -> dict[str, str]:
    """Return the built file's name for each asset."""
    manifest = FOLDER / "manifest.json"
    if not manifest.exists():
        raise Misconfigured(
            "The dashboard's scripts and styles are not built.",
            remedy="Install the project again, or run `python hatch_build.py`.",
        )
    names: dict[str, str] = json.loads(manifest.read_text("utf-8"))["assets"]
    return names


def asset_url(name: str) -> str:
    """Return the address of an asset: app.css -> /static/app.1a2b3c.css."""
    return f"/static/{assets()[name]}"


@router.api_route("/static/{name}", methods=["GET", "HEAD"])
def read_asset(request: Request, name: str) -> Response:
    """Return a built file, compressed when the browser can read it so."""
    if name not in assets().values():
        raise NotFound(f"There is no asset {name}.")
    headers = {"Cache-Control": FOREVER, "Vary": "Accept-Encoding"}
    file = FOLDER / name
    kind = TYPES[file.suffix]
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        file = FOLDER / f"{name}.gz"
    # A new installation may have taken the place of the files that this process knows.
    if not file.is_file():
        raise NotFound(f"The file of {name} is gone.", remedy="Restart the gateway.")
    return FileResponse(file, media_type=kind, headers=headers)
