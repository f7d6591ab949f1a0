"""URLs of this resource server."""

from django.conf import settings
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularSwaggerOauthRedirectView

from api.views import DocumentationView, SchemaView
from oauth_resource_server import metrics
from oauth_resource_server.django import metadata

# RFC 9728 metadata. DOT's `resource_metadata` challenge looks up this name and namespace. The other
# URLs of DOT belong to an authorization server.
protected_resource_metadata = [
    path(".well-known/oauth-protected-resource", metadata.view, name="oauth-resource-metadata"),
]

urlpatterns = [
    path("api/", include("api.urls")),
    path("api/schema/", SchemaView.as_view(), name="schema"),
    path("api/docs/", DocumentationView.as_view(url_name="schema"), name="docs"),
    # Where "Authorize" on that page comes back to.
    path("api/docs/oauth2-redirect.html", SpectacularSwaggerOauthRedirectView.as_view()),
    path("", include((protected_resource_metadata, "oauth2_provider"))),
    path("favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}api/favicon.svg")),
    path("metrics", metrics.view, name="metrics"),  # Needs METRICS_TOKEN in production.
]
if not settings.PRODUCTION:  # People type these addresses.
    to_documentation = RedirectView.as_view(pattern_name="docs")
    urlpatterns += [path("", to_documentation), path("api/", to_documentation)]

# JSON instead of the HTML pages of Django.
handler400 = "rest_framework.exceptions.bad_request"
handler404 = "api.views.not_found"
handler500 = "rest_framework.exceptions.server_error"
