"""Every page of the administration site opens, and none shows a token, a code or a secret."""

import html
import re
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
from accounts.models import User
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from client_registry.models import RegisteredClient
from django.contrib.admin import site
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application, Grant, IDToken, RefreshToken
from revocation_events.models import Event
from tests.flows import introspect

pytestmark = pytest.mark.django_db
OTHERS = ("/admin/logout/", "/admin/jsi18n/", "/static/", "/o/", "/accounts/")
MODELS = sorted(site._registry, key=lambda model: model._meta.label)


@pytest.fixture
def issued(browser):
    """Issue tokens and codes of every kind, and return what no page may show."""
    tokens = browser.tokens(scope="openid orders:read").json()
    browser.tokens()
    AccessToken.objects.last().delete()  # which raises an event
    browser.consent()
    user = User.objects.create_user("carol@example.com", "a password of Carol")
    secret = "the-secret-of-a-second-factor"
    Authenticator.objects.create(user=user, type="totp", data={"secret": secret})
    UserSession.objects.create(
        user=user, ip="127.0.0.1", user_agent="", session_key="the-key-of-a-session"
    )
    rows = [*AccessToken.objects.all(), *RefreshToken.objects.all()]
    return {
        *(tokens[kind] for kind in ("access_token", "refresh_token", "id_token")),
        *(user.password, secret, "the-key-of-a-session"),
        *(row.token for row in rows),
        *(row.token_checksum for row in rows),
        *(part for grant in Grant.objects.all() for part in (grant.code, grant.code_challenge)),
        *Application.objects.values_list("client_secret", flat=True),
    } - {""}


@pytest.fixture
def admin(issued, client):
    """Return a browser in which an administrator is signed in."""
    client.force_login(User.objects.create_superuser("root@example.com"))
    return client


def links(page):
    """Return the addresses of the site to which a page leads."""
    for href in re.findall(r'href="([^"]+)"', page.text):
        url = urljoin(page.request["PATH_INFO"], html.unescape(href))
        path, query = urlsplit(url).path, parse_qs(urlsplit(url).query)
        if url.startswith("/") and not url.startswith(OTHERS):
            # A list with one filter or in the order of one column.
            is_list = len(query) == 1 and not re.search(r"_changelist_filters|o=.*\.", url)
            yield url.partition("#")[0] if is_list else path


def test_every_link_leads_to_a_page_without_a_secret(admin, issued):
    # `/` leads to other services.
    waiting, seen = ["/admin/"], {"/", "/admin/"}
    while waiting:
        url = waiting.pop()
        page = admin.get(url)
        assert page.status_code in (200, 302), url
        assert [secret for secret in issued if secret in page.text] == [], url
        new = {*links(page)} - seen
        seen |= new
        waiting += new
    assert all(reverse(f"admin:{name(model)}_changelist") in seen for model in MODELS)


def name(model):
    return f"{model._meta.app_label}_{model._meta.model_name}"


@pytest.mark.parametrize("model", MODELS, ids=name)
def test_a_model_can_be_searched(admin, issued, model):
    page = admin.get(reverse(f"admin:{name(model)}_changelist"), {"q": "alice"})
    assert page.status_code == 200


@pytest.mark.parametrize("model", MODELS, ids=name)
def test_adding_and_deleting_opens_or_is_refused(admin, issued, model):
    urls = [reverse(f"admin:{name(model)}_add")]
    if first := model.objects.first():
        urls.append(reverse(f"admin:{name(model)}_delete", args=[first.pk]))
    for page in map(admin.get, urls):
        assert page.status_code in (200, 403)
        assert [secret for secret in issued if secret in page.text] == []


def test_a_person_with_tokens_can_be_deleted(admin, issued, alice):
    page = admin.get(f"/admin/accounts/user/{alice.pk}/delete/")
    assert [secret for secret in issued if secret in page.text] == []


@pytest.mark.parametrize("model", [AccessToken, RefreshToken, Grant, IDToken, Event])
def test_what_was_issued_cannot_be_changed(admin, model):
    row = model.objects.first()
    path = reverse(f"admin:{name(model)}_change", args=[row.pk])
    assert admin.post(path, {"scope": "orders:write"}).status_code == 403


@pytest.mark.parametrize("model", [AccessToken, RefreshToken])
def test_a_token_can_be_revoked_with_its_companion(admin, model):
    token = model.objects.last()
    companion = token.access_token_id if model is RefreshToken else token.refresh_token.pk
    form = {"action": "revoke_selected", "_selected_action": [token.pk]}
    assert admin.post(reverse(f"admin:{name(model)}_changelist"), form).status_code == 302
    access = companion if model is RefreshToken else token.pk
    refresh = token.pk if model is RefreshToken else companion
    assert not AccessToken.objects.filter(pk=access).exists()
    assert RefreshToken.objects.get(pk=refresh).revoked


def test_staff_that_may_only_look_cannot_revoke(admin, client):
    viewer = User.objects.create_user("viewer@example.com", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_accesstoken"))
    client.force_login(viewer)
    page = client.get(reverse("admin:oauth2_provider_accesstoken_changelist"))
    assert (page.status_code, "revoke_selected" in page.text) == (200, False)


def test_a_resource_server_shows_its_manifest(admin):
    registration = RegisteredClient.objects.get(resource_server="orders")
    page = admin.get(f"/admin/client_registry/registeredclient/{registration.pk}/change/").text
    assert "orders:read: " in page


@pytest.mark.parametrize(
    ("client_name", "count"), [("orders-introspection", 2), ("inventory-introspection", 0)]
)
def test_a_resource_server_shows_how_many_tokens_it_accepts(admin, browser, client_name, count):
    browser.tokens(scope="orders:read")
    registration = RegisteredClient.objects.get(name=client_name)
    page = admin.get(f"/admin/client_registry/registeredclient/{registration.pk}/change/").text
    shown = re.search(r"Valid access tokens:.*?readonly\">(\d+)<", page, re.DOTALL)
    assert int(shown[1]) == count


def test_a_resource_server_shows_when_it_last_asked(admin):
    introspect("unknown", "inventory")
    registration = RegisteredClient.objects.get(resource_server="inventory")
    page = admin.get(f"/admin/client_registry/registeredclient/{registration.pk}/change/").text
    shown = re.search(r"Last introspection:.*?readonly\">([^<]+)<", page, re.DOTALL)
    assert str(timezone.now().year) in shown[1]
