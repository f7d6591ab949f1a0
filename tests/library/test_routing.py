"""`Issuers`: which issuer sees a token, and which does not."""

import json
from types import SimpleNamespace

import pytest
from oauth_resource_server import AccessToken, AuthorizationServerUnavailable
from oauth_resource_server.issuers.routing import Issuers
from oauth_resource_server.issuers.settings import IssuerSettings, Strategy

from .jwts import ISS, jwt

TENANT = "11111111-2222-3333-4444-555555555555"
OPAQUE = "opaque-token"


class Issuer:
    """Knows `tokens`; `seen` are those that it has been asked about."""

    def __init__(self, name, iss=None, strategy=Strategy.INTROSPECTION, **settings):
        self.name = name
        self.settings = IssuerSettings(iss=iss or f"https://{name}", strategy=strategy, **settings)
        self.keys = object() if strategy.verifies else None
        self.tokens = ()
        self.seen = []
        self.is_down = False

    def judge(self, token, jwt):
        self.seen.append(token)
        if self.is_down:
            raise AuthorizationServerUnavailable(f"{self.name} is down")
        return AccessToken(sub="alice", iss=self.settings.iss) if token in self.tokens else None


@pytest.fixture
def cast():
    """Two issuers that know opaque tokens, one of JWTs, and all of them together."""
    first, second = Issuer("first"), Issuer("second")
    signer = Issuer("signer", iss=ISS, strategy=Strategy.JWT)
    every = Issuers([signer, first, second])
    return SimpleNamespace(first=first, second=second, signer=signer, all=every)


def seen(cast):
    return {name: len(getattr(cast, name).seen) for name in ("first", "second", "signer")}


# Tokens that name their issuer.


def test_a_jwt_goes_to_the_issuer_that_it_names(cast):
    cast.all.judge(jwt())
    assert seen(cast) == {"first": 0, "second": 0, "signer": 1}


@pytest.mark.parametrize("iss", [f"{ISS}/", ISS.upper(), "https://other.example.com"])
def test_a_jwt_of_an_issuer_that_nobody_trusts_is_for_nobody(cast, iss):
    assert cast.all.judge(jwt(iss=iss)) is None
    assert seen(cast) == {"first": 0, "second": 0, "signer": 0}


def test_a_jwt_of_an_issuer_that_introspects_goes_there(cast):
    cast.all.judge(jwt(iss="https://second"))
    assert seen(cast) == {"first": 0, "second": 1, "signer": 0}


def test_a_jwt_that_is_too_large_to_be_read_is_for_nobody(cast):
    _, claims, signature = jwt(iss="https://second").split(".")
    assert cast.all.judge(f"{'e' * 3000}.{claims}.{signature}") is None
    assert seen(cast) == {"first": 0, "second": 0, "signer": 0}


def test_a_jwt_without_an_issuer_is_an_opaque_token(cast):
    cast.all.judge(jwt(iss=...))
    assert seen(cast) == {"first": 1, "second": 1, "signer": 0}


@pytest.mark.parametrize(("iss", "times"), [(ISS, 1), ("https://other.example.com", 0), (..., 1)])
def test_the_only_issuer_gets_no_jwt_of_another(iss, times):
    only = Issuer("authorization_server", iss=ISS)
    Issuers([only]).judge(jwt(iss=iss))
    assert len(only.seen) == times


@pytest.fixture
def twice():
    """One issuer in two entries: one for its opaque tokens, and one for its JWTs."""
    asked, signer = Issuer("asked", iss=ISS), Issuer("signer", iss=ISS, strategy=Strategy.JWT)
    return SimpleNamespace(asked=asked, signer=signer, all=Issuers([asked, signer]))


def test_a_jwt_of_an_issuer_that_is_there_twice_goes_to_the_entry_that_verifies(twice):
    twice.all.judge(jwt())
    assert (len(twice.asked.seen), len(twice.signer.seen)) == (0, 1)


def test_an_opaque_token_of_an_issuer_that_is_there_twice_goes_to_the_other_entry(twice):
    twice.all.judge(OPAQUE)
    assert (len(twice.asked.seen), len(twice.signer.seen)) == (1, 0)


def test_another_spelling_is_the_same_issuer():
    google = Issuer("google", strategy=Strategy.JWT, other_iss=("accounts.google.com",))
    Issuers([google]).judge(jwt(iss="accounts.google.com"))
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
def test_an_issuer_of_every_tenant_must_be_the_one_of_the_tenant(tid, iss, times):
    entra = Issuer("entra", iss="https://login/{tenantid}/v2.0", strategy=Strategy.JWT)
    Issuers([entra]).judge(jwt(iss=iss, tid=tid))
    assert len(entra.seen) == times


# Opaque tokens.


def test_an_opaque_token_is_asked_about_in_order_until_one_knows_it(cast):
    cast.first.tokens = (OPAQUE,)
    assert cast.all.judge(OPAQUE).iss == "https://first"
    assert seen(cast) == {"first": 1, "second": 0, "signer": 0}


def test_who_has_minted_it_is_asked_alone_from_then_on(cast):
    cast.second.tokens = (OPAQUE,)
    cast.all.judge(OPAQUE)
    cast.all._denied.clear()
    cast.all.judge(OPAQUE)
    assert seen(cast) == {"first": 1, "second": 2, "signer": 0}


def test_who_has_minted_it_decides_that_it_is_revoked(cast):
    cast.second.tokens = (OPAQUE,)
    cast.all.judge(OPAQUE)
    cast.second.tokens = ()
    cast.all._denied.clear()
    assert cast.all.judge(OPAQUE) is None
    assert len(cast.first.seen) == 1


def test_a_token_that_nobody_knows_is_no_good(cast):
    assert cast.all.judge(OPAQUE) is None


def test_who_did_not_know_it_a_moment_ago_is_not_asked(cast):
    cast.second.is_down = True
    for _ in range(3):
        with pytest.raises(AuthorizationServerUnavailable):
            cast.all.judge(OPAQUE)
    assert seen(cast) == {"first": 1, "second": 3, "signer": 0}


def test_what_is_remembered_of_unknown_tokens_is_bounded(cast):
    for number in range(10_100):
        cast.all.judge(f"opaque-{number}")
    assert len(cast.all._denied) == 10_000


def test_an_outage_of_one_does_not_hide_what_another_knows(cast):
    cast.first.is_down = True
    cast.second.tokens = (OPAQUE,)
    assert cast.all.judge(OPAQUE).iss == "https://second"


def test_after_an_outage_nobody_knows_whether_it_is_good(cast):
    cast.first.is_down = True
    with pytest.raises(AuthorizationServerUnavailable, match="first is down"):
        cast.all.judge(OPAQUE)


def test_without_an_issuer_of_opaque_tokens_none_is_good():
    signer = Issuer("signer", strategy=Strategy.JWT)
    assert Issuers([signer]).judge(OPAQUE) is None
    assert signer.seen == []


def test_tokeninfo_is_for_opaque_tokens_only():
    google = Issuer("google", iss=ISS, strategy=Strategy.TOKENINFO)
    every = Issuers([google])
    assert (every.judge(jwt()), google.seen) == (None, [])
    every.judge(OPAQUE)
    assert google.seen == [OPAQUE]


# For how long.


def test_each_issuer_may_say_for_how_long_its_tokens_are_remembered():
    hasty = Issuer("hasty", caching_seconds=5)
    every = Issuers([hasty, Issuer("other")], caching_seconds=60)
    seconds = [
        every.caching_seconds(AccessToken(sub="a", iss=f"https://{name}"))
        for name in ("hasty", "other")
    ]
    assert seconds == [5, 60]


@pytest.mark.parametrize(
    ("asked", "verified", "seconds"), [(7, 30, 7), (None, 30, 30), (None, 90, 60), (90, None, 60)]
)
def test_of_two_entries_for_one_issuer_the_shorter_caching_time_holds(asked, verified, seconds):
    first = Issuer("first", iss=ISS, caching_seconds=asked)
    second = Issuer("second", iss=ISS, strategy=Strategy.JWT, caching_seconds=verified)
    every = Issuers([first, second], caching_seconds=60)
    assert every.caching_seconds(AccessToken(sub="alice", iss=ISS)) == seconds


@pytest.mark.parametrize(("tid", "seconds"), [(TENANT, 7), ("another", 60)])
def test_an_issuer_of_every_tenant_says_so_for_the_tokens_of_each(tid, seconds):
    entra = Issuer("entra", iss="https://login/{tenantid}/v2.0", caching_seconds=7)
    token = AccessToken(
        sub="alice", iss=f"https://login/{TENANT}/v2.0", rest=json.dumps({"tid": tid})
    )
    assert Issuers([entra], caching_seconds=60).caching_seconds(token) == seconds


# Who is waited for.


@pytest.mark.parametrize(
    ("token", "addressee"),
    [
        (jwt(), "signer"),
        (jwt(iss="https://second"), "second"),
        (jwt(iss="https://nobody"), ""),
        (jwt(iss=...), ""),
        (f"{'e' * 3000}.e30.", ""),
        (OPAQUE, ""),
    ],
)
def test_the_issuer_that_a_token_names_is_waited_for(cast, token, addressee):
    assert cast.all.addressee(token) == addressee


def test_the_one_issuer_that_knows_opaque_tokens_is_waited_for(twice):
    assert twice.all.addressee(OPAQUE) == "asked"


def test_the_issuer_that_knew_an_opaque_token_is_waited_for(cast):
    cast.second.tokens = (OPAQUE,)
    cast.all.judge(OPAQUE)
    assert cast.all.addressee(OPAQUE) == "second"


@pytest.mark.parametrize("token", [jwt(), OPAQUE])
def test_the_only_issuer_is_always_waited_for(token):
    assert Issuers([Issuer("only")]).addressee(token) == "only"
