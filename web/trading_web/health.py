"""Whether the gateway runs, and whether it can show anything."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from trading_system.http import product_version
from trading_web.shell import OnDesk

router = APIRouter(include_in_schema=False)


@router.get("/health/live")
def read_live() -> dict[str, str]:
    """Say that the process answers; it needs nothing else for that."""
    return {"status": "pass"}


@router.get("/health/ready")
@router.get("/health")
def read_ready(desk: OnDesk) -> JSONResponse:
    """Say which services answer the gateway; without any it cannot do its job."""
    asked = {
        str(client.name): desk.ask(f"live-{client.name}", client.live)
        for client in desk.services.all
    }
    checks: list[dict[str, Any]] = [
        {"component": name, "status": "pass" if answer.value else "fail"}
        for name, answer in asked.items()
    ]
    passing = [check["status"] == "pass" for check in checks]
    status = "pass" if all(passing) else "warn" if any(passing) else "fail"
    body = {"status": status, "service": "gateway", "version": product_version()}
    return JSONResponse(
        body | {"checks": checks},
        503 if status == "fail" else 200,
        media_type="application/health+json",
    )
