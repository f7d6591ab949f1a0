"""`issuers.claims`: one token, whatever its issuer calls things."""

import pytest
from oauth_resource_server import AccessToken
from oauth_resource_server.issuers.claims import find, token_from_claims
from oauth_resource_server.issuers.options import _rules
from oauth_resource_server.issuers.settings import IssuerSettings

from .jwts import ISS, claims


def token(rules=None, is_machine=None, **changes):
    scopes = tuple(_rules("scopes", rules)) if rules else ()
    issuer = IssuerSettings(iss=ISS, scopes=scopes, is_machine=is_machine)
    return token_from_claims(claims(**changes), issuer, ISS)


@pytest.mark.parametrize("name", ["client_id", "cid", "azp", "appid"])
def test_the_client_has_several_names(name):
    assert token(**{"client_id": ..., name: "shop"}).client_id == "shop"


@pytest.mark.parametrize("name", ["username", "preferred_username", "upn", "email"])
def test_the_username_has_several_names(name):
    assert token(**{name: "alice"}).username == "alice"


# Scopes.


@pytest.mark.parametrize("value", ["a b", ["a", "b"]])
@pytest.mark.parametrize("name", ["scope", "scp"])
def test_scopes_are_a_string_or_a_list(name, value):
    assert token(**{"scope": ..., name: value}).scope == "a b"


def test_a_token_without_scopes_has_none():
    assert token(scope=...).scope == ""


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("scope:https://orders.example.com/read", {"scope": "x https://orders.example.com/read"}),
        ("scope:Orders.Read", {"scope": ..., "scp": "Orders.Read Orders.Write"}),
        ("scp:Orders.Write", {"scp": "Orders.Read Orders.Write"}),
        ("scp:Orders.Write", {"scp": ["Orders.Read", "Orders.Write"]}),
        ("department:sales and support", {"department": "sales and support"}),
        ("groups:admins", {"groups": ["others", "admins"]}),
        ("groups:admins", {"cognito:groups": ["admins"]}),
        ("roles:Orders.Read", {"roles": ["Orders.Read"]}),
        ("permissions:read:orders", {"permissions": ["read:orders"]}),
        ("realm_access.roles:auditor", {"realm_access": {"roles": ["auditor"]}}),
        ("resource_access.a.b.roles:x", {"resource_access": {"a.b": {"roles": ["x"]}}}),
        ("department:sales", {"department": "sales"}),
    ],
)
def test_a_rule_says_what_a_claim_grants(rule, changes):
    assert (
        token({rule: ["orders:read", "orders:write"]}, **changes).scope
        == "orders:read orders:write"
    )


def test_a_claim_with_a_colon_in_its_name_has_a_table_of_its_own():
    rules = {"https://example.com/roles": {"admin": ["orders:write"]}}
    assert token(rules, **{"https://example.com/roles": ["admin"]}).scope == "orders:write"


def test_with_rules_nothing_else_is_granted():
    assert token({"groups:admins": ["orders:write"]}, scope="orders:read").scope == ""


@pytest.mark.parametrize("groups", [..., None, [], "admin", ["Admins"], ["admins "], {"admins": 1}])
def test_a_rule_grants_nothing_for_another_value(groups):
    try:
        assert token({"groups:admins": ["orders:write"]}, groups=groups).scope == ""
    except ValueError:
        assert isinstance(groups, dict)


def test_a_scope_that_two_rules_grant_is_there_once():
    rules = {"groups:a": ["x", "y"], "groups:b": ["y", "z"]}
    assert token(rules, groups=["b", "a"]).scope == "x y z"


@pytest.mark.parametrize("value", [7, [7], {"a": 1}, "a\0b"])
def test_a_claim_of_a_rule_must_be_strings(value):
    with pytest.raises(ValueError, match="groups"):
        token({"groups:admins": ["orders:write"]}, groups=value)


def test_what_is_no_object_has_nothing_in_it():
    assert find({"realm_access": "roles"}, "realm_access.roles") is None


# People and machines.


def test_an_issuer_may_say_that_no_person_stands_behind_a_token():
    assert token(is_machine=lambda claims: True, email="robot@example.com").is_machine


def test_an_issuer_may_say_that_a_person_does():
    assert not token(is_machine=lambda claims: False, sub="shop").is_machine


def test_without_that_sub_and_client_tell():
    assert (token(sub="shop").is_machine, token().is_machine) == (True, False)


# All that was said.


def test_claims_are_all_that_the_issuer_said():
    said = claims(groups=["a"], realm_access={"roles": ["b"]})
    issuer = IssuerSettings(iss=ISS)
    assert token_from_claims(said, issuer, ISS).claims == said | {
        "aud": [said["aud"]],
        "token_type": "Bearer",
    }


def test_claims_keep_the_scope_that_rules_have_replaced():
    mapped = token({"scope:a": ["orders:read"]}, scope="a b")
    assert (mapped.scope, mapped.claims["scope"]) == ("orders:read", "a b")


def test_claims_cannot_be_changed():
    with pytest.raises(TypeError):
        token().claims["sub"] = "bob"


def test_an_answer_that_says_nothing_more_costs_no_memory():
    said = claims(jti=..., username="alice", token_type="Bearer", active=True)
    assert token_from_claims(said, IssuerSettings(iss=ISS), ISS).extra_claims_json == ""


def test_a_token_with_claims_can_be_a_key():
    assert len({token(groups=["a"]), token(groups=["a"])}) == 1


def test_what_a_token_shows_holds_no_further_claims():
    assert "secret-group" not in repr(token(groups=["secret-group"]))


def test_a_token_that_nobody_said_more_of_has_claims_too():
    assert AccessToken(sub="alice").claims == {"sub": "alice", "token_type": "Bearer"}


def test_what_is_nested_too_deeply_is_refused():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match="nested"):
        token(groups_of_groups=deep)
    while deep:  # Python would free it one call inside the other.
        deep = deep.pop()
