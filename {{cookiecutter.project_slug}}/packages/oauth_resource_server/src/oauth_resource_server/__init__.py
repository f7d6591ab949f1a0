"""What resource servers share: access tokens are accepted by introspection (RFC 7662), or as JWTs.

A resource server imports this package; this package imports no resource server and no
authorization server. The names below can be imported before the apps are ready. The modules, in
the order in which a token meets them, each importing from further down only::

    authentication               REST framework: takes the token from the header (RFC 6750)
    decorators, oauth2_validator     plain views, by way of DOT: the same
    validation                   the one place that says yes or no
    cache                        what was said a moment ago
    shared_cache                     and to the other processes
    waiting_room, flights            whoever has to wait for the answer
    garbage                      those who bring one bad token after the other
    issuers                      whose token it is, and whether it is good: a package of its own
    breaker                      whether it makes sense to ask
    introspection                asks (RFC 7662)
    http_client, transport, deadlines    for how long
    users                        the row of a person, made when it is first touched
    metrics                      what is counted on the way
    tokens, errors, conf         the ground floor, which imports nobody; request_id likewise

``exception_handler`` and ``middleware`` turn what is raised on that way into responses, in the
words of ``answers``. ``permissions`` and ``throttling`` are for views; ``health``, ``checks`` and
``schema`` for those who run and describe the service. ``doctor`` examines the way to the
authorization server; ``testing`` is for the tests of a resource server.
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
