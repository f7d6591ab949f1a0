"""What administrators and operators do is an event that says who has done it."""

import logging
import sys
from pathlib import Path

import pytest
from accounts.models import User
from client_registry.models import RegisteredClient
from django.core.management import call_command
from django.test import Client
from oauth2_provider.models import AccessToken

pytest_plugins = ["tests.recorded"]

# ---- Administrators ----


@pytest.fixture
def root(registered):
    return User.objects.create_superuser("root@example.com")


@pytest.fixture
def office(root):
    """Return the browser of an administrator."""
    browser = Client()
    browser.force_login(root)
    return browser


def test_an_administrator_changes_a_person(office, root, alice, events):
    data = {"email": "alice@example.com", "name": "Alice B.", "is_active": "on"}
    response = office.post(f"/admin/accounts/user/{alice.pk}/change/", data)
    assert response.status_code == 302
    members = {
        "sub": str(alice.pk),
        "act": str(root.pk),
        "target": f"accounts.user:{alice.pk}",
        "fields": ["Full name"],
    }
    assert events() == [("admin-change", "ok", members)]


def test_an_administrator_deactivates_a_client(office, root, events):
    registration = RegisteredClient.objects.get(name="demo-machine")
    page = f"/admin/client_registry/registeredclient/{registration.pk}/change/"
    assert office.post(page, {}).status_code == 302
    members = {
        "act": str(root.pk),
        "client_id": "demo-machine",
        "target": f"client_registry.registeredclient:{registration.pk}",
        "fields": ["Active"],
    }
    assert events() == [("admin-change", "ok", members)]


@pytest.mark.parametrize("count", [1, 2])
def test_an_administrator_deletes_a_list_of_people(office, root, alice, bob, events, count):
    people = [str(person.pk) for person in (alice, bob)[:count]]
    data = {"action": "delete_selected", "_selected_action": people}
    office.post("/admin/accounts/user/", data)
    assert events() == []  # It asks whether to do so.
    office.post("/admin/accounts/user/", data | {"post": "yes"})
    deleted = [("account-deleted", "ok", {"sub": pk, "act": str(root.pk)}) for pk in people]
    members = {
        "act": str(root.pk),
        "action": "delete_selected",
        "target": "admin:accounts_user_changelist",
        "ids": people,
    }
    found = events()
    assert sorted(found[:-1], key=str) == sorted(deleted, key=str)
    assert found[-1] == ("admin-action", "ok", members)


def test_an_administrator_revokes_a_token(browser, office, root, alice, events):
    browser.tokens()
    token = AccessToken.objects.get()
    events()
    data = {"action": "revoke_selected", "_selected_action": [token.pk]}
    office.post("/admin/oauth2_provider/accesstoken/", data)
    members = {"sub": str(alice.pk), "act": str(root.pk), "client_id": "demo-browser"}
    revoked, action = events()
    assert revoked == ("token-revoked", "ok", members)
    assert (action[0], action[2]["action"]) == ("admin-action", "revoke_selected")


def test_an_administrator_without_the_permission(office, root, events):
    User.objects.filter(pk=root.pk).update(is_superuser=False)
    assert office.get("/admin/accounts/user/").status_code == 403
    members = {"act": str(root.pk), "target": "admin:accounts_user_changelist"}
    assert events() == [("admin-refused", "access_denied", members)]


# ---- Commands ----


@pytest.mark.django_db
def test_a_client_that_is_registered_changed_and_deleted(
    caplog, settings, tmp_path, monkeypatch, lines
):
    monkeypatch.setattr(sys, "argv", ["/project/manage.py", "ensure_clients"])
    caplog.set_level(logging.INFO, "security")
    call_command("ensure_clients")
    assert {line["event"] for line in lines()} == {"client-created"}
    caplog.clear()
    declared = Path(settings.CLIENTS_FILE).read_text(encoding="utf-8")
    settings.CLIENTS_FILE = tmp_path / "clients.toml"
    settings.CLIENTS_FILE.write_text(declared.replace("Demo machine", "A new title"), "utf-8")
    call_command("ensure_clients")
    (line,) = lines()
    by = {"outcome": "ok", "act": "manage.py:ensure_clients"}
    changed = {"event": "client-changed", "client_id": "demo-machine", "fields": ["name"]}
    assert line == by | changed
    caplog.clear()
    settings.CLIENTS_FILE.write_text("", "utf-8")
    call_command("ensure_clients", "--prune")
    deleted = {line["client_id"] for line in lines() if line["event"] == "client-deleted"}
    assert deleted == {"demo-machine", "demo-browser", "demo-device"}


def test_a_check_of_clients_is_no_event(registered, caplog, lines):
    caplog.clear()
    call_command("ensure_clients", "--check", "--prune")
    assert lines() == []


@pytest.mark.parametrize(
    ("arguments", "members"),
    [
        (["--client", "demo-machine"], {"client_id": "demo-machine"}),
        (["--resource-server", "orders"], {"resource_server": "orders"}),
        (["--all"], {}),
    ],
)
def test_tokens_that_an_operator_revokes(
    registered, caplog, monkeypatch, arguments, members, lines
):
    monkeypatch.setattr(sys, "argv", ["manage.py", "revoke_tokens", *arguments])
    caplog.clear()
    call_command("revoke_tokens", *arguments)
    by = {"event": "tokens-revoked", "outcome": "ok", "act": "manage.py:revoke_tokens"}
    assert lines() == [by | members]
