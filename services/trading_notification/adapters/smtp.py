"""Mail through an SMTP server, encrypted unless the server is on this machine."""

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import format_datetime

from trading_notification.domain.mail import Mail
from trading_notification.ports import Mailer, NotSent
from trading_system.config.addresses import is_here
from trading_system.config.settings import Settings

TIMEOUT = 10.0
IMPLICIT_TLS = 465


class SmtpMailer:
    """Hands mail to the server of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._host = settings.smtp_host
        self._port = settings.smtp_port
        self._username = settings.smtp_username
        self._password = settings.smtp_password
        self._to = recipients(settings)
        self._from = settings.smtp_from or settings.smtp_username or self._to[0]

    def send(self, mail: Mail) -> None:
        """Hand a mail over; raise `NotSent` when that fails."""
        try:
            with self._connection() as server:
                server.send_message(self._message(mail), self._from, self._to)
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise NotSent(
                f"SMTP {self._host}:{self._port} refused: {_said(error)}"
            ) from error

    def _connection(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self._port == IMPLICIT_TLS:
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self._host, self._port, timeout=TIMEOUT, context=context
            )
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=TIMEOUT)
        try:
            self._secure(server, context)
        except BaseException:  # the connection is closed, then it goes on
            server.close()
            raise
        return server

    def _secure(self, server: smtplib.SMTP, context: ssl.SSLContext) -> None:
        server.ehlo()
        if self._port != IMPLICIT_TLS:
            if server.has_extn("starttls"):
                server.starttls(context=context)
                server.ehlo()
            elif not is_here(self._host):
                # A password or a portfolio must not cross the network readable.
                raise smtplib.SMTPNotSupportedError("the server offers no encryption")
        if self._username:
            server.login(self._username, self._password.get_secret_value())

    def _message(self, mail: Mail) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = mail.subject
        message["From"] = self._from
        message["To"] = ", ".join(self._to)
        message["Date"] = format_datetime(mail.sent_at)
        message["Message-ID"] = mail.message_id
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(mail.text)
        return message


def recipients(settings: Settings) -> list[str]:
    """Return the addresses that alerts go to."""
    return [each.strip() for each in settings.alert_email_to.split(",") if each.strip()]


def mailer(settings: Settings) -> Mailer | None:
    """Return the mail channel, or None when it is not set up."""
    if not settings.smtp_host or not recipients(settings):
        return None
    return SmtpMailer(settings)


def _said(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        return f"{error.smtp_code} {words}"
    return f"{type(error).__name__}: {error}"
