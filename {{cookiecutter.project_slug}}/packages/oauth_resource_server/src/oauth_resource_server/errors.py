"""What can go wrong when an access token is introspected. A token that is not active is no error.

::

    TokenValidationError              nobody knows whether the token is good: 503
    ├── AuthorizationServerUnavailable   refused, timed out, cut off, 5xx or 429
    │   └── AuthorizationServerSkipped  ... a moment ago, or others wait for it already
    ├── IntrospectionCredentialsRefused  it does not accept the credentials of this resource server
    ├── IntrospectionResponseInvalid     a redirect, or an answer that is not RFC 7662
    ├── KeySetInvalid                    a redirect, or an answer that is no key set (RFC 7517)
    ├── SigningKeyUnknown                the key may be newer than the key set, just fetched
    └── TooManyInvalidTokens            one address has sent more garbage than is worth asking
    ResourceOwnerRefused                 the token is good, its owner may not use it here: 401
"""


class TokenValidationError(Exception):
    """The authorization server could not be asked, or its answer could not be understood.

    Holds what is needed to act on it, and never a token or a secret.

    Attributes:
        url: What was asked: the introspection endpoint, or the key set.
        client_id: With which client, where that is what was wrong.
        status: The HTTP status of the answer; None when there was none.
        original_error: What the HTTP library raised; None when it raised nothing.
        retry_after: Seconds that the authorization server asks to wait; None when it does not say.
    """

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
        self.url = url
        self.status = status
        self.original_error = original_error
        self.retry_after = retry_after
        self.client_id = client_id


class AuthorizationServerUnavailable(TokenValidationError):
    """The authorization server is down, slow, overloaded or unreachable."""


class AuthorizationServerSkipped(AuthorizationServerUnavailable):
    """It was not asked, because it has not answered lately. What it ran into then is in the log."""


class IntrospectionCredentialsRefused(TokenValidationError):
    """The authorization server answered 401 or 403: it refuses the caller, not the token."""


class IntrospectionResponseInvalid(TokenValidationError):
    """What answers at the introspection endpoint does not speak RFC 7662."""


class KeySetInvalid(TokenValidationError):
    """What answers where the keys of an issuer should be is no key set, or has no usable key."""


class SigningKeyUnknown(TokenValidationError):
    """A token is signed with a key that the key set of a moment ago did not have.

    It may be a new one; asking again must wait, or whoever makes up key ids decides how often.
    """


class TooManyInvalidTokens(TokenValidationError):
    """So many tokens of this address were no good that the next one has to wait."""


class ResourceOwnerRefused(Exception):
    """The user of the resource owner is inactive or a staff account, or no user is linked."""
