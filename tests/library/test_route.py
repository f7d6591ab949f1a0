"""`Issuers`: which issuer sees a token, and which does not."""

import json
from hashlib import sha256
from types import SimpleNamespace

import pytest
from oauth_resource_server import AccessToken, AuthorizationServerUnavailable
from oauth_resource_server.issuers.route import Issuers
from oauth_resource_server.issuers.settings import Strategy

from .fake_issuer import FakeIssuer
from .jwts import ISS, jwt

TENANT = "11111111-2222-3333-4444-555555555555"
OPAQUE = "opaque-token"


def key_of(token):
    return sha256(token.encode()).digest()


def validate(issuers, token):
    """Route the token, and validate it there."""
    key = key_of(token)
    return issuers.validate(issuers.route(token, key), token, key)


@pytest.fixture
def cast():
    """Two issuers that introspect, one of JWTs, and all of them together."""
    first, second = FakeIssuer("first"), FakeIssuer("second")
    signer = FakeIssuer("signer", iss=ISS, strategy=Strategy.JWT)
    every = Issuers([signer, first, second])
    return SimpleNamespace(first=first, second=second, signer=signer, all=every)


def seen(cast):
    return {name: len(getattr(cast, name).seen) for name in ("first", "second", "signer")}


# Tokens that name their issuer.


def test_a_jwt_goes_to_the_issuer_that_it_names(cast):
    validate(cast.all, jwt())
    assert seen(cast) == {"first": 0, "second": 0, "signer": 1}


@pytest.mark.parametrize("iss", [f"{ISS}/", ISS.upper(), "https://other.example.com"])
def test_a_jwt_of_an_untrusted_issuer_has_no_route(cast, iss):
    assert validate(cast.all, jwt(iss=iss)) is None
    assert seen(cast) == {"first": 0, "second": 0, "signer": 0}


def test_a_jwt_of_an_issuer_that_introspects_goes_there(cast):
    validate(cast.all, jwt(iss="https://second"))
    assert seen(cast) == {"first": 0, "second": 1, "signer": 0}


def test_a_jwt_with_an_oversized_header_has_no_route(cast):
    _, claims, signature = jwt(iss="https://second").split(".")
    assert validate(cast.all, f"{'e' * 3000}.{claims}.{signature}") is None
    assert seen(cast) == {"first": 0, "second": 0, "signer": 0}


def test_a_jwt_without_an_issuer_is_an_opaque_token(cast):
    validate(cast.all, jwt(iss=...))
    assert seen(cast) == {"first": 1, "second": 1, "signer": 0}


@pytest.mark.parametrize(("iss", "times"), [(ISS, 1), ("https://other.example.com", 0), (..., 1)])
def test_the_only_issuer_gets_no_jwt_of_another(iss, times):
    only = FakeIssuer("authorization_server", iss=ISS)
    validate(Issuers([only]), jwt(iss=iss))
    assert len(only.seen) == times


@pytest.fixture
def twice():
    """One issuer in two entries: one for its opaque tokens, and one for its JWTs."""
    asked, signer = (
        FakeIssuer("asked", iss=ISS),
        FakeIssuer("signer", iss=ISS, strategy=Strategy.JWT),
    )
    return SimpleNamespace(asked=asked, signer=signer, all=Issuers([asked, signer]))


def test_a_jwt_goes_to_the_entry_that_verifies_if_two_have_its_issuer(twice):
    validate(twice.all, jwt())
    assert (len(twice.asked.seen), len(twice.signer.seen)) == (0, 1)


def test_an_opaque_token_goes_to_the_entry_that_introspects_if_two_have_its_issuer(twice):
    validate(twice.all, OPAQUE)
    assert (len(twice.asked.seen), len(twice.signer.seen)) == (1, 0)


def test_another_spelling_is_the_same_issuer():
    google = FakeIssuer("google", strategy=Strategy.JWT, other_iss=("accounts.google.com",))
    validate(Issuers([google]), jwt(iss="accounts.google.com"))
    assert len(google.seen) == 1


@pytest.mark.parametrize(
    ("tid", "iss", "times"),
    [
        (TENANT, f"https://login/{TENANT}/v2.0", 1),
        (TENANT, "https://login/{tenantid}/v2.0", 0),
        (TENANT, "https://login/99999999-2222-3333-4444-555555555555/v2.0", 0),
        ("x/../y", "https://login/x/../y/v2.0", 0),
        (None, f"https://login/{TENANT}/v2.0", 0),
        ([TENANT], f"https://login/{TENANT}/v2.0", 0),
    ],
)
def test_iss_of_a_multi_tenant_issuer_must_match_tid(tid, iss, times):
    entra = FakeIssuer("entra", iss="https://login/{tenantid}/v2.0", strategy=Strategy.JWT)
    validate(Issuers([entra]), jwt(iss=iss, tid=tid))
    assert len(entra.seen) == times


# Opaque tokens.


def test_an_opaque_token_is_asked_about_in_order_until_one_knows_it(cast):
    cast.first.tokens = (OPAQUE,)
    assert validate(cast.all, OPAQUE).iss == "https://first"
    assert seen(cast) == {"first": 1, "second": 0, "signer": 0}


def test_the_issuer_that_accepted_an_opaque_token_is_asked_alone_from_then_on(cast):
    cast.second.tokens = (OPAQUE,)
    validate(cast.all, OPAQUE)
    cast.all._denied.clear()
    validate(cast.all, OPAQUE)
    assert seen(cast) == {"first": 1, "second": 2, "signer": 0}


def test_the_issuer_that_accepted_an_opaque_token_can_revoke_it(cast):
    cast.second.tokens = (OPAQUE,)
    validate(cast.all, OPAQUE)
    cast.second.tokens = ()
    cast.all._denied.clear()
    assert validate(cast.all, OPAQUE) is None
    assert len(cast.first.seen) == 1


def test_an_opaque_token_that_no_issuer_knows_is_invalid(cast):
    assert validate(cast.all, OPAQUE) is None


def test_an_issuer_that_has_just_answered_inactive_is_not_asked_again(cast):
    cast.second.is_down = True
    for _ in range(3):
        with pytest.raises(AuthorizationServerUnavailable):
            validate(cast.all, OPAQUE)
    assert seen(cast) == {"first": 1, "second": 3, "signer": 0}


def test_the_number_of_remembered_inactive_answers_is_bounded(cast):
    for number in range(10_100):
        validate(cast.all, f"opaque-{number}")
    assert len(cast.all._denied) == 10_000


def test_an_outage_of_one_issuer_does_not_hide_a_token_of_another(cast):
    cast.first.is_down = True
    cast.second.tokens = (OPAQUE,)
    assert validate(cast.all, OPAQUE).iss == "https://second"


def test_an_outage_of_one_issuer_is_raised_if_no_other_knows_the_token(cast):
    cast.first.is_down = True
    with pytest.raises(AuthorizationServerUnavailable, match="first is down"):
        validate(cast.all, OPAQUE)


def test_without_an_introspecting_issuer_every_opaque_token_is_invalid():
    signer = FakeIssuer("signer", strategy=Strategy.JWT)
    assert validate(Issuers([signer]), OPAQUE) is None
    assert signer.seen == []


def test_tokeninfo_is_for_opaque_tokens_only():
    google = FakeIssuer("google", iss=ISS, strategy=Strategy.TOKENINFO)
    every = Issuers([google])
    assert (validate(every, jwt()), google.seen) == (None, [])
    validate(every, OPAQUE)
    assert google.seen == [OPAQUE]


# Cache lifetimes.


def test_each_issuer_may_have_its_own_cache_lifetime():
    hasty = FakeIssuer("hasty", caching_seconds=5)
    every = Issuers([hasty, FakeIssuer("other")], caching_seconds=60)
    seconds = [
        every.caching_seconds(AccessToken(sub="a", iss=f"https://{name}"))
        for name in ("hasty", "other")
    ]
    assert seconds == [5, 60]


@pytest.mark.parametrize(
    ("asked", "verified", "seconds"), [(7, 30, 7), (None, 30, 30), (None, 90, 60), (90, None, 60)]
)
def test_of_two_entries_for_one_issuer_the_shorter_cache_lifetime_counts(asked, verified, seconds):
    first = FakeIssuer("first", iss=ISS, caching_seconds=asked)
    second = FakeIssuer("second", iss=ISS, strategy=Strategy.JWT, caching_seconds=verified)
    every = Issuers([first, second], caching_seconds=60)
    assert every.caching_seconds(AccessToken(sub="alice", iss=ISS)) == seconds


@pytest.mark.parametrize(("tid", "seconds"), [(TENANT, 7), ("another", 60)])
def test_the_cache_lifetime_of_a_multi_tenant_issuer_counts_for_every_tenant(tid, seconds):
    entra = FakeIssuer("entra", iss="https://login/{tenantid}/v2.0", caching_seconds=7)
    token = AccessToken(
        sub="alice", iss=f"https://login/{TENANT}/v2.0", extra_claims_json=json.dumps({"tid": tid})
    )
    assert Issuers([entra], caching_seconds=60).caching_seconds(token) == seconds


# Names for the bulkhead.


@pytest.mark.parametrize(
    ("token", "name"),
    [
        (jwt(), "signer"),
        (jwt(iss="https://second"), "second"),
        (jwt(iss="https://unknown"), ""),
        (jwt(iss=...), ""),
        (f"{'e' * 3000}.e30.", ""),
        (OPAQUE, ""),
    ],
)
def test_a_route_to_one_issuer_has_its_name(cast, token, name):
    assert cast.all.route(token, key_of(token)).issuer_name == name


def test_a_route_to_the_only_issuer_of_opaque_tokens_has_its_name(twice):
    assert twice.all.route(OPAQUE, key_of(OPAQUE)).issuer_name == "asked"


def test_a_route_of_an_opaque_token_that_one_issuer_has_accepted_has_its_name(cast):
    cast.second.tokens = (OPAQUE,)
    validate(cast.all, OPAQUE)
    assert cast.all.route(OPAQUE, key_of(OPAQUE)).issuer_name == "second"
