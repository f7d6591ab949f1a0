"""Access tokens as the authorization server of the settings would issue them."""

import json
import time
from collections.abc import Mapping
from typing import Any

from oauth2_provider.scopes import get_scopes_backend

from oauth_resource_server.conf import conf
from oauth_resource_server.tokens import AccessToken

LIFETIME = 600  # seconds


def access_token(
    *,
    sub: str = "alice",
    scope: str | None = None,
    client_id: str = "a-client",
    more: Mapping[str, Any] | None = None,
    **claims: Any,
) -> AccessToken:
    """Return a token of a person that this resource server accepts, unless `claims` say otherwise.

    Args:
        sub: The person.
        scope: Scopes with spaces between them. Default: all that this resource server knows.
        client_id: The client that the person uses.
        claims: Other attributes of `AccessToken`, such as ``exp`` (Unix seconds), ``iss``, ``aud``
            (a tuple) or ``username``; None leaves one out where that is allowed.
        more: Further claims, by the names that the issuer has for them.
    """
    now = int(time.time())
    defaults: dict[str, Any] = {
        "scope": " ".join(get_scopes_backend().get_all_scopes()) if scope is None else scope,
        "exp": now + LIFETIME,
        "iat": now,
        "iss": conf().issuer,
        "aud": tuple(filter(None, [conf().audience])),
        "extra_claims_json": json.dumps(more) if more else "",
    }
    return AccessToken(sub=sub, client_id=client_id, **(defaults | claims))


def machine_token(client_id: str = "a-machine", **claims: Any) -> AccessToken:
    """Return a token of a client that acts for itself, as with the client credentials grant."""
    return access_token(sub=client_id, client_id=client_id, **claims)
