"""OAuth 2.0 resource server for Django: validates access tokens by introspection or as JWTs.

The names below can be imported before the settings and apps are ready. The modules, in the order
in which a token passes them; each imports only modules further down::

    rest_framework    authentication, permissions, exception handler, throttling, schema
    django            DOT's decorators and validator, middleware, metadata, health
    responses         error responses of both
    validation        `validate`, which calls everything below
    users             the local user of a resource owner
    issuers           which issuer a token belongs to, and whether it is valid: a package
    cache             validated tokens: per process, and shared
    http              HTTP client, libcurl
    resilience        rate limit, bulkhead, single flight, circuit breaker
    metrics           Prometheus metrics
    errors, tokens, conf, models    import nothing of the package

`checks` and `doctor` examine the settings and the connection to the issuers; `testing` is for the
tests of a resource server. import-linter checks the direction of the imports.
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
