"""The URLs of django-oauth-toolkit's documentation."""

from django.http import HttpResponse
from django.urls import include, path

urlpatterns = [
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path("health/live", lambda request: HttpResponse()),
]
