"""`/api/ping/` is open, `/api/whoami/` says what the token says."""

import pytest
from django.conf import settings

from oauth_resource_server.testing import access_token

from .conftest import READ, WRITE


def test_ping_needs_no_token(stranger):
    assert stranger.get("/api/ping/").status_code == 200


def test_ping_says_which_resource_server_answers(stranger):
    assert stranger.get("/api/ping/").json()["name"] == settings.MANIFEST["name"]


def test_whoami_says_what_the_token_says(api_client_for):
    token = access_token(sub="alice", client_id="shop")
    assert api_client_for(token).get("/api/whoami/").json() == {
        "sub": "alice",
        "client_id": "shop",
        "scope": f"{READ} {WRITE}",
        "exp": token.exp,
        "iss": settings.AUTHORIZATION_SERVER_URL,
    }


def test_whoami_knows_a_machine_by_its_client_id(machine):
    answer = machine.get("/api/whoami/").json()
    assert answer["sub"] == answer["client_id"] == "importer"


def test_whoami_needs_no_query_with_a_token_that_is_known(alice, django_assert_num_queries):
    alice.get("/api/whoami/")
    with django_assert_num_queries(0):
        alice.get("/api/whoami/")


def test_whoami_refuses_a_request_without_a_token(stranger):
    assert stranger.get("/api/whoami/").status_code == 401


def test_the_challenge_without_a_token_names_no_error(stranger):
    assert "error" not in stranger.get("/api/whoami/").headers["WWW-Authenticate"]


def test_the_challenge_leads_to_the_metadata(stranger):
    challenge = stranger.get("/api/whoami/").headers["WWW-Authenticate"]
    assert '/.well-known/oauth-protected-resource"' in challenge


@pytest.mark.parametrize("header", ["Bearer", "Bearer a b", "Bearer ö"])
def test_a_malformed_header_is_a_bad_request(stranger, header):
    response = stranger.get("/api/whoami/", headers={"Authorization": header})
    assert response.status_code == 400


@pytest.mark.parametrize("claims", [{"exp": 1}, {"aud": ("https://other.example.com",)}])
def test_a_token_that_has_expired_or_is_for_others_is_refused(api_client_for, claims):
    response = api_client_for(access_token(**claims)).get("/api/whoami/")
    challenge = response.headers["WWW-Authenticate"]
    assert (response.status_code, 'error="invalid_token"' in challenge) == (401, True)


def test_a_token_that_nobody_issued_is_refused(api_client_for):
    assert api_client_for("made-up").get("/api/whoami/").status_code == 401


@pytest.mark.parametrize("fault", ["unavailable", "refuses_credentials"])
def test_an_authorization_server_that_fails_is_not_the_clients_fault(
    authorization_server, alice, fault
):
    getattr(authorization_server, fault)()
    response = alice.get("/api/whoami/")
    assert (response.status_code, "Retry-After" in response.headers) == (503, True)
