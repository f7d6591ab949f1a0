"""Judging a response and verifying a JWT hold for everything that JSON can carry."""

import json
import time

from hypothesis import example, given
from hypothesis import strategies as st
from oauth_resource_server import AccessToken, IntrospectionResponseInvalid
from oauth_resource_server.issuers.claims import MAX_TIMESTAMP, token_from_claims
from oauth_resource_server.issuers.introspection import judge_response
from oauth_resource_server.issuers.jwt import TokenRefused, check_claims, checked_algorithm
from oauth_resource_server.issuers.settings import IssuerSettings
from oauth_resource_server.issuers.token_checks import MAX_SUB_LENGTH, issuer_of, rejection_reason

from .test_issuer_settings import AUTH0, ENTRA, EVERY, issuers

ISS = "https://as.example.com"
AUD = "https://orders.example.com"
ISSUER = IssuerSettings(iss=ISS, audiences=(AUD,), iss_may_be_missing=False)
MEMBERS = (
    *("active", "scope", "client_id", "username", "token_type"),
    *("exp", "iat", "nbf", "sub", "aud", "iss", "jti"),
)

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
anything = st.recursive(
    scalars,
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=5,
)
plausible = {
    "active": st.just(True),
    "scope": st.text(),
    "client_id": st.text(),
    "username": st.text() | st.none(),
    "exp": st.integers(0, 2 * MAX_TIMESTAMP) | st.integers(0, 2 * MAX_TIMESTAMP).map(str),
    "iat": st.integers(),
    "sub": st.text(max_size=2 * MAX_SUB_LENGTH),
    "aud": st.sampled_from([AUD, [AUD], [], ["x", AUD], f"{AUD}/", [AUD, None]]),
    "iss": st.sampled_from([ISS, f"{ISS}/", ISS.upper(), ""]),
}
answers = (
    st.dictionaries(st.sampled_from(MEMBERS) | st.text(), anything)
    | st.fixed_dictionaries({}, optional=plausible)
    | st.builds(
        lambda good, bad: good | bad,
        st.fixed_dictionaries(plausible),
        st.dictionaries(st.sampled_from(MEMBERS), anything, max_size=2),
    )
)


def judged(answer):
    """What the judgement is; None also for an answer that it cannot make sense of."""
    try:
        return judge_response(answer, ISSUER)
    except IntrospectionResponseInvalid:
        return None


@given(answers)
def test_it_raises_nothing_else(answer):
    assert judged(answer) is None or isinstance(judged(answer), AccessToken)


@given(answers)
@example({"active": 1, "sub": "x", "iss": ISS, "aud": AUD})
def test_only_an_active_token_is_accepted(answer):
    assert judged(answer) is None or answer["active"] is True


@given(answers)
def test_only_a_token_of_this_issuer_is_accepted(answer):
    assert judged(answer) is None or answer["iss"] == ISS


@given(answers)
def test_only_a_token_for_this_audience_is_accepted(answer):
    assert judged(answer) is None or AUD in [answer["aud"], *answer["aud"]]


@given(answers)
def test_no_expired_token_is_accepted(answer):
    now = time.time()
    assert judged(answer) is None or answer.get("exp") is None or int(answer["exp"]) > now


@given(answers)
def test_nobody_without_a_sub_is_accepted(answer):
    token = judged(answer)
    assert token is None or 0 < len(token.sub) <= MAX_SUB_LENGTH


@given(answers)
def test_a_person_is_never_known_by_name(answer):
    token = judged(answer)
    assert token is None or not token.username or token.sub == answer["sub"]


@given(answers)
def test_what_is_accepted_can_be_stored(answer):
    token = judged(answer)
    texts = [] if token is None else [token.sub, token.client_id, token.username or "", token.scope]
    assert all("\0" not in text and text.encode() is not None for text in texts)


@given(answers)
def test_what_is_accepted_was_said(answer):
    token, scope = judged(answer), answer.get("scope") or ""
    assert token is None or token.scope in (scope, " ".join(" ".join(scope).split()))


@given(answers)
def test_it_is_the_same_over_the_wire(answer):
    text = json.dumps(answer)
    assert (judged(json.loads(text)) is None) == (judged(answer) is None)


# Claims and header of a JWT of any issuer.

EVERYBODY = [
    *(issuers(entry)[0] for entry in EVERY),
    *issuers(ENTRA | {"tenant_id": "organizations"}),
    *issuers(AUTH0 | {"scopes": {"groups:a": ["x"], "realm_access.roles:b": ["y"]}}),
]
CLAIMS = (
    *("iss", "sub", "aud", "exp", "nbf", "iat", "azp", "cid", "appid", "client_id", "scope", "scp"),
    *("tid", "ver", "typ", "token_use", "gty", "idtyp", "email", "preferred_username", "groups"),
    *("realm_access", "uid", "jti", "at_hash"),
)
some_claims = st.dictionaries(st.sampled_from(CLAIMS), anything | st.sampled_from([ISS, AUD, 4e9]))


@given(some_claims, st.sampled_from(EVERYBODY))
def test_claims_are_refused_and_nothing_else_is_raised(claims, issuer):
    try:
        iss = issuer_of(claims, issuer)
        assert iss is None or iss == issuer.iss or "{tenantid}" in issuer.iss
        token = token_from_claims(claims, issuer, iss or "")
        rejection_reason(token, issuer)
        assert token.claims
        check_claims(claims, issuer, time.time())
    except (TokenRefused, ValueError):
        pass


@given(
    st.dictionaries(st.sampled_from(["alg", "typ", "kid", "crit"]), anything | st.just("RS256")),
    st.sampled_from(EVERYBODY),
)
def test_no_header_but_with_an_algorithm_of_the_issuer_is_accepted(header, issuer):
    try:
        assert checked_algorithm(header, issuer) in issuer.algorithms
    except TokenRefused:
        assert set(header) != {"alg"} or header["alg"] != "RS256" or "" not in issuer.types
