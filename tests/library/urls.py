"""The addresses of the resource server in these tests."""

from django.urls import include, path
from oauth_resource_server import metrics
from oauth_resource_server.django import health, metadata

from . import views

documents = [
    path(".well-known/oauth-protected-resource", metadata.view, name="oauth-resource-metadata")
]

urlpatterns = [
    path("", include((documents, "oauth2_provider"))),
    path("metrics", metrics.view),
    path("health/ready", health.ready),
    *(path(f"{name}/", view) for name, view in views.VIEWS.items()),
]
