"""Tokens of several issuers, from the header of a request to the answer, over real HTTP."""

import json
import time
from hashlib import sha256

import pytest
from django.contrib.auth import get_user_model
from oauth_resource_server.conf import reset_process_state
from oauth_resource_server.issuers.route import configured_issuers
from oauth_resource_server.models import LinkedUser
from oauth_resource_server.validation import process_state, validate
from rest_framework.test import APIClient

from .jwts import AUD, ISS, jwt, key, key_set
from .web_server import WebServer, basic_of

BUNDLED = {"preset": "authorization_server"}
TENANT = "11111111-2222-3333-4444-555555555555"
pytestmark = pytest.mark.django_db


@pytest.fixture
def vendor():
    """Serves the key set at /keys, says at /introspect what `answer` is, and at /tokeninfo too."""
    server = WebServer()
    server.answer = {"active": False}

    def answer(handler):
        return 200, {}, json.dumps(server.answer).encode()

    publish(server, key("one"))
    server.answers |= {"/introspect": answer, "/tokeninfo": answer}
    yield server
    reset_process_state()
    server.stop()


def publish(vendor, *keys):
    vendor.answers["/keys"] = (200, {}, json.dumps(key_set(*keys)).encode())


def rfc9068(vendor, **options):
    return {"preset": "rfc9068", "issuer": ISS, "jwks_url": f"{vendor.origin}/keys", **options}


@pytest.fixture
def use(configure, vendor):
    """Return a function that makes issuers those of the settings."""

    def use(*entries):
        configure(ISSUERS=list(entries))

    return use


def get(token, view="default"):
    return APIClient(headers={"Authorization": f"Bearer {token}"}).get(f"/{view}/")


def signed_of(iss, **claims):
    """A JWT as Auth0, Keycloak and others make it: not of RFC 9068."""
    return jwt(header={"typ": "JWT"}, iss=iss, **claims)


# A JWT.


def test_a_jwt_is_good(use, vendor):
    use(rfc9068(vendor))
    assert get(jwt()).json()["sub"] == "alice-uuid"


@pytest.mark.parametrize("view", ["dot", "protected-view", "user"])
def test_every_kind_of_view_takes_it(use, vendor, view):
    use(rfc9068(vendor))
    assert get(jwt(scope="orders:read orders:write"), view).status_code == 200


@pytest.mark.parametrize(
    "token",
    [
        lambda: jwt(key("two")),
        lambda: jwt(header={"kid": "two"}),
        lambda: jwt(header={"typ": "JWT"}),
        lambda: jwt(aud="https://other.example.com"),
        lambda: jwt(aud=...),
        lambda: jwt(exp=int(time.time())),
        lambda: jwt(exp=...),
        lambda: jwt(nbf=int(time.time()) + 60),
        lambda: jwt(sub=..., client_id=...),
        lambda: jwt(sub=7),
        lambda: jwt(aud={"a": "b"}),
        lambda: jwt(iat="soon"),
        lambda: jwt(jti=...),
        lambda: jwt(iss=f"{ISS}/"),
        lambda: jwt() + "x",
        lambda: jwt()[:-9],
        lambda: "opaque",
    ],
)
def test_one_that_is_not_good_is_refused(use, vendor, token):
    use(rfc9068(vendor))
    assert get(token()).status_code == 401


def test_a_jwt_without_a_key_id_is_checked_with_every_key(use, vendor):
    publish(vendor, key("two"), key("one"))
    use(rfc9068(vendor))
    assert get(jwt(header={"kid": ...})).status_code == 200


def test_a_token_is_verified_once_and_then_remembered(use, vendor):
    use(rfc9068(vendor))
    token = jwt()
    get(token)
    vendor.answers["/keys"] = (500, {}, b"")
    configured_issuers().all[0].keys._keys = ()
    assert (get(token).status_code, len(vendor.seen)) == (200, 1)


def test_a_key_set_that_cannot_be_fetched_is_no_fault_of_the_client(use, vendor):
    vendor.answers["/keys"] = (500, {}, b"")
    use(rfc9068(vendor))
    response = get(jwt())
    assert (response.status_code, "Retry-After" in response.headers) == (503, True)


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"keys": []}', b" " * 300_000, b"[" * 9_999])
def test_nor_is_one_that_is_none(use, vendor, body):
    vendor.answers["/keys"] = (200, {}, body)
    use(rfc9068(vendor))
    assert get(jwt()).status_code == 503


def test_a_redirect_to_other_keys_is_not_followed(use, vendor):
    vendor.answers["/other"] = vendor.answers["/keys"]
    vendor.answers["/keys"] = (302, {"Location": "/other"}, b"")
    use(rfc9068(vendor))
    assert get(jwt()).status_code == 503


def test_garbage_asks_for_no_keys(use, vendor):
    use(rfc9068(vendor))
    for number in range(20):
        assert get(f"garbage-{number}").status_code == 401
    assert vendor.seen == []


def test_the_keys_are_fetched_without_credentials(use, vendor):
    use(rfc9068(vendor))
    get(jwt())
    assert vendor.seen == [""]


def test_a_good_token_for_others_is_a_warning_in_the_log(use, vendor, caplog):
    use(rfc9068(vendor))
    get(jwt(aud="https://other.example.com"))
    assert "got ('https://other.example.com',)" in caplog.text


def test_an_authentic_token_of_another_type_is_a_warning_in_the_log(use, vendor, caplog):
    use(rfc9068(vendor))
    assert get(jwt(header={"typ": "JWT"})).status_code == 401
    (record,) = [one for one in caplog.records if "Refused" in one.getMessage()]
    assert record.levelname == "WARNING"
    message = record.getMessage()
    assert "its `typ` is 'JWT', expected at+jwt or application/at+jwt (" in message
    assert "(the option `types`, or RFC9068_TYPES in .env)" in message


def test_a_forged_token_of_another_type_is_not(use, vendor, caplog):
    use(rfc9068(vendor))
    get(jwt(key("two"), header={"kid": "one", "typ": "JWT"}))
    assert "Refused" not in caplog.text


def test_the_option_types_accepts_it_and_no_id_token(use, vendor):
    use(rfc9068(vendor, types=["jwt"]))
    kind = {"typ": "JWT"}
    tokens = [jwt(header=kind), jwt(header=kind, at_hash="x"), jwt(header=kind, aud="a-client")]
    assert [get(token).status_code for token in tokens] == [200, 401, 401]


def test_a_token_of_a_stranger_is_not(use, vendor, caplog):
    use(rfc9068(vendor))
    get(jwt(key("two"), header={"kid": "one"}))
    assert "Refused" not in caplog.text


def test_entra_keys_are_for_their_own_tenants(use, vendor):
    own = key().export_public(as_dict=True)
    other = "https://login.microsoftonline.com/99999999-2222-3333-4444-555555555555/v2.0"
    template = "https://login.microsoftonline.com/{tenantid}/v2.0"
    entra = {"preset": "entra", "tenant_id": "organizations", "client_id": AUD}
    use(entra | {"jwks_url": f"{vendor.origin}/keys"})
    iss = template.replace("{tenantid}", TENANT)
    statuses = []
    for issuer in (template, iss, other):
        vendor.answers["/keys"] = (
            200,
            {},
            json.dumps({"keys": [own | {"issuer": issuer}]}).encode(),
        )
        reset_process_state()
        statuses.append(get(signed_of(iss, tid=TENANT, ver="2.0", azp="shop")).status_code)
    assert statuses == [200, 200, 401]


# A JWT, and then the question whether it was revoked.


@pytest.fixture
def both(use, vendor):
    use(
        rfc9068(
            vendor,
            strategy="jwt+introspection",
            url=f"{vendor.origin}/introspect",
            client_id="orders",
            client_secret="s3cret",
        )
    )
    return vendor


def test_one_that_is_active_is_good(both):
    both.answer = {"active": True}
    assert get(jwt()).json()["scope"] == "orders:read"


def test_it_is_asked_about_with_the_credentials_of_the_issuer(both):
    get(jwt())
    assert basic_of(both.seen[-1]) == "orders:s3cret"


def test_one_that_was_revoked_is_refused(both):
    assert get(jwt()).status_code == 401


@pytest.mark.parametrize("members", [{"cnf": {"jkt": "x"}}, {"token_type": "DPoP"}], ids=str)
def test_one_that_the_answer_binds_to_a_key_is_refused(both, members, caplog):
    both.answer = {"active": True} | members
    assert get(jwt()).status_code == 401
    assert "Refused an active token of rfc9068" in caplog.text


def test_what_is_not_signed_is_not_asked_about(both):
    get(jwt(key("two"), header={"kid": "one"}))
    get(jwt(exp=int(time.time())))
    get("opaque")
    assert both.seen == [""]


@pytest.mark.parametrize("answer", [{}, {"active": "true"}, []])
def test_an_answer_that_is_none_is_no_fault_of_the_client(both, answer):
    both.answer = answer
    assert get(jwt()).status_code == 503


# The bundled one alone.


def test_without_issuers_a_jwt_that_names_another_is_shown_to_nobody(authorization_server):
    token = authorization_server.issue(jwt(iss="https://other.example.com"))
    assert (get(token).status_code, authorization_server.requests) == (401, [])


def test_without_issuers_a_jwt_of_the_authorization_server_is_asked_about(authorization_server):
    token = authorization_server.issue(jwt(iss="https://as.example.com"))
    assert (get(token).status_code, len(authorization_server.requests)) == (200, 1)


# Several issuers.


def test_the_bundled_one_and_another_live_side_by_side(use, vendor, authorization_server):
    use(BUNDLED, rfc9068(vendor))
    ours = authorization_server.issue("opaque-token")
    assert (get(ours).status_code, get(jwt()).status_code) == (200, 200)


def test_neither_sees_the_token_of_the_other(use, vendor, authorization_server):
    use(BUNDLED, rfc9068(vendor))
    get(jwt())
    get(authorization_server.issue("opaque-token"))
    tokens = [one.form["token"] for one in authorization_server.requests]
    assert (tokens, vendor.seen) == (["opaque-token"], [""])


def test_one_sub_at_two_issuers_is_two_people(use, vendor, authorization_server):
    use(BUNDLED, rfc9068(vendor))
    get(authorization_server.issue("opaque-token", sub="alice-uuid"), "user")
    get(jwt(), "user")
    people = LinkedUser.objects.filter(sub="alice-uuid")
    assert {one.issuer for one in people} == {"https://as.example.com", ISS}


def test_a_person_who_was_deactivated_is_refused_with_a_jwt_too(use, vendor):
    use(rfc9068(vendor))
    get(jwt(), "user")
    get_user_model().objects.update(is_active=False)
    assert get(jwt(jti="2")).status_code == 401


def test_each_issuer_has_its_own_age(use, vendor):
    use(rfc9068(vendor, caching_seconds=0))
    token = jwt()
    get(token)
    assert process_state().local_cache.get(sha256(token.encode()).digest()) is None


def test_rules_say_what_the_groups_of_a_vendor_may_do(use, vendor):
    use(rfc9068(vendor, scopes={"groups:admins": ["orders:read", "orders:write"]}))
    assert get(jwt(groups=["admins"])).json()["scope"] == "orders:read orders:write"


# Google's tokeninfo.


@pytest.fixture
def tokeninfo(use, vendor):
    use(
        {
            "preset": "google",
            "kind": "access_token",
            "client_id": AUD,
            "introspection_url": f"{vendor.origin}/tokeninfo",
        }
    )
    vendor.answer = {
        "azp": AUD,
        "aud": AUD,
        "sub": "1",
        "scope": "openid",
        "exp": str(int(time.time()) + 600),
        "expires_in": "600",
    }
    return vendor


def test_tokeninfo_knows_an_opaque_token(tokeninfo):
    assert validate("ya29.opaque").iss == "https://accounts.google.com"


def test_it_gets_the_token_in_the_header(tokeninfo):
    validate("ya29.opaque")
    assert tokeninfo.seen == ["Bearer ya29.opaque"]


def test_it_may_say_how_long_instead_of_until_when(tokeninfo):
    del tokeninfo.answer["exp"]
    assert 0 < validate("ya29.opaque").exp - time.time() <= 601


@pytest.mark.parametrize("changes", [{"aud": "another"}, {"exp": "1"}])
def test_a_token_of_another_client_is_refused(tokeninfo, changes):
    tokeninfo.answer |= changes
    assert validate("ya29.opaque") is None


def test_what_google_does_not_know_is_refused(tokeninfo):
    tokeninfo.answers["/tokeninfo"] = (400, {}, b'{"error": "invalid_token"}')
    assert get("ya29.opaque").status_code == 401


@pytest.mark.parametrize("status", [302, 404, 500])
def test_what_is_not_tokeninfo_is_no_fault_of_the_client(tokeninfo, status):
    tokeninfo.answers["/tokeninfo"] = (status, {}, b"{}")
    assert get("ya29.opaque").status_code == 503


def test_a_token_without_an_end_is_not_accepted(tokeninfo):
    del tokeninfo.answer["exp"], tokeninfo.answer["expires_in"]
    assert get("ya29.opaque").status_code == 503


# Around the tokens.


def test_the_metadata_names_every_issuer(use, vendor):
    entra = {"preset": "entra", "tenant_id": "organizations", "client_id": "api"}
    use(BUNDLED, rfc9068(vendor), entra)
    document = APIClient().get("/.well-known/oauth-protected-resource").json()
    assert document["authorization_servers"] == ["https://as.example.com", ISS]


def test_readiness_looks_at_every_issuer(use, vendor, authorization_server):
    use(BUNDLED, rfc9068(vendor))
    answer = APIClient().get("/health/ready")
    assert answer.json() == {
        "status": "ok",
        "authorization_server": "ok",
        "rfc9068": "ok",
    }


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [((500, {}, b""), 200, "unreachable"), ((404, {}, b""), 503, "has no usable keys")],
)
def test_readiness_fails_for_an_address_without_keys(use, vendor, answer, status, words):
    vendor.answers["/keys"] = answer
    use(rfc9068(vendor))
    response = APIClient().get("/health/ready")
    assert (response.status_code, words in response.json()["rfc9068"]) == (status, True)


def test_refused_credentials_of_another_issuer_are_named_in_the_log(both, caplog):
    both.answers["/introspect"] = (401, {}, b"")
    assert get(jwt()).status_code == 503
    assert "client id orders" in caplog.text
    assert "ensure_clients" not in caplog.text


def test_answers_are_shared_between_processes_with_their_claims(use, vendor, configure):
    configure(SHARED_CACHE="default")
    use(rfc9068(vendor))
    token = jwt(groups=["admins"])
    validate(token)
    reset_process_state()
    assert validate(token).claims["groups"] == ["admins"]
    assert len(vendor.seen) == 1


def test_they_are_not_shared_between_other_rules(use, vendor, configure):
    configure(SHARED_CACHE="default")
    use(rfc9068(vendor))
    token = jwt()
    validate(token)
    use(rfc9068(vendor, client_ids=["another"]))
    assert validate(token) is None


# The schema.


def test_the_schema_leads_to_the_document_of_the_issuer(use, vendor):
    from drf_spectacular.generators import SchemaGenerator

    use(rfc9068(vendor))
    schemes = SchemaGenerator().get_schema(public=True)["components"]["securitySchemes"]
    assert schemes["oauth2"]["openIdConnectUrl"] == f"{ISS}/.well-known/openid-configuration"
