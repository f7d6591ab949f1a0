"""`issuers.jwt`: what a JWT must be, before and after its signature is checked (RFC 8725)."""

import base64
import json
import time

import pytest
from jwcrypto.jwk import JWK
from oauth_resource_server.issuers.jwt import (
    LEEWAY,
    MAX_HEADER_LENGTH,
    TokenRefused,
    check_claims,
    check_signature,
    check_type,
    checked_algorithm,
    parse,
)
from oauth_resource_server.issuers.keys import CURVES, keys_of
from oauth_resource_server.issuers.settings import ALGORITHMS, RFC9068_TYPE, IssuerSettings

from .jwts import ISS, claims, jwt, key, key_set

ISSUER = IssuerSettings(iss=ISS, types=RFC9068_TYPE, claims=(("jti", ()), ("use", ("access",))))
GOOD = {"alg": "RS256", "kid": "one", "typ": "at+jwt"}


def part(value):
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


# What is a JWT.


def test_a_jwt_says_which_issuer_and_which_key_it_is_of():
    unverified = parse(jwt())
    assert (unverified.iss, unverified.header["kid"]) == (ISS, "one")


ALG = b'{"alg": "RS256"}'
NESTED = b'{"a":' * 1001 + b"1" + b"}" * 1001


@pytest.mark.parametrize(
    ("header", "payload"),
    [
        (ALG, b"[]"),
        (ALG, b"{"),
        (ALG, b"\xff"),
        (b"{}", b"{}"),
    ],
    ids=lambda value: str(value[:20]),
)
def test_what_holds_no_two_objects_is_an_opaque_token(header, payload):
    assert parse(f"{part(header)}.{part(payload)}.c") is None


@pytest.mark.parametrize(
    ("header", "payload"),
    [
        (ALG, NESTED),
        (NESTED, b"{}"),
        (b'{"alg": "RS256", "x": "' + b"x" * MAX_HEADER_LENGTH + b'"}', b"{}"),
    ],
    ids=lambda value: str(value[:20]),
)
def test_what_is_too_large_to_be_read_is_no_good(header, payload):
    with pytest.raises(TokenRefused):
        parse(f"{part(header)}.{part(payload)}.c")


@pytest.mark.parametrize(
    "token", ["opaque", "a.b", "a.b.c", "a.b.c.d", f"{part(ALG)}.a.c", "..", "."]
)
def test_anything_else_is_an_opaque_token(token):
    assert parse(token) is None


@pytest.mark.parametrize("iss", [..., None, 7, [ISS]])
def test_an_issuer_that_is_no_string_is_none(iss):
    assert parse(jwt(iss=iss)).iss == ""


# Its header.


def test_the_algorithm_of_the_issuer_is_accepted():
    assert checked_algorithm(GOOD, ISSUER) == "RS256"


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "HS256", "ES256", "RS512", "", None, ["RS256"]]
)
def test_another_algorithm_is_refused(algorithm):
    with pytest.raises(TokenRefused, match="algorithm"):
        checked_algorithm(GOOD | {"alg": algorithm}, ISSUER)


@pytest.mark.parametrize("kind", ["at+JWT", "application/at+jwt"])
def test_the_type_is_compared_without_case(kind):
    check_type(GOOD | {"typ": kind}, ISSUER)


@pytest.mark.parametrize("kind", ["JWT", "", "id+jwt", None, 7])
def test_another_type_is_refused(kind):
    with pytest.raises(TokenRefused, match="typ"):
        check_type(GOOD | {"typ": kind}, ISSUER)


@pytest.mark.parametrize("member", [{"crit": ["exp"]}, {"crit": []}, {"b64": False}, {"kid": 7}])
def test_a_header_that_asks_for_more_is_refused(member):
    with pytest.raises(TokenRefused):
        checked_algorithm(GOOD | member, ISSUER)


@pytest.mark.parametrize("name", ["jku", "jwk", "x5u", "x5c"])
def test_where_a_header_has_its_keys_from_does_not_matter(name):
    assert checked_algorithm(GOOD | {name: "https://evil.example.com"}, ISSUER)


# Its signature.


def test_the_key_that_has_signed_it_is_found():
    check_signature(jwt(), [key("two"), key("one")], "RS256")


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_every_algorithm_that_an_issuer_can_have_works(algorithm):
    signer = JWK(**key().export(as_dict=True) | {"alg": algorithm})
    if algorithm in CURVES:
        kind, curves = CURVES[algorithm]
        signer = JWK.generate(kty=kind, crv=curves[0], kid="one", alg=algorithm)
    [found] = keys_of(key_set(signer))
    assert found.fits("one", algorithm)
    check_signature(jwt(signer), [found.jwk], algorithm)


@pytest.mark.parametrize("keys", [[], [key("two")], [key("one", "EC")]])
def test_another_key_is_refused(keys):
    with pytest.raises(TokenRefused):
        check_signature(jwt(), keys, "RS256")


def test_a_payload_that_was_changed_is_refused():
    header, _, signature = jwt().split(".")
    with pytest.raises(TokenRefused):
        check_signature(f"{header}.{part(claims(sub='bob'))}.{signature}", [key()], "RS256")


def test_a_token_without_a_signature_is_refused():
    header, payload, _ = jwt().split(".")
    with pytest.raises(TokenRefused):
        check_signature(f"{header}.{payload}.", [key()], "RS256")


def test_a_key_that_was_made_a_secret_is_refused():
    public = key().export_to_pem()
    secret = JWK(kty="oct", k=part(public), kid="one", alg="HS256")
    with pytest.raises(TokenRefused):
        check_signature(jwt(secret), [key()], "RS256")


# Its claims.


def checked(now=None, **changes):
    check_claims(claims(use="access", **changes), ISSUER, time.time() if now is None else now)


def test_good_claims_are_accepted():
    checked()


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_the_clock_of_the_issuer_may_be_a_little_ahead(name):
    checked(**{name: int(time.time()) + LEEWAY - 5})


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": ...},
        {"exp": None},
        {"jti": ...},
        {"at_hash": "x"},
        {"c_hash": "x"},
    ],
    ids=str,
)
def test_claims_that_are_not_good_are_refused(changes):
    with pytest.raises(TokenRefused):
        checked(**changes)


@pytest.mark.parametrize(
    ("name", "seconds"), [("exp", 0), ("nbf", LEEWAY + 1), ("iat", LEEWAY + 1)]
)
def test_a_token_that_is_not_good_now_is_refused(name, seconds):
    now = int(time.time())
    with pytest.raises(TokenRefused):
        checked(now, **{name: now + seconds})


@pytest.mark.parametrize("value", ["id", "", None, ["access"], True])
def test_a_claim_must_have_the_value_of_an_access_token(value):
    with pytest.raises(TokenRefused, match="use"):
        check_claims(claims(use=value), ISSUER, time.time())


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_a_time_must_be_one(name):
    with pytest.raises(ValueError, match=name):
        checked(**{name: "soon"})
