"""Views of django-oauth-toolkit (3.4) that are overridden to follow the RFCs.

Each override has a test, so that it can be deleted once the toolkit passes it.
"""

import json
import re
from contextlib import suppress
from typing import Any

from django import forms
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, JsonResponse
from oauth2_provider import views
from oauth2_provider.exceptions import InvalidOIDCClientError
from oauth2_provider.models import (
    Application,
    DeviceCodeResponse,
    DeviceRequest,
    create_device_grant,
)
from oauth2_provider.settings import oauth2_settings
from oauthlib.common import add_params_to_uri

from accounts.rate_limits import Bucket, RateLimited, client_address
from client_registry.credentials import CLIENT_ID
from client_registry.models import active_registration

# By client and address. Codes expire after 30 minutes, so that at most 80 are pending.
DEVICE_CODES = Bucket("device codes", burst=20, seconds=30)
# By signed-in user; only wrong codes count.
USER_CODES = Bucket("user codes", burst=10, seconds=30)


class AuthorizationView(views.AuthorizationView):
    """The authorization endpoint (RFC 6749 section 3.1)."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Ignore ``approval_prompt``, by which a client could skip the consent page."""
        parameters = request.GET.copy()
        parameters.pop("approval_prompt", None)
        request.GET = parameters  # type: ignore[assignment]
        return super().get(request, *args, **kwargs)

    def form_valid(self, form: forms.Form) -> HttpResponse:
        """Refuse a tampered form: cancelled, the toolkit redirects to whatever it names."""
        sent = form.cleaned_data
        application = Application.objects.filter(client_id=sent["client_id"]).first()
        if not application or not application.redirect_uri_allowed(sent["redirect_uri"]):
            raise BadRequest("Unknown client_id or redirect_uri.")
        return super().form_valid(form)

    def redirect(self, redirect_to: str, application: Application | None) -> HttpResponse:
        """Add ``iss`` to error responses as well (RFC 9207 section 2)."""
        issuer = oauth2_settings.OIDC_ISS_ENDPOINT
        if not re.search(r"[?&]iss=", redirect_to):
            redirect_to = add_params_to_uri(redirect_to, [("iss", issuer)])
        return super().redirect(redirect_to, application)


class TokenView(views.TokenView):
    """The token endpoint (RFC 6749 section 3.2).

    Device codes take the same path as all other grants: the toolkit's view looks them up before the
    client is authenticated.
    """

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        # oauthlib checks a password before it checks whether the client may use the grant.
        if request.POST.get("grant_type") in oauth2_settings.OAUTH2_GRANT_TYPES_SUPPORTED:
            response: HttpResponse = self.authorization_flow_token_response(request)
        else:
            error = "unsupported_grant_type" if "grant_type" in request.POST else "invalid_request"
            response = JsonResponse({"error": error}, status=400)
        response["Content-Type"] = "application/json"
        response["Cache-Control"] = "no-store"
        if response.status_code == 401:
            response["WWW-Authenticate"] = 'Basic realm="token"'
        return response


class DeviceAuthorizationView(views.DeviceAuthorizationView):
    """The device authorization endpoint (RFC 8628 section 3.1)."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Store the scopes as validated; the toolkit stores the raw parameter."""
        headers, content, status = self.create_device_authorization_response(request)
        headers = {**headers, "Cache-Control": "no-store"}
        if status != 200:
            return JsonResponse(json.loads(content), status=status, headers=headers)
        client = Application.objects.get(client_id=request.POST["client_id"])
        if not client.allows_grant_type(Application.GRANT_DEVICE_CODE):
            return JsonResponse({"error": "unauthorized_client"}, status=400, headers=headers)
        try:
            DEVICE_CODES.take(client.client_id, client_address(request))
        except RateLimited as limited:
            headers["Retry-After"] = str(limited.retry_after)
            return JsonResponse({"error": "slow_down"}, status=429, headers=headers)
        scope = content.pop("scope")
        create_device_grant(DeviceRequest(client.client_id, scope), DeviceCodeResponse(**content))
        return JsonResponse(content, headers=headers)


class DeviceUserCodeView(views.DeviceUserCodeView):
    """The page on which a user enters the code of a device (RFC 8628 section 3.3)."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Limit wrong codes by user (RFC 8628 section 5.1); right ones are not counted."""
        USER_CODES.take(str(request.user.pk))
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: forms.Form) -> HttpResponse:
        USER_CODES.give_back(str(self.request.user.pk))
        return super().form_valid(form)


class RPInitiatedLogoutView(views.RPInitiatedLogoutView):
    """The end session endpoint (OpenID Connect RP-Initiated Logout 1.0)."""

    def get_request_application(self, id_token: Any, client_id: str | None) -> Application | None:
        """Refuse unknown and inactive clients."""
        application = None
        if not client_id or re.fullmatch(CLIENT_ID, client_id):
            with suppress(Application.DoesNotExist):
                application = super().get_request_application(id_token, client_id)
        if (client_id or id_token) and not active_registration(application):
            raise InvalidOIDCClientError()
        return application


class ServerMetadataView(views.OAuthServerMetadataView):
    """OAuth 2.0 Authorization Server Metadata (RFC 8414)."""

    def document(self, request: HttpRequest) -> dict[str, Any]:
        """Return the metadata."""
        document: dict[str, Any] = json.loads(super().get(request).content)
        return document | {
            # RFC 8628 section 4
            "device_authorization_endpoint": self._get_endpoint_url(
                request, "device-authorization", required=True
            ),
            # The introspection endpoint accepts no credentials in the body, but a bearer token.
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "Bearer"],
        }

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return public(self.document(request))


class OpenIDConfigurationView(views.ConnectDiscoveryInfoView):
    """OpenID Connect Discovery 1.0: the RFC 8414 metadata and the members of OpenID Connect.

    Without ``grant_types_supported`` a client has to assume the implicit grant (section 3).
    """

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        document = ServerMetadataView().document(request) | json.loads(super().get(request).content)
        document["claims_supported"] = sorted(document["claims_supported"])
        # No client can be declared with HS256.
        document["id_token_signing_alg_values_supported"] = ["RS256"]
        return public(document)


def public(document: dict[str, Any]) -> JsonResponse:
    """Return a response that scripts of any origin may read (CORS)."""
    return JsonResponse(document, headers={"Access-Control-Allow-Origin": "*"})
