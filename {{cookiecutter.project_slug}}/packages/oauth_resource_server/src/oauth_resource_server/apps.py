"""The Django application: system checks, and the schema where drf-spectacular is installed."""

from django.apps import AppConfig, apps
from django.core.checks import register


class OAuthResourceServerConfig(AppConfig):
    """Registers the system checks, DOT's validator, and the schema of drf-spectacular."""

    name = "oauth_resource_server"
    verbose_name = "OAuth resource server"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from oauth2_provider.settings import oauth2_settings

        from oauth_resource_server.checks import VALIDATOR, check_settings
        from oauth_resource_server.django import decorators  # noqa: F401

        # DOT's own would match users by username.
        oauth2_settings.defaults["OAUTH2_VALIDATOR_CLASS"] = VALIDATOR
        register(check_settings)
        if apps.is_installed("drf_spectacular"):
            from oauth_resource_server.rest_framework import schema  # noqa: F401
