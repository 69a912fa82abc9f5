"""What a handler needs: the exchange it acts on, and who is asking."""

from starlette.requests import Request

from paper_exchange.accounts import Account
from paper_exchange.exchange import Exchange


def exchange_of(request: Request) -> Exchange:
    """Return the exchange of the application."""
    exchange: Exchange = request.app.state.exchange
    return exchange


def account_of(request: Request) -> Account:
    """Return the account whose keys the request carried."""
    account: Account = request.scope["state"]["account"]
    return account
