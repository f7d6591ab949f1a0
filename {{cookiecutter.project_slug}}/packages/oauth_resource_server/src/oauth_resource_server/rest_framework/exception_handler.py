"""``EXCEPTION_HANDLER`` of Django REST Framework that names the missing scope in a 403."""

from typing import Any

from oauth2_provider.contrib import rest_framework as dot
from rest_framework.permissions import AND, OR
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import exception_handler as framework_exception_handler

from oauth_resource_server import responses
from oauth_resource_server.errors import TokenValidationError
from oauth_resource_server.rest_framework.authentication import TemporarilyUnavailable
from oauth_resource_server.tokens import AccessToken


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Answer `exc` as the framework does, and add the challenge of RFC 6750 section 3.1 to a 403.

    A `TokenValidationError` of a view or of another authentication class becomes a 503.
    """
    if isinstance(exc, TokenValidationError):
        exc = TemporarilyUnavailable(exc)
    response = framework_exception_handler(exc, context)
    if response is None:
        return None
    if isinstance(exc, TemporarilyUnavailable):
        # `report` has logged it. Django would log a second line.
        response._has_been_logged = True  # type: ignore[attr-defined]
    if response.status_code == 403:
        request, view = context["request"], context["view"]
        if scopes := " ".join(missing_scopes(request, view)):
            error, detail = responses.INSUFFICIENT_SCOPE, responses.SCOPE_MISSING
            response.data = responses.body(error, detail)
            response["WWW-Authenticate"] = responses.challenge(
                request, error=error, error_description=detail, scope=scopes
            )
    return response


def missing_scopes(request: Request, view: Any) -> list[str]:
    """Return the scopes that the permission that denied `request` requires.

    Empty if it was denied for another reason, or if the token carries them.
    """
    token = request.auth
    if isinstance(token, AccessToken):
        for permission in view.get_permissions():
            # The first permission that denies decides, as in `APIView.check_permissions`.
            if not permission.has_permission(request, view):
                scopes = _scopes(permission, request, view)
                return [] if token.is_valid(scopes) else scopes
    return []


def _scopes(permission: Any, request: Request, view: Any) -> list[str]:
    """Return the scopes that the denying `permission` requires. A negated one requires none."""
    if isinstance(permission, AND | OR):
        first, second = permission.op1, permission.op2  # type: ignore[union-attr]
        if isinstance(permission, OR):
            return _scopes(first, request, view) or _scopes(second, request, view)
        # The second may rely on the first, and is not evaluated if the first denies.
        first_denies = not first.has_permission(request, view)
        return _scopes(first if first_denies else second, request, view)
    if isinstance(permission, dot.IsAuthenticatedOrTokenHasScope):
        permission = dot.TokenHasScope()
    if isinstance(permission, dot.TokenHasScope):
        return list(permission.get_scopes(request, view))
    if isinstance(permission, dot.TokenMatchesOASRequirements):
        alternatives = permission.get_required_alternate_scopes(request, view)
        return list(next(iter(alternatives.get(request.method, ())), ()))
    return []
