"""URLs of this resource server."""

from django.urls import include, path
from drf_spectacular.views import SpectacularSwaggerOauthRedirectView, SpectacularSwaggerView

from api.views import SchemaView
from oauth_resource_server import metrics
from oauth_resource_server.django import metadata

# RFC 9728 metadata. DOT's `resource_metadata` challenge looks up this name and namespace. The other
# URLs of DOT belong to an authorization server.
protected_resource_metadata = [
    path(".well-known/oauth-protected-resource", metadata.view, name="oauth-resource-metadata"),
]

handler500 = "service_kit.database.server_error"

urlpatterns = [
    path("api/", include("api.urls")),
    path("api/schema/", SchemaView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    # Where "Authorize" on that page comes back to.
    path("api/docs/oauth2-redirect.html", SpectacularSwaggerOauthRedirectView.as_view()),
    path("", include((protected_resource_metadata, "oauth2_provider"))),
    path("metrics", metrics.view, name="metrics"),  # For METRICS_NETWORKS only.
]

# JSON instead of the HTML pages of Django.
handler400 = "rest_framework.exceptions.bad_request"
handler404 = "api.views.not_found"
handler500 = "rest_framework.exceptions.server_error"
