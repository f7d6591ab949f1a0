"""`oauth_resource_server.testing`: views are tested by real requests, without a network."""
# ruff: noqa: F811 - fixtures are found by their names

import time

import pytest
from django.test import TestCase
from oauth_resource_server import testing
from oauth_resource_server.issuers.route import configured_issuers
from oauth_resource_server.testing import AccessTokenMixin, access_token, machine_token

# This package's own tests have a real authorization server by this name; here it is ours.
from oauth_resource_server.testing.fixtures import (  # noqa: F401
    api_client_for,
    authorization_server,
    bearer,
)
from oauth_resource_server.users import username_of


def challenge(response):
    return response.headers["WWW-Authenticate"]


# Tokens.


def test_a_token_has_every_scope_of_the_settings():
    assert access_token().scope == "orders:read orders:write"


def test_a_token_has_the_issuer_and_the_audience_of_the_settings():
    token = access_token()
    assert (token.iss, token.aud) == ("https://as.example.com", ("https://orders.example.com",))


def test_a_token_has_no_audience_where_none_is_set(configure):
    configure(AUDIENCE=None)
    assert access_token().aud == ()


def test_a_token_is_good_for_some_minutes():
    assert 60 < access_token().exp - time.time() <= 600


def test_a_token_belongs_to_a_person():
    assert access_token().is_machine is False


def test_a_machine_is_its_own_subject():
    token = machine_token("importer")
    assert (token.is_machine, token.sub, token.client_id) == (True, "importer", "importer")


def test_claims_go_before_what_is_usual():
    token = access_token(sub="bob", scope="", client_id="shop", iss="https://x", username="Bob")
    assert (token.sub, token.scope, token.client_id) == ("bob", "", "shop")
    assert (token.iss, token.username) == ("https://x", "Bob")


def test_a_claim_that_does_not_exist_is_refused():
    with pytest.raises(TypeError):
        access_token(scopes="orders:read")


# What views answer.


def test_a_view_gets_the_token_as_it_was_made(api_client_for):
    token = access_token(sub="bob", scope="orders:read", client_id="shop")
    assert api_client_for(token).get("/default/").json() == {
        "sub": "bob",
        "client_id": "shop",
        "scope": "orders:read",
        "exp": token.exp,
    }


def test_a_view_gets_the_person(api_client_for):
    token = access_token(sub="bob")
    assert api_client_for(token).get("/user/").json()["username"] == username_of(token.iss, "bob")


def test_a_plain_view_accepts_the_token_too(client, bearer):
    assert client.get("/dot/", headers=bearer(access_token())).status_code == 200


def test_a_token_that_lacks_the_scope_is_refused(api_client_for):
    response = api_client_for(access_token(scope="orders:read")).get("/scope/")
    assert (response.status_code, 'scope="orders:write"' in challenge(response)) == (403, True)


@pytest.mark.parametrize("claims", [{"exp": 1}, {"iss": "https://x"}, {"aud": ("https://x",)}])
def test_a_token_that_is_no_good_here_is_refused(api_client_for, claims):
    response = api_client_for(access_token(**claims)).get("/default/")
    assert (response.status_code, 'error="invalid_token"' in challenge(response)) == (401, True)


def test_a_token_that_nobody_issued_is_refused(api_client_for):
    assert api_client_for("made-up").get("/default/").status_code == 401


def test_a_malformed_token_is_a_bad_request(api_client_for):
    assert api_client_for("a b").get("/default/").status_code == 400


def test_an_authorization_server_can_be_down(api_client_for, authorization_server):
    authorization_server.unavailable(retry_after=7)
    response = api_client_for(access_token()).get("/default/")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "7")


def test_an_authorization_server_can_be_back(api_client_for, authorization_server):
    authorization_server.unavailable()
    authorization_server.available()
    assert api_client_for(access_token()).get("/default/").status_code == 200


def test_credentials_can_be_refused(api_client_for, authorization_server, caplog):
    authorization_server.refuses_credentials()
    status = api_client_for(access_token()).get("/default/").status_code
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert (status, len(errors)) == (503, 1)


def test_it_can_be_told_how_often_it_was_asked(api_client_for, authorization_server):
    client = api_client_for(access_token())
    client.get("/default/")
    client.get("/default/")
    assert authorization_server.asked == 1


def test_a_setting_that_a_test_changes_does_not_bring_the_real_one_back(
    api_client_for,
    configure,
):
    configure(REALM="changed")
    assert api_client_for(access_token()).get("/default/").status_code == 200


# The mixin, and what it leaves behind.


class TestTheMixin(AccessTokenMixin, TestCase):
    """Unittest's way."""

    def test_a_client_carries_its_token(self):
        client = self.api_client_for(access_token(sub="bob"))
        assert client.get("/default/").json()["sub"] == "bob"

    def test_djangos_own_client_takes_the_header(self):
        response = self.client.get("/dot/", headers=self.bearer(access_token()))
        assert response.status_code == 200

    def test_an_authorization_server_can_be_down(self):
        self.authorization_server.unavailable()
        assert self.api_client_for("some-token").get("/default/").status_code == 503


def is_replaced():
    return "testing" in type(configured_issuers().all[0].client).introspect.__module__


def test_nothing_of_it_is_left_afterwards():
    with testing.authorization_server():
        issuers = configured_issuers()
        assert is_replaced()
    assert (is_replaced(), configured_issuers() is issuers) == (False, False)


def test_nothing_of_it_is_left_after_an_error():
    with pytest.raises(KeyError), testing.authorization_server():
        raise KeyError
    assert not is_replaced()


@pytest.mark.parametrize("name", testing.__all__)
def test_every_public_name_is_documented(name):
    assert getattr(testing, name).__doc__


def test_further_claims_are_there(api_client_for, authorization_server):
    token = access_token(more={"groups": ["admins"]})
    response = authorization_server.introspect(authorization_server.issue(token))
    assert response["groups"] == token.claims["groups"]


def test_it_stands_in_for_every_issuer(configure, db):
    configure(ISSUERS=[{"preset": "auth0", "domain": "acme.example.com"}])
    with testing.authorization_server() as server:
        assert server.api_client_for(access_token()).get("/default/").status_code == 200
