"""New keys over real HTTP: rotation, outages, and made-up key ids."""

import time

import pytest
from oauth_resource_server.issuers.jwks import MAX_BYTES, REFETCH_BURST
from oauth_resource_server.issuers.route import configured_issuers

from .keys import RSAKey, jwt
from .vendors import IDENTITY_PLATFORM, RFC9068

pytestmark = pytest.mark.django_db


def token(key, **claims):
    return jwt(RFC9068.all_claims(**claims), key, typ="at+jwt")


@pytest.fixture(scope="module")
def new_key():
    return RSAKey("key-2")


@pytest.fixture
def trusted(trust, publish, key):
    """Trust a server that has published `key`; the clock is stopped."""
    trust(RFC9068)
    configured_issuers().all[0].keys._timer = lambda: 0
    publish(RFC9068, key)


def test_a_new_key_is_fetched_when_a_token_names_it(
    trusted, publish, status_of, requests, key, new_key
):
    before = status_of(token(key))
    publish(RFC9068, new_key, key)
    after = [status_of(token(new_key)), status_of(token(key, jti="later"))]
    assert (before, after, len(requests)) == (200, [200, 200], 2)


def test_a_certificate_that_is_new_is_fetched_too(trust, publish, status_of, key, new_key):
    trust(IDENTITY_PLATFORM)
    publish(IDENTITY_PLATFORM, key)
    before = status_of(jwt(IDENTITY_PLATFORM.all_claims(), key, typ="JWT"))
    publish(IDENTITY_PLATFORM, new_key)
    after = status_of(jwt(IDENTITY_PLATFORM.all_claims(), new_key, typ="JWT"))
    assert (before, after) == (200, 200)


def test_made_up_key_ids_do_not_decide_how_often_keys_are_fetched(
    trusted, status_of, requests, key, strange_key
):
    status_of(token(key))
    old = int(time.time()) - 300
    for number in range(15):
        status_of(jwt(RFC9068.all_claims(iat=old), strange_key, typ="at+jwt", kid=f"no-{number}"))
    assert len(requests) == 1 + REFETCH_BURST


@pytest.mark.parametrize(("number", "status"), [(1, 200), (REFETCH_BURST, 503)])
def test_whoever_makes_up_key_ids_gets_no_new_token_refused(
    trusted, publish, status_of, key, strange_key, new_key, number, status
):
    status_of(token(key))
    for one in range(number):
        status_of(jwt(RFC9068.all_claims(), strange_key, typ="at+jwt", kid=f"made-up-{one}"))
    publish(RFC9068, new_key, key)
    # With 503, its key may be there or not: the keys have just been fetched.
    assert status_of(token(new_key)) == status


def test_tokens_that_cannot_be_good_fetch_no_keys(trusted, status_of, requests, key):
    status_of(jwt(RFC9068.all_claims(), key, typ="at+jwt", alg="none"))
    status_of(jwt(RFC9068.all_claims(iss="https://other.example.com"), key, typ="at+jwt"))
    assert requests == []


def test_the_last_keys_stay_good_through_an_outage(trusted, serve, status_of, key):
    before = status_of(token(key))
    serve(RFC9068, b"", 500)
    assert (before, status_of(token(key, jti="later"))) == (200, 200)


def test_the_last_keys_stay_when_a_new_one_cannot_be_fetched(
    trusted, serve, status_of, key, new_key
):
    status_of(token(key))
    serve(RFC9068, b"", 500)
    statuses = [status_of(token(new_key)), status_of(token(key, jti="later"))]
    assert statuses == [503, 200]


FAULTS = {
    "an error": (b"", 500),
    "too many requests": (b"", 429),
    "nothing there": (b"", 404),
    "not allowed": (b"", 403),
    "a page": (b"<html>", 200),
    "a list": (b"[]", 200),
    "an empty object": (b"{}", 200),
    "no key": (b'{"keys": []}', 200),
    "keys that are no list": (b'{"keys": {}}', 200),
    "keys that are no objects": (b'{"keys": ["a", 7, null]}', 200),
    "a shared secret": (b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}', 200),
    "half a key": (b'{"keys": [{"kty": "RSA", "e": "AQAB"}]}', 200),
    "a key of another kind": (b'{"keys": [{"kty": "RSA", "n": 7, "e": []}]}', 200),
    "nested too deeply": (b"[" * 20_000 + b"]" * 20_000, 200),
    "too large": (b'{"keys": [], "x": "' + b"x" * MAX_BYTES + b'"}', 200),
}


@pytest.mark.parametrize(("body", "status"), FAULTS.values(), ids=FAULTS)
def test_without_keys_nobody_knows(trust, serve, ask, key, body, status):
    trust(RFC9068)
    serve(RFC9068, body, status)
    answer = ask(token(key))
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)


def test_a_redirect_of_the_keys_is_not_followed(trust, serve, status_of, requests, key):
    trust(RFC9068)
    serve(RFC9068, b"", 302, Location="/elsewhere")
    assert (status_of(token(key)), len(requests)) == (503, 1)
