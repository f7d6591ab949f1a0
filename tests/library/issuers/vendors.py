"""What each vendor's tokens look like, by its own documents, and where it publishes its keys.

A fixture holds the claims of one kind of token as its document shows them; only names, times and
keys are made up. `address` is the documented address of the keys or of the introspection endpoint;
a test serves its path on this machine.
"""

import time
from dataclasses import dataclass, field, replace

TENANT = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490"
API = "6e74172b-be56-4843-9ff4-e66a39bb12e3"
POOL = "us-west-2_example"
ORDERS = "https://orders.example.com"
LOGIN = "https://login.microsoftonline.com"
COGNITO = f"https://cognito-idp.us-west-2.amazonaws.com/{POOL}"


@dataclass(frozen=True)
class Vendor:
    """One kind of token.

    Attributes:
        document: What it follows.
        options: The entry in ``ISSUERS``: a preset and what the vendor's console shows.
        address: Where the keys are, or what is asked.
        claims: Of the payload, or of the introspection answer, without the times.
        expected: What a view gets.
        header: Members of the JWT's header besides ``alg`` and ``kid``.
        needs: Claims that a valid token of this vendor has, and not empty.
        other_iss: The issuer of another customer of the same vendor.
    """

    document: str
    options: dict
    address: str
    claims: dict
    expected: dict
    header: dict = field(default_factory=dict)
    needs: tuple = ()
    other_iss: str = ""

    def all_claims(self, **changes):
        """Return the claims of a token that is good now; None leaves one out."""
        now = int(time.time())
        claims = {"iat": now - 10, "exp": now + 600} | self.claims | changes
        return {name: value for name, value in claims.items() if value is not None}


OKTA = Vendor(
    document="developer.okta.com, OpenID Connect & OAuth 2.0 API: Access token",
    options={
        "preset": "okta",
        "strategy": "jwt",
        "domain": "acme.okta.com",
        "authorization_server_id": "default",
        "audience": "api://default",
    },
    address="https://acme.okta.com/oauth2/default/v1/keys",
    claims={
        "ver": 1,
        "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE",
        "iss": "https://acme.okta.com/oauth2/default",
        "aud": "api://default",
        "sub": "jessie.smith@example.com",
        "cid": "nmdP1fcyvdVO11AL7ECm",
        "uid": "00ujmkLgagxeRrAg20g3",
        "scp": ["openid", "orders:read"],
    },
    expected={
        "sub": "jessie.smith@example.com",
        "client_id": "nmdP1fcyvdVO11AL7ECm",
        "scope": "openid orders:read",
        "is_machine": False,
    },
    needs=("sub", "cid", "aud"),
    other_iss="https://acme.okta.com/oauth2/aus9o8wvkhockw9TL0h7",
)

AUTH0 = Vendor(
    document="auth0.com/docs, Access Token Profiles: Auth0 profile sample token",
    options={"preset": "auth0", "domain": "my-domain.auth0.com", "audience": ORDERS},
    address="https://my-domain.auth0.com/.well-known/jwks.json",
    claims={
        "iss": "https://my-domain.auth0.com/",
        "sub": "auth0|123456",
        "aud": [ORDERS, "https://my-domain.auth0.com/userinfo"],
        "azp": "my_client_id",
        "scope": "openid profile orders:read",
        "permissions": ["orders:read"],
    },
    header={"typ": "JWT"},
    expected={
        "sub": "auth0|123456",
        "client_id": "my_client_id",
        "scope": "openid profile orders:read",
        "is_machine": False,
    },
    needs=("sub", "aud"),
    other_iss="https://other-domain.auth0.com/",
)

AUTH0_RFC9068 = Vendor(
    document="auth0.com/docs, Access Token Profiles: RFC 9068 profile sample token",
    options=AUTH0.options,
    address=AUTH0.address,
    claims={
        "iss": "https://my-domain.auth0.com/",
        "sub": "my_client_id@clients",
        "aud": ORDERS,
        "client_id": "my_client_id",
        "jti": "73WakrfVbNJBaAmhQtEeDv",
        "scope": "orders:read",
    },
    header={"typ": "at+jwt"},
    expected={
        "sub": "my_client_id@clients",
        "client_id": "my_client_id",
        "scope": "orders:read",
        "is_machine": True,
    },
    needs=("sub", "aud"),
    other_iss="https://other-domain.auth0.com/",
)

COGNITO_USER = Vendor(
    document="Amazon Cognito developer guide, Understanding the access token: sample payload",
    options={
        "preset": "cognito",
        "region": "us-west-2",
        "user_pool_id": POOL,
        "client_ids": "57cbishk4j24pabc1234567890",
        "scopes": {"cognito:groups": {"admin": ["orders:read", "orders:write"]}},
    },
    address=f"{COGNITO}/.well-known/jwks.json",
    claims={
        "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "device_key": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "cognito:groups": ["admin"],
        "token_use": "access",
        "scope": "aws.cognito.signin.user.admin",
        "auth_time": 1562190524,
        "iss": COGNITO,
        "origin_jti": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "jti": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "client_id": "57cbishk4j24pabc1234567890",
        "username": "janedoe@example.com",
    },
    expected={
        "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "client_id": "57cbishk4j24pabc1234567890",
        "username": "janedoe@example.com",
        "is_machine": False,
    },
    needs=("sub", "token_use", "client_id"),
    other_iss="https://cognito-idp.us-west-2.amazonaws.com/us-west-2_another",
)

COGNITO_MACHINE = Vendor(
    document="Amazon Cognito developer guide, Scopes, M2M, and resource servers; Verifying JWTs",
    options=COGNITO_USER.options
    | {"client_ids": "1example23456789", "scopes": {"scope:orders/read": ["orders:read"]}},
    address=COGNITO_USER.address,
    claims={
        "sub": "1example23456789",
        "token_use": "access",
        "scope": "orders/read",
        "auth_time": 1562190524,
        "iss": COGNITO,
        "version": 2,
        "jti": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "client_id": "1example23456789",
    },
    expected={"sub": "1example23456789", "client_id": "1example23456789", "is_machine": True},
    needs=("sub", "token_use", "client_id"),
    other_iss=COGNITO_USER.other_iss,
)

GOOGLE = Vendor(
    document="developers.google.com, OpenID Connect, An ID token's payload",
    options={"preset": "google", "client_id": "1234987819200.apps.googleusercontent.com"},
    address="https://www.googleapis.com/oauth2/v3/certs",
    claims={
        "iss": "https://accounts.google.com",
        "azp": "1234987819200.apps.googleusercontent.com",
        "aud": "1234987819200.apps.googleusercontent.com",
        "sub": "10769150350006150715113082367",
        "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q",
        "hd": "example.com",
        "email": "jsmith@example.com",
        "email_verified": True,
        "nonce": "0394852-3190485-2490358",
    },
    header={"typ": "JWT"},
    expected={
        "sub": "10769150350006150715113082367",
        "client_id": "1234987819200.apps.googleusercontent.com",
        "is_machine": False,
    },
    needs=("sub", "aud"),
    other_iss="https://accounts.google.com.example.com",
)

IDENTITY_PLATFORM = Vendor(
    document="firebase.google.com, Verify ID tokens using a third-party JWT library",
    options={"preset": "google", "kind": "identity_platform", "project_id": "my-project"},
    address=(
        "https://www.googleapis.com/robot/v1/metadata/x509/securetoken@system.gserviceaccount.com"
    ),
    claims={
        "iss": "https://securetoken.google.com/my-project",
        "aud": "my-project",
        "auth_time": 1623847832,
        "user_id": "Xk893u23H9SI893",
        "sub": "Xk893u23H9SI893",
        "email": "user@example.com",
        "email_verified": True,
        "firebase": {
            "identities": {"email": ["user@example.com"]},
            "sign_in_provider": "password",
        },
    },
    header={"typ": "JWT"},
    expected={"sub": "Xk893u23H9SI893", "is_machine": False},
    needs=("sub", "aud"),
    other_iss="https://securetoken.google.com/other-project",
)

KEYCLOAK = Vendor(
    document="keycloak.org, Server Administration Guide, Audience support: an access token",
    options={
        "preset": "keycloak",
        "strategy": "jwt",
        "url": "https://sso.example.com",
        "realm": "acme",
        "client_id": "orders",
    },
    address="https://sso.example.com/realms/acme/protocol/openid-connect/certs",
    claims={
        "auth_time": 1704124402,
        "jti": "daa4fd56-328c-448d-9055-8c8eefdfa4c3",
        "iss": "https://sso.example.com/realms/acme",
        "aud": ["orders", "account"],
        "sub": "2c79ab65-9855-4c20-9193-23c52c149180",
        "typ": "Bearer",
        "azp": "webshop",
        "session_state": "d9d39653-9e0e-4233-90c5-52a26f8a731b",
        "acr": "1",
        "allowed-origins": ["/*"],
        "realm_access": {"roles": ["offline_access", "uma_authorization"]},
        "resource_access": {"account": {"roles": ["manage-account"]}},
        "scope": "orders:read email profile",
        "sid": "d9d39653-9e0e-4233-90c5-52a26f8a731b",
        "email_verified": False,
        "preferred_username": "user1",
    },
    header={"typ": "JWT"},
    expected={
        "sub": "2c79ab65-9855-4c20-9193-23c52c149180",
        "client_id": "webshop",
        "scope": "orders:read email profile",
        "username": "user1",
        "is_machine": False,
    },
    needs=("sub", "typ", "aud"),
    other_iss="https://sso.example.com/realms/other",
)

ENTRA = Vendor(
    document="learn.microsoft.com, Access tokens in the Microsoft identity platform: v2.0 example",
    options={"preset": "entra", "tenant_id": TENANT, "client_id": API},
    address=f"{LOGIN}/{TENANT}/discovery/v2.0/keys",
    claims={
        "aud": API,
        "iss": f"{LOGIN}/{TENANT}/v2.0",
        "nbf": 1537231048,
        "aio": "AXQAi/8IAAAAtAaZLo3ChMif6KOnttRB7eBq4/DccQzjcJGxPXY",
        "azp": "75dbe77f-10a3-4e59-85fd-8c127544f17c",
        "azpacr": "0",
        "name": "Abe Lincoln",
        "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474",
        "preferred_username": "abeli@example.com",
        "rh": "I",
        "scp": "access_as_user orders:read",
        "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
        "tid": TENANT,
        "uti": "fqiBqXLPj0eQa82S-IYFAA",
        "ver": "2.0",
    },
    header={"typ": "JWT"},
    expected={
        "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
        "client_id": "75dbe77f-10a3-4e59-85fd-8c127544f17c",
        "scope": "access_as_user orders:read",
        "is_machine": False,
    },
    needs=("sub", "azp", "aud", "tid", "ver"),
    other_iss=f"{LOGIN}/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0",
)

ENTRA_APPLICATION = Vendor(
    document="learn.microsoft.com, Access token claims reference: `roles` in application tokens",
    options=ENTRA.options | {"scopes": {"roles:Orders.Read": ["orders:read"]}},
    address=ENTRA.address,
    claims={name: value for name, value in ENTRA.claims.items() if name != "scp"}
    | {"roles": ["Orders.Read"], "azpacr": "1", "idtyp": "app"},
    header={"typ": "JWT"},
    expected={
        "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
        "client_id": "75dbe77f-10a3-4e59-85fd-8c127544f17c",
        "is_machine": True,
    },
    needs=ENTRA.needs,
    other_iss=ENTRA.other_iss,
)

ENTRA_V1 = Vendor(
    document="learn.microsoft.com, Access tokens in the Microsoft identity platform: v1.0 example",
    options=ENTRA.options | {"version": 1},
    address=f"{LOGIN}/{TENANT}/discovery/keys",
    claims={
        "aud": f"api://{API}",
        "iss": f"https://sts.windows.net/{TENANT}/",
        "nbf": 1537233106,
        "acr": "1",
        "amr": ["wia"],
        "appid": "75dbe77f-10a3-4e59-85fd-8c127544f17c",
        "appidacr": "0",
        "name": "abeli",
        "oid": "02223b6b-aa1d-42d4-9ec0-1b2bb9194438",
        "scp": "user_impersonation",
        "sub": "l3_roISQU222bULS9yi2k0XpqpOiMz5H3ZACo1GeXA",
        "tid": TENANT,
        "unique_name": "abeli@example.com",
        "uti": "FVsGxYXI30-TuikuuUoFAA",
        "ver": "1.0",
    },
    header={"typ": "JWT", "x5t": "i6lGk3FZzxRcUb2C3nEQ7syHJlY"},
    expected={
        "sub": "l3_roISQU222bULS9yi2k0XpqpOiMz5H3ZACo1GeXA",
        "client_id": "75dbe77f-10a3-4e59-85fd-8c127544f17c",
        "scope": "user_impersonation",
        "is_machine": False,
    },
    needs=("sub", "appid", "aud", "tid", "ver"),
    other_iss="https://sts.windows.net/72f988bf-86f1-41af-91ab-2d7cd011db47/",
)

ENTRA_OF_EVERY_TENANT = replace(
    ENTRA,
    document="learn.microsoft.com, Access tokens: multitenant applications",
    options=ENTRA.options | {"tenant_id": "organizations"},
    address=f"{LOGIN}/organizations/discovery/v2.0/keys",
)

RFC9068 = Vendor(
    document="RFC 9068 section 3, Figures 2 and 3",
    options={
        "preset": "rfc9068",
        "issuer": "https://authorization-server.example.com",
        "audience": "https://rs.example.com",
        "jwks_url": "https://authorization-server.example.com/jwks",
    },
    address="https://authorization-server.example.com/jwks",
    claims={
        "iss": "https://authorization-server.example.com",
        "sub": "5ba552d67",
        "aud": "https://rs.example.com",
        "jti": "dbe39bf3a3ba4238a513f51d6e1691c4",
        "client_id": "s6BhdRkqt3",
        "scope": "openid profile reademail",
    },
    header={"typ": "at+jwt"},
    expected={
        "sub": "5ba552d67",
        "client_id": "s6BhdRkqt3",
        "scope": "openid profile reademail",
        "is_machine": False,
    },
    needs=("sub", "client_id", "iat", "jti", "aud"),
    other_iss="https://other-server.example.com",
)

JWTS = {
    "okta": OKTA,
    "auth0": AUTH0,
    "auth0, RFC 9068 profile": AUTH0_RFC9068,
    "cognito, a person": COGNITO_USER,
    "cognito, client credentials": COGNITO_MACHINE,
    "google": GOOGLE,
    "google, identity platform": IDENTITY_PLATFORM,
    "keycloak": KEYCLOAK,
    "entra": ENTRA,
    "entra, application": ENTRA_APPLICATION,
    "entra, version 1": ENTRA_V1,
    "rfc9068": RFC9068,
}

# --- Introspection --------------------------------------------------------------------------------

OKTA_ANSWER = Vendor(
    document="developer.okta.com, Introspect: response example",
    options={
        "preset": "okta",
        "domain": "acme.okta.com",
        "audience": "api://default",
        "client_id": "0oa1gjh63g214q0Hq0g4",
        "client_secret": "s3cret",
    },
    address="https://acme.okta.com/oauth2/default/v1/introspect",
    claims={
        "active": True,
        "scope": "profile openid orders:read",
        "username": "jessie.smith@example.com",
        "sub": "jessie.smith@example.com",
        "aud": "api://default",
        "iss": "https://acme.okta.com/oauth2/default",
        "jti": "AT.7P4KlczBYVcWLkxduEuKeZfeiNYkZIC9uGJ28Cc-YaI",
        "token_type": "Bearer",
        "client_id": "0oa9e8wvkhockw9TL0h7",
        "uid": "00uid4BxXw6I6TV4m0g3",
    },
    expected={
        "sub": "jessie.smith@example.com",
        "client_id": "0oa9e8wvkhockw9TL0h7",
        "scope": "profile openid orders:read",
        "username": "jessie.smith@example.com",
        "is_machine": False,
    },
    needs=("sub",),
    other_iss=OKTA.other_iss,
)

KEYCLOAK_ANSWER = Vendor(
    document="keycloak.org, Securing applications, Token introspection endpoint",
    options={
        "preset": "keycloak",
        "url": "https://sso.example.com",
        "realm": "acme",
        "client_id": "orders",
        "client_secret": "s3cret",
    },
    address="https://sso.example.com/realms/acme/protocol/openid-connect/token/introspect",
    claims=KEYCLOAK.claims | {"active": True, "client_id": "webshop", "username": "user1"},
    expected=KEYCLOAK.expected,
    needs=("sub",),
    other_iss=KEYCLOAK.other_iss,
)

RFC7662 = Vendor(
    document="RFC 7662 section 2.2, the example",
    options={
        "preset": "rfc7662",
        "issuer": "https://server.example.com/",
        "url": "https://server.example.com/introspect",
        "audience": "https://protected.example.net/resource",
        "client_id": "orders",
        "client_secret": "s3cret",
    },
    address="https://server.example.com/introspect",
    claims={
        "active": True,
        "client_id": "l238j323ds-23ij4",
        "username": "jdoe",
        "scope": "read write dolphin",
        "sub": "Z5O3upPC88QrAjx00dis",
        "aud": "https://protected.example.net/resource",
        "iss": "https://server.example.com/",
        "extension_field": "twenty-seven",
    },
    expected={
        "sub": "Z5O3upPC88QrAjx00dis",
        "client_id": "l238j323ds-23ij4",
        "scope": "read write dolphin",
        "username": "jdoe",
        "is_machine": False,
    },
    needs=("sub",),
    other_iss="https://server.example.com",
)

GOOGLE_WORKFORCE = Vendor(
    document="googleapis.dev, Google.Apis.CloudSecurityToken.v1: IntrospectTokenResponse",
    options={
        "preset": "google",
        "kind": "workforce",
        "client_id": "workforce-client",
        "client_secret": "s3cret",
    },
    address="https://sts.googleapis.com/v1/introspect",
    claims={
        "active": True,
        "client_id": "workforce-client",
        "iss": "https://sts.googleapis.com/",
        "scope": "https://www.googleapis.com/auth/cloud-platform",
        "sub": "principal://iam.googleapis.com/locations/global/workforcePools/p/subject/jane",
        "username": "principal://iam.googleapis.com/locations/global/workforcePools/p/subject/jane",
    },
    expected={
        "sub": "principal://iam.googleapis.com/locations/global/workforcePools/p/subject/jane",
        "client_id": "workforce-client",
        "is_machine": False,
    },
    needs=("sub",),
    other_iss="https://sts.example.com/",
)

ANSWERS = {
    "okta": OKTA_ANSWER,
    "keycloak": KEYCLOAK_ANSWER,
    "rfc7662": RFC7662,
    "google, workforce": GOOGLE_WORKFORCE,
}

TOKENINFO = Vendor(
    document="developers.google.com, tokeninfo; luci-go googleoauth.TokenInfo: numbers as strings",
    options={
        "preset": "google",
        "kind": "access_token",
        "client_id": "1234987819200.apps.googleusercontent.com",
    },
    address="https://oauth2.googleapis.com/tokeninfo",
    claims={
        "azp": "1234987819200.apps.googleusercontent.com",
        "aud": "1234987819200.apps.googleusercontent.com",
        "sub": "10769150350006150715113082367",
        "scope": "openid https://www.googleapis.com/auth/userinfo.email",
        "expires_in": "3599",
        "email": "jsmith@example.com",
        "email_verified": "true",
        "access_type": "online",
    },
    expected={
        "sub": "10769150350006150715113082367",
        "client_id": "1234987819200.apps.googleusercontent.com",
        "iss": "https://accounts.google.com",
        "is_machine": False,
    },
    needs=("sub", "aud"),
)
