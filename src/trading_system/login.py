"""The sign-in link: a signed token that is good for a quarter of an hour.

Whoever reads the terminal, or the secrets in the data directory, is the owner; there
are no passwords. The gateway lets each token in once.
"""

import secrets
from datetime import datetime, timedelta

from itsdangerous import BadSignature, URLSafeSerializer

VALID_FOR = timedelta(minutes=15)


def make_token(secret: str, now: datetime) -> str:
    """Return a token that signs in once, until it is too old."""
    until = (now + VALID_FOR).isoformat()
    return str(_signer(secret).dumps({"id": secrets.token_hex(8), "until": until}))


def verify_token(secret: str, token: str, now: datetime) -> bool:
    """Say whether the token is ours and not too old."""
    try:
        until = datetime.fromisoformat(_signer(secret).loads(token)["until"])
    except (BadSignature, KeyError, TypeError, ValueError):
        return False
    return now < until <= now + VALID_FOR


def link(gateway: str, secret: str, now: datetime) -> str:
    """Return the address that a browser opens to sign in."""
    return f"{gateway}/login?token={make_token(secret, now)}"


def _signer(secret: str) -> URLSafeSerializer:
    return URLSafeSerializer(secret, salt="trading-login")
