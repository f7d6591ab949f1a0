"""The Django application: system checks, and the schema where drf-spectacular is installed."""

from django.apps import AppConfig, apps
from django.core.checks import register


class OAuthResourceServerConfig(AppConfig):
    """Registers the system checks, and the schema of drf-spectacular if it is installed."""

    name = "oauth_resource_server"
    verbose_name = "OAuth resource server"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from oauth_resource_server.checks import check_settings

        register(check_settings)
        if apps.is_installed("drf_spectacular"):
            from oauth_resource_server.rest_framework import schema  # noqa: F401
