"""The administration site: people can be changed, clients only looked at and switched off."""

import pytest
from accounts.models import User
from client_registry.models import RegisteredClient
from oauth2_provider.models import Application
from tests.flows import introspect


@pytest.fixture
def admin(registered, client):
    """Return a browser in which an administrator is signed in."""
    client.force_login(User.objects.create_superuser("root@example.com"))
    return client


def test_only_staff_comes_in(browser):
    assert browser.get("/admin/")["Location"].startswith("/admin/login/")


@pytest.mark.parametrize("model", ["application", "accesstoken", "refreshtoken", "grant"])
def test_nothing_of_the_protocol_can_be_added(admin, model):
    assert admin.get(f"/admin/oauth2_provider/{model}/add/").status_code == 403


def test_an_application_cannot_be_changed_or_deleted(admin):
    path = f"/admin/oauth2_provider/application/{Application.objects.first().pk}"
    assert admin.post(f"{path}/change/", {"name": "Other"}).status_code == 403
    assert admin.post(f"{path}/delete/", {"post": "yes"}).status_code == 403


def test_an_application_shows_nothing_of_its_secret(admin):
    application = Application.objects.get(client_id="demo-machine")
    page = admin.get(f"/admin/oauth2_provider/application/{application.pk}/change/").text
    assert application.client_secret not in page
    assert "machine_sha256" not in page


def test_a_client_can_be_switched_off(admin, browser):
    token = browser.tokens().json()["access_token"]
    client = RegisteredClient.objects.get(name="demo-browser")
    admin.post(f"/admin/client_registry/registeredclient/{client.pk}/change/", {})
    client.refresh_from_db()
    assert not client.is_active
    assert introspect(token).json() == {"active": False}


def test_nothing_else_of_a_client_can_be_changed(admin):
    client = RegisteredClient.objects.get(name="demo-browser")
    admin.post(
        f"/admin/client_registry/registeredclient/{client.pk}/change/",
        {"is_active": "on", "name": "other", "scopes": '["introspection"]'},
    )
    client.refresh_from_db()
    assert (client.name, client.is_active) == ("demo-browser", True)
    assert client.scopes == ["openid", "profile", "email", "*"]


def test_a_person_can_be_added(admin):
    form = {"email": "New@example.com", "name": "New", "usable_password": "false"}
    assert admin.post("/admin/accounts/user/add/", form).status_code == 302
    assert User.objects.filter(email="new@example.com").exists()


def test_a_person_can_be_deactivated(admin, alice):
    form = {"email": alice.email, "name": alice.name}
    assert admin.post(f"/admin/accounts/user/{alice.pk}/change/", form).status_code == 302
    alice.refresh_from_db()
    assert not alice.is_active
