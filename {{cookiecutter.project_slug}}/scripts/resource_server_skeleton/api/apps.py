"""The application of this resource server."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """What this resource server offers."""

    name = "api"
