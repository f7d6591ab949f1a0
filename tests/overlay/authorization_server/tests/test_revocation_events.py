"""Every premature end of an access token is an event, for the resource servers it was good for."""

import hashlib
import io
import secrets
from datetime import timedelta

import pytest
from client_registry.manifests import resource_servers
from client_registry.models import RegisteredClient
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application
from revocation_events.models import Event
from tests.flows import (
    basic,
    exchange,
    is_active,
    machine_token,
    post_form,
    refresh,
)

pytestmark = pytest.mark.usefixtures("registered")


@pytest.fixture
def tokens(browser):
    """Return the tokens that Alice has given to the demo browser."""
    return browser.tokens().json()


@pytest.fixture(autouse=True)
def forget_registration(registered):
    """Begin each test without the events of `registered`."""
    Event.objects.all().delete()


def digest(token):
    return hashlib.sha256(token.encode()).hexdigest()


def dead():
    """Return (kind, value, resource servers) of each event."""
    return [
        (event.kind, event.value, event.resource_servers) for event in Event.objects.order_by("id")
    ]


def is_dead(token):
    return ("token", digest(token), ["orders"]) in dead()


# ---- Deaths of single tokens ----


def test_a_revoked_access_token():
    token = machine_token(scope="orders:read")
    post_form("/o/revoke_token/", {"token": token}, basic("demo-machine"))
    assert dead() == [("token", digest(token), ["orders"])]


def test_a_revoked_refresh_token(tokens):
    data = {"token": tokens["refresh_token"], "client_id": "demo-browser"}
    post_form("/o/revoke_token/", data)
    assert is_dead(tokens["access_token"])


def test_a_refresh(tokens):
    refresh(tokens["refresh_token"])
    assert dead() == [("token", digest(tokens["access_token"]), ["orders"])]


def test_a_refresh_token_that_is_used_twice(tokens):
    new = refresh(refresh(tokens["refresh_token"]).json()["refresh_token"]).json()
    refresh(tokens["refresh_token"])
    assert is_dead(new["access_token"])


def test_a_deactivated_user(tokens, alice):
    alice.is_active = False
    alice.save()
    assert is_dead(tokens["access_token"])


def test_a_user_who_is_deactivated_by_update(tokens, alice):
    type(alice).objects.filter(pk=alice.pk).update(is_active=False)
    assert is_dead(tokens["access_token"])


def test_a_deleted_user(tokens, alice):
    alice.delete()
    assert is_dead(tokens["access_token"])


def test_a_deleted_client(tokens):
    Application.objects.get(client_id="demo-browser").delete()
    assert is_dead(tokens["access_token"])


def test_a_token_that_is_deleted_on_the_administration_site(tokens):
    AccessToken.objects.all().delete()
    assert is_dead(tokens["access_token"])


def test_no_event_of_a_token_that_has_expired(tokens):
    AccessToken.objects.update(expires=timezone.now() - timedelta(seconds=1))
    AccessToken.objects.all().delete()
    assert dead() == []


def test_an_event_is_kept_as_long_as_its_token(tokens):
    expires = AccessToken.objects.get().expires
    AccessToken.objects.all().delete()
    assert Event.objects.get().expires == expires


def test_a_token_for_two_resource_servers():
    token = machine_token(scope="orders:read inventory:read")
    AccessToken.objects.all().delete()
    assert dead() == [("token", digest(token), ["inventory", "orders"])]


def test_a_token_that_is_restricted_to_one_of_them():
    audience = resource_servers()["orders"].audience
    machine_token(scope="orders:read inventory:read", resource=audience)
    AccessToken.objects.all().delete()
    assert [names for *_, names in dead()] == [["orders"]]


def test_no_event_of_a_token_that_no_resource_server_accepts():
    machine_token("orders-introspection", scope="introspection")
    AccessToken.objects.all().delete()
    assert dead() == []


def test_an_event_is_undone_with_its_deed(tokens):
    with transaction.atomic():
        AccessToken.objects.all().delete()
        transaction.set_rollback(True)
    assert dead() == []


# ---- Clients ----


def test_a_deactivated_client():
    registration = RegisteredClient.objects.get(name="demo-machine")
    registration.is_active = False
    registration.save()
    assert ("client", "demo-machine", ["inventory", "orders"]) in dead()


def test_a_client_that_is_deactivated_by_update():
    RegisteredClient.objects.filter(name="demo-machine").update(is_active=False)
    assert ("client", "demo-machine", ["inventory", "orders"]) in dead()


def test_a_client_that_lost_its_scopes():
    registration = RegisteredClient.objects.get(name="demo-machine")
    registration.scopes = ["inventory:read"]
    registration.save()
    assert ("client", "demo-machine", ["inventory", "orders"]) in dead()


def test_a_client_that_lost_a_scope_lost_it_in_its_tokens():
    lost, kept = machine_token(scope="orders:read"), machine_token(scope="inventory:read")
    registration = RegisteredClient.objects.get(name="demo-machine")
    registration.scopes = ["inventory:*"]
    registration.save()
    assert (is_active(lost), is_active(kept, "inventory")) == (False, True)


def test_a_rotated_secret(monkeypatch):
    monkeypatch.setenv("DEMO_MACHINE_CLIENT_SECRET", secrets.token_urlsafe(48))
    call_command("ensure_clients", stdout=io.StringIO())
    assert ("client", "demo-machine", ["inventory", "orders"]) in dead()


def test_no_event_of_a_registration_that_changes_nothing():
    call_command("ensure_clients", stdout=io.StringIO())
    assert dead() == []


# ---- The command ----


def revoke_tokens(*arguments):
    output = io.StringIO()
    call_command("revoke_tokens", *arguments, stdout=output)
    return output.getvalue()


def test_the_tokens_of_a_user(tokens, alice):
    machine = machine_token(scope="orders:read")
    assert revoke_tokens("--user", alice.email) == "1 access tokens were revoked.\n"
    assert is_dead(tokens["access_token"])
    assert not is_dead(machine)
    assert refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_the_tokens_of_a_client(tokens):
    token = machine_token(scope="orders:read")
    assert revoke_tokens("--client", "demo-machine") == "1 access tokens were revoked.\n"
    assert dead() == [("client", "demo-machine", ["inventory", "orders"])]
    assert not is_active(token)
    assert is_active(tokens["access_token"])


def test_the_tokens_for_a_resource_server(tokens):
    token = machine_token(scope="inventory:read")
    assert revoke_tokens("--resource-server", "orders") == "1 access tokens were revoked.\n"
    assert dead() == [("reset", "", ["orders"])]
    assert is_active(token, "inventory")
    assert refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_all_tokens(tokens):
    machine_token(scope="inventory:read")
    assert revoke_tokens("--all") == "2 access tokens were revoked.\n"
    assert dead() == [("reset", "", ["inventory", "orders"])]


@pytest.mark.parametrize(
    "which", [["--all"], ["--client", "demo-machine"], ["--resource-server", "orders"]]
)
def test_a_dry_run_revokes_nothing(which):
    token = machine_token(scope="orders:read")
    assert revoke_tokens(*which, "--dry-run") == "1 access tokens would be revoked.\n"
    assert is_active(token)
    assert dead() == []


@pytest.mark.parametrize(
    ("which", "message"),
    [
        (["--user", "eve@example.com"], "There is no user eve@example.com."),
        (["--client", "eve"], "There is no application eve."),
        (["--resource-server", "eve"], "There is no resource server eve. There are: inventory, "),
    ],
)
def test_an_unknown_name_is_one_sentence(which, message):
    with pytest.raises(CommandError, match=message):
        revoke_tokens(*which)


def test_a_code_that_is_used_twice(browser):
    code = browser.consent()["code"]
    exchange(code)
    assert exchange(code).json()["error"] == "invalid_grant"
