"""What may they know: of a token that is good for them what the contract says, else nothing."""

import json
import time
from typing import Any
from uuid import UUID

from django.conf import settings

from client_registry.manifests import ResourceServer
from introspection.lookup import Row

INACTIVE = {"active": False}


def answer(row: Row, server: ResourceServer) -> dict[str, Any]:
    """Return what `server` may know about the token in `row` (RFC 7662 section 2.2).

    Of a token of somebody else it does not even learn that there is one. ``exp`` and ``iat`` are
    Unix seconds; ``scope`` holds the scopes of `server` and no others.
    """
    if row.scope is None or not is_usable(row):
        return INACTIVE
    scopes = [scope for scope in row.scope.split() if scope in server.scopes]
    if not scopes or not is_for(row.resource, server):
        return INACTIVE
    # A machine is its own subject (RFC 9068 section 2.2).
    subject: dict[str, Any] = {"sub": row.client_id}
    if row.user_id:
        subject = {"sub": str(UUID(str(row.user_id))), "username": row.username}
    return {
        "active": True,
        "scope": " ".join(scopes),
        "client_id": row.client_id,
        "token_type": "Bearer",
        "exp": int(row.expires),
        "iat": int(row.created),
        "aud": server.audience,
        "iss": settings.AUTHORIZATION_SERVER_URL,
        **subject,
    }


def is_usable(row: Row) -> bool:
    """Return whether it has not expired, and neither its owner nor its client is switched off."""
    return int(row.is_active) == 1 and int(row.expires) > time.time()


def is_for(resource: str, server: ResourceServer) -> bool:
    """Return whether the `resource` of a token (RFC 8707), a JSON list, allows `server`."""
    resources = json.loads(resource)
    return not resources or server.audience in resources
