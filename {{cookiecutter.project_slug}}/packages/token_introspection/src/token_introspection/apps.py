"""The Django application: system checks, and the schema where drf-spectacular is installed."""

from django.apps import AppConfig, apps
from django.core.checks import register


class TokenIntrospectionConfig(AppConfig):
    """Has no models of its own; `users.AbstractResourceOwner` is for the service to extend."""

    name = "token_introspection"

    def ready(self) -> None:
        """Register what Django and drf-spectacular look up."""
        from token_introspection.checks import check_settings

        register(check_settings)
        if apps.is_installed("drf_spectacular"):
            from token_introspection import schema  # noqa: F401
