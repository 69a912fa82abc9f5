"""A database for notification, a mail server that keeps what it gets, and events."""

import socketserver
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email import message_from_bytes
from email.message import Message
from email.policy import default
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from trading_notification.repository import NotificationTransaction
from trading_system.config.settings import Settings
from trading_system.contracts.execution import OrderFilled
from trading_system.database import Database
from trading_system.vocabulary import Side, new_id

NOON = datetime(2024, 3, 5, 17, tzinfo=UTC)


@pytest.fixture(scope="module")
def module_database(database_url: str) -> Iterator[Database[NotificationTransaction]]:
    database = Database.connect(database_url, NotificationTransaction, "test")
    yield database
    database.close()


@pytest.fixture
def database(
    module_database: Database[NotificationTransaction],
) -> Database[NotificationTransaction]:
    """The module's database with an empty inbox and an idle consumer."""
    with module_database.transaction() as tx:
        for table in (
            "deliveries",
            "notifications",
            "preferences",
            "health_state",
            "health_checks",
            "log_summaries",
            "log_progress",
        ):
            tx.session.execute(text(f"delete from notification.{table}"))
        tx.session.execute(text("delete from logging.system_logs"))
        tx.session.execute(
            text(
                "insert into shared.consumers (consumer, last_seq) select"
                " 'notification', coalesce(max(seq), 0) from shared.events"
                " on conflict (consumer) do update set last_seq = excluded.last_seq"
            )
        )
    return module_database


@dataclass
class MailServer:
    """A real SMTP server on this machine; it says what tests want it to say."""

    tls: ssl.SSLContext | None = None
    answer_to_mail: str = "250 taken"
    password: str | None = None
    received: list[Message] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    port: int = 0

    def settings(self, **more: Any) -> Settings:
        return Settings(
            smtp_host="127.0.0.1",
            smtp_port=self.port,
            smtp_from="trading@example.org",
            alert_email_to="ada@example.org, bob@example.org",
            **more,
        )


class _Session(socketserver.StreamRequestHandler):
    timeout = 10

    def handle(self) -> None:
        kept: MailServer = self.server.kept  # type: ignore[attr-defined]
        secure = False
        self._say("220 test server")
        while line := self.rfile.readline():
            verb = line.split()[0].upper() if line.split() else b""
            if verb == b"EHLO":
                offers = ["test"]
                offers += ["STARTTLS"] if kept.tls and not secure else []
                offers += ["AUTH PLAIN"] if kept.password else []
                for place, offer in enumerate(offers, 1):
                    self._say(f"250{' ' if place == len(offers) else '-'}{offer}")
            elif verb == b"STARTTLS" and kept.tls is not None:
                self._say("220 go ahead")
                self.connection = kept.tls.wrap_socket(self.request, server_side=True)
                self.rfile = self.connection.makefile("rb")
                self.wfile = self.connection.makefile("wb", buffering=0)
                secure = True
            elif verb == b"AUTH":
                self._say("535 5.7.8 who are you?")
            elif verb == b"DATA":
                self._say("354 go on")
                body = b""
                while (part := self.rfile.readline()) != b".\r\n":
                    body += part
                if kept.answer_to_mail.startswith("250"):
                    kept.received.append(message_from_bytes(body, policy=default))
                    kept.encrypted.append(secure)
                self._say(kept.answer_to_mail)
            elif verb == b"QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 ok")

    def finish(self) -> None:
        super().finish()
        if self.connection is not self.request:
            self.connection.close()

    def _say(self, words: str) -> None:
        self.wfile.write(f"{words}\r\n".encode())
        self.wfile.flush()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up in the middle is part of what is tested."""


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    """A mail server that takes everything, until told otherwise."""
    kept = MailServer()
    with _Server(("127.0.0.1", 0), _Session) as server:
        server.kept = kept  # type: ignore[attr-defined]
        kept.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield kept
        server.shutdown()
        thread.join()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's certificate for 127.0.0.1, and the file that makes it trusted."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    trusted, private = tmp_path / "server.pem", tmp_path / "server.key"
    trusted.write_bytes(signed.public_bytes(pem))
    private.write_bytes(
        key.private_bytes(
            pem,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, private)
    return context, trusted


@pytest.fixture
def filled() -> Any:
    """Return a maker of filled orders."""

    def make(symbol: str = "AAPL", at: datetime = NOON, **more: Any) -> OrderFilled:
        values: dict[str, Any] = {
            "order_id": new_id(),
            "signal_id": new_id(),
            "client_order_id": "ts1-test",
            "strategy": "momentum",
            "symbol": symbol,
            "side": Side.BUY,
            "quantity": Decimal(40),
            "market_time": at,
            "trade_id": new_id(),
            "fill_quantity": Decimal(40),
            "price": Decimal("231.38"),
            "filled_quantity": Decimal(40),
            "complete": True,
            "source": "stream",
        }
        return OrderFilled(**{**values, **more})

    return make
