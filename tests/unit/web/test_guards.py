"""Who may talk to the gateway: the probes of another site, of a script, of our own."""

import pytest
from fake_services import empty

from trading_web.guards import LocalGuard

pytestmark = pytest.mark.unit

OURS = "127.0.0.1:8000"
HOME = "http://127.0.0.1:8000"


async def answered(kind: str = "http", method: str = "GET", **headers: str | list[str]):
    """Return the status that a request through the guard gets."""
    sent: list[dict] = []

    async def inside(scope, receive, send):
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message):
        sent.append(message)

    pairs = [
        (name.replace("_", "-").encode(), one.encode())
        for name, value in headers.items()
        for one in (value if isinstance(value, list) else [value])
    ]
    scope = {
        "type": kind,
        "path": "/",
        "headers": pairs,
        "server": ("127.0.0.1", 8000),
    }
    if kind == "http":
        scope["method"] = method
    await LocalGuard(inside)(scope, None, send)
    first = sent[0]
    if kind == "websocket":
        return 101 if first["type"] == "websocket.accept" else 403
    return first["status"]


@pytest.mark.parametrize(
    ("expected", "request_"),
    [
        (200, {"host": OURS}),
        (200, {"host": "LOCALHOST:8000"}),
        (200, {"host": "[::1]:8000"}),
        (421, {"host": "evil.example:8000"}),
        (421, {"host": "127.0.0.1:8000/../evil"}),
        (421, {"host": "127.0.0.1:9999"}),
        (421, {"host": [OURS, "evil.example"]}),
        (421, {}),
        (200, {"method": "POST", "host": OURS, "origin": HOME}),
        (403, {"method": "POST", "host": OURS, "origin": "http://evil.example"}),
        (403, {"method": "POST", "host": OURS, "origin": "null"}),
        (403, {"method": "POST", "host": OURS}),
        (
            403,
            {
                "method": "POST",
                "host": OURS,
                "origin": HOME,
                "sec_fetch_site": "cross-site",
            },
        ),
        (
            403,
            {
                "host": OURS,
                "origin": "http://evil.example",
                "sec_fetch_site": "cross-site",
            },
        ),
        (101, {"kind": "websocket", "host": OURS, "origin": HOME}),
        (403, {"kind": "websocket", "host": OURS, "origin": "http://evil.example"}),
        (403, {"kind": "websocket", "host": OURS}),
        (403, {"kind": "websocket", "host": "evil.example", "origin": HOME}),
    ],
)
async def test_only_requests_of_our_own_pages_pass(expected, request_):
    assert await answered(**request_) == expected


async def test_every_page_carries_the_strict_policy_and_is_not_stored(open_browser):
    browser = open_browser(empty())
    await browser.sign_in()
    for path in ("/", "/nowhere", "/health/live"):
        headers = (await browser.get(path)).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'")
        assert "unsafe" not in policy
        assert headers["cache-control"] == "no-store"
        assert headers["x-frame-options"] == "DENY"


async def test_a_large_body_is_refused(open_browser):
    browser = open_browser(empty())
    answer = await browser.http.post(
        "/halt", content=b"x" * 10_000_000, headers={"Origin": HOME}
    )
    assert answer.status_code == 413
