"""Exceptions. An invalid token is not an exception: `validate` returns None for it.

::

    TokenValidationError                 it is unknown whether the token is valid: 503
    ├── AuthorizationServerUnavailable   connection refused, timeout, 5xx or 429
    │   └── AuthorizationServerSkipped   not contacted: circuit open or no free slot
    ├── IntrospectionCredentialsRefused  the credentials of this resource server are refused
    ├── IntrospectionResponseInvalid     a redirect, or a response that is not RFC 7662
    ├── KeySetInvalid                    a redirect, or a response that is not RFC 7517
    ├── SigningKeyUnknown                the signing key may be newer than the key set
    └── TooManyInvalidTokens             rate limit of one client address
    ResourceOwnerRefused                 the token is valid, its local user is not: 401
"""


class TokenValidationError(Exception):
    """The token could not be validated. Never contains a token or a secret."""

    def __init__(
        self,
        message: str,
        *,
        url: str = "",
        status: int | None = None,
        original_error: Exception | None = None,
        retry_after: int | None = None,
        client_id: str = "",
    ) -> None:
        super().__init__(message)
        self.url = url  # Of the introspection endpoint or the key set.
        self.status = status  # Of the HTTP response.
        self.original_error = original_error  # Of the HTTP library.
        self.retry_after = retry_after  # Seconds, from the header of the response.
        self.client_id = client_id  # Of this resource server, if its credentials are refused.


class AuthorizationServerUnavailable(TokenValidationError):
    """The authorization server is down, slow, overloaded or unreachable."""


class AuthorizationServerSkipped(AuthorizationServerUnavailable):
    """The authorization server was not contacted: the circuit is open, or there is no free slot."""


class IntrospectionCredentialsRefused(TokenValidationError):
    """Status 401 or 403: the authorization server refuses this resource server, not the token."""


class IntrospectionResponseInvalid(TokenValidationError):
    """The response of the introspection endpoint does not follow RFC 7662."""


class KeySetInvalid(TokenValidationError):
    """The response is not a key set, or the key set has no usable key."""


class SigningKeyUnknown(TokenValidationError):
    """A token names a signing key that the key set, fetched recently, does not have."""


class TooManyInvalidTokens(TokenValidationError):
    """The client address has sent too many invalid tokens."""


class ResourceOwnerRefused(Exception):
    """The user of the resource owner is inactive or a staff account, or no user is linked."""
