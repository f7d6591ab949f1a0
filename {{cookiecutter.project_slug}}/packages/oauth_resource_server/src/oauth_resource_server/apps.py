"""The Django application: system checks, and the schema where drf-spectacular is installed."""

from django.apps import AppConfig, apps
from django.core.checks import register


class OAuthResourceServerConfig(AppConfig):
    """Has no models of its own; `users.AbstractResourceOwner` is for the service to extend."""

    name = "oauth_resource_server"

    def ready(self) -> None:
        """Register what Django and drf-spectacular look up."""
        from oauth_resource_server.checks import check_settings

        register(check_settings)
        if apps.is_installed("drf_spectacular"):
            from oauth_resource_server.rest_framework import schema  # noqa: F401
