"""Signing in with the link that `trading up` and `trading login` print."""

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from trading_system import login
from trading_system.clock import utc_now
from trading_web.rendering import templates
from trading_web.session import LIFETIME, Session, Sessions, cookie_name
from trading_web.shell import MODE_WORDS, guard_forms, session_of

router = APIRouter(include_in_schema=False)


@router.get("/login")
def sign_in(request: Request, token: str = "") -> Response:
    """Turn a fresh link into a session."""
    sessions: Sessions = request.app.state.sessions
    now = utc_now()
    # A browser that guesses the next page must not use the link up.
    if "prefetch" in request.headers.get("Sec-Purpose", ""):
        return Response(status_code=503)
    if not login.verify_token(request.app.state.secret, token, now):
        return signed_out(request, "This sign-in link is not valid or has expired.")
    if not sessions.use_link(token, now):
        return signed_out(request, "This sign-in link was used already.")
    _, value = sessions.open(now)
    # Not a redirect: a Strict cookie is only sent once the navigation is our own.
    answer = HTMLResponse(
        templates.get_template("signed_in.html").render(frame(request))
    )
    answer.set_cookie(
        cookie_name(request.scope),
        value,
        max_age=int(LIFETIME.total_seconds()),
        httponly=True,
        samesite="strict",
    )
    return answer


@router.post("/logout", dependencies=[Depends(guard_forms)])
def sign_out(request: Request, session: Session = Depends(session_of)) -> Response:
    """End the session; its cookie is worth nothing from now on."""
    request.app.state.sessions.close(session, utc_now())
    answer = signed_out(request, "You are signed out.")
    answer.delete_cookie(cookie_name(request.scope), httponly=True, samesite="strict")
    return answer


def signed_out(request: Request, reason: str = "") -> HTMLResponse:
    """Return the page for a browser without a session."""
    body = templates.get_template("signed_out.html").render(
        frame(request), reason=reason
    )
    headers = {}
    if request.headers.get("HX-Request") == "true":
        # The whole page goes to sign-in, not one section of it.
        headers["HX-Redirect"] = "/"
    return HTMLResponse(body, 401, headers)


def frame(request: Request) -> dict[str, object]:
    """Return what the pages without a session show around them."""
    mode = request.app.state.desk.mode
    badge, watermark = MODE_WORDS[mode]
    return {"mode": mode, "badge": badge, "watermark": watermark}
