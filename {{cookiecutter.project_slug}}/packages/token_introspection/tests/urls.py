"""The addresses of the resource server in these tests."""

from django.urls import include, path

from token_introspection import health, metadata, metrics

from . import views

documents = [
    path(".well-known/oauth-protected-resource", metadata.view, name="oauth-resource-metadata")
]

urlpatterns = [
    path("", include((documents, "oauth2_provider"))),
    path("metrics", metrics.view),
    path("health/live", health.live),
    path("health/ready", health.ready),
    *(path(f"{name}/", view) for name, view in views.VIEWS.items()),
]
