"""Refresh tokens rotate, and one that is used twice ends its family (RFC 9700 section 4.14)."""

from base64 import urlsafe_b64encode
from datetime import timedelta

import pytest
from client_registry.models import RegisteredClient
from django.utils import timezone
from oauth.validator import RegisteredClientValidator
from oauth2_provider.models import AccessToken, RefreshToken
from oauthlib.common import Request
from oauthlib.oauth2.rfc6749.errors import InvalidGrantError
from tests.flows import is_active, refresh


@pytest.fixture
def tokens(browser):
    """Return the tokens that Alice has given to the demo browser."""
    return browser.tokens().json()


def test_a_refresh_token_is_worth_new_tokens(tokens):
    new = refresh(tokens["refresh_token"]).json()
    assert is_active(new["access_token"])
    assert new["refresh_token"] != tokens["refresh_token"]


def test_the_old_access_token_ends(tokens):
    refresh(tokens["refresh_token"])
    assert not is_active(tokens["access_token"])


def test_a_refresh_token_that_is_used_twice_is_refused(tokens):
    refresh(tokens["refresh_token"])
    assert refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def later(seconds):
    """Let the rotation of all refresh tokens have been some seconds earlier."""
    for token in RefreshToken.objects.exclude(revoked=None):
        token.revoked -= timedelta(seconds=seconds)
        token.save()


@pytest.mark.parametrize("seconds", [3, 3600])
def test_a_refresh_token_that_is_used_again_ends_what_came_from_it(tokens, seconds):
    new = refresh(tokens["refresh_token"]).json()
    later(seconds)
    assert refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert not is_active(new["access_token"])
    assert refresh(new["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_request_that_loses_a_race_ends_nothing(tokens):
    new = refresh(tokens["refresh_token"]).json()
    later(2)
    assert refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert is_active(new["access_token"])
    assert refresh(new["refresh_token"]).status_code == 200


def test_the_token_of_two_rotations_ago_is_no_race(tokens):
    last = refresh(refresh(tokens["refresh_token"]).json()["refresh_token"]).json()
    refresh(tokens["refresh_token"])
    assert not is_active(last["access_token"])


def test_a_token_that_was_revoked_is_no_race(tokens):
    new = refresh(tokens["refresh_token"]).json()
    RefreshToken.objects.get(revoked=None).revoke()
    assert refresh(new["refresh_token"]).json()["error"] == "invalid_grant"
    assert refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_the_scope_can_become_smaller(tokens):
    assert refresh(tokens["refresh_token"], scope="orders:read").json()["scope"] == "orders:read"


def test_a_smaller_scope_does_not_shrink_the_grant(tokens):
    small = refresh(tokens["refresh_token"], scope="openid").json()
    same = refresh(small["refresh_token"]).json()
    again = refresh(same["refresh_token"], scope="orders:read").json()
    scopes = [answer["scope"] for answer in (small, same, again)]
    assert scopes == ["openid", "openid orders:read", "orders:read"]


def test_a_grant_that_was_narrowed_cannot_become_larger(tokens):
    small = refresh(tokens["refresh_token"], scope="openid").json()
    response = refresh(small["refresh_token"], scope="openid orders:write")
    assert response.json()["error"] == "invalid_scope"


def test_the_scopes_in_a_refresh_token_cannot_be_changed(tokens):
    narrowed = refresh(tokens["refresh_token"], scope="openid").json()["refresh_token"]
    secret, _, _ = narrowed.partition(".")
    scopes = urlsafe_b64encode(b"openid orders:read orders:write").decode().rstrip("=")
    response = refresh(f"{secret}.{scopes}")
    assert response.json()["error"] == "invalid_grant"


def test_unknown_scopes_of_an_openid_request_are_ignored(tokens):
    answer = refresh(tokens["refresh_token"], scope="openid offline_access orders:read").json()
    assert answer["scope"] == "openid orders:read"


def test_a_resource_for_one_access_token_does_not_restrict_the_next(browser):
    both = ["https://orders.example.com", "https://inventory.example.com"]
    tokens = browser.tokens(resource=both, scope="orders:read inventory:read").json()
    one = refresh(tokens["refresh_token"], resource=both[0]).json()
    assert not is_active(one["access_token"], "inventory")
    assert is_active(refresh(one["refresh_token"]).json()["access_token"], "inventory")


def test_the_scope_cannot_become_larger(tokens):
    response = refresh(tokens["refresh_token"], scope="orders:read orders:write")
    assert response.json()["error"] == "invalid_scope"


def test_a_scope_that_was_taken_away_meanwhile_is_refused(tokens):
    RegisteredClient.objects.filter(name="demo-browser").update(scopes=["openid"])
    assert refresh(tokens["refresh_token"]).json()["error"] == "invalid_scope"


def test_after_a_refusal_the_refresh_token_is_still_there(tokens):
    clients = RegisteredClient.objects.filter(name="demo-browser")
    clients.update(scopes=["openid"])
    refresh(tokens["refresh_token"])
    clients.update(scopes=["*"])
    assert refresh(tokens["refresh_token"]).status_code == 200


def test_a_refresh_token_of_another_client_is_refused(tokens):
    response = refresh(tokens["refresh_token"], client_id="demo-device")
    assert response.json()["error"] == "invalid_grant"


def test_a_refresh_token_of_somebody_who_was_deactivated_is_refused(tokens, alice):
    type(alice).objects.update(is_active=False)
    assert refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_refresh_token_of_a_client_that_was_switched_off_is_refused(tokens):
    RegisteredClient.objects.filter(name="demo-browser").update(is_active=False)
    assert refresh(tokens["refresh_token"]).json()["error"] == "invalid_client"


def test_a_refresh_token_ends_14_days_after_its_access_token(tokens):
    AccessToken.objects.update(expires=timezone.now() - timedelta(days=14))
    assert refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_refresh_token_is_good_until_then(tokens):
    AccessToken.objects.update(expires=timezone.now() - timedelta(days=13, hours=23))
    assert refresh(tokens["refresh_token"]).status_code == 200


def test_a_resource_cannot_be_added(browser):
    tokens = browser.tokens(resource="https://orders.example.com").json()
    response = refresh(tokens["refresh_token"], resource="https://inventory.example.com")
    assert response.json()["error"] == "invalid_target"


def test_of_two_refreshes_at_the_same_time_one_is_refused(tokens):
    request = Request("/o/token/", body={"grant_type": "refresh_token"})
    request.refresh_token = tokens["refresh_token"]
    request.refresh_token_instance = RefreshToken.objects.get()
    new = refresh(tokens["refresh_token"]).json()
    # The other one has found the token as it was before.
    with pytest.raises(InvalidGrantError):
        RegisteredClientValidator()._use_up_refresh_token({"scope": ""}, request)
    assert is_active(new["access_token"])


def test_a_token_that_is_revoked_before_it_is_sent_is_no_error(tokens, monkeypatch):
    save = RegisteredClientValidator.save_bearer_token

    def save_and_revoke(self, *arguments):
        save(self, *arguments)
        AccessToken.objects.all().delete()

    monkeypatch.setattr(RegisteredClientValidator, "save_bearer_token", save_and_revoke)
    response = refresh(tokens["refresh_token"])
    assert response.status_code == 200
    assert not is_active(response.json()["access_token"])


def test_refresh_tokens_are_not_stored_in_clear(tokens):
    assert RefreshToken.objects.get().token == ""
