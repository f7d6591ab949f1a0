"""The doctor reports no difference between a correct setup and a vendor's discovery document."""

import json

import pytest
from oauth_resource_server.conf import read_conf
from oauth_resource_server.doctor.issuer import examine_discovery
from oauth_resource_server.http.client import HTTPClient, Response
from oauth_resource_server.issuers.options import read_issuers

from .vendors import (
    ANSWERS,
    COGNITO,
    ENTRA,
    ENTRA_OF_EVERY_TENANT,
    ENTRA_V1,
    JWTS,
    LOGIN,
    RFC9068,
    TENANT,
    TOKENINFO,
)

WELL_KNOWN = ".well-known/openid-configuration"
OKTA = "https://acme.okta.com/oauth2/default"
AUTH0 = "https://my-domain.auth0.com"
ACCOUNTS = "https://accounts.google.com"
KEYCLOAK = "https://sso.example.com/realms/acme"
SECURETOKEN = "https://securetoken.google.com/my-project"
AUTHORIZATION_SERVER = "https://authorization-server.example.com"
# By issuer: the URL of the document, and the members that the doctor compares.
DOCUMENTS = {
    OKTA: (
        f"{OKTA}/{WELL_KNOWN}",
        {"jwks_uri": f"{OKTA}/v1/keys", "introspection_endpoint": f"{OKTA}/v1/introspect"},
    ),
    f"{AUTH0}/": (
        f"{AUTH0}/{WELL_KNOWN}",
        {"jwks_uri": f"{AUTH0}/.well-known/jwks.json"},
    ),
    COGNITO: (f"{COGNITO}/{WELL_KNOWN}", {"jwks_uri": f"{COGNITO}/.well-known/jwks.json"}),
    ACCOUNTS: (
        f"{ACCOUNTS}/{WELL_KNOWN}",
        {"jwks_uri": "https://www.googleapis.com/oauth2/v3/certs"},
    ),
    SECURETOKEN: (
        f"{SECURETOKEN}/{WELL_KNOWN}",
        {
            "jwks_uri": "https://www.googleapis.com/service_accounts/v1/jwk/"
            "securetoken@system.gserviceaccount.com"
        },
    ),
    KEYCLOAK: (
        f"{KEYCLOAK}/{WELL_KNOWN}",
        {
            "jwks_uri": f"{KEYCLOAK}/protocol/openid-connect/certs",
            "introspection_endpoint": f"{KEYCLOAK}/protocol/openid-connect/token/introspect",
        },
    ),
    f"{LOGIN}/{TENANT}/v2.0": (
        f"{LOGIN}/{TENANT}/v2.0/{WELL_KNOWN}",
        {"jwks_uri": f"{LOGIN}/{TENANT}/discovery/v2.0/keys"},
    ),
    f"{LOGIN}/{{tenantid}}/v2.0": (
        f"{LOGIN}/organizations/v2.0/{WELL_KNOWN}",
        {"jwks_uri": f"{LOGIN}/organizations/discovery/v2.0/keys"},
    ),
    f"https://sts.windows.net/{TENANT}/": (
        f"{LOGIN}/{TENANT}/{WELL_KNOWN}",
        {"jwks_uri": f"{LOGIN}/common/discovery/keys"},
    ),
    "https://server.example.com/": (
        "https://server.example.com/.well-known/oauth-authorization-server",
        {"introspection_endpoint": "https://server.example.com/introspect"},
    ),
    AUTHORIZATION_SERVER: (
        f"{AUTHORIZATION_SERVER}/.well-known/oauth-authorization-server",
        {"jwks_uri": f"{AUTHORIZATION_SERVER}/jwks"},
    ),
}
# Google documents none for its Security Token Service.
WITHOUT = ("google, workforce",)
SETUPS = {
    **JWTS,
    **{f"{name}, asked": one for name, one in ANSWERS.items() if name not in WITHOUT},
    "google, tokeninfo": TOKENINFO,
    "entra, every tenant": ENTRA_OF_EVERY_TENANT,
}


@pytest.fixture
def lines(configure, monkeypatch):
    """Return a function: from an entry of ISSUERS to the lines about its discovery document."""
    served = {url: {"issuer": iss, **members} for iss, (url, members) in DOCUMENTS.items()}

    def exchange(client, headers):
        found = served.get(client.url)
        return Response(200 if found else 404, json.dumps(found).encode())

    monkeypatch.setattr(HTTPClient, "exchange", exchange)

    def lines(options):
        configure(ISSUERS=[options])
        conf = read_conf()
        [issuer] = read_issuers(conf)
        return [str(one) for one in examine_discovery(issuer, conf)]

    return lines


@pytest.mark.parametrize("vendor", SETUPS.values(), ids=SETUPS)
def test_a_correct_setup_has_no_warning(lines, vendor):
    [line] = lines(vendor.options)
    assert (line.startswith("ok"), line.endswith("agrees with the settings")) == (True, True)


@pytest.mark.parametrize(
    ("vendor", "options"),
    [
        # Keys of one application, which its tokens need where claims are mapped.
        (ENTRA, {"jwks_url": f"{ENTRA.address}?appid=6e74172b"}),
        (ANSWERS["okta"], {"introspection_url": "https://okta.internal.example.com/introspect"}),
        (ENTRA_V1, {"tenant_id": TENANT.upper()}),
    ],
    ids=["keys of one application", "private link", "upper case"],
)
def test_a_url_that_is_set_explicitly_is_no_warning(lines, vendor, options):
    [line] = lines(vendor.options | options)
    assert line.startswith("ok")


def test_other_keys_than_those_of_the_document_are_a_warning(lines):
    [line] = lines(RFC9068.options | {"jwks_url": f"{AUTHORIZATION_SERVER}/old"})
    assert line.startswith("warning  discovery: `jwks_uri` is")


def test_an_issuer_of_another_cloud_has_its_own_document(lines):
    [line] = lines(ENTRA.options | {"iss": f"https://login.microsoftonline.us/{TENANT}/v2.0"})
    assert line.startswith(
        f"warning  discovery: no document at https://login.microsoftonline.us/{TENANT}"
    )
