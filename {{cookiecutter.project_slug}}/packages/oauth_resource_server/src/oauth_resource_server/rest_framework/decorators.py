"""Access tokens for plain Django views, which are functions."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from oauth2_provider.contrib.rest_framework import TokenHasScope
from rest_framework.views import APIView

from oauth_resource_server.rest_framework.authentication import BearerTokenAuthentication
from oauth_resource_server.rest_framework.permissions import TokenRequired


def token_required(*scopes: str) -> Callable[[Callable[..., Any]], Any]:
    """Call the view for a valid access token with all `scopes`, which is in ``request.auth``.

    Other requests are refused as by a view of the framework.
    """
    permissions = (TokenHasScope if scopes else TokenRequired,)
    options = {"permission_classes": permissions, "required_scopes": scopes}
    return lambda view: wraps(view)(_Guard.as_view(view=view, **options))


class _Guard(APIView):
    authentication_classes = (BearerTokenAuthentication,)
    required_scopes = view = schema = None  # No schema: what a plain view returns is unknown.

    def perform_content_negotiation(self, request: Any, force: bool = True) -> Any:
        return super().perform_content_negotiation(request, force=True)  # It concerns errors only.

    def get(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        return self.view(request._request, *args, **kwargs)  # type: ignore[misc]

    post = put = patch = delete = get
