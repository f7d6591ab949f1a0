"""What may they know: of a token that is good for them what the contract says, else nothing."""

import hashlib
from typing import Any

from django.conf import settings
from oauth2_provider.models import AccessToken

from client_registry.manifests import ResourceServer
from client_registry.models import active_registration

INACTIVE = {"active": False}


def answer(value: str, server: ResourceServer) -> dict[str, Any]:
    """Return what `server` may know about the token `value` (RFC 7662 section 2.2).

    Of a token of somebody else it does not even learn that there is one. ``exp`` and ``iat`` are
    Unix seconds; ``scope`` holds the scopes of `server` and no others. Makes one query.
    """
    token = (
        AccessToken.objects.select_related("user", "application__registration")
        .filter(token_checksum=hashlib.sha256(value.encode()).hexdigest())
        .first()
    )
    if token is None or not is_usable(token):
        return INACTIVE
    scopes = [scope for scope in token.scope.split() if scope in server.scopes]
    is_for_others = token.resource and server.audience not in token.resource
    if not scopes or is_for_others:
        return INACTIVE
    client_id = token.application.client_id
    # A machine is its own subject (RFC 9068 section 2.2).
    subject = {"sub": client_id}
    if token.user:
        subject = {"sub": str(token.user.pk), "username": token.user.get_username()}
    return {
        "active": True,
        "scope": " ".join(scopes),
        "client_id": client_id,
        "token_type": "Bearer",
        "exp": int(token.expires.timestamp()),
        "iat": int(token.created.timestamp()),
        "aud": server.audience,
        "iss": settings.AUTHORIZATION_SERVER_URL,
        **subject,
    }


def is_usable(token: AccessToken) -> bool:
    """Return whether it has not expired, and neither its owner nor its client is switched off."""
    owner_is_active = token.user is None or token.user.is_active
    return (
        not token.is_expired()
        and owner_is_active
        and active_registration(token.application) is not None
    )
