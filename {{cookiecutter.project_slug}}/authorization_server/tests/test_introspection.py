"""The introspection endpoint (RFC 7662): resource servers only, their own tokens only."""

from datetime import timedelta

import pytest
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application

from client_registry.models import RegisteredClient
from tests.flows import ask, basic, bearer, introspect, is_active, machine_token, secret_of

pytestmark = pytest.mark.usefixtures("registered")
ORDERS = "orders-introspection"


@pytest.fixture
def token(registered):
    """Return an access token of the machine for orders and inventory."""
    return machine_token(scope="orders:read orders:write inventory:read")


@pytest.fixture
def credential(registered):
    """Return an access token of orders for the introspection endpoint."""
    return machine_token(ORDERS, scope="introspection")


# ---- Active tokens ----


def test_token_of_a_person(browser, alice):
    answer = introspect(browser.tokens().json()["access_token"]).json()
    token = AccessToken.objects.get()
    assert answer == {
        "active": True,
        "scope": "orders:read",
        "client_id": "demo-browser",
        "username": "alice@example.com",
        "staff": False,
        "auth_time": int(browser.session["auth_time"]),
        "token_type": "Bearer",
        "exp": int(token.expires.timestamp()),
        "iat": int(token.created.timestamp()),
        "sub": str(alice.pk),
        "aud": "https://orders.example.com",
        "iss": "http://localhost:8000",
    }


def test_machine_is_the_subject_of_its_token(token):
    answer = introspect(token).json()
    assert answer["sub"] == answer["client_id"] == "demo-machine"
    assert "username" not in answer


def test_token_lives_as_long_as_the_setting_says(settings, monkeypatch):
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)
    answer = introspect(machine_token(scope="orders:read")).json()
    assert answer["exp"] - answer["iat"] == settings.OAUTH2_PROVIDER["ACCESS_TOKEN_EXPIRE_SECONDS"]


@pytest.mark.parametrize(
    ("server", "scope"), [("orders", "orders:read orders:write"), ("inventory", "inventory:read")]
)
def test_resource_server_sees_its_own_scopes_and_audience(token, server, scope):
    answer = introspect(token, server).json()
    assert (answer["scope"], answer["aud"]) == (scope, f"https://{server}.example.com")


def test_token_type_hint_is_ignored(token):
    data = {"token": token, "token_type_hint": "refresh_token"}
    assert ask(data, basic(ORDERS)).json()["active"] is True


def test_token_for_a_resource_is_active_there_only():
    token = machine_token(
        scope="orders:read inventory:read", resource="https://inventory.example.com"
    )
    assert is_active(token, "inventory")
    assert_inactive(token)


# ---- Inactive tokens ----


def assert_inactive(token):
    response = introspect(token)
    assert (response.status_code, response.json()) == (200, {"active": False})
    assert response["Cache-Control"] == "no-store"


def test_unknown_token_is_inactive():
    assert_inactive("unknown")


def test_token_without_a_scope_of_the_resource_server_is_inactive():
    assert_inactive(machine_token(scope="inventory:read"))


def test_expired_token_is_inactive(token):
    AccessToken.objects.update(expires=timezone.now() - timedelta(seconds=1))
    assert_inactive(token)


def test_token_of_a_deactivated_person_is_inactive(browser, alice):
    token = browser.tokens().json()["access_token"]
    type(alice).objects.update(is_active=False)
    assert_inactive(token)


def test_token_of_a_deactivated_client_is_inactive(token):
    RegisteredClient.objects.filter(name="demo-machine").update(is_active=False)
    assert_inactive(token)


def test_token_of_an_unregistered_application_is_inactive(token):
    RegisteredClient.objects.filter(name="demo-machine").delete()
    assert_inactive(token)


def test_token_without_an_application_is_inactive(token):
    AccessToken.objects.update(application=None)
    assert_inactive(token)


@pytest.mark.parametrize("kind", ["refresh_token", "id_token"])
def test_other_kinds_of_tokens_are_inactive(browser, kind):
    assert_inactive(browser.tokens().json()[kind])


def test_token_for_introspection_is_inactive(credential):
    assert_inactive(credential)


# ---- Callers ----


def assert_refused(response, error="invalid_client", scheme="Basic"):
    assert response.status_code == 401
    assert response.json()["error"] == error
    assert response["WWW-Authenticate"].startswith(f"{scheme} realm=")
    assert response["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Basic"},
        {"Authorization": "Basic ???"},
        {"Authorization": "Basic bm8tY29sb24="},
        {"Authorization": "Basic //86//8="},
        {"Authorization": "Digest username=orders-introspection"},
        basic(ORDERS, "wrong"),
        basic(ORDERS, ""),
        basic("unknown", "anything"),
        basic("no%00body", "anything"),
        basic("", ""),
        basic("demo-machine"),
        basic("demo-browser", ""),
    ],
)
def test_caller_that_is_not_a_resource_server_is_refused(token, headers):
    assert_refused(introspect(token, headers=headers or {"Accept": "*/*"}))


def test_credentials_in_the_body_are_refused(token):
    data = {"token": token, "client_id": ORDERS, "client_secret": secret_of(ORDERS)}
    assert_refused(ask(data))


def test_credentials_may_be_form_urlencoded(token):
    headers = basic("orders%2Dintrospection", secret_of(ORDERS))
    assert introspect(token, headers=headers).json()["active"] is True


def test_stored_secret_in_clear_is_refused(token):
    Application.objects.filter(client_id=ORDERS).update(client_secret=secret_of(ORDERS))
    assert_refused(introspect(token))


def test_old_secret_is_refused_after_a_change(token):
    assert is_active(token)
    other = Application.objects.get(client_id="inventory-introspection").client_secret
    Application.objects.filter(client_id=ORDERS).update(client_secret=other)
    assert_refused(introspect(token))
    headers = basic(ORDERS, secret_of("inventory-introspection"))
    assert introspect(token, headers=headers).json()["active"] is True


@pytest.mark.parametrize("change", [{"is_active": False}, {"resource_server": "gone"}])
def test_client_without_an_active_resource_server_is_refused(token, credential, change):
    RegisteredClient.objects.filter(name=ORDERS).update(**change)
    assert_refused(introspect(token))
    assert_refused(introspect(token, headers=bearer(credential)), "invalid_token", "Bearer")


def test_public_client_of_a_resource_server_is_refused(token, credential):
    Application.objects.filter(client_id=ORDERS).update(client_type="public")
    assert_refused(introspect(token))
    assert_refused(introspect(token, headers=bearer(credential)), "invalid_token", "Bearer")


def test_client_that_moves_to_another_resource_server_gets_its_answers(token):
    RegisteredClient.objects.filter(name=ORDERS).update(resource_server="inventory")
    assert introspect(token).json()["aud"] == "https://inventory.example.com"


def test_bearer_token_of_a_resource_server_is_accepted(token, credential):
    answer = introspect(token, headers=bearer(credential)).json()
    assert answer["scope"] == "orders:read orders:write"


@pytest.mark.parametrize("value", ["unknown", ""])
def test_unknown_bearer_token_is_refused(token, value):
    assert_refused(introspect(token, headers=bearer(value)), "invalid_token", "Bearer")


@pytest.mark.parametrize(
    "change",
    [
        {"scope": "orders:read"},
        {"scope": ""},
        {"expires": timezone.now() - timedelta(seconds=1)},
        {"resource": ["https://orders.example.com"]},
        {"application": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_bearer_token_that_does_not_authenticate_is_refused(token, credential, change):
    AccessToken.objects.filter(scope="introspection").update(**change)
    assert_refused(introspect(token, headers=bearer(credential)), "invalid_token", "Bearer")


def test_bearer_token_of_a_person_is_refused(token, credential, alice):
    AccessToken.objects.filter(scope="introspection").update(user=alice)
    assert_refused(introspect(token, headers=bearer(credential)), "invalid_token", "Bearer")


def test_bearer_token_of_a_client_that_is_not_a_resource_server_is_refused(token):
    assert_refused(introspect(token, headers=bearer(token)), "invalid_token", "Bearer")
    AccessToken.objects.update(scope="introspection")
    assert_refused(introspect(token, headers=bearer(token)), "invalid_token", "Bearer")
