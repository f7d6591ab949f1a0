"""The tokens of each vendor, in the shapes of its documents, are accepted and come to one shape."""

from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from oauth_resource_server.conf import read_conf
from oauth_resource_server.issuers.claims import token_from_claims
from oauth_resource_server.issuers.options import read_issuers
from oauth_resource_server.issuers.route import configured_issuers
from oauth_resource_server.validation import validate

from .keys import jwt
from .vendors import (
    ANSWERS,
    COGNITO_MACHINE,
    COGNITO_USER,
    ENTRA,
    ENTRA_APPLICATION,
    ENTRA_OF_EVERY_TENANT,
    GOOGLE,
    GOOGLE_WORKFORCE,
    IDENTITY_PLATFORM,
    JWTS,
    KEYCLOAK,
    RFC9068,
    TOKENINFO,
)

pytestmark = pytest.mark.django_db
ALL = JWTS | {f"{name}, asked": one for name, one in (ANSWERS | {"tokeninfo": TOKENINFO}).items()}


def each(vendors):
    return pytest.mark.parametrize("vendor", vendors.values(), ids=vendors)


@each(ALL)
def test_what_the_console_shows_leads_to_the_documented_address(configure, vendor):
    configure(ISSUERS=[vendor.options])
    [issuer] = read_issuers(read_conf())
    assert vendor.address in (issuer.jwks_url, issuer.introspection_url)


@each(JWTS)
def test_a_token_of_each_vendor_is_accepted(trust, publish, status_of, key, vendor):
    trust(vendor)
    publish(vendor, key)
    assert status_of(jwt(vendor.all_claims(), key, **vendor.header)) == 200


@each(ANSWERS)
def test_an_answer_of_each_vendor_is_accepted(trust, answer, status_of, vendor):
    trust(vendor)
    answer(vendor, vendor.all_claims())
    assert status_of("an-opaque-token") == 200


@each(JWTS)
def test_a_view_sees_the_same_whoever_issued_it(trust, publish, key, vendor):
    trust(vendor)
    publish(vendor, key)
    token = validate(jwt(vendor.all_claims(), key, **vendor.header))
    assert {name: getattr(token, name) for name in vendor.expected} == vendor.expected


@each(ANSWERS)
def test_a_view_sees_the_same_when_the_issuer_is_asked(trust, answer, vendor):
    trust(vendor)
    answer(vendor, vendor.all_claims())
    token = validate("an-opaque-token")
    assert {name: getattr(token, name) for name in vendor.expected} == vendor.expected


def test_a_view_sees_the_same_when_google_says_it_in_its_own_way(configure, serve, web_server):
    configure(ISSUERS=[TOKENINFO.options | {"introspection_url": f"{web_server.origin}/tokeninfo"}])
    serve(TOKENINFO, TOKENINFO.claims)
    token = validate("ya29.an-opaque-token")
    assert {name: getattr(token, name) for name in TOKENINFO.expected} == TOKENINFO.expected


ROBOT = "robot@my-project.iam.gserviceaccount.com"


@pytest.mark.parametrize(
    ("vendor", "changes", "is_machine"),
    [
        (GOOGLE, {"email": ROBOT}, True),
        (GOOGLE, {"email": ROBOT, "email_verified": False}, False),
        (GOOGLE, {"email": ROBOT, "email_verified": None}, False),
        (GOOGLE, {"email": f"{ROBOT}.example.com"}, False),
        (IDENTITY_PLATFORM, {"email": ROBOT}, False),
        (IDENTITY_PLATFORM, {"email": ROBOT, "email_verified": False}, False),
        (TOKENINFO, {"email": ROBOT}, True),
        (TOKENINFO, {"email": ROBOT, "email_verified": "false"}, False),
        (GOOGLE_WORKFORCE, {"username": None, "sub": "workforce-client"}, False),
    ],
)
def test_google_knows_a_machine_by_an_address_that_only_google_gives_out(
    configure, vendor, changes, is_machine
):
    configure(ISSUERS=[vendor.options])
    [issuer] = read_issuers(read_conf())
    assert (
        token_from_claims(vendor.all_claims(**changes), issuer, issuer.iss).is_machine is is_machine
    )


@pytest.mark.parametrize(
    ("vendor", "disguise"),
    [
        (GOOGLE, {"email": ROBOT}),
        (GOOGLE, {"email": ROBOT, "email_verified": False}),
        (IDENTITY_PLATFORM, {"email": ROBOT, "email_verified": False}),
        (KEYCLOAK, {"preferred_username": "service-account-webshop"}),
    ],
    ids=["google", "google, not verified", "google, identity platform", "keycloak"],
)
def test_who_was_deactivated_does_not_get_back_in_by_the_name_of_a_machine(
    trust, publish, ask, key, vendor, disguise
):
    trust(vendor)
    publish(vendor, key)
    ask(jwt(vendor.all_claims(), key, **vendor.header), "/user/")
    get_user_model().objects.update(is_active=False)
    answer = ask(jwt(vendor.all_claims(**disguise), key, **vendor.header))
    assert answer.status_code == 401


def test_the_ids_of_entra_may_be_set_in_upper_case(trust, publish, status_of, key):
    names = ("tenant_id", "client_id")
    trust(ENTRA, **{name: ENTRA.options[name].upper() for name in names})
    publish(ENTRA, key)
    assert status_of(jwt(ENTRA.all_claims(), key, **ENTRA.header)) == 200


def test_a_token_of_entra_with_all_the_groups_that_fit_is_accepted(trust, publish, status_of, key):
    trust(ENTRA)
    publish(ENTRA, key)
    groups = [str(UUID(int=number)) for number in range(200)]
    assert status_of(jwt(ENTRA.all_claims(groups=groups), key, **ENTRA.header)) == 200


def test_the_type_of_a_jwt_is_an_option(trust, publish, status_of, key):
    token = jwt(RFC9068.all_claims(), key, **RFC9068.header | {"typ": "JWT"})
    publish(RFC9068, key)
    trust(RFC9068)
    refused = status_of(token)
    trust(RFC9068, types="JWT")
    assert (refused, status_of(token)) == (401, 200)


@each(JWTS)
def test_a_view_can_read_all_that_the_vendor_said(trust, publish, key, vendor):
    trust(vendor)
    publish(vendor, key)
    claims = vendor.all_claims()
    token = validate(jwt(claims, key, **vendor.header))
    seen = {name: token.claims.get(name) for name in claims}
    aud = claims.get("aud")
    assert seen == claims | ({"aud": [aud]} if isinstance(aud, str) else {})


@each(JWTS)
def test_the_keys_are_fetched_once(trust, publish, status_of, requests, key, vendor):
    trust(vendor)
    publish(vendor, key)
    for jti in ("one", "two", "three"):
        status_of(jwt(vendor.all_claims(jti=jti), key, **vendor.header))
    assert len(requests) == 1


@pytest.mark.parametrize(
    "vendor", [*JWTS.values(), ENTRA_OF_EVERY_TENANT], ids=[*JWTS, "entra, every tenant"]
)
def test_the_caching_time_of_an_entry_is_the_one_of_its_tokens(trust, publish, key, vendor):
    trust(vendor, caching_seconds=7)
    publish(vendor, key)
    token = validate(jwt(vendor.all_claims(), key, **vendor.header))
    assert configured_issuers().caching_seconds(token) == 7


@pytest.mark.parametrize(
    ("vendor", "scopes"),
    [
        (COGNITO_USER, {"orders:read", "orders:write"}),
        (COGNITO_MACHINE, {"orders:read"}),
        (ENTRA_APPLICATION, {"orders:read"}),
    ],
    ids=["groups of Cognito", "scopes of Cognito", "roles of Entra"],
)
def test_a_rule_says_what_a_claim_grants(trust, publish, key, vendor, scopes):
    trust(vendor)
    publish(vendor, key)
    token = validate(jwt(vendor.all_claims(), key, **vendor.header))
    assert scopes <= set(token.scope.split())
