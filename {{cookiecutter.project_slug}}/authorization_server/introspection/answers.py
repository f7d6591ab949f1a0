"""Decide what a resource server is told about a token, from the row of the query."""

import json
import time
from typing import Any
from uuid import UUID

from django.conf import settings

from client_registry.hashers import verify_secret
from client_registry.manifests import ResourceServer, resource_servers
from introspection.lookup import Row
from introspection.question import BASIC, Credentials, Question, Refused, unauthenticated

INACTIVE = {"active": False}
# Stored for an unknown client_id, and never equal: it costs the same hash as a wrong secret.
UNKNOWN_CLIENT = "machine_sha256$unknown$"


def judge(question: Question, row: Row | None) -> dict[str, Any]:
    """Return the RFC 7662 response to `question`.

    Raises:
        Refused: The caller is not authenticated, or has not sent exactly one token.
    """
    server = authenticate(question.credentials, row)
    if row is None or server is None:
        raise unauthenticated(question.credentials.scheme)
    if not question.token:
        raise Refused(400, "invalid_request", "The parameter token is not there exactly once.")
    return answer(row, server)


def authenticate(credentials: Credentials, row: Row | None) -> ResourceServer | None:
    """Return the resource server with these credentials, None if they are wrong."""
    stored = row.client_secret if row else UNKNOWN_CLIENT
    if credentials.scheme == BASIC and not verify_secret(credentials.secret, stored):
        return None
    return resource_servers().get(row.resource_server) if row else None


def answer(row: Row, server: ResourceServer) -> dict[str, Any]:
    """Return the claims of an active token in the audience of `server`, else ``active: false``.

    ``exp`` and ``iat`` are Unix seconds; ``scope`` has the scopes of `server` only.
    """
    # None: unknown. 0: its owner or its client is deactivated.
    if row.scope is None or int(row.is_active) != 1 or int(row.expires) <= time.time():
        return INACTIVE
    scopes = [scope for scope in row.scope.split() if scope in server.scopes]
    # RFC 8707; empty, it allows every resource server.
    resources = json.loads(row.resource)
    if not scopes or (resources and server.audience not in resources):
        return INACTIVE
    # Without a user, the client is the subject (RFC 9068 section 2.2).
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
