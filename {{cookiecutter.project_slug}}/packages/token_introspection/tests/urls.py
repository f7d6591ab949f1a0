"""The addresses of the resource server in these tests."""

from django.urls import include, path
from oauth2_provider.urls import metadata_urlpatterns

from token_introspection import health, metrics

from . import views

metadata = [one for one in metadata_urlpatterns if one.name == "oauth-resource-metadata"]

urlpatterns = [
    path("", include((metadata, "oauth2_provider"))),
    path("metrics", metrics.view),
    path("health/live", health.live),
    path("health/ready", health.ready),
    *(path(f"{name}/", view) for name, view in views.VIEWS.items()),
]
