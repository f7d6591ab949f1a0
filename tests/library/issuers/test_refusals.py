"""A token that is right but for one thing is refused, for each vendor and each thing."""

import time
from base64 import urlsafe_b64decode

import pytest
from oauth_resource_server.validation import MAX_TOKEN_LENGTH

from .keys import ECKey, HMACKey, RSAKey, b64, jwt
from .vendors import (
    ANSWERS,
    AUTH0,
    COGNITO_USER,
    ENTRA,
    ENTRA_OF_EVERY_TENANT,
    GOOGLE,
    JWTS,
    KEYCLOAK,
    OKTA,
    ORDERS,
    RFC9068,
    TENANT,
    TOKENINFO,
)

# One kind of token of each preset, where all of them go the same way.
PRESETS = {vendor.options["preset"]: vendor for vendor in JWTS.values()}
NOW = int(time.time())
LATER = NOW + 86_400  # Not before the last of these tests, however slow they are.
OTHER = "https://other.example.com"

# What is wrong with the claims, by what it is called. None leaves a claim out.
CLAIMS = {
    "ended": {"exp": NOW - 120},
    "without an end": {"exp": None},
    "an end that is no number": {"exp": "tomorrow"},
    "an end that is true": {"exp": True},
    "an end that is a list": {"exp": [LATER]},
    "not good yet": {"nbf": LATER},
    "issued in the future": {"iat": LATER},
    "an issuer that is a list": {"iss": [OTHER]},
    "an issuer that is an object": {"iss": {"url": OTHER}},
    "without an issuer": {"iss": None},
    "an unknown issuer": {"iss": OTHER},
    "a subject that is a number": {"sub": 7},
    "a subject that is an object": {"sub": {}},
}
AUDIENCES = {
    "for another audience": {"aud": OTHER},
    "for other audiences": {"aud": [OTHER, "https://third.example.com"]},
    "an audience that is a number": {"aud": 7},
    "an audience that is an object": {"aud": {ORDERS: True}},
}
# Not for Cognito, whose access tokens have no `aud` as a rule.
NO_AUDIENCES = {"without an audience": {"aud": None}, "an empty audience": {"aud": []}}


@pytest.fixture
def judged(trust, publish, status_of, key):
    """Return a function: trust a vendor, see that a good token passes, judge another one."""

    def judged(vendor, token):
        trust(vendor)
        publish(vendor, key)
        # Else a test could not fail: the vendor might be refused for another reason.
        good = jwt(vendor.all_claims(), key, **vendor.header)
        return status_of(good), status_of(token)

    return judged


nothing = pytest.mark.parametrize("value", [..., None, ""], ids=["missing", "null", "empty"])


def with_nothing(claims, name, value):
    """Return `claims` with one of them empty; ... leaves it out."""
    return {key: one for key, one in (claims | {name: value}).items() if one is not ...}


def each(vendors):
    return pytest.mark.parametrize("vendor", vendors.values(), ids=vendors)


@each(JWTS)
@pytest.mark.parametrize("changes", CLAIMS.values(), ids=CLAIMS)
def test_one_wrong_claim_is_refused(judged, key, vendor, changes):
    token = jwt(vendor.all_claims(**changes), key, **vendor.header)
    assert judged(vendor, token) == (200, 401)


@each(JWTS)
@pytest.mark.parametrize("changes", AUDIENCES.values(), ids=AUDIENCES)
def test_a_token_for_somebody_else_is_refused(judged, key, vendor, changes):
    token = jwt(vendor.all_claims(**changes), key, **vendor.header)
    assert judged(vendor, token) == (200, 401)


@each({name: vendor for name, vendor in JWTS.items() if "cognito" not in name})
@pytest.mark.parametrize("changes", NO_AUDIENCES.values(), ids=NO_AUDIENCES)
def test_a_token_for_nobody_is_refused(judged, key, vendor, changes):
    token = jwt(vendor.all_claims(**changes), key, **vendor.header)
    assert judged(vendor, token) == (200, 401)


@pytest.mark.parametrize(
    ("vendor", "claim"),
    [(vendor, claim) for vendor in JWTS.values() for claim in vendor.needs],
    ids=[f"{name}: {claim}" for name, vendor in JWTS.items() for claim in vendor.needs],
)
@nothing
def test_a_token_without_what_its_vendor_puts_in_is_refused(judged, key, vendor, claim, value):
    claims = with_nothing(vendor.all_claims(), claim, value)
    assert judged(vendor, jwt(claims, key, **vendor.header)) == (200, 401)


@pytest.mark.parametrize("sub", [None, ""])
def test_the_log_says_that_a_genuine_jwt_is_of_nobody(judged, key, caplog, sub):
    token = jwt(OKTA.all_claims() | {"sub": sub}, key)
    judged(OKTA, token)
    [record] = [one for one in caplog.records if "Refused" in one.getMessage()]
    assert (record.levelname, "`sub` is missing" in record.getMessage()) == ("WARNING", True)


@each(JWTS)
def test_another_customer_of_the_vendor_is_refused(judged, key, vendor):
    token = jwt(vendor.all_claims(iss=vendor.other_iss), key, **vendor.header)
    assert judged(vendor, token) == (200, 401)


@each({name: vendor for name, vendor in JWTS.items() if vendor is not GOOGLE})
def test_an_issuer_that_differs_in_its_last_slash_is_refused(judged, key, vendor):
    iss = vendor.claims["iss"]
    other = iss.rstrip("/") if iss.endswith("/") else f"{iss}/"
    token = jwt(vendor.all_claims(iss=other), key, **vendor.header)
    assert judged(vendor, token) == (200, 401)


@each(JWTS)
@pytest.mark.parametrize("cnf", [{"jkt": "x"}, {"x5t#S256": "x"}, {}, "x"], ids=str)
def test_a_token_that_is_bound_to_a_key_is_refused(judged, key, vendor, cnf):
    token = jwt(vendor.all_claims(cnf=cnf), key, **vendor.header)
    assert judged(vendor, token) == (200, 401)


def test_the_log_says_that_it_is_bound_to_a_key(judged, key, caplog):
    judged(OKTA, jwt(OKTA.all_claims(cnf={"jkt": "x"}), key))
    [record] = [one for one in caplog.records if "Refused" in one.getMessage()]
    assert (record.levelname, "`cnf`" in record.getMessage()) == ("WARNING", True)


# --- Signatures ----------------------------------------------------------------------------------


@each(PRESETS)
def test_a_key_that_the_vendor_does_not_know_is_refused(judged, strange_key, vendor):
    token = jwt(vendor.all_claims(), strange_key, **vendor.header)
    assert judged(vendor, token) == (200, 401)


@each(PRESETS)
def test_a_key_id_that_the_vendor_does_not_know_is_refused(judged, key, vendor):
    token = jwt(vendor.all_claims(), key, **vendor.header | {"kid": "unknown"})
    assert judged(vendor, token) == (200, 401)


@each(PRESETS)
@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", None])
def test_a_token_without_a_signature_is_refused(judged, vendor, alg):
    token = jwt(vendor.all_claims(), None, **vendor.header | {"alg": alg})
    assert judged(vendor, token) == (200, 401)


@each(PRESETS)
@pytest.mark.parametrize("alg", ["none", "", None])
def test_a_good_signature_does_not_help_a_token_that_says_none(judged, key, vendor, alg):
    token = jwt(vendor.all_claims(), key, **vendor.header | {"alg": alg})
    assert judged(vendor, token) == (200, 401)


@each(PRESETS)
@pytest.mark.parametrize("secret", ["pem", "modulus", "empty"])
def test_a_public_key_as_a_shared_secret_is_refused(judged, key, vendor, secret):
    secrets = {"pem": key.pem, "modulus": key.jwk["n"].encode(), "empty": b""}
    confused = HMACKey(secrets[secret], kid=key.kid)
    token = jwt(vendor.all_claims(), confused, **vendor.header | {"alg": "HS256"})
    assert judged(vendor, token) == (200, 401)


@each(PRESETS)
@pytest.mark.parametrize("alg", ["RS512", "PS256", "ES256", "EdDSA", "rs256", "RS256 ", 256])
def test_another_algorithm_than_that_of_the_key_is_refused(judged, key, vendor, alg):
    token = jwt(vendor.all_claims(), key, **vendor.header | {"alg": alg})
    assert judged(vendor, token) == (200, 401)


@each(PRESETS)
def test_a_signature_that_was_cut_is_refused(judged, key, vendor):
    token = jwt(vendor.all_claims(), key, **vendor.header)[:-2]
    assert judged(vendor, token) == (200, 401)


@each(PRESETS)
def test_claims_that_were_changed_afterwards_are_refused(judged, key, vendor):
    header, _, signature = jwt(vendor.all_claims(), key, **vendor.header).split(".")
    changed = b64(vendor.all_claims(sub="somebody-else"))
    assert judged(vendor, f"{header}.{changed}.{signature}") == (200, 401)


def test_a_key_of_another_kind_with_the_same_id_is_refused(judged):
    token = jwt(RFC9068.all_claims(), ECKey(), typ="at+jwt", alg="ES256")
    assert judged(RFC9068, token) == (200, 401)


def test_an_elliptic_key_is_accepted_where_it_is_named(trust, publish, status_of):
    key = ECKey()
    trust(RFC9068, algorithms=["ES256"])
    publish(RFC9068, key)
    assert status_of(jwt(RFC9068.all_claims(), key, typ="at+jwt", alg="ES256")) == 200


def test_a_key_for_encryption_verifies_nothing(trust, publish, status_of, key):
    trust(RFC9068)
    publish(RFC9068, key.jwk | {"use": "enc"}, ECKey("another"))
    assert status_of(jwt(RFC9068.all_claims(), key, typ="at+jwt")) == 401


def test_a_key_that_is_too_short_verifies_nothing(trust, publish, status_of, key):
    short = RSAKey("short", bits=1024)
    trust(RFC9068)
    publish(RFC9068, key, short)
    assert status_of(jwt(RFC9068.all_claims(), short, typ="at+jwt")) == 401


# --- Headers -------------------------------------------------------------------------------------


@each(PRESETS)
@pytest.mark.parametrize("kind", ["jku", "x5u"])
def test_nobody_fetches_keys_from_where_a_token_says(judged, web_server, strange_key, vendor, kind):
    asked = []
    web_server.answers["/evil"] = lambda handler: asked.append(handler.path) or (200, {}, b"{}")
    header = vendor.header | {kind: f"{web_server.origin}/evil"}
    token = jwt(vendor.all_claims(), strange_key, **header)
    assert (judged(vendor, token), asked) == ((200, 401), [])


@each(PRESETS)
@pytest.mark.parametrize("kid", [None, "evil"])
def test_a_key_in_the_header_is_ignored(judged, strange_key, vendor, kid):
    header = vendor.header | {"jwk": strange_key.jwk, "kid": kid}
    assert judged(vendor, jwt(vendor.all_claims(), strange_key, **header)) == (200, 401)


@each(PRESETS)
def test_a_certificate_in_the_header_is_ignored(judged, strange_key, vendor):
    header = vendor.header | {"x5c": [strange_key.certificate]}
    assert judged(vendor, jwt(vendor.all_claims(), strange_key, **header)) == (200, 401)


@each(PRESETS)
def test_a_critical_extension_that_nobody_knows_is_refused(judged, key, vendor):
    header = vendor.header | {"crit": ["exp-in-words"], "exp-in-words": "soon"}
    assert judged(vendor, jwt(vendor.all_claims(), key, **header)) == (200, 401)


@each(PRESETS)
def test_a_payload_that_is_not_encoded_is_refused(judged, key, vendor):
    header = vendor.header | {"crit": ["b64"], "b64": False}
    assert judged(vendor, jwt(vendor.all_claims(), key, **header)) == (200, 401)


@each(PRESETS)
@pytest.mark.parametrize("typ", ["dpop+jwt", "logout+jwt", "secevent+jwt", "JWE", 7])
def test_a_token_of_another_type_is_refused(judged, key, vendor, typ):
    token = jwt(vendor.all_claims(), key, **vendor.header | {"typ": typ})
    assert judged(vendor, token) == (200, 401)


@pytest.mark.parametrize("typ", ["JWT", "jwt", None, "at_jwt", "jwt+at"])
def test_rfc_9068_asks_for_its_own_type(judged, key, typ):
    token = jwt(RFC9068.all_claims(), key, typ=typ)
    assert judged(RFC9068, token) == (200, 401)


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt"])
def test_rfc_9068_knows_its_type_in_every_spelling(trust, publish, status_of, key, typ):
    trust(RFC9068)
    publish(RFC9068, key)
    assert status_of(jwt(RFC9068.all_claims(), key, typ=typ)) == 200


# --- Forms ---------------------------------------------------------------------------------------

GOOD = RFC9068


def _decoded(part):
    return urlsafe_b64decode(part + "==")


@pytest.mark.parametrize(
    "payload",
    [b"", b"7", b"null", b'"text"', b"[]", b"{", b"\xff\xfe", b'{"a":1}{"b":2}'],
    ids=["nothing", "a number", "null", "a string", "a list", "half", "no UTF-8", "two"],
)
def test_a_payload_that_is_no_object_is_refused(judged, key, payload):
    assert judged(GOOD, jwt(payload, key, typ="at+jwt")) == (200, 401)


@pytest.mark.parametrize("signer", ["the vendor", "a stranger"])
def test_claims_that_are_nested_too_deeply_are_refused(judged, key, strange_key, signer):
    body = _decoded(b64(GOOD.all_claims()))[:-1]
    deep = body + b', "a": ' + b"[" * 2500 + b"]" * 2500 + b"}"
    token = jwt(deep, key if signer == "the vendor" else strange_key, typ="at+jwt")
    assert (len(token) < MAX_TOKEN_LENGTH, judged(GOOD, token)) == (True, (200, 401))


def test_a_jwt_inside_of_a_jwt_is_refused(judged, key):
    inner = jwt(GOOD.all_claims(), key, typ="at+jwt")
    assert judged(GOOD, jwt(inner.encode(), key, typ="at+jwt", cty="JWT")) == (200, 401)


def test_a_token_that_is_too_long_is_malformed(judged, key):
    token = jwt(GOOD.all_claims(extra="x" * MAX_TOKEN_LENGTH), key, typ="at+jwt")
    assert judged(GOOD, token) == (200, 400)


def test_an_encrypted_token_is_refused(judged):
    header = b64({"alg": "RSA-OAEP", "enc": "A256GCM", "kid": "key-1"})
    assert judged(GOOD, f"{header}.{'.'.join(['eA'] * 4)}") == (200, 401)


@pytest.mark.parametrize("change", ["{}.", ".{}", "{}.x", "..", "{}=", "...."])
def test_a_token_of_other_parts_is_refused(judged, key, change):
    token = change.format(jwt(GOOD.all_claims(), key, typ="at+jwt"))
    good, status = judged(GOOD, token)
    assert (good, status in (400, 401)) == (200, True)


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1"])
def test_an_end_that_never_comes_is_refused(judged, key, number):
    claims = b64(GOOD.all_claims(exp=12345))
    body = _decoded(claims).replace(b"12345", number)
    assert judged(GOOD, jwt(body, key, typ="at+jwt")) == (200, 401)


def test_a_name_that_comes_twice_is_refused(judged, key):
    body = _decoded(b64(GOOD.all_claims()))
    twice = body[:-1] + b', "aud": "https://other.example.com"}'
    assert judged(GOOD, jwt(twice, key, typ="at+jwt")) == (200, 401)


@pytest.mark.parametrize("shape", ["digits", "fraction"])
def test_an_end_in_digits_or_with_a_fraction_is_understood(trust, publish, status_of, key, shape):
    trust(GOOD)
    publish(GOOD, key)
    exp = str(LATER) if shape == "digits" else LATER + 0.5
    assert status_of(jwt(GOOD.all_claims(exp=exp), key, typ="at+jwt")) == 200


# --- One vendor ----------------------------------------------------------------------------------


@pytest.mark.parametrize("use", ["id", "refresh", "Access", ["access"], ""])
def test_cognito_needs_a_token_for_access(judged, key, use):
    assert judged(COGNITO_USER, jwt(COGNITO_USER.all_claims(token_use=use), key)) == (200, 401)


def test_an_id_token_of_cognito_is_refused(judged, key):
    changes = {"token_use": "id", "client_id": None, "aud": COGNITO_USER.claims["client_id"]}
    assert judged(COGNITO_USER, jwt(COGNITO_USER.all_claims(**changes), key)) == (200, 401)


def test_a_client_of_cognito_that_is_not_listed_is_refused(judged, key):
    token = jwt(COGNITO_USER.all_claims(client_id="another0client"), key)
    assert judged(COGNITO_USER, token) == (200, 401)


@pytest.mark.parametrize(
    ("options", "aud", "status"),
    [
        ({}, ORDERS, 200),
        ({}, [OTHER, ORDERS], 200),
        ({}, OTHER, 401),
        ({"audience": OTHER}, OTHER, 200),
        ({"audience": OTHER}, ORDERS, 401),
        ({"audience": OTHER}, None, 200),
    ],
)
def test_cognito_binds_a_token_to_a_resource(trust, publish, status_of, key, options, aud, status):
    trust(COGNITO_USER, **options)
    publish(COGNITO_USER, key)
    assert status_of(jwt(COGNITO_USER.all_claims(aud=aud), key)) == status


@pytest.mark.parametrize("typ", ["ID", "Refresh", "Offline", "bearer", ["Bearer"]])
def test_keycloak_needs_a_bearer_token(judged, key, typ):
    assert judged(KEYCLOAK, jwt(KEYCLOAK.all_claims(typ=typ), key, typ="JWT")) == (200, 401)


def test_keycloak_says_dpop_where_a_token_is_bound(judged, key):
    claims = KEYCLOAK.all_claims(typ="DPoP", cnf={"jkt": "x"})
    assert judged(KEYCLOAK, jwt(claims, key, typ="JWT")) == (200, 401)


def test_keycloak_without_an_audience_mapper_is_refused(judged, key):
    token = jwt(KEYCLOAK.all_claims(aud="account"), key, typ="JWT")
    assert judged(KEYCLOAK, token) == (200, 401)


def test_an_id_token_of_okta_is_refused(judged, key):
    changes = {"cid": None, "aud": OKTA.claims["cid"], "at_hash": "x", "amr": ["pwd"]}
    assert judged(OKTA, jwt(OKTA.all_claims(**changes), key)) == (200, 401)


def test_an_id_token_of_auth0_is_refused(judged, key):
    changes = {"aud": "my_client_id", "azp": None, "nonce": "n", "scope": None}
    assert judged(AUTH0, jwt(AUTH0.all_claims(**changes), key, typ="JWT")) == (200, 401)


@pytest.mark.parametrize("tid", [None, "72f988bf-86f1-41af-91ab-2d7cd011db47", "common", 7])
def test_a_tenant_of_entra_that_is_not_in_its_issuer_is_refused(judged, key, tid):
    assert judged(ENTRA, jwt(ENTRA.all_claims(tid=tid), key, typ="JWT")) == (200, 401)


def test_a_token_of_the_other_version_of_entra_is_refused(judged, key):
    assert judged(ENTRA, jwt(ENTRA.all_claims(ver="1.0"), key, typ="JWT")) == (200, 401)


def test_google_sign_in_of_another_application_is_refused(judged, key):
    changes = {"aud": "999.apps.googleusercontent.com", "azp": GOOGLE.claims["aud"]}
    assert judged(GOOGLE, jwt(GOOGLE.all_claims(**changes), key, typ="JWT")) == (200, 401)


def test_google_spells_its_issuer_in_two_ways(trust, publish, status_of, key):
    trust(GOOGLE)
    publish(GOOGLE, key)
    claims = GOOGLE.all_claims(iss="accounts.google.com")
    assert status_of(jwt(claims, key, typ="JWT")) == 200


# --- Introspection answers -----------------------------------------------------------------------

ANSWERED = {
    "ended": {"exp": NOW - 120},
    "not active": {"active": False},
    "another issuer": {"iss": OTHER},
    "for another audience": {"aud": OTHER},
    "without an audience": {"aud": None},
}


# RFC 7662 knows no more than the name of a person: without it, a token is taken for a machine's.
NAMELESS = {name: one for name, one in ANSWERS.items() if name != "rfc7662"}
WITH_AUDIENCE = {name: one for name, one in ANSWERS.items() if "workforce" not in name}


@each(WITH_AUDIENCE)
@pytest.mark.parametrize("changes", ANSWERED.values(), ids=ANSWERED)
def test_one_wrong_member_of_an_answer_is_refused(trust, answer, status_of, vendor, changes):
    trust(vendor)
    answer(vendor, vendor.all_claims())
    good = status_of("good")
    answer(vendor, vendor.all_claims(**changes))
    assert (good, status_of("another")) == (200, 401)


@pytest.mark.parametrize(
    ("vendor", "claim"),
    [(vendor, claim) for vendor in ANSWERS.values() for claim in vendor.needs],
    ids=[f"{name}: {claim}" for name, vendor in ANSWERS.items() for claim in vendor.needs],
)
@nothing
def test_an_answer_without_what_its_vendor_puts_in_is_refused(
    trust, answer, status_of, vendor, claim, value
):
    trust(vendor)
    answer(vendor, vendor.all_claims())
    good = status_of("good")
    answer(vendor, with_nothing(vendor.all_claims(), claim, value))
    assert (good, status_of("another")) == (200, 401)


@each(NAMELESS)
@nothing
def test_nor_does_a_client_stand_in_where_nobody_is_named(trust, answer, status_of, vendor, value):
    trust(vendor)
    claims = vendor.all_claims(username=None, preferred_username=None)
    answer(vendor, claims)
    good = status_of("good")
    answer(vendor, with_nothing(claims, "sub", value))
    assert (good, status_of("another")) == (200, 401)


@nothing
@pytest.mark.parametrize("claim", TOKENINFO.needs)
@pytest.mark.parametrize("email", [None, "jsmith@example.com"])
def test_nor_does_it_where_google_is_asked(
    configure, serve, status_of, web_server, email, claim, value
):
    configure(ISSUERS=[TOKENINFO.options | {"introspection_url": f"{web_server.origin}/tokeninfo"}])
    claims = {name: one for name, one in (TOKENINFO.claims | {"email": email}).items() if one}
    serve(TOKENINFO, claims)
    good = status_of("good")
    serve(TOKENINFO, with_nothing(claims, claim, value))
    assert (good, status_of("another")) == (200, 401)


@each(ANSWERS)
def test_another_customer_of_an_asked_vendor_is_refused(trust, answer, status_of, vendor):
    trust(vendor)
    answer(vendor, vendor.all_claims(iss=vendor.other_iss))
    assert status_of("opaque") == 401


UNUSABLE = {
    "active in words": {"active": "true"},
    "without active": {"active": None},
    "an end that is no number": {"exp": "tomorrow"},
    "an end that is true": {"exp": True},
    "a subject that is a number": {"sub": 7},
    "an audience that is an object": {"aud": {}},
}


@each(ANSWERS)
@pytest.mark.parametrize("changes", UNUSABLE.values(), ids=UNUSABLE)
def test_an_answer_that_is_not_rfc_7662_is_an_outage(trust, answer, status_of, vendor, changes):
    trust(vendor)
    answer(vendor, vendor.all_claims(**changes))
    assert status_of("opaque") == 503


@each(ANSWERS)
@pytest.mark.parametrize("shape", ["digits", "fraction"])
def test_the_end_in_an_answer_may_be_digits_or_a_fraction(trust, answer, status_of, vendor, shape):
    exp = str(LATER) if shape == "digits" else LATER + 0.167908
    trust(vendor)
    answer(vendor, vendor.all_claims(exp=exp))
    assert status_of("opaque") == 200


# --- Several tenants of Entra -------------------------------------------------------------------


@pytest.fixture
def any_tenant(trust, publish, web_server):
    """Trust every tenant of Entra; return a function that publishes keys with their issuers."""

    def any_tenant(*keys):
        trust(ENTRA_OF_EVERY_TENANT)
        publish(ENTRA_OF_EVERY_TENANT, *keys)

    return any_tenant


ISSUER = "https://login.microsoftonline.com/{}/v2.0"
GUEST = "72f988bf-86f1-41af-91ab-2d7cd011db47"


@pytest.mark.parametrize("tenant", [TENANT, GUEST])
def test_a_key_for_every_tenant_verifies_tokens_of_each(any_tenant, status_of, key, tenant):
    any_tenant(key.jwk | {"issuer": ISSUER.format("{tenantid}")})
    claims = ENTRA.all_claims(tid=tenant, iss=ISSUER.format(tenant))
    assert status_of(jwt(claims, key, typ="JWT")) == 200


def test_a_key_of_one_tenant_verifies_no_token_of_another(any_tenant, status_of, key):
    any_tenant(key.jwk | {"issuer": ISSUER.format(GUEST)})
    of_guest = ENTRA.all_claims(tid=GUEST, iss=ISSUER.format(GUEST))
    mine = ENTRA.all_claims()
    assert [status_of(jwt(claims, key, typ="JWT")) for claims in (of_guest, mine)] == [200, 401]


@pytest.mark.parametrize(
    ("tid", "iss"),
    [
        (TENANT, ISSUER.format(GUEST)),
        ("common", ISSUER.format("common")),
        ("{tenantid}", ISSUER.format("{tenantid}")),
        (None, ISSUER.format(TENANT)),
        (TENANT, f"https://evil.example.com/{TENANT}/v2.0"),
        (f"{TENANT}/v2.0/../x", ISSUER.format(f"{TENANT}/v2.0/../x")),
    ],
)
def test_a_tenant_has_to_be_a_guid_and_the_one_of_the_issuer(any_tenant, status_of, key, tid, iss):
    any_tenant(key.jwk | {"issuer": ISSUER.format("{tenantid}")})
    assert status_of(jwt(ENTRA.all_claims(tid=tid, iss=iss), key, typ="JWT")) == 401
