"""Discovery documents, with the members that django-oauth-toolkit (3.4) omits or has wrong."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from oauth2_provider.views import ConnectDiscoveryInfoView, OAuthServerMetadataView


class ServerMetadataView(OAuthServerMetadataView):
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


class OpenIDConfigurationView(ConnectDiscoveryInfoView):
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
