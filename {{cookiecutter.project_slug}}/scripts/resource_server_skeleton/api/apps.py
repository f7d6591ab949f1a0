"""Configuration of the application `api`."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """The API of this resource server."""

    name = "api"
