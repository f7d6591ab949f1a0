"""The page, and two endpoints for its experiments: an outage, and tokens that expire soon."""

from collections.abc import Container, Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe
from oauth2_provider.scopes import get_scopes_backend
from oauth2_provider.settings import oauth2_settings

from client_registry.manifests import resource_servers
from client_registry.models import RegisteredClient
from oauth.endpoints import TokenView
from oauth.requests import CONTENT_SECURITY_POLICY
from playground import outage

LIFETIME = 2  # seconds


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Return the page. Its scripts may connect to the resource servers; no other page's may."""
    active = RegisteredClient.objects.filter(is_active=True).select_related("application")
    application = get_object_or_404(active, name="playground").application
    available = get_scopes_backend().get_available_scopes(application)
    servers: list[dict[str, Any]] = [
        {
            "name": server.name,
            "title": server.title,
            "url": server.address,
            "scopes": among(available, server.scopes),
        }
        for server in resource_servers().values()
        if server.address
    ]
    config = {
        "client_id": application.client_id,
        "issuer": settings.AUTHORIZATION_SERVER_URL,
        "authorize": reverse("oauth2_provider:authorize"),
        "token": reverse("oauth2_provider:token"),
        "revoke": reverse("oauth2_provider:revoke-token"),
        "outage": reverse("playground-outage"),
        "short_lived": reverse("playground-token"),
        "apis": servers,
    }
    people = among(available, settings.OPENID_SCOPES)
    context = {"config": config, "servers": servers, "people": people}
    response = render(request, "playground.html", context)
    origins = " ".join(server["url"] for server in servers)
    policy = f"{CONTENT_SECURITY_POLICY}; connect-src 'self' {origins}"
    response.headers["Content-Security-Policy"] = policy
    # A pop-up comes back to this page, and hands what it brings to the one that opened it.
    response.headers["Cross-Origin-Opener-Policy"] = "unsafe-none"
    response.headers["Cache-Control"] = "no-store"
    return response


def among(available: Container[str], scopes: Mapping[str, str]) -> dict[str, str]:
    """Return those of `scopes`, with their descriptions, that are `available`."""
    return {scope: text for scope, text in scopes.items() if scope in available}


@require_POST
def begin_outage(request: HttpRequest) -> HttpResponse:
    """Begin an outage, and return how long it lasts. Other sites lack the CSRF token."""
    outage.begin()
    return JsonResponse({"seconds": outage.SECONDS})


class ShortLivedTokenView(TokenView):
    """The token endpoint with another lifetime. Everything else is that of `TokenView`."""

    @classmethod
    def get_oauthlib_core(cls) -> Any:
        """Return one that is not cached: the toolkit would take the one of `TokenView`."""
        options = oauth2_settings.server_kwargs | {"token_expires_in": LIFETIME}
        server = cls.get_server_class()(cls.get_validator_class()(), **options)
        return cls.get_oauthlib_backend_class()(server)
