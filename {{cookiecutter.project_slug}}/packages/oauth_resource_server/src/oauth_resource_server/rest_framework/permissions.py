"""Permissions by kind of token. For scopes use DOT's ``TokenHasScope``, ``TokenHasReadWriteScope``.

None of them reads the user, so none of them costs a query.
"""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from oauth_resource_server.tokens import AccessToken


class TokenRequired(BasePermission):
    """Any valid access token, also an instance of DOT's model."""

    def has_permission(self, request: Request, view: Any) -> bool:
        token: Any = request.auth
        return hasattr(token, "scope") and bool(token.is_valid())


class PersonRequired(BasePermission):
    """A valid access token of a person."""

    message = "This needs an access token of a person."

    def has_permission(self, request: Request, view: Any) -> bool:
        token = request.auth
        return isinstance(token, AccessToken) and token.is_valid() and not token.is_machine


class MachineRequired(BasePermission):
    """A valid access token of a client that acts for itself (client credentials grant)."""

    message = "This needs an access token of a client that acts for itself."

    def has_permission(self, request: Request, view: Any) -> bool:
        token = request.auth
        return isinstance(token, AccessToken) and token.is_valid() and token.is_machine
