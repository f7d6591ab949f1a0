"""Several issuers: which of them are asked about a token, and which issuer owns it."""

import time
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from oauth_resource_server import AuthorizationServerUnavailable
from oauth_resource_server.users import local_user
from oauth_resource_server.validation import validate

from .conftest import path_of
from .keys import jwt
from .vendors import AUTH0, KEYCLOAK_ANSWER, OKTA_ANSWER, RFC7662, RFC9068

pytestmark = pytest.mark.django_db
UNKNOWN = "https://nobody.example.com"


def paths(requests):
    return [path for path, _ in requests]


def inactive(answer, vendor):
    answer(vendor, {"active": False})


def active(answer, vendor, **changes):
    answer(vendor, vendor.all_claims(**changes))


# --- JWTs ----------------------------------------------------------------------------------------


def test_a_jwt_is_shown_to_nobody_where_it_is_verified(trust, publish, status_of, requests, key):
    trust(RFC7662, RFC9068)
    publish(RFC9068, key)
    status = status_of(jwt(RFC9068.all_claims(), key, typ="at+jwt"))
    assert (status, paths(requests)) == (200, [path_of(RFC9068)])


def test_a_jwt_of_an_unknown_issuer_is_shown_to_nobody(trust, publish, status_of, requests, key):
    trust(RFC7662, RFC9068, AUTH0)
    publish(RFC9068, key)
    token = jwt(RFC9068.all_claims(iss=UNKNOWN), key, typ="at+jwt")
    assert (status_of(token), requests) == (401, [])


def test_a_jwt_that_is_asked_about_goes_to_the_issuer_that_it_names(
    trust, answer, status_of, requests, key
):
    trust(RFC7662, OKTA_ANSWER, KEYCLOAK_ANSWER)
    active(answer, KEYCLOAK_ANSWER)
    status = status_of(jwt(KEYCLOAK_ANSWER.all_claims(), key, typ="JWT"))
    assert (status, paths(requests)) == (200, [path_of(KEYCLOAK_ANSWER)])


def test_each_issuer_has_its_own_rules(trust, publish, status_of, key):
    trust(RFC9068, AUTH0)
    publish(RFC9068, key)
    publish(AUTH0, key)
    # Right for Auth0, and signed by a key that both have; but RFC 9068 has another type.
    swapped = jwt(AUTH0.all_claims(iss=RFC9068.claims["iss"]), key, typ="JWT")
    good = jwt(AUTH0.all_claims(), key, typ="JWT")
    assert [status_of(good), status_of(swapped)] == [200, 401]


def test_the_key_of_one_issuer_signs_nothing_for_another(
    trust, publish, status_of, key, strange_key
):
    trust(RFC9068, AUTH0)
    publish(RFC9068, key)
    publish(AUTH0, strange_key)
    good, forged = (jwt(AUTH0.all_claims(), one, typ="JWT") for one in (strange_key, key))
    assert [status_of(good), status_of(forged)] == [200, 401]


# --- Opaque tokens -------------------------------------------------------------------------------


def test_an_opaque_token_is_asked_about_in_the_order_of_the_settings(
    trust, answer, status_of, requests
):
    trust(RFC7662, OKTA_ANSWER, KEYCLOAK_ANSWER)
    inactive(answer, RFC7662)
    active(answer, OKTA_ANSWER)
    active(answer, KEYCLOAK_ANSWER)
    status = status_of("opaque")
    assert (status, paths(requests)) == (200, [path_of(RFC7662), path_of(OKTA_ANSWER)])


def test_an_opaque_token_goes_to_nobody_that_only_verifies(trust, status_of, requests):
    trust(RFC9068, AUTH0)
    assert (status_of("opaque"), requests) == (401, [])


def test_a_token_that_nobody_knows_is_asked_about_once(
    trust, answer, status_of, requests, configure
):
    configure(INACTIVE_CACHING_SECONDS=60)
    trust(RFC7662, OKTA_ANSWER)
    inactive(answer, RFC7662)
    inactive(answer, OKTA_ANSWER)
    statuses = [status_of("opaque") for _ in range(3)]
    assert (statuses, len(requests)) == ([401] * 3, 2)


def test_when_it_is_asked_again_only_its_issuer_is(trust, answer, status_of, requests, configure):
    configure(RESOURCE_SERVER_TOKEN_CACHING_SECONDS=0)
    trust(RFC7662, OKTA_ANSWER)
    inactive(answer, RFC7662)
    active(answer, OKTA_ANSWER)
    statuses = [status_of("opaque"), status_of("opaque")]
    okta = path_of(OKTA_ANSWER)
    assert (statuses, paths(requests)) == ([200, 200], [path_of(RFC7662), okta, okta])


def test_each_issuer_gets_the_credentials_that_it_gave(trust, answer, status_of, requests):
    trust(RFC7662)
    trust(RFC7662, OKTA_ANSWER)
    inactive(answer, RFC7662)
    inactive(answer, OKTA_ANSWER)
    status_of("opaque")
    expected = {
        path_of(one): f"Basic {b64encode(f'{client_id}:s3cret'.encode()).decode()}"
        for one, client_id in ((RFC7662, "orders"), (OKTA_ANSWER, "0oa1gjh63g214q0Hq0g4"))
    }
    assert dict(requests) == expected


def test_an_outage_of_one_does_not_matter_when_another_knows_the_token(trust, answer, status_of):
    trust(RFC7662, OKTA_ANSWER)
    answer(RFC7662, {}, 500)
    active(answer, OKTA_ANSWER)
    assert status_of("opaque") == 200


def test_an_outage_of_one_is_no_verdict_when_nobody_else_knows_the_token(trust, answer, status_of):
    trust(RFC7662, OKTA_ANSWER)
    answer(RFC7662, {}, 500)
    inactive(answer, OKTA_ANSWER)
    assert status_of("opaque") == 503


def test_an_outage_of_one_leaves_the_jwts_of_another_alone(trust, answer, publish, status_of, key):
    trust(RFC7662, RFC9068)
    answer(RFC7662, {}, 500)
    publish(RFC9068, key)
    assert status_of(jwt(RFC9068.all_claims(), key, typ="at+jwt")) == 200


@pytest.fixture
def stalled(trust, configure, authorization_server):
    """RFC7662 has met an outage, and stalls: one request occupies one of two slots."""
    trust(RFC7662, RFC9068)
    [asked, verified] = settings.OAUTH_RESOURCE_SERVER["ISSUERS"]
    configure(
        ISSUERS=[asked | {"introspection_url": authorization_server.url}, verified],
        MAX_WAITING_THREADS=2,
        RESOURCE_SERVER_INTROSPECTION_TIMEOUT_SECONDS=30,
        TOTAL_TIMEOUT_SECONDS=30,
    )
    authorization_server.answer_with(500)
    with pytest.raises(AuthorizationServerUnavailable):
        validate("first")
    authorization_server.stall()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(validate, "second")
        while len(authorization_server.requests) < 2:
            assert not waiting.done()
            time.sleep(0.01)
        yield authorization_server
        assert not waiting.done()
        authorization_server.stop()
        assert type(waiting.exception()) is AuthorizationServerUnavailable


def test_one_that_stalls_leaves_a_place_to_another(stalled, publish, status_of, key):
    publish(RFC9068, key)
    statuses = status_of("third"), status_of(jwt(RFC9068.all_claims(), key, typ="at+jwt"))
    assert (statuses, len(stalled.requests)) == ((503, 200), 2)


def test_an_answer_in_the_name_of_another_issuer_is_refused(trust, answer, status_of):
    trust(RFC7662, OKTA_ANSWER)
    active(answer, RFC7662, iss=OKTA_ANSWER.claims["iss"])
    inactive(answer, OKTA_ANSWER)
    assert status_of("opaque") == 401


# --- People --------------------------------------------------------------------------------------


def test_one_name_at_two_issuers_is_two_people(trust, answer, publish, key):
    trust(RFC7662, RFC9068)
    active(answer, RFC7662, sub="1", username="admin")
    publish(RFC9068, key)
    local_user(validate("opaque"))
    claims = RFC9068.all_claims(sub="2", preferred_username="admin")
    local_user(validate(jwt(claims, key, typ="at+jwt")))
    assert get_user_model().objects.count() == 2
