"""The table CLAIMS: who learns which attribute of a user."""

import pytest
from client_registry.apps import check_manifests
from client_registry.claims import Claim, claims_for, introspected
from django.core.checks import Error
from django.db import connection
from introspection import lookup
from introspection.protocol import BASIC
from tests.flows import bearer, introspect, machine_token

pytestmark = pytest.mark.usefixtures("registered")


@pytest.fixture
def declare(settings):
    """Return a function that declares one claim for the current test."""

    def declare(**claims):
        settings.CLAIMS = claims
        introspected.cache_clear()
        lookup.statement.cache_clear()

    yield declare
    introspected.cache_clear()
    lookup.statement.cache_clear()


def userinfo(browser, scope):
    token = browser.tokens(scope=scope).json()["access_token"]
    return browser.get("/o/userinfo/", headers=bearer(token)).json()


def test_a_client_with_the_scope_learns_a_claim(browser, declare):
    declare(admin=Claim("is_superuser", "profile"))
    assert userinfo(browser, "openid profile")["admin"] is False


def test_a_client_without_the_scope_does_not(browser, declare):
    declare(admin=Claim("is_superuser", "profile"))
    assert "admin" not in userinfo(browser, "openid email")


def test_a_method_is_called(browser, declare):
    declare(nickname=Claim("get_short_name", "profile"))
    assert userinfo(browser, "openid profile")["nickname"] == "Alice"


def test_a_claim_without_a_value_is_left_out(browser, declare, alice):
    declare(name=Claim("name", "profile"))
    type(alice).objects.update(name="")
    assert "name" not in userinfo(browser, "openid profile")


def test_a_name_is_not_the_address_of_somebody_without_a_name(browser, alice):
    type(alice).objects.update(name="")
    assert "alice@example.com" not in userinfo(browser, "openid profile").values()


def test_the_metadata_names_every_claim(client, declare):
    declare(admin=Claim("is_superuser", "profile"))
    document = client.get("/.well-known/openid-configuration").json()
    assert {"sub", "admin"} <= set(document["claims_supported"])
    assert "email" not in document["claims_supported"]


def test_a_scope_of_ones_own_is_offered(client, settings):
    settings.OPENID_SCOPES = settings.OPENID_SCOPES | {"phone": "See your telephone number"}
    document = client.get("/.well-known/oauth-authorization-server").json()
    assert "phone" in document["scopes_supported"]


@pytest.mark.parametrize(("server", "is_told"), [("orders", True), ("inventory", False)])
def test_only_the_named_resource_servers_learn_a_claim(browser, declare, alice, server, is_told):
    declare(email=Claim("email", "email", ["orders"]))
    token = browser.tokens(scope="orders:read inventory:read").json()["access_token"]
    answer = introspect(token, server).json()
    assert answer["active"]
    assert ("email" in answer) == is_told


def test_a_star_is_every_resource_server(browser, declare):
    declare(
        key=Claim("id", "profile", "*"),
        admin=Claim("is_superuser", "profile"),
        name=Claim("name", "profile", ["*"]),
    )
    answer = introspect(browser.tokens(scope="orders:read").json()["access_token"]).json()
    assert (answer["key"], answer["name"]) == (answer["sub"], "Alice")
    assert "admin" not in answer


def test_a_machine_has_no_claims(declare):
    declare(admin=Claim("is_superuser", "profile", ["*"]))
    assert "admin" not in introspect(machine_token(scope="orders:read")).json()


def test_a_claim_costs_no_query(browser, declare, django_assert_num_queries):
    declare(email=Claim("email", "email", ["*"]))
    token = browser.tokens(scope="orders:read").json()["access_token"]
    with django_assert_num_queries(1):
        assert "email" in introspect(token).json()


def test_no_claim_hides_that_a_token_is_inactive(browser, declare):
    declare(active=Claim("is_active", "profile", ["*"]), scope=Claim("name", "profile", ["*"]))
    answer = introspect(browser.tokens(scope="orders:read").json()["access_token"]).json()
    assert (answer["active"], answer["scope"]) == (True, "orders:read")


@pytest.mark.parametrize(("text", "value"), [("t", True), ("f", False), (1, True), (0, False)])
def test_a_boolean_is_read_from_every_database(declare, text, value):
    declare(admin=Claim("is_superuser", "profile", ["*"]))
    assert claims_for("orders", [text]) == {"admin": value}


def test_the_columns_are_those_of_the_table(declare):
    declare(name=Claim("name", "profile", ["*"]), email=Claim("email", "email"))
    sql = lookup.statement(BASIC, connection.vendor)
    assert 'acr, owner."name"\nFROM' in sql


@pytest.mark.parametrize(
    ("name", "claim", "problem"),
    [
        ("a", ("departmnt", "profile"), "a: accounts.User has no attribute 'departmnt'."),
        ("a", ("name", "phone"), "a: OPENID_SCOPES has no scope 'phone'."),
        ("sub", ("name", "profile"), "sub is a claim of the protocol."),
        ("a", ("name", "profile", ["gone"]), "a: there is no resource server 'gone'."),
        (
            "a",
            ("get_full_name", "profile", ["orders"]),
            "a: for a resource server, 'get_full_name' must be a field (BooleanField, CharField, "
            "IntegerField, TextField, UUIDField).",
        ),
        (
            "a",
            ("last_login", "profile", "*"),
            "a: for a resource server, 'last_login' must be a field (BooleanField, CharField, "
            "IntegerField, TextField, UUIDField).",
        ),
    ],
)
def test_a_check_names_a_claim_that_is_not_valid(declare, name, claim, problem):
    declare(**{name: Claim(*claim)})
    assert check_manifests(None) == [Error(f"CLAIMS: {problem}", id="client_registry.E004")]


def test_the_check_accepts_the_table_of_the_tests():
    assert check_manifests(None) == []
