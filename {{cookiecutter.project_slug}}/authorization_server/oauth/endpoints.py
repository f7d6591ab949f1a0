"""Endpoints of django-oauth-toolkit (3.4), where they answer otherwise than the RFCs ask for.

Each of the repairs has a test; what a later release of the toolkit does by itself can go.
"""

import json
import re
from contextlib import suppress
from typing import Any

from django import forms
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from oauth2_provider import views
from oauth2_provider.exceptions import InvalidOIDCClientError
from oauth2_provider.models import Application
from oauth2_provider.oauth2_backends import OAuthLibCore
from oauth2_provider.settings import oauth2_settings
from oauthlib.common import add_params_to_uri

from client_registry.credentials import CLIENT_ID
from client_registry.models import active_registration


class StrictOAuthLibCore(OAuthLibCore):
    """The toolkit's OAUTH2_BACKEND_CLASS: what all endpoints refuse to read."""

    def _extract_params(self, request: HttpRequest) -> tuple[str, str, str, dict[str, Any]]:
        """Refuse what oauthlib cannot decode and what PostgreSQL cannot look for.

        And a token in the address, which ends up in logs and histories (RFC 9700 section 4.3.2).
        """
        if re.search(r"%(?![0-9A-Fa-f]{2})|%00", request.META.get("QUERY_STRING", "")):
            raise BadRequest("The query is not form-urlencoded.")
        if any("\0" in value for _, values in request.POST.lists() for value in values):
            raise BadRequest("The form holds a NUL character.")
        if "access_token" in request.GET:
            raise BadRequest("An access token belongs into the Authorization header.")
        return super()._extract_params(request)


class AuthorizationView(views.AuthorizationView):
    """The authorization endpoint (RFC 6749 section 3.1)."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the consent page, always: no parameter of the client may leave it out."""
        parameters = request.GET.copy()
        parameters.pop("approval_prompt", None)
        request.GET = parameters  # type: ignore[assignment]
        return super().get(request, *args, **kwargs)

    def form_valid(self, form: forms.Form) -> HttpResponse:
        """Refuse a form that was sent with the client_id of nobody."""
        try:
            return super().form_valid(form)
        except Application.DoesNotExist:
            raise BadRequest("There is no such client.") from None

    def redirect(self, redirect_to: str, application: Application | None) -> HttpResponse:
        """Add ``iss`` to errors as well, where a client looks for it too (RFC 9207 section 2)."""
        issuer = oauth2_settings.OIDC_ISS_ENDPOINT
        if not re.search(r"[?&]iss=", redirect_to):
            redirect_to = add_params_to_uri(redirect_to, [("iss", issuer)])
        return super().redirect(redirect_to, application)


class TokenView(views.TokenView):
    """The token endpoint (RFC 6749 section 3.2).

    Device codes go the way of all other grants. The view of the toolkit would answer before it has
    authenticated the client, and is made for an oauthlib that did not ask about them.
    """

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = self.authorization_flow_token_response(request)
        response["Content-Type"] = "application/json"
        response["Cache-Control"] = "no-store"
        if response.status_code == 401:
            response["WWW-Authenticate"] = 'Basic realm="token"'
        return response


class DeviceAuthorizationView(views.DeviceAuthorizationView):
    """The device authorization endpoint (RFC 8628 section 3.1)."""

    def create_device_authorization_response(
        self, request: HttpRequest
    ) -> tuple[dict[str, str], Any, int]:
        """Refuse clients of other flows, and leave out the scope, for which there is no field."""
        headers, response, status = super().create_device_authorization_response(request)
        headers = headers | {"Cache-Control": "no-store"}
        if status != 200:
            return headers, response, status
        client = Application.objects.get(client_id=request.POST["client_id"])
        if not client.allows_grant_type(Application.GRANT_DEVICE_CODE):
            return headers, json.dumps({"error": "unauthorized_client"}), 400
        response.pop("scope", None)
        return headers, response, status


class RPInitiatedLogoutView(views.RPInitiatedLogoutView):
    """The end session endpoint (OpenID Connect RP-Initiated Logout 1.0)."""

    def get_request_application(self, id_token: Any, client_id: str | None) -> Application | None:
        """Refuse the client_id of nobody, and a client that is switched off."""
        application = None
        if not client_id or re.fullmatch(CLIENT_ID, client_id):
            with suppress(Application.DoesNotExist):
                application = super().get_request_application(id_token, client_id)
        if (client_id or id_token) and not active_registration(application):
            raise InvalidOIDCClientError()
        return application
