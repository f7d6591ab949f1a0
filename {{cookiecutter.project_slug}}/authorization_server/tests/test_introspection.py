"""The introspection endpoint (RFC 7662): only resource servers, only their own tokens."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application

from client_registry.models import RegisteredClient
from tests.flows import (
    FORM,
    basic,
    bearer,
    introspect,
    is_active,
    machine_token,
    post_form,
    secret_of,
)

pytestmark = pytest.mark.usefixtures("registered")
PATH = "/o/introspect/"


@pytest.fixture
def token(registered):
    """Return a token of the demo machine for orders and inventory."""
    return machine_token(scope="orders:read orders:write inventory:read")


@pytest.fixture
def introspection_token(registered):
    """Return a token with which the resource server orders may introspect."""
    return machine_token("orders-introspection", scope="introspection")


# ---- Answers ----


def test_the_answer_about_the_token_of_a_person(browser, alice):
    answer = introspect(browser.tokens().json()["access_token"]).json()
    token = AccessToken.objects.get()
    assert answer == {
        "active": True,
        "scope": "orders:read",
        "client_id": "demo-browser",
        "username": "alice@example.com",
        "token_type": "Bearer",
        "exp": int(token.expires.timestamp()),
        "iat": int(token.created.timestamp()),
        "sub": str(alice.pk),
        "aud": "https://orders.example.com",
        "iss": "http://localhost:8000",
    }


def test_the_answer_about_the_token_of_a_machine(token):
    answer = introspect(token).json()
    assert answer["sub"] == answer["client_id"] == "demo-machine"
    assert "username" not in answer


def test_the_token_lives_ten_minutes(monkeypatch):
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)
    answer = introspect(machine_token(scope="orders:read")).json()
    assert answer["exp"] - answer["iat"] == 600


def test_a_resource_server_sees_its_own_scopes_only(token):
    assert introspect(token, "orders").json()["scope"] == "orders:read orders:write"
    assert introspect(token, "inventory").json()["scope"] == "inventory:read"


def test_a_resource_server_is_told_its_own_audience(token):
    assert introspect(token, "inventory").json()["aud"] == "https://inventory.example.com"


def test_the_answer_is_not_to_be_stored(token):
    assert introspect(token)["Cache-Control"] == "no-store"


def test_a_token_type_hint_changes_nothing(token):
    data = {"token": token, "token_type_hint": "refresh_token"}
    assert post_form(PATH, data, basic("orders-introspection")).json()["active"] is True


def test_a_resource_of_the_resource_server_is_active(registered):
    token = machine_token(scope="orders:read", resource="https://orders.example.com")
    assert is_active(token)


# ---- Inactive, and nothing else ----


def assert_inactive(token, resource_server="orders"):
    response = introspect(token, resource_server)
    assert response.status_code == 200
    assert response.json() == {"active": False}


def test_an_unknown_token_is_inactive():
    assert_inactive("unknown")


def test_a_token_with_none_of_its_scopes_is_inactive():
    assert_inactive(machine_token(scope="inventory:read"))


def test_an_expired_token_is_inactive(token):
    AccessToken.objects.update(expires=timezone.now() - timedelta(seconds=1))
    assert_inactive(token)


def test_a_token_of_somebody_who_was_deactivated_is_inactive(browser, alice):
    token = browser.tokens().json()["access_token"]
    type(alice).objects.update(is_active=False)
    assert_inactive(token)


def test_a_token_of_a_client_that_was_switched_off_is_inactive(token):
    RegisteredClient.objects.filter(name="demo-machine").update(is_active=False)
    assert_inactive(token)


def test_a_token_of_an_application_that_is_not_registered_is_inactive(token):
    RegisteredClient.objects.filter(name="demo-machine").delete()
    assert_inactive(token)


def test_a_token_without_an_application_is_inactive(token):
    AccessToken.objects.update(application=None)
    assert_inactive(token)


def test_a_token_for_another_resource_is_inactive():
    token = machine_token(
        scope="orders:read inventory:read", resource="https://inventory.example.com"
    )
    assert_inactive(token, "orders")
    assert is_active(token, "inventory")


def test_a_refresh_token_is_inactive(browser):
    assert_inactive(browser.tokens().json()["refresh_token"])


def test_an_id_token_is_inactive(browser):
    assert_inactive(browser.tokens().json()["id_token"])


def test_a_token_for_introspection_is_inactive(introspection_token):
    assert_inactive(introspection_token)


# ---- Who asks ----


def test_a_resource_server_may_use_a_token_that_was_issued_to_it(token, introspection_token):
    assert introspect(token, headers=bearer(introspection_token)).json()["active"] is True


def test_credentials_may_be_form_urlencoded(token):
    headers = basic("orders%2Dintrospection", secret_of("orders-introspection"))
    assert introspect(token, headers=headers).json()["active"] is True


def assert_refused(response, error, scheme):
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
        basic("orders-introspection", "wrong"),
        basic("orders-introspection", ""),
        basic("nobody", "anything"),
        basic("no%00body", "anything"),
        basic("", ""),
    ],
)
def test_a_caller_without_valid_credentials_is_refused(token, headers):
    response = post_form(PATH, {"token": token}, headers)
    assert_refused(response, "invalid_client", "Basic")


def test_a_client_that_is_no_resource_server_is_refused(token):
    assert_refused(introspect(token, headers=basic("demo-machine")), "invalid_client", "Basic")


def test_a_public_client_is_refused(token):
    headers = basic("demo-browser", "")
    assert_refused(introspect(token, headers=headers), "invalid_client", "Basic")


def test_credentials_in_the_body_are_refused(token):
    data = {"token": token, "client_id": "demo-browser", "client_secret": ""}
    assert_refused(post_form(PATH, data), "invalid_client", "Basic")


def test_a_resource_server_whose_client_is_switched_off_is_refused(token, introspection_token):
    RegisteredClient.objects.filter(name="orders-introspection").update(is_active=False)
    assert_refused(introspect(token), "invalid_client", "Basic")
    response = introspect(token, headers=bearer(introspection_token))
    assert_refused(response, "invalid_token", "Bearer")


def test_a_resource_server_without_a_manifest_is_refused(token):
    RegisteredClient.objects.filter(name="orders-introspection").update(resource_server="gone")
    assert_refused(introspect(token), "invalid_client", "Basic")


def test_the_client_of_a_resource_server_has_to_be_confidential(token):
    Application.objects.filter(client_id="orders-introspection").update(client_type="public")
    assert_refused(introspect(token), "invalid_client", "Basic")


def test_an_unknown_bearer_token_is_refused(token):
    response = introspect(token, headers=bearer("unknown"))
    assert_refused(response, "invalid_token", "Bearer")


def test_a_bearer_token_without_the_scope_is_refused(token):
    assert_refused(introspect(token, headers=bearer(token)), "invalid_token", "Bearer")


def test_a_bearer_token_of_a_resource_server_needs_the_scope(token, introspection_token):
    AccessToken.objects.update(scope="orders:read")
    response = introspect(token, headers=bearer(introspection_token))
    assert_refused(response, "invalid_token", "Bearer")


def test_an_expired_bearer_token_is_refused(token, introspection_token):
    AccessToken.objects.update(expires=timezone.now() - timedelta(seconds=1))
    response = introspect(token, headers=bearer(introspection_token))
    assert_refused(response, "invalid_token", "Bearer")


def test_a_bearer_token_for_a_resource_is_refused(token):
    restricted = machine_token("orders-introspection", resource="https://orders.example.com")
    response = introspect(token, headers=bearer(restricted))
    assert_refused(response, "invalid_token", "Bearer")


def test_a_bearer_token_of_a_person_is_refused(token, introspection_token, alice):
    AccessToken.objects.update(user=alice)
    response = introspect(token, headers=bearer(introspection_token))
    assert_refused(response, "invalid_token", "Bearer")


def test_a_bearer_token_with_the_scope_that_is_not_of_a_resource_server_is_refused(token):
    AccessToken.objects.update(scope="introspection orders:read")
    assert_refused(introspect(token, headers=bearer(token)), "invalid_token", "Bearer")


# ---- How they ask ----


@pytest.mark.parametrize("method", ["get", "put", "delete", "head", "options"])
def test_only_post_is_allowed(token, method):
    response = getattr(Client(), method)(f"{PATH}?token={token}", headers=basic("demo-machine"))
    assert response.status_code == 405
    assert response["Cache-Control"] == "no-store"


def test_a_body_that_is_not_a_form_is_refused(token):
    response = Client().post(
        PATH,
        {"token": token},
        content_type="application/json",
        headers=basic("orders-introspection"),
    )
    assert response.status_code == 415
    assert response.json()["error"] == "invalid_request"


def test_a_body_of_more_than_16_kib_is_refused():
    response = introspect("x" * 16 * 1024)
    assert response.status_code == 413


@pytest.mark.parametrize("data", [{"other": "x"}, {"token": ""}, {"token": ["one", "two"]}])
def test_the_token_has_to_be_there_once(data):
    response = post_form(PATH, data, basic("orders-introspection"))
    assert response.status_code == 400
    assert response.json()["error"] == "invalid_request"


def test_a_token_in_the_address_is_not_read(token):
    response = post_form(f"{PATH}?token={token}", {"a": "b"}, basic("orders-introspection"))
    assert response.status_code == 400


def test_no_cookie_is_needed(token):
    client = Client(enforce_csrf_checks=True)
    response = client.post(
        PATH, f"token={token}", content_type=FORM, headers=basic("orders-introspection")
    )
    assert response.status_code == 200


# ---- What it costs ----


def test_a_request_with_credentials_makes_two_queries(token, django_assert_num_queries):
    with django_assert_num_queries(2):
        introspect(token)


def test_a_request_with_a_bearer_token_makes_two_queries(
    token, introspection_token, django_assert_num_queries
):
    with django_assert_num_queries(2):
        introspect(token, headers=bearer(introspection_token))


def test_the_token_of_a_person_makes_two_queries(browser, django_assert_num_queries):
    token = browser.tokens().json()["access_token"]
    with django_assert_num_queries(2):
        introspect(token)


def test_a_refused_caller_makes_one_query(token, django_assert_num_queries):
    with django_assert_num_queries(1):
        introspect(token, headers=basic("orders-introspection", "wrong"))
