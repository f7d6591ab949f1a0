"""The token endpoint dispatches the grants that the metadata offer, and no other."""

import pytest
from accounts.models import User
from django.contrib.auth import hashers
from oauth2_provider.models import Application
from tests.flows import request_token

pytestmark = pytest.mark.usefixtures("registered")

PASSWORD = "correct horse battery staple"


@pytest.fixture
def carol(db):
    """Return a user with a password."""
    return User.objects.create_user("carol@example.com", PASSWORD)


@pytest.fixture
def hashes(monkeypatch):
    """Return the list of passwords that were hashed."""
    hashed = []

    def encode(self, password, *args, **kwargs):
        hashed.append(password)
        return "pbkdf2_sha256$1$salt$hash"

    monkeypatch.setattr(hashers.PBKDF2PasswordHasher, "encode", encode)
    return hashed


def try_password(password, client_id="demo-browser"):
    return request_token(
        grant_type="password",
        client_id=client_id,
        username="carol@example.com",
        password=password,
    )


def test_the_password_grant_is_refused(carol):
    response = try_password(PASSWORD)
    assert response.status_code == 400
    assert response.json() == {"error": "unsupported_grant_type"}


def test_right_and_wrong_passwords_get_the_same_answer(carol):
    assert try_password(PASSWORD).content == try_password("wrong").content


def test_no_password_is_hashed_at_the_token_endpoint(carol, hashes):
    try_password(PASSWORD)
    try_password("wrong")
    assert hashes == []


def test_a_client_with_the_password_grant_does_not_change_that(carol, hashes):
    Application.objects.filter(client_id="demo-browser").update(
        authorization_grant_type=Application.GRANT_PASSWORD
    )
    assert try_password(PASSWORD).json() == {"error": "unsupported_grant_type"}
    assert hashes == []


def test_the_setting_of_the_metadata_alone_brings_no_password_grant_back(carol, hashes, settings):
    settings.OAUTH2_PROVIDER = settings.OAUTH2_PROVIDER | {
        "OAUTH2_GRANT_TYPES_SUPPORTED": ["password"]
    }
    assert try_password(PASSWORD).status_code == 400
    assert hashes == []


@pytest.mark.parametrize("grant_type", ["implicit", "urn:ietf:params:oauth:grant-type:saml2", ""])
def test_a_grant_that_the_metadata_do_not_offer_is_refused(grant_type):
    response = request_token(grant_type=grant_type, client_id="demo-browser")
    assert response.status_code == 400
    assert response.json() == {"error": "unsupported_grant_type"}


def test_a_request_without_grant_type_is_refused():
    response = request_token(client_id="demo-browser")
    assert response.status_code == 400
    assert response.json() == {"error": "invalid_request"}
