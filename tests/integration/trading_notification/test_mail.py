"""Mail through a real server: once, marked, encrypted, and tried again."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from trading_notification import operations
from trading_notification.adapters import smtp
from trading_notification.adapters.smtp import SmtpMailer
from trading_notification.domain.alert import Alert
from trading_notification.domain.mail import Mail
from trading_notification.ports import NotSent
from trading_system.config.settings import Settings
from trading_system.runtime.ports import free_port
from trading_system.vocabulary import Severity

pytestmark = pytest.mark.integration

NOON = datetime(2024, 3, 5, 17, tzinfo=UTC)
MAIL = Mail("<1@trading-system.invalid>", "Hello", "Text\n", NOON)


def alert(key: str = "one", **more: Any) -> Alert:
    values = {
        "kind": "reconciliation",
        "severity": Severity.CRITICAL,
        "title": "The books differ",
        "message": "AAPL: 40 here, 60 there – look at it",
        "dedup_key": key,
        "market_time": NOON,
    }
    return Alert(**{**values, **more})


def queue(database: Any, *alerts: Alert) -> None:
    with database.transaction() as tx:
        for each in alerts:
            operations.notify(tx, each, by_mail=True)


def deliveries(database: Any) -> list[Any]:
    with database.read_only() as tx:
        return tx.session.execute(
            text(
                "select status, attempts, last_error, next_attempt_at"
                " from notification.deliveries order by delivery_id"
            )
        ).all()


def test_a_message_is_mailed_once_and_says_that_it_is_simulated(
    database: Any, mail_server: Any
) -> None:
    queue(database, alert(), alert())
    mailer = SmtpMailer(mail_server.settings())
    result = operations.deliver_outstanding(database, mailer)
    assert (result.status, result.changed) == ("done", 1)
    (mail,) = mail_server.received
    assert mail["Subject"] == "[SIMULATED] [CRITICAL] The books differ"
    assert mail["To"] == "ada@example.org, bob@example.org"
    assert mail["Message-ID"].endswith("@trading-system.invalid>")
    assert mail["Auto-Submitted"] == "auto-generated"
    body = mail.get_content()
    assert "40 here, 60 there – look at it" in body
    assert "SIMULATED" in body
    again = operations.deliver_outstanding(database, mailer)
    assert again.changed == 0
    assert len(mail_server.received) == 1


def test_a_title_with_a_line_break_adds_no_header(
    database: Any, mail_server: Any
) -> None:
    queue(database, alert(title="Broken\r\nBcc: eve@example.org"))
    operations.deliver_outstanding(database, SmtpMailer(mail_server.settings()))
    (mail,) = mail_server.received
    assert mail["Bcc"] is None
    assert mail["Subject"].endswith("Broken Bcc: eve@example.org")


def test_a_server_that_refuses_is_tried_again_later(
    database: Any, mail_server: Any
) -> None:
    mail_server.answer_to_mail = "451 not now"
    queue(database, alert())
    mailer = SmtpMailer(mail_server.settings())
    result = operations.deliver_outstanding(database, mailer)
    assert (result.changed, result.detail["failed"]) == (0, 1)
    (waiting,) = deliveries(database)
    assert (waiting.status, waiting.attempts) == ("pending", 1)
    assert "451 not now" in waiting.last_error
    assert operations.deliver_outstanding(database, mailer).examined == 0
    mail_server.answer_to_mail = "250 taken"
    make_due(database)
    assert operations.deliver_outstanding(database, mailer).changed == 1
    assert deliveries(database)[0].status == "sent"


def test_a_message_that_never_goes_through_is_given_up(
    database: Any, mail_server: Any
) -> None:
    mail_server.answer_to_mail = "550 never"
    queue(database, alert())
    mailer = SmtpMailer(mail_server.settings())
    for _ in range(12):
        operations.deliver_outstanding(database, mailer)
        make_due(database)
    (last,) = deliveries(database)
    assert (last.status, last.attempts) == ("given_up", 12)
    assert operations.deliver_outstanding(database, mailer).examined == 0


def test_a_process_that_dies_while_sending_leaves_the_mail_to_the_next(
    database: Any, mail_server: Any
) -> None:
    class Dies:
        def send(self, mail: Mail) -> None:
            SmtpMailer(mail_server.settings()).send(mail)
            raise KeyboardInterrupt

    queue(database, alert())
    with pytest.raises(KeyboardInterrupt):
        operations.deliver_outstanding(database, Dies())
    mailer = SmtpMailer(mail_server.settings())
    # While the first process may still be at it, nobody else sends.
    assert operations.deliver_outstanding(database, mailer).examined == 0
    make_due(database)
    assert operations.deliver_outstanding(database, mailer).changed == 1
    first, second = mail_server.received
    assert first["Message-ID"] == second["Message-ID"]


def make_due(database: Any) -> None:
    with database.transaction() as tx:
        tx.session.execute(
            text(
                "update notification.deliveries set next_attempt_at = :past"
                " where status = 'pending'"
            ),
            {"past": NOON - timedelta(days=1)},
        )


def test_mail_is_encrypted_where_the_server_offers_it(
    mail_server: Any,
    certificate: tuple[ssl.SSLContext, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mail_server.tls, trusted = certificate
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    SmtpMailer(mail_server.settings()).send(MAIL)
    assert mail_server.encrypted == [True]


def test_a_server_with_a_foreign_certificate_gets_nothing(
    mail_server: Any, certificate: tuple[ssl.SSLContext, Path]
) -> None:
    mail_server.tls, _ = certificate
    with pytest.raises(NotSent, match="certificate"):
        SmtpMailer(mail_server.settings()).send(MAIL)
    assert mail_server.received == []


def test_a_server_elsewhere_without_encryption_gets_nothing(
    mail_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "is_here", lambda host: False)
    with pytest.raises(NotSent, match="no encryption"):
        SmtpMailer(mail_server.settings()).send(MAIL)
    assert mail_server.received == []


def test_a_wrong_password_is_said_in_the_servers_words(mail_server: Any) -> None:
    mail_server.password = "right"
    settings = mail_server.settings(smtp_username="ada", smtp_password="wrong")
    with pytest.raises(NotSent, match="535 5.7.8 who are you") as refused:
        SmtpMailer(settings).send(MAIL)
    assert "wrong" not in str(refused.value)


def test_a_server_that_is_not_there_is_said(database: Any) -> None:
    settings = Settings(
        smtp_host="127.0.0.1", smtp_port=free_port(), alert_email_to="a@example.org"
    )
    with pytest.raises(NotSent, match="ConnectionRefused"):
        SmtpMailer(settings).send(MAIL)


def test_without_a_mail_server_nothing_is_queued_or_sent(database: Any) -> None:
    assert smtp.mailer(Settings()) is None
    assert smtp.mailer(Settings(smtp_host="mail.example.org")) is None
    assert operations.deliver_outstanding(database, None).status == "no mail server"


def test_the_test_mail_says_what_the_server_said(
    database: Any, mail_server: Any
) -> None:
    mailer = SmtpMailer(mail_server.settings())
    assert operations.send_test(database, mailer, "ada").status == "sent"
    assert "ada asked" in mail_server.received[0].get_content()
    mail_server.answer_to_mail = "550 mailbox full"
    with pytest.raises(NotSent, match="550 mailbox full"):
        operations.send_test(database, mailer, "ada")
