"""E-mail against a real mail server."""

from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest

from agents.notifier.channels.email import EmailSender, compose
from agents.notifier.config import SmtpTable
from agents.notifier.outcome import PermanentError, TransientError
from agents.notifier.parcel import Parcel
from deploy.ports import free_port
from tests.agents.notifier.peers import MailServer

PARCEL = Parcel(
    message_id="i1/0/email/anna",
    recipient="anna",
    subject="Important: Low rating (p)",
    text="Somebody rated 1 of 5.\n",
    html="<p>Somebody rated 1 of 5.</p>",
    thread="i1",
)


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer() as one:
        yield one


def smtp(port: int, **changes: object) -> SmtpTable:
    tree = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "Ebb <ebb@example.org>",
            "unsubscribe": "mailto:help@example.org", "timeout_s": 1.0}  # fmt: skip
    return SmtpTable.model_validate(tree | changes)


def parsed(content: bytes) -> EmailMessage:
    mail = message_from_bytes(content, policy=default)
    assert isinstance(mail, EmailMessage)
    return mail


async def test_it_arrives_with_plain_text_first_and_html_beside_it(server: MailServer) -> None:
    await EmailSender("anna@example.org", smtp(server.port)).send(PARCEL)
    recipients, content = server.mails[0]
    mail = parsed(content)
    assert recipients == ["anna@example.org"]
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert mail["List-Unsubscribe"] == "<mailto:help@example.org>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Subject"] == PARCEL.subject


async def test_a_repeat_has_the_same_message_id_and_a_reminder_the_same_thread(server: MailServer) -> None:
    one = EmailSender("anna@example.org", smtp(server.port))
    reminder = Parcel(message_id="i1/0/email/anna/r1", recipient="anna", subject="Reminder", thread="i1")
    for parcel in (PARCEL, PARCEL, reminder):
        await one.send(parcel)
    mails = [parsed(content) for _, content in server.mails]
    identities = [mail["Message-ID"] for mail in mails]
    assert identities[0] == identities[1] != identities[2]
    assert len({mail["References"] for mail in mails}) == 1
    assert "anna" not in identities[0]


def test_a_mail_about_several_matters_ties_no_threads_together() -> None:
    digest = Parcel(message_id="anna/email/2026-06-02", recipient="anna", subject="Digest", text="x", html="x")
    assert compose(digest, "anna@example.org", smtp(25))["References"] is None


@pytest.mark.parametrize(
    ("answer", "permanent"), [("550 no such user", True), ("451 later", False), ("421 bye", False)]
)
async def test_a_refused_mailbox_is_permanent_only_if_the_server_says_so(
    server: MailServer, answer: str, permanent: bool
) -> None:
    server.refuse_recipient = answer
    with pytest.raises(PermanentError if permanent else TransientError):
        await EmailSender("anna@example.org", smtp(server.port)).send(PARCEL)
    assert server.mails == []


async def test_a_refused_mail_is_permanent_only_if_the_server_says_so(server: MailServer) -> None:
    server.refuse_data = "554 spam"
    with pytest.raises(PermanentError, match="mail_refused"):
        await EmailSender("anna@example.org", smtp(server.port)).send(PARCEL)
    server.refuse_data = "452 full"
    with pytest.raises(TransientError, match="mail_refused"):
        await EmailSender("anna@example.org", smtp(server.port)).send(PARCEL)


async def test_no_server_and_no_starttls_are_transient(server: MailServer) -> None:
    with pytest.raises(TransientError, match="not_reachable"):
        await EmailSender("anna@example.org", smtp(free_port())).send(PARCEL)
    with pytest.raises(TransientError, match="server_lacks_feature"):
        await EmailSender("anna@example.org", smtp(server.port, security="starttls")).send(PARCEL)
    assert server.mails == []


def test_a_subject_cannot_smuggle_headers_in() -> None:
    mail = compose(
        Parcel(message_id="a", recipient="b", subject="Low\r\nBcc: evil@example.org\r\n", text="x", html="x"),
        "anna@example.org",
        smtp(25),
    )
    assert mail["Bcc"] is None
    assert mail["Subject"] == "Low Bcc: evil@example.org"


def test_an_address_cannot_smuggle_headers_in(tmp_path: Path) -> None:
    from agents.notifier.config import ConfigError, load

    file = tmp_path / "recipients.toml"
    file.write_text('[[recipients]]\nid = "a"\nemail = { address = "a@b.c\\nBcc: d@e.f" }\n')
    with pytest.raises(ConfigError, match=r"email\.address"):
        load(file)
