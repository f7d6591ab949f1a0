"""OAuth 2.0 resource server for Django: validates access tokens by introspection or as JWTs.

The names below can be imported before the settings and apps are ready. import-linter checks that
modules import only those below them; docs/architecture.md of the template lists all.
"""

from oauth_resource_server.errors import (
    AuthorizationServerSkipped,
    AuthorizationServerUnavailable,
    IntrospectionCredentialsRefused,
    IntrospectionResponseInvalid,
    KeySetInvalid,
    ResourceOwnerRefused,
    SigningKeyUnknown,
    TokenValidationError,
    TooManyInvalidTokens,
)
from oauth_resource_server.tokens import AccessToken

__all__ = [
    "AccessToken",
    "AuthorizationServerSkipped",
    "AuthorizationServerUnavailable",
    "IntrospectionCredentialsRefused",
    "IntrospectionResponseInvalid",
    "KeySetInvalid",
    "ResourceOwnerRefused",
    "SigningKeyUnknown",
    "TokenValidationError",
    "TooManyInvalidTokens",
]
