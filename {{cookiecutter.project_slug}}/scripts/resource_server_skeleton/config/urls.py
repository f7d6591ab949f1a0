"""The addresses of this resource server."""

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from oauth2_provider.urls import metadata_urlpatterns

from token_introspection import health, metrics

# RFC 9728 metadata, out of DOT's patterns: this is no authorization server, so nothing else of
# them is mounted. The namespace is the one that DOT's `resource_metadata` challenge looks up.
protected_resource_metadata = [
    pattern for pattern in metadata_urlpatterns if pattern.name == "oauth-resource-metadata"
]

urlpatterns = [
    path("api/", include("api.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("", include((protected_resource_metadata, "oauth2_provider"))),
    path("metrics", metrics.view, name="metrics"),  # To neighbours only: see `metrics.view`.
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
]
