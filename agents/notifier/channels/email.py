"""E-mail: plain text first, HTML beside it; the same Message-ID at each attempt; threaded by intervention.

A mail server that keeps what it accepted may show a repeat twice; the Message-ID is what it can tell it by. One
connection takes one mail: simple, and a mail server that hangs holds up nothing but its own line.
"""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, parseaddr
from hashlib import blake2b
from typing import Final

from agents.notifier.config import SmtpTable
from agents.notifier.outcome import PermanentError, TransientError
from agents.notifier.parcel import Parcel
from agents.notifier.threads import in_thread

_MOST_SUBJECT: Final = 150


def message_id(name: str, domain: str) -> str:
    """Make a Message-ID from the id of a message: the same each time, and telling nothing to outsiders."""
    return f"<{blake2b(name.encode(), digest_size=16).hexdigest()}@{domain}>"


def compose(parcel: Parcel, address: str, smtp: SmtpTable, now_s: float | None = None) -> EmailMessage:
    """Make the mail."""
    sender = parseaddr(smtp.sender)[1]
    domain = sender.rpartition("@")[2]
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = " ".join(parcel.subject.split())[:_MOST_SUBJECT]
    mail["From"] = smtp.sender
    mail["To"] = address
    mail["Date"] = formatdate(now_s)
    mail["Message-ID"] = message_id(f"{parcel.recipient}/{parcel.message_id}", domain)
    if parcel.thread is not None:
        # Mail programs thread by what these name, whether or not that mail exists.
        thread = message_id(f"thread/{parcel.recipient}/{parcel.thread}", domain)
        mail["In-Reply-To"] = thread
        mail["References"] = thread
    mail["List-Id"] = f"Ebb <ebb.{domain}>"
    mail["List-Unsubscribe"] = f"<{smtp.unsubscribe}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail.set_content(parcel.text)
    mail.add_alternative(parcel.html, subtype="html")
    return mail


class EmailSender:
    """One mailbox, reached through the one mail server there is.

    Args:
        password: reads the password anew for each mail; None where the server asks for none.
    """

    def __init__(self, address: str, smtp: SmtpTable, password: Callable[[], str] | None = None) -> None:
        self._address = address
        self._smtp = smtp
        self._password = password
        self._tls = ssl.create_default_context(cafile=str(smtp.ca_file) if smtp.ca_file else None)

    @property
    def endpoint(self) -> str:
        """The mail server."""
        return f"{self._smtp.host}:{self._smtp.port}"

    async def send(self, parcel: Parcel) -> None:
        """Hand the mail to the server; its 250 is acceptance."""
        mail = compose(parcel, self._address, self._smtp)
        try:
            # The thread ends by itself within the timeout of each of its steps; nobody waits longer than this.
            async with asyncio.timeout(self._smtp.timeout_s * 2):
                await in_thread(lambda: self._hand_over(mail), "mail")
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            raise _by_code(max(codes, default=450), "mailbox_refused") from None
        except smtplib.SMTPSenderRefused as error:
            raise _by_code(error.smtp_code, "sender_refused") from None
        except smtplib.SMTPAuthenticationError:
            # Wrong today, and mended by an operator, not by dropping mails.
            raise TransientError("login_refused") from None
        except smtplib.SMTPResponseException as error:
            raise _by_code(error.smtp_code, "mail_refused") from None
        except smtplib.SMTPNotSupportedError:
            raise TransientError("server_lacks_feature") from None
        except smtplib.SMTPServerDisconnected:
            raise TransientError("disconnected") from None
        except (TimeoutError, smtplib.SMTPConnectError):
            raise TransientError("timeout") from None
        except ssl.SSLError:
            raise TransientError("tls") from None
        except (OSError, smtplib.SMTPException):
            raise TransientError("not_reachable") from None

    def _hand_over(self, mail: EmailMessage) -> None:
        smtp = self._smtp
        if smtp.security == "tls":
            client: smtplib.SMTP = smtplib.SMTP_SSL(smtp.host, smtp.port, timeout=smtp.timeout_s, context=self._tls)
        else:
            client = smtplib.SMTP(smtp.host, smtp.port, timeout=smtp.timeout_s)
        try:
            if smtp.security == "starttls":
                client.starttls(context=self._tls)
            if smtp.user is not None and self._password is not None:
                client.login(smtp.user, self._password())
            client.send_message(mail)
        finally:
            client.close()  # not quit(): what it may complain about after acceptance is no failure


def _by_code(code: int, reason: str) -> TransientError | PermanentError:
    return PermanentError(reason) if 500 <= code < 600 else TransientError(reason)
