"""The append-only table of events, the chain that seals it, and what shows a manipulation."""

import hashlib
import hmac
import json
import logging
import re
from datetime import timedelta

import pytest
from audit import chain
from audit.models import Event, Seal
from audit.recording import record
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone
from tests.flows import basic, exchange, post_form, refresh, request_token

pytest_plugins = ["tests.recorded"]

KEY = "a-key-of-the-tests-only-0123456789-abcdefghi"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def a_table(settings):
    """Keep events in the table, for a year."""
    settings.AUDIT_DAYS, settings.AUDIT_KEY = 365, KEY


def write(count, **members):
    for number in range(count):
        record("sign-in", sub=f"person-{number}", **members)


def tamper(statement):
    """Run SQL as the owner of the tables, who can do away with the triggers."""
    with connection.cursor() as cursor:
        for table in ("audit_event", "audit_seal"):
            if connection.vendor == "postgresql":
                cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            else:
                for kind in ("update", "delete"):
                    cursor.execute(f"DROP TRIGGER IF EXISTS {table}_{kind}")
        for one in statement.split(";"):
            cursor.execute(one)


def ids():
    """Return the ids of the events, as they are sealed."""
    return list(Seal.objects.order_by("position").values_list("event_id", flat=True))


def found(*anchors):
    """Return the sentences of `verify_audit` about what is wrong."""
    return list(chain.problems(dict(anchors)))


def anchor():
    last = Seal.objects.order_by("position").last()
    return last.position, last.mac


# ---- Rows ----


def test_without_the_setting_there_is_no_row(settings):
    settings.AUDIT_DAYS = 0
    write(1)
    assert not Event.objects.exists()


def test_a_row_is_what_is_in_the_log(browser, alice, caplog, lines):
    tokens = browser.tokens().json()
    refresh(tokens["refresh_token"])
    exchange("unknown")
    request_token(basic("demo-machine", "wrong"), grant_type="client_credentials")
    post_form("/o/revoke_token/", {"token": tokens["access_token"], "client_id": "demo-browser"})
    logged = [line for line in lines() if line.get("endpoint") or line.get("scope")]
    rows = [json.loads(event.as_json()) for event in Event.objects.order_by("pk")]
    rows = [row.pop("details") | {k: v for k, v in row.items() if v != ""} for row in rows]
    for row in rows:
        del row["id"], row["time"], row["expires"]
    assert [row for row in rows if row.get("endpoint") or row.get("scope")] == logged
    assert len(logged) == 5


def test_no_row_holds_a_secret(browser, alice):
    code = browser.consent()["code"]
    tokens = exchange(code).json()
    exchange(code)
    new = refresh(tokens["refresh_token"]).json()
    request_token(basic("demo-machine", "a-wrong-secret"), grant_type="client_credentials")
    post_form("/o/revoke_token/", {"token": "an-unknown-token", "client_id": "demo-browser"})
    written = "".join(event.as_json() for event in Event.objects.all())
    secrets = [code, "a-wrong-secret", "an-unknown-token", "alice@example.com"]
    secrets += [each[name] for each in (tokens, new) for name in each if name.endswith("_token")]
    assert len(secrets) == 4 + 3
    assert [secret for secret in secrets if secret in written] == []
    assert Event.objects.count() >= 6


def test_an_event_that_is_rolled_back_leaves_neither_row_nor_line(caplog):
    caplog.set_level(logging.INFO, "security")
    with transaction.atomic():
        write(1)
        transaction.set_rollback(True)
    assert (Event.objects.count(), caplog.records) == (0, [])


OF_ONE_DATABASE = {
    "postgresql": ["TRUNCATE {0}"],
    "sqlite": [
        "REPLACE INTO {0} SELECT * FROM {0}",
        "REPLACE INTO audit_seal (position, event_id, expires, digest, previous, mac) "
        "SELECT position + 9, event_id, expires, digest, previous, mac FROM audit_seal",
    ],
}


@pytest.mark.parametrize("table", ["audit_event", "audit_seal"])
@pytest.mark.parametrize(
    "statement",
    [
        *("UPDATE {0} SET expires = '2000-01-01'", "DELETE FROM {0}"),
        *OF_ONE_DATABASE[connection.vendor],
    ],
)
def test_the_database_refuses_changes(table, statement):
    write(1)
    chain.seal()
    with connection.cursor() as cursor, pytest.raises(DatabaseError, match="is append-only"):
        with transaction.atomic():
            cursor.execute(statement.format(table))
    assert (Event.objects.count(), found()) == (1, [])


def test_a_value_that_a_stranger_chooses_is_stored_as_text():
    record("client-refused", outcome="invalid_client", client_id="\0\ud800" + "x" * 300)
    assert Event.objects.get().client_id == "??" + "x" * 253


# ---- The chain ----


def test_what_is_sealed_is_intact(run):
    write(3)
    chain.seal()
    write(2)
    assert run("verify_audit").startswith("3 links are intact, 2 events wait.")
    chain.seal()
    assert run("verify_audit").startswith("5 links are intact, 0 events wait.")


def test_batches_make_one_chain(monkeypatch):
    monkeypatch.setattr(chain, "SIZE", 2)
    write(5)
    chain.seal()
    assert list(Seal.objects.values_list("position", flat=True)) == [1, 2, 3, 4, 5]
    assert (found(), len(ids())) == ([], 5)


def test_metrics_say_for_how_long_the_oldest_event_has_not_been_sealed(client):
    def hours():
        text = client.get("/metrics").text
        return (
            float(re.search("^authorization_server_unsealed_seconds (.+)", text, re.M)[1]) // 3600
        )

    for ago in (5, 3):
        time = timezone.now() - timedelta(hours=ago)
        Event.objects.create(event="sign-in", time=time, expires=time + timedelta(days=365))
        assert hours() == ago
        chain.seal()
        assert hours() == 0


def test_clear_tokens_seals_and_logs_an_anchor(caplog):
    caplog.set_level(logging.INFO, "security")
    write(2)
    call_command("clear_tokens")
    (line,) = [r.msg for r in caplog.records if r.name == "security" and isinstance(r.msg, dict)]
    position, mac = anchor()
    assert line == {"event": "audit-sealed", "anchor": f"{position}:{mac}"}


def test_clear_tokens_needs_the_key(settings):
    settings.AUDIT_KEY = ""
    with pytest.raises(CommandError, match="AUDIT_KEY is not set"):
        call_command("clear_tokens")


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE audit_event SET sub = 'nobody' WHERE id = {2}", "event {2} was changed"),
        ("UPDATE audit_event SET details = '{{}}' WHERE id = {2}", "event {2} was changed"),
        ("DELETE FROM audit_event WHERE id = {2}", "event {2} is missing, and was to be kept"),
        (
            "DELETE FROM audit_event WHERE id = {2};DELETE FROM audit_seal WHERE event_id = {2}",
            "link 4 does not follow link 2",
        ),
        (
            "DELETE FROM audit_event WHERE id = {0};DELETE FROM audit_seal WHERE event_id = {0}",
            "the links before 2 are missing, and were to be kept",
        ),
        (
            "UPDATE audit_seal SET event_id = -1 WHERE position = 2;"
            "UPDATE audit_seal SET event_id = {1} WHERE position = 3;"
            "UPDATE audit_seal SET event_id = {2} WHERE position = 2",
            "link 2 was changed, or made with another key",
        ),
        (
            "UPDATE audit_seal SET expires = '2000-01-01' WHERE position = 2",
            "link 2 was changed, or made with another key",
        ),
    ],
)
def test_a_manipulation_is_found(statement, problem):
    write(5, scope="orders:read")
    chain.seal()
    assert found() == []
    numbers = ids()
    tamper(statement.format(*numbers))
    assert problem.format(*numbers) in found()
    with pytest.raises(CommandError, match=r"link|event"):
        call_command("verify_audit")


def test_removed_last_rows_are_found_by_the_anchor_in_the_log():
    write(5)
    chain.seal()
    before = anchor()
    last = ids()[-1]
    tamper(f"DELETE FROM audit_event WHERE id = {last};DELETE FROM audit_seal WHERE position = 5")
    assert found() == []
    assert found(before) == ["link 5, which is in the log, is missing"]
    write(1)
    chain.seal()
    assert found(before) == ["link 5 is not the one in the log"]


def test_a_chain_that_is_made_again_needs_the_key(settings):
    write(3)
    chain.seal()
    tamper("DELETE FROM audit_seal;UPDATE audit_event SET sub = 'nobody'")
    settings.AUDIT_KEY = "the-key-of-an-attacker-0123456789-abcdefghi"
    chain.seal()
    settings.AUDIT_KEY = KEY
    assert len(found()) == 3


def test_a_row_that_is_inserted_later_with_an_old_time_is_found():
    write(1)
    chain.seal()
    past = timezone.now() - timedelta(days=30)
    expires = timezone.now() + timedelta(days=300)
    Event.objects.create(event="sign-in", outcome="ok", time=past, expires=expires)
    chain.seal()
    assert found() == ["there are old events in no link, which were inserted later"]


def test_a_mac_is_that_of_the_documentation():
    write(1)
    chain.seal()
    seal, event = Seal.objects.get(), Event.objects.get()
    digest = hashlib.sha256(event.as_json().encode()).hexdigest()
    text = json.dumps([1, event.pk, event.expires.isoformat(), digest, ""])
    assert seal.mac == hmac.new(KEY.encode(), text.encode(), "sha256").hexdigest()


@pytest.mark.parametrize("argument", ["5", "x:y", "1:abc"])
def test_a_wrong_anchor_is_refused(argument):
    with pytest.raises(CommandError, match="Expected POSITION:MAC"):
        call_command("verify_audit", argument)


def test_verification_needs_the_key(settings):
    settings.AUDIT_KEY = ""
    with pytest.raises(CommandError, match="AUDIT_KEY is not set"):
        call_command("verify_audit")


# ---- Retention ----


@pytest.fixture
def aged(settings):
    """Write and seal two events that have expired and two that have not; return their ids."""
    for days in (-2, -1, 1, 2):
        settings.AUDIT_DAYS = days
        write(1)
    settings.AUDIT_DAYS = 365
    chain.seal()
    return ids()


def test_what_has_expired_is_deleted_and_the_rest_stays_verified(aged, run):
    chain.delete_expired()
    assert list(Event.objects.order_by("pk").values_list("pk", flat=True)) == aged[2:]
    assert list(Seal.objects.order_by("position").values_list("position", flat=True)) == [2, 3, 4]
    assert found() == []
    write(1)
    chain.seal()
    assert run("verify_audit").startswith("4 links are intact")


def test_everything_that_has_expired_is_deleted_in_batches(settings, monkeypatch):
    monkeypatch.setattr(chain, "SIZE", 2)
    settings.AUDIT_DAYS = -1
    write(7)
    chain.seal()
    chain.delete_expired()
    assert (Event.objects.count(), list(Seal.objects.values_list("pk", flat=True))) == (0, [7])
    write(1)
    chain.seal()
    assert (found(), anchor()[0]) == ([], 8)


def test_an_event_that_expires_behind_one_that_does_not_waits(settings):
    write(1)
    settings.AUDIT_DAYS = -1
    write(1)
    chain.seal()
    chain.delete_expired()
    assert (Event.objects.count(), found()) == (2, [])


def test_rows_that_were_to_be_kept_are_missed_after_retention(aged):
    chain.delete_expired()
    tamper(
        f"DELETE FROM audit_event WHERE id = {aged[2]};DELETE FROM audit_seal WHERE position = 2"
    )
    assert f"event {aged[2]} is missing, and was to be kept" in found()


# ---- Export ----


def test_the_export_is_one_json_object_a_line(run):
    write(3, scope="orders:read")
    lines = [json.loads(line) for line in run("export_audit").splitlines()]
    assert [line["sub"] for line in lines] == ["person-0", "person-1", "person-2"]
    assert lines[0]["details"] == {"scope": "orders:read"}


def test_the_export_has_a_beginning_and_an_end(run, settings):
    now = timezone.now()
    for hours in (1, 2, 3):
        time = now - timedelta(hours=hours)
        Event.objects.create(event="sign-in", outcome="ok", sub=hours, time=time, expires=now)
    since, until = now - timedelta(hours=2), now - timedelta(hours=1)
    arguments = ["--since", since.isoformat(), "--until", until.isoformat()]
    lines = run("export_audit", *arguments).splitlines()
    assert [json.loads(line)["sub"] for line in lines] == ["2"]


def test_a_wrong_time_is_refused(run):
    with pytest.raises(CommandError, match="--since"):
        run("export_audit", "--since", "yesterday")


# ---- The administration site ----


@pytest.mark.parametrize(("page", "status"), [("", 200), ("add/", 403), ("{}/change/", 200)])
def test_administrators_can_only_read(browser, alice, page, status):
    type(alice).objects.filter(pk=alice.pk).update(is_staff=True, is_superuser=True)
    write(1)
    path = f"/admin/audit/event/{page.format(Event.objects.first().pk)}"
    assert browser.get(path).status_code == status
    assert browser.post(path, {"sub": "nobody"}).status_code in (200, 403)
    assert not Event.objects.filter(sub="nobody").exists()
