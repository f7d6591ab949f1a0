"""`/api/ping/` is open, `/api/whoami/` says what the token says."""

import pytest
from django.conf import settings

from .conftest import READ, WRITE, access_token, client_of


def test_ping_needs_no_token(stranger):
    assert stranger.get("/api/ping/").status_code == 200


def test_ping_says_which_resource_server_answers(stranger):
    assert stranger.get("/api/ping/").json()["name"] == settings.MANIFEST["name"]


def test_whoami_says_what_the_token_says():
    token = access_token("alice", client_id="shop")
    assert client_of(token).get("/api/whoami/").json() == {
        "sub": "alice",
        "client_id": "shop",
        "scope": f"{READ} {WRITE}",
        "exp": token.exp,
        "iss": settings.AUTHORIZATION_SERVER_URL,
    }


def test_whoami_knows_a_machine_by_its_client_id(machine):
    answer = machine.get("/api/whoami/").json()
    assert answer["sub"] == answer["client_id"] == "importer"


def test_whoami_needs_no_query(alice, django_assert_num_queries, db):
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


def test_an_authorization_server_that_is_down_is_not_the_clients_fault(stranger):
    response = stranger.get("/api/whoami/", headers={"Authorization": "Bearer some-token"})
    assert (response.status_code, "Retry-After" in response.headers) == (503, True)
