"""Who is signed in: signed cookies, and the book that ends them.

The cookie says which session it is and until when. Nothing about a session is stored
but what ends it early: a link that was used, a session that was closed.
"""

import hashlib
import hmac
import json
import os
import secrets
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from itsdangerous import BadSignature, URLSafeSerializer

LIFETIME: Final = timedelta(hours=12)
REMEMBERED: Final = timedelta(days=1)


class Session(NamedTuple):
    """A browser that came through the sign-in link."""

    session_id: str
    until: datetime


class Sessions:
    """Opens, reads and closes sessions; `book` survives a restart of the gateway."""

    def __init__(self, secret: str, book: Path | None = None) -> None:
        self._secret = secret.encode()
        self._signer = URLSafeSerializer(secret, salt="trading-session")
        self._book = book
        self._lock = threading.Lock()
        self._ended: dict[str, str] = _read(book)

    def open(self, now: datetime) -> tuple[Session, str]:
        """Return a new session and the cookie's value."""
        session = Session(secrets.token_urlsafe(16), now + LIFETIME)
        value = {"id": session.session_id, "until": session.until.isoformat()}
        return session, str(self._signer.dumps(value))

    def read(self, cookie: str | None, now: datetime) -> Session | None:
        """Return the session a cookie stands for, or None if it has none any more."""
        if not cookie:
            return None
        try:
            value = self._signer.loads(cookie)
            session = Session(value["id"], datetime.fromisoformat(value["until"]))
        except (BadSignature, KeyError, TypeError, ValueError):
            return None
        if session.until <= now or session.session_id in self._ended:
            return None
        return session

    def close(self, session: Session, now: datetime) -> None:
        """End a session before its time."""
        self._end(session.session_id, now)

    def use_link(self, token: str, now: datetime) -> bool:
        """Mark a sign-in link as used; False if it was used before."""
        return self._end(hashlib.sha256(token.encode()).hexdigest(), now)

    def csrf_token(self, session: Session) -> str:
        """Return what every form of this session carries."""
        return hmac.new(
            self._secret, b"csrf:" + session.session_id.encode(), "sha256"
        ).hexdigest()

    def csrf_matches(self, session: Session, token: str) -> bool:
        """Say whether a form came from a page of this session."""
        return hmac.compare_digest(self.csrf_token(session), token)

    def _end(self, name: str, now: datetime) -> bool:
        with self._lock:
            if name in self._ended:
                return False
            oldest = (now - REMEMBERED).isoformat()
            self._ended = {k: at for k, at in self._ended.items() if at > oldest}
            self._ended[name] = now.isoformat()
            _write(self._book, self._ended)
            return True


def cookie_name(scope: Mapping[str, Any]) -> str:
    """Return the cookie's name, which holds the port: hosts share their cookies."""
    server = scope.get("server")
    return f"trading_session_{server[1] if server else 0}"


def _read(book: Path | None) -> dict[str, str]:
    if book is None or not book.exists():
        return {}
    ended: dict[str, str] = json.loads(book.read_text("utf-8"))
    return ended


def _write(book: Path | None, ended: dict[str, str]) -> None:
    if book is None:
        return
    book.parent.mkdir(parents=True, exist_ok=True)
    draft = book.with_suffix(".new")
    draft.write_text(json.dumps(ended), "utf-8")
    os.replace(draft, book)
