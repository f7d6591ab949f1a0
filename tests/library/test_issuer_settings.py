"""`ISSUERS`: presets, mistakes, and the environment."""

from dataclasses import replace

import pytest
from django.core.exceptions import ImproperlyConfigured
from oauth_resource_server.conf import read_conf
from oauth_resource_server.issuers.environment import issuers_from_environment
from oauth_resource_server.issuers.options import read_issuers
from oauth_resource_server.issuers.presets import BUNDLED, PRESETS
from oauth_resource_server.issuers.settings import Strategy

AUD = "https://orders.example.com"
TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = {"client_id": "orders", "client_secret": "s3cret"}
OKTA = {"preset": "okta", "domain": "acme.okta.com", **CLIENT}
AUTH0 = {"preset": "auth0", "domain": "acme.eu.auth0.com"}
COGNITO = {"preset": "cognito", "user_pool_id": "eu-west-1_Ab1", "client_ids": "web, app"}
GOOGLE = {"preset": "google", "client_id": "1.apps.googleusercontent.com"}
KEYCLOAK = {"preset": "keycloak", "url": "https://id.example.com/", "realm": "acme", **CLIENT}
ENTRA = {"preset": "entra", "tenant_id": TENANT, "client_id": "api"}
RFC7662 = {"preset": "rfc7662", "issuer": "https://as", "url": "https://as/introspect", **CLIENT}
RFC9068 = {"preset": "rfc9068", "issuer": "https://as", "jwks_url": "https://as/jwks"}
EVERY = [OKTA, AUTH0, COGNITO, GOOGLE, KEYCLOAK, ENTRA, RFC7662, RFC9068]


def issuers(*entries):
    return read_issuers(replace(read_conf(), issuers=list(entries)))


def refused(*entries):
    with pytest.raises(ImproperlyConfigured) as raised:
        issuers(*entries)
    return str(raised.value)


# Presets.

OKTA_ISS = "https://acme.okta.com/oauth2/default"
KEYCLOAK_ISS = "https://id.example.com/realms/acme"
COGNITO_ISS = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Ab1"
LOGIN = "https://login.microsoftonline.com"
FIREBASE = {"preset": "google", "kind": "identity_platform", "project_id": "acme"}
TOKENINFO = GOOGLE | {"kind": "access_token"}
WORKFORCE = GOOGLE | {"kind": "workforce", "client_secret": "s"}
JWT = {"strategy": "jwt"}


def test_every_preset_of_a_vendor_is_tested_here():
    assert {one["preset"] for one in EVERY} == set(PRESETS) - {BUNDLED}


@pytest.mark.parametrize(
    ("entry", "iss"),
    [
        (OKTA, OKTA_ISS),
        (OKTA | {"authorization_server_id": "aus1"}, "https://acme.okta.com/oauth2/aus1"),
        (OKTA | {"domain": "https://acme.okta.com/"}, OKTA_ISS),
        (AUTH0, "https://acme.eu.auth0.com/"),
        (COGNITO, COGNITO_ISS),
        (COGNITO | {"region": "us-east-1"}, COGNITO_ISS.replace("eu-west-1.", "us-east-1.")),
        (GOOGLE, "https://accounts.google.com"),
        (FIREBASE, "https://securetoken.google.com/acme"),
        (TOKENINFO, "https://accounts.google.com"),
        (WORKFORCE, "https://sts.googleapis.com"),
        (KEYCLOAK, KEYCLOAK_ISS),
        (KEYCLOAK | {"realm": "Acme Ltd."}, "https://id.example.com/realms/Acme%20Ltd."),
        (KEYCLOAK | {"realm": "Zoë's"}, "https://id.example.com/realms/Zo%C3%AB's"),
        (ENTRA, f"{LOGIN}/{TENANT}/v2.0"),
        (ENTRA | {"version": "1"}, f"https://sts.windows.net/{TENANT}/"),
        (ENTRA | {"tenant_id": "organizations"}, f"{LOGIN}/{{tenantid}}/v2.0"),
        (RFC7662, "https://as"),
        (RFC9068, "https://as"),
        (OKTA | {"iss": "https://id.example.com"}, "https://id.example.com"),
    ],
)
def test_a_preset_derives_the_issuer(entry, iss):
    assert issuers(entry)[0].iss == iss


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        (AUTH0, "https://acme.eu.auth0.com/.well-known/jwks.json"),
        (COGNITO, f"{COGNITO_ISS}/.well-known/jwks.json"),
        (GOOGLE, "https://www.googleapis.com/oauth2/v3/certs"),
        (ENTRA, f"{LOGIN}/{TENANT}/discovery/v2.0/keys"),
        (ENTRA | {"version": 1}, f"{LOGIN}/{TENANT}/discovery/keys"),
        (OKTA | JWT, f"{OKTA_ISS}/v1/keys"),
        (KEYCLOAK | JWT, f"{KEYCLOAK_ISS}/protocol/openid-connect/certs"),
        (RFC9068, "https://as/jwks"),
        (AUTH0 | {"jwks_url": "http://127.0.0.1:1/keys"}, "http://127.0.0.1:1/keys"),
    ],
)
def test_a_preset_derives_the_address_of_the_keys(entry, url):
    [issuer] = issuers(entry)
    assert (issuer.jwks_url, issuer.strategy) == (url, "jwt")


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        (OKTA, f"{OKTA_ISS}/v1/introspect"),
        (KEYCLOAK, f"{KEYCLOAK_ISS}/protocol/openid-connect/token/introspect"),
        (RFC7662, "https://as/introspect"),
        (TOKENINFO, "https://oauth2.googleapis.com/tokeninfo"),
        (WORKFORCE, "https://sts.googleapis.com/v1/introspect"),
        (OKTA | {"introspection_url": "https://proxy.example.com/"}, "https://proxy.example.com/"),
    ],
)
def test_a_preset_derives_the_introspection_endpoint(entry, url):
    [issuer] = issuers(entry)
    assert (issuer.introspection_url, issuer.strategy.asks) == (url, True)


@pytest.mark.parametrize(
    ("entry", "audiences", "clients"),
    [
        (OKTA, (AUD,), ()),
        (OKTA | {"audience": "api://default"}, ("api://default",), ()),
        (AUTH0, (AUD,), ()),
        (AUTH0 | {"audience": ["a", "b"]}, ("a", "b"), ()),
        (COGNITO, (AUD,), ("web", "app")),
        (COGNITO | {"audience": "orders"}, ("orders",), ("web", "app")),
        (GOOGLE, ("1.apps.googleusercontent.com",), ()),
        (KEYCLOAK, ("orders",), ()),
        (ENTRA, ("api", "api://api"), ()),
        (RFC7662 | {"client_ids": ["shop"]}, (AUD,), ("shop",)),
        ({"preset": BUNDLED, "client_ids": "shop"}, (AUD,), ("shop",)),
    ],
)
def test_a_preset_derives_the_audiences_and_clients(entry, audiences, clients):
    [issuer] = issuers(entry)
    assert (issuer.audiences, issuer.client_ids) == (audiences, clients)


GUID = "abcdef00-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("options", "audiences"),
    [
        ({}, (GUID, f"api://{GUID}")),
        ({"audience": f"API://{GUID.upper()}"}, (GUID, f"api://{GUID}", f"api://{GUID}")),
        ({"audience": "api://Orders"}, (GUID, f"api://{GUID}", "api://Orders")),
    ],
)
def test_the_guids_of_entra_are_in_lower_case(options, audiences):
    entry = ENTRA | {"tenant_id": GUID.upper(), "client_id": GUID.upper()}
    [issuer] = issuers(entry | {"client_ids": f"{GUID.upper()},x"} | options)
    assert (issuer.audiences, issuer.client_ids) == (audiences, (GUID, "x"))
    assert issuer.iss == f"https://login.microsoftonline.com/{GUID}/v2.0"


@pytest.mark.parametrize("entry", EVERY, ids=lambda entry: entry["preset"])
def test_each_strategy_of_a_preset_works(entry):
    _, strategies = PRESETS[entry["preset"]]
    more = CLIENT_OF.get(entry["preset"], {})
    found = [issuers(entry | more | {"strategy": one})[0].strategy for one in strategies]
    assert found == list(strategies)


@pytest.mark.parametrize("entry", [OKTA, KEYCLOAK, RFC9068])
def test_the_first_strategy_of_a_preset_is_its_default(entry):
    assert issuers(entry)[0].strategy == PRESETS[entry["preset"]][1][0]


CLIENT_OF = {"rfc9068": CLIENT | {"url": "https://as/introspect"}}


def test_without_the_setting_the_only_issuer_is_the_authorization_server():
    [issuer] = read_issuers(read_conf())
    assert (issuer.name, issuer.iss) == (BUNDLED, "https://as.example.com")


def test_the_authorization_server_may_be_one_of_several_issuers():
    assert [one.name for one in issuers({"preset": BUNDLED}, OKTA)] == [BUNDLED, "okta"]


@pytest.mark.parametrize("missing", ["RESOURCE_SERVER_INTROSPECTION_URL", "ISSUER"])
def test_the_authorization_server_needs_a_url_and_an_issuer(configure, missing):
    configure(**{missing: None})
    assert "needs an introspection URL and ISSUER" in refused({"preset": BUNDLED}, OKTA)


def test_the_types_of_a_jwt_are_in_lower_case():
    assert issuers(RFC9068 | {"types": "JWT, at+JWT"})[0].types == ("jwt", "at+jwt")


def test_the_representation_of_an_issuer_has_no_secret():
    assert "s3cret" not in repr(issuers(OKTA, RFC7662 | {"name": "other"}))


# Mistakes.


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("okta", "not a table with a `preset`"),
        ({"preset": "ping"}, "no preset 'ping'"),
        ({}, "no preset None"),
        ({"preset": ["okta"]}, "no preset ['okta']"),
        ({"preset": {}}, "no preset {}"),
        (OKTA | {7: "x"}, "no option 7"),
        ({"preset": "okta"}, "option domain is missing"),
        (OKTA | {"tenant": "x"}, "no option tenant"),
        (OKTA | {"domain": "acme.okta.com/oauth2"}, "not the name of a host"),
        (OKTA | {"client_secret": ""}, "needs `client_id` and `client_secret`"),
        (OKTA | {"strategy": "guess"}, "use introspection or jwt or jwt+introspection"),
        (AUTH0 | {"strategy": "introspection"}, "use jwt"),
        (OKTA | {"caching_seconds": 7200}, "from 0 to 3600"),
        (OKTA | {"caching_seconds": "soon"}, "from 0 to 3600"),
        (OKTA | {"caching_seconds": True}, "from 0 to 3600"),
        (OKTA | {"caching_seconds": [60]}, "from 0 to 3600"),
        (AUTH0 | {"algorithms": ["HS256"]}, "`algorithms` is HS256; supported are"),
        (AUTH0 | {"algorithms": "none"}, "`algorithms` is none; supported are"),
        (AUTH0 | {"jwks_url": "http://id.example.com/keys"}, "not an https URL"),
        (AUTH0 | {"jwks_url": "https://a:b@id.example.com/keys"}, "not an https URL"),
        (AUTH0 | {"aud_may_be_missing": True}, "set `client_ids`"),
        (RFC7662 | {"aud_may_be_missing": "maybe"}, "must be true or false, got 'maybe'"),
        (AUTH0 | {"jwks_url": "file:///etc/passwd"}, "not an https URL"),
        (KEYCLOAK | {"url": "http://id.example.com"}, "not an https URL"),
        (RFC7662 | {"url": "https://as:99999/"}, "not an https URL"),
        (RFC7662 | {"issuer": "x" * 256}, "longer than 255"),
        (RFC7662 | {"bearer_token": "x"}, "needs `client_id` and `client_secret`"),
        (COGNITO | {"user_pool_id": "pool"}, "not a user pool id"),
        (COGNITO | {"client_ids": ""}, "option client_ids is missing"),
        (GOOGLE | {"kind": "magic"}, "not one of id_token"),
        (GOOGLE | {"kind": "identity_platform"}, "needs the option project_id"),
        ({"preset": "google"}, "needs the option client_id"),
        (ENTRA | {"tenant_id": "acme"}, "not a GUID"),
        (ENTRA | {"version": 3}, "not 1 or 2"),
        (OKTA | {"scopes": ["a"]}, "must be a table"),
        (OKTA | {"scopes": {"groups": ["a"]}}, "not a claim, a colon and a value"),
        (OKTA | {"scopes": {"groups:a": [7]}}, "scopes['groups:a'] must be a string or a list"),
        (OKTA | {"scopes": {"roles": {"a": 7}}}, "scopes['roles'] must be a string or a list"),
        (OKTA | {"scopes": {7: ["a"]}}, "7 in `scopes` is not a string"),
        ({"preset": BUNDLED, "audience": "x"}, "no option audience"),
    ],
)
def test_a_mistake_is_one_sentence(entry, words):
    assert words in refused(entry)


STRINGS = [
    *((OKTA, option) for option in ("domain", "authorization_server_id", "client_secret")),
    *((COGNITO, option) for option in ("user_pool_id", "region")),
    *((GOOGLE, option) for option in ("kind", "project_id")),
    *((KEYCLOAK, option) for option in ("url", "realm")),
    *((ENTRA, option) for option in ("tenant_id", "client_id")),
    *((RFC7662, option) for option in ("issuer", "url", "bearer_token")),
    *((AUTH0, option) for option in ("domain", "name", "strategy", "iss", "introspection_url")),
    (RFC9068, "jwks_url"),
    ({"preset": BUNDLED}, "name"),
]


@pytest.mark.parametrize(("entry", "option"), STRINGS)
def test_an_option_of_another_type_is_one_sentence(entry, option):
    assert refused(entry | {option: ["s3cret"]}) == (
        f"The issuer {entry['preset']}: The option {option} must be a string, got list."
    )


@pytest.mark.parametrize("value", [5, True, {"x": "y"}, 0], ids=str)
def test_no_value_of_another_type_is_a_string(value):
    assert f"must be a string, got {type(value).__name__}." in refused(AUTH0 | {"domain": value})


@pytest.mark.parametrize(
    ("entry", "option"),
    [
        (AUTH0, "audience"),
        (COGNITO, "client_ids"),
        (GOOGLE, "client_id"),
        (OKTA, "client_ids"),
        (OKTA, "algorithms"),
        (OKTA, "types"),
    ],
)
@pytest.mark.parametrize("value", [5, [5], {"x": "y"}], ids=str)
def test_an_option_that_is_no_list_is_one_sentence(entry, option, value):
    message = refused(entry | {option: value})
    assert f"The option {option} must be a string or a list of strings." in message


@pytest.mark.parametrize("kind", ["id_token", "access_token", "workforce"])
@pytest.mark.parametrize("clients", [",", " , ", [], [""]], ids=str)
def test_an_empty_list_of_clients_is_missing(kind, clients):
    entry = GOOGLE | {"kind": kind, "client_id": clients, "client_secret": "s3cret"}
    assert "needs the option client_id" in refused(entry)


def test_an_option_that_is_none_is_missing():
    assert issuers(AUTH0 | {"audience": None, "iss": None}) == issuers(AUTH0)


def test_a_mistake_in_a_url_does_not_show_its_password():
    assert "hunter2" not in refused(AUTH0 | {"jwks_url": "https://me:hunter2@id.example.com/"})


@pytest.mark.parametrize("value", [True, "true", "True"])
def test_a_boolean_option_may_be_a_string(value):
    assert issuers(RFC7662 | {"aud_may_be_missing": value})[0].aud_may_be_missing is True


def test_a_mistake_names_the_entry():
    assert refused(AUTH0, OKTA | {"name": "partners", "domain": "x/y"}).startswith(
        "The issuer partners:"
    )


def test_an_audience_or_clients_are_required(configure):
    configure(AUDIENCE=None)
    assert "tokens for others would be accepted" in refused(AUTH0)


@pytest.mark.parametrize(
    ("first", "change", "words"),
    [
        (OKTA, {"authorization_server_id": "x"}, "the name 'okta'"),
        (OKTA, {"name": "again"}, f"the iss '{OKTA_ISS}'"),
        (OKTA | JWT, {"name": "again", "strategy": "jwt+introspection"}, f"the iss '{OKTA_ISS}'"),
    ],
)
def test_two_entries_that_conflict_are_one_sentence(first, change, words):
    assert words in refused(first, first | change)


def test_jwts_and_opaque_tokens_of_one_issuer_may_have_two_entries():
    found = issuers(OKTA, OKTA | {"name": "okta-jwts", "strategy": "jwt"})
    assert [one.strategy for one in found] == [Strategy.INTROSPECTION, Strategy.JWT]


def test_opaque_tokens_of_google_may_have_an_entry():
    found = issuers(GOOGLE, GOOGLE | {"name": "google-access", "kind": "access_token"})
    assert [one.strategy for one in found] == [Strategy.JWT, Strategy.TOKENINFO]


@pytest.mark.parametrize("value", [[], "okta", {"preset": "okta"}])
def test_the_setting_is_a_list(value):
    with pytest.raises(ImproperlyConfigured, match="not a list of issuers"):
        read_issuers(replace(read_conf(), issuers=value))


# The environment.


@pytest.fixture
def read(tmp_path):
    """Return a function that reads the issuers from variables and a file."""

    def read(toml=None, **variables):
        if toml is not None:
            (tmp_path / "issuers.toml").write_text(toml)
            variables["ISSUERS_CONFIG"] = "issuers.toml"

        def env(name, default):
            return variables.get(name, default)

        return issuers_from_environment(env, "ORDERS", tmp_path)

    return read


def test_without_variables_there_is_no_setting(read):
    assert read() is None


def test_a_list_of_presets_reads_their_variables(read):
    found = read(
        ISSUERS="authorization_server, okta",
        OKTA_DOMAIN="acme.okta.com",
        OKTA_CLIENT_SECRET="s3cret",
        OKTA_CACHING_SECONDS="30",
        AUTH0_DOMAIN="not.asked.for",
    )
    assert found == [
        {"preset": "authorization_server"},
        {
            "preset": "okta",
            "domain": "acme.okta.com",
            "client_secret": "s3cret",
            "caching_seconds": "30",
        },
    ]


def test_the_prefix_of_a_resource_server_takes_precedence(read):
    found = read(
        ISSUERS="okta",
        ORDERS_ISSUERS="auth0",
        AUTH0_DOMAIN="acme.example.com",
        AUTH0_AUDIENCE="https://all.example.com",
        ORDERS_AUTH0_AUDIENCE="https://orders.example.com",
    )
    assert found == [
        {
            "preset": "auth0",
            "domain": "acme.example.com",
            "audience": "https://orders.example.com",
        }
    ]


def test_a_missing_variable_is_named(read):
    with pytest.raises(ImproperlyConfigured, match="set OKTA_DOMAIN in"):
        read(ISSUERS="okta")


def test_an_unknown_preset_is_named(read):
    with pytest.raises(ImproperlyConfigured, match="'oktaa'"):
        read(ISSUERS="oktaa")


TOML = """
[[issuers]]
preset = "okta"
domain = "acme.okta.com"
client_secret_variable = "PARTNERS_SECRET"
[issuers.scopes]
"groups:admins" = ["orders:read"]
"""


def test_the_issuers_of_the_file_are_appended(read):
    found = read(TOML, ISSUERS="authorization_server", PARTNERS_SECRET="s3cret")
    assert found == [
        {"preset": "authorization_server"},
        {
            "preset": "okta",
            "domain": "acme.okta.com",
            "scopes": {"groups:admins": ["orders:read"]},
            "client_secret": "s3cret",
        },
    ]


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        (TOML, "PARTNERS_SECRET, which is not set"),
        ('[[issuers]]\npreset = "okta"\nclient_secret = "s3cret"', "client_secret_variable"),
        ("[[issuers]", "is not TOML"),
        ("", "tables"),
        ('issuers = "okta"', "tables"),
        ('issuers = ["okta"]', "not a list of tables"),
        ("[[issuer]]", "tables"),
    ],
)
def test_a_mistake_in_the_file_is_one_sentence(read, toml, words):
    with pytest.raises(ImproperlyConfigured, match=words):
        read(toml)


def test_a_missing_file_is_one_sentence(read):
    with pytest.raises(ImproperlyConfigured, match=r"nowhere\.toml, which cannot be read"):
        read(ISSUERS_CONFIG="nowhere.toml")


@pytest.mark.parametrize("change", [{"strategy": "guess"}, {"client_secret": ["s3cret"]}])
def test_no_message_holds_a_secret(change):
    assert "s3cret" not in refused(OKTA | change)
