"""The keys of an issuer: what is one, and when they are fetched; `clock` is the time."""

import json
import threading
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwcrypto.jwk import JWK
from oauth_resource_server import (
    AuthorizationServerUnavailable,
    KeySetInvalid,
    SigningKeyUnknown,
)
from oauth_resource_server.http.client import Response
from oauth_resource_server.issuers import jwks
from oauth_resource_server.issuers.keys import keys_of
from oauth_resource_server.resilience.circuit_breaker import CircuitBreaker

from .jwts import key, key_set
from .web_server import self_signed

START = 1_000_000


def members(**changes):
    """The public key of `one` in a key set; `...` removes a member."""
    good = key().export_public(as_dict=True) | changes
    return {name: value for name, value in good.items() if value is not ...}


# What is a key.


def test_a_key_set_has_keys():
    assert [one.kid for one in keys_of(key_set(key("one"), key("two")))] == ["one", "two"]


@pytest.mark.parametrize(
    "document",
    [None, {}, {"keys": []}, {"keys": "x"}, {"error": "not_found"}, {"keys": [7, None, {}]}],
    ids=str,
)
def test_what_has_no_key_is_no_key_set(document):
    with pytest.raises(ValueError, match="no"):
        keys_of(document)


@pytest.mark.parametrize(
    "changes",
    [
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "unknown"},
        {"use": "enc"},
        {"key_ops": ["encrypt"]},
        {"key_ops": "verify"},
        {"n": ...},
        {"n": 7},
        {"n": "not base64!"},
        {"kty": "EC", "crv": "P-256"},
        {"issuer": {}},
    ],
    ids=str,
)
def test_what_cannot_check_a_signature_is_left_out(changes):
    document = {"keys": [members(**changes), members(kid="good")]}
    assert [one.kid for one in keys_of(document)] == ["good"]


def test_an_rsa_key_that_is_too_short_is_left_out():
    short = JWK.from_pyca(rsa.generate_private_key(public_exponent=65537, key_size=1024))
    with pytest.raises(ValueError, match="no usable key"):
        keys_of(key_set(short))


def test_a_private_key_that_somebody_published_is_no_private_key_here():
    [found] = keys_of({"keys": [key().export(as_dict=True)]})
    assert not found.jwk.has_private


def test_certificates_by_key_id_are_a_key_set(tmp_path):
    pem = self_signed(tmp_path / "pem").read_text()
    certificate = x509.load_pem_x509_certificate(pem.encode())
    document = {"a": pem[pem.index("-----BEGIN CERTIFICATE") :]}
    [found] = keys_of(document)
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    assert (found.kid, found.fits("a", "ES256"), found.fits("a", "RS256")) == ("a", True, False)


@pytest.mark.parametrize(
    ("kind", "kid", "algorithm", "fits"),
    [
        ("RSA", "one", "RS256", True),
        ("RSA", None, "RS256", True),
        ("RSA", "two", "RS256", False),
        ("RSA", "one", "ES256", False),
        ("RSA", "one", "RS512", False),  # The key set says RS256.
        ("EC", "one", "ES256", True),
        ("EC", "one", "ES384", False),
        ("EC", "one", "RS256", False),
    ],
)
def test_a_key_fits_its_name_and_its_algorithm(kind, kid, algorithm, fits):
    [found] = keys_of(key_set(key("one", kind)))
    assert found.fits(kid, algorithm) is fits


@pytest.mark.parametrize(
    ("algorithm", "fits"), [("ES256", True), ("ES384", False), ("EdDSA", False)]
)
def test_the_curve_must_fit_too(algorithm, fits):
    [found] = keys_of({"keys": [key("one", "EC").export_public(as_dict=True) | {"alg": algorithm}]})
    assert found.fits("one", algorithm) is fits


# When they are fetched.


class Http:
    """What reaches the key set."""

    url = "https://id.example.com/keys"

    def __init__(self):
        self.asked = 0
        self.fails = False
        self.document = key_set(key("one"))

    def send(self, headers):
        self.asked += 1
        if self.fails:
            raise AuthorizationServerUnavailable("down")
        return Response(200, json.dumps(self.document).encode())


@pytest.fixture
def clock():
    return SimpleNamespace(now=START)


@pytest.fixture
def http():
    return Http()


@pytest.fixture
def keys(http, clock):
    def now():
        return clock.now

    breaker = CircuitBreaker(outages=99)
    return jwks.KeySet(http, breaker, timer=now, clock=now)


def kids(found):
    return [one.kid for one in found]


def wait_for_threads():
    for thread in threading.enumerate():
        if thread.name.startswith("keys of"):
            thread.join(5)


def test_nothing_is_fetched_before_a_token_comes(http, keys):
    assert http.asked == 0


def test_they_are_fetched_once(http, keys):
    assert kids(keys.find("one", "RS256") + keys.find("one", "RS256")) == ["one", "one"]
    assert http.asked == 1


def together(find):
    """Let eight threads call `find` at the same time."""
    barrier = threading.Barrier(8)

    def run():
        barrier.wait()
        find()

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_threads_that_come_first_together_fetch_once(http, keys):
    together(lambda: keys.find("one", "RS256"))
    assert http.asked == 1


def test_without_keys_an_outage_is_one(http, keys):
    http.fails = True
    with pytest.raises(AuthorizationServerUnavailable):
        keys.find("one", "RS256")


@pytest.mark.parametrize("document", [{}, {"keys": []}, {"error": "x"}])
def test_without_keys_an_answer_that_has_none_is_an_error(http, keys, document):
    http.document = document
    with pytest.raises(KeySetInvalid):
        keys.find("one", "RS256")


def test_a_new_key_is_fetched_at_once(http, keys):
    keys.find("one", "RS256")
    http.document = key_set(key("one"), key("two"))
    assert kids(keys.find("two", "RS256")) == ["two"]


def make_up(keys, number):
    """Ask for unknown keys, with tokens that are older than the key set."""
    for one in range(number):
        assert keys.find(f"made-up-{one}", "RS256", issued=START - 60) == ()


@pytest.mark.parametrize(("number", "asked"), [(1, 2), (2, 3), (3, 4), (4, 4), (100, 4)])
def test_made_up_keys_are_asked_for_three_times(http, keys, number, asked):
    make_up(keys, number)
    assert http.asked == asked


@pytest.mark.parametrize(
    ("seconds", "asked"), [(0, 4), (3, 4), (3.5, 5), (7, 6), (10, 7), (3600 - 1, 7)]
)
def test_and_three_times_in_ten_seconds_from_then_on(http, keys, clock, seconds, asked):
    make_up(keys, 100)
    clock.now += seconds
    make_up(keys, 100)
    assert http.asked == asked


@pytest.mark.parametrize("number", [1, 2])
def test_a_made_up_key_does_not_delay_a_rotation(http, keys, number):
    make_up(keys, number)
    http.document = key_set(key("two"))
    assert kids(keys.find("two", "RS256", issued=START)) == ["two"]


def test_of_a_token_newer_than_the_keys_nobody_knows(http, keys):
    make_up(keys, 3)
    with pytest.raises(SigningKeyUnknown) as raised:
        keys.find("two", "RS256", issued=START)
    assert raised.value.retry_after == 4


def test_a_rotation_is_seen_after_that(http, keys, clock):
    make_up(keys, 3)
    http.document = key_set(key("two"))
    clock.now += 4
    assert kids(keys.find("two", "RS256", issued=START)) == ["two"]


def test_threads_that_find_a_new_key_together_fetch_once(http, keys):
    keys.find("one", "RS256")
    http.document = key_set(key("two"))
    together(lambda: keys.find("two", "RS256"))
    assert http.asked == 2


def test_an_outage_is_no_reason_to_refuse_a_new_key(http, keys):
    keys.find("one", "RS256")
    http.fails = True
    with pytest.raises(AuthorizationServerUnavailable):
        keys.find("two", "RS256")


def test_after_an_hour_they_are_fetched_aside(http, keys, clock):
    keys.find("one", "RS256")
    clock.now += jwks.RENEW_SECONDS
    http.document = key_set(key("two"))
    assert kids(keys.find("one", "RS256")) == ["one"]
    wait_for_threads()
    assert (http.asked, kids(keys.keys())) == (2, ["two"])


def test_the_last_keys_stay_through_an_outage(http, keys, clock):
    keys.find("one", "RS256")
    http.fails = True
    clock.now += jwks.KEPT_SECONDS - 1
    keys.find("one", "RS256")
    wait_for_threads()
    assert kids(keys.find("one", "RS256")) == ["one"]


def test_a_failed_renewal_is_tried_again_in_a_while(http, keys, clock):
    keys.find("one", "RS256")
    http.fails = True
    clock.now += jwks.RENEW_SECONDS
    for _ in range(5):
        keys.find("one", "RS256")
        wait_for_threads()
    assert http.asked == 2


def test_the_last_keys_stay_when_the_new_ones_are_none(http, keys, clock, caplog):
    keys.find("one", "RS256")
    http.document = {"keys": []}
    clock.now += jwks.RENEW_SECONDS
    keys.find("one", "RS256")
    wait_for_threads()
    assert kids(keys.find("one", "RS256")) == ["one"]
    assert "could not be renewed" in caplog.text


def test_they_do_not_stay_for_ever(http, keys, clock):
    keys.find("one", "RS256")
    http.fails = True
    clock.now += jwks.KEPT_SECONDS
    with pytest.raises(AuthorizationServerUnavailable):
        keys.find("one", "RS256")
