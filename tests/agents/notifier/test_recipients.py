"""The recipients' file may change while the notifier runs."""

from pathlib import Path

import pytest

from agents.notifier.config import load
from agents.notifier.recipients import RecipientsFile
from schemas.outbound import decode_intervention
from tests.agents.notifier.harness import (
    KEY_ONE,
    QUICK,
    Cluster,
    NotifierProcess,
    hook_table,
    mail_table,
    now_ms,
    record,
    until,
    webhooks_table,
)
from tests.agents.notifier.peers import MailServer, receiver

ONE = '[[recipients]]\nid = "anna"\n'


def test_a_change_is_in_force_once_and_one_that_cannot_be_used_never(tmp_path: Path) -> None:
    path = tmp_path / "recipients.toml"
    path.write_text(ONE)
    file = RecipientsFile(path, load(path))
    assert not file.look()
    path.write_text(ONE + "# a remark changes nothing\n")
    assert not file.look()
    path.write_text(ONE + 'email = { address = "anna@example.org" }\n')  # and no [smtp]
    assert file.look()
    assert file.problems == ["recipients.toml: the file: a recipient has an e-mail address but there is no [smtp]."]
    assert file.in_force.config.recipients[0].email is None
    assert not file.look()
    path.write_text(ONE + 'webhook = { url = "https://10.0.0.1/", secrets = [{ env = "NONE" }] }\n')
    assert file.look()
    assert file.problems == ["a webhook's target: host_not_allowed"]
    path.unlink()
    assert file.look()
    assert "cannot be read" in file.problems[0]
    assert len(file.in_force.config.recipients) == 1
    path.write_text(ONE + '[[recipients]]\nid = "bob"\n')
    assert file.look()
    assert file.problems == []
    assert [one.id for one in file.in_force.config.recipients] == ["anna", "bob"]


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_who_joins_while_it_runs_is_told_what_is_open_and_a_broken_file_stops_nobody(
    cluster: Cluster, tmp_path: Path
) -> None:
    with MailServer() as mails:
        cluster.program()
        notifier = NotifierProcess(cluster, tmp_path, QUICK + mail_table(mails.port, "anna")).start()
        try:
            await until(lambda: "took over" in notifier.tail(), 90, notifier.tail)
            cluster.publish([record("a", at_ms=now_ms(), delivery="now", severity="high")])
            await until(lambda: len(mails.mails) == 1, 60, notifier.tail)
            file = tmp_path / "recipients.toml"
            file.write_text("[[recipients]]\n")
            await until(lambda: "cannot be used" in notifier.tail(), 60, notifier.tail)
            cluster.publish([record("b", at_ms=now_ms(), delivery="now", severity="high")])
            await until(lambda: len(mails.mails) == 2, 60, notifier.tail)
            file.write_text(QUICK + mail_table(mails.port, "anna", "bob"))
            await until(lambda: notifier.tail().count("took over") == 2, 60, notifier.tail)
            cluster.program(coordinator_ids=["anna", "bob"])  # only now is bob somebody to tell
            await until(lambda: len(mails.mails) == 3, 90, notifier.tail)
            cluster.publish([record("c", at_ms=now_ms(), delivery="now", severity="high")])
            await until(lambda: len(mails.mails) == 5, 60, notifier.tail)
            told = [
                (to[0], [one for one in "abc" if f"about {one}." in content.decode()]) for to, content in mails.mails
            ]
            assert told[:3] == [
                ("anna@example.org", ["a"]), ("anna@example.org", ["b"]), ("bob@example.org", ["a", "b"]),
            ]  # fmt: skip
            assert sorted(told[3:]) == [("anna@example.org", ["c"]), ("bob@example.org", ["c"])]
            assert notifier.running.poll() is None
        finally:
            notifier.kill()


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_the_reserve_goes_on_where_the_other_was_killed_and_what_is_refused_for_good_is_a_dead_letter(
    cluster: Cluster, tls: tuple[Path, Path], secret: Path, tmp_path: Path
) -> None:
    async with receiver(tls[1]) as good, receiver(tls[1]) as bad:
        bad.behave = lambda _request, _body: 410
        config = QUICK + webhooks_table(tls[0], good.host, bad.host) + hook_table("good", good.url, secret)
        config += hook_table("bad", bad.url, secret, programs="q")
        folders = [tmp_path / "one", tmp_path / "two"]
        for folder in folders:
            folder.mkdir()
        one, two = (NotifierProcess(cluster, folder, config) for folder in folders)
        try:
            one.start()
            await until(lambda: "took over" in one.tail(), 90, one.tail)
            two.start()
            await until(lambda: "in reserve" in two.tail(), 90, two.tail)
            cluster.publish([record("a", at_ms=now_ms(), delivery="now", severity="high")])
            await until(lambda: len(good.taken) == 1, 60, one.tail)
            one.kill()
            cluster.publish([record("b", at_ms=now_ms(), delivery="now", severity="high", program_id="q")])
            await until(lambda: len(good.taken) == 2, 90, two.tail)
            await until(lambda: cluster.read("dead-letters"), 60, two.tail)
            assert await two.stop() == 0
        finally:
            one.kill()
            two.kill()
        letter = cluster.read("dead-letters")[0]
        headers = dict(letter.headers())
        assert headers["__streams.errors.exception"] == b"delivery_gone"
        assert headers["ebb_delivery"] == b"b/0/webhook/bad"
        assert decode_intervention(letter.value()).intervention_id == "b"
        states = {key: (row.state, row.reason) for key, row in cluster.deliveries().items() if row.channel == "webhook"}
        assert states == {
            "a/0/webhook/good": ("sent", None),
            "b/0/webhook/good": ("sent", None),
            "b/0/webhook/bad": ("failed", "gone"),
        }
        logged = one.log.read_text() + two.log.read_text()
        assert KEY_ONE.removeprefix("whsec_") not in logged
