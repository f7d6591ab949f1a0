from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


class PlaygroundConfig(AppConfig):
    name = "playground"

    def ready(self) -> None:
        """Refuse to start in production: strangers could keep the resource servers waiting."""
        if settings.PRODUCTION:
            raise ImproperlyConfigured("The app playground is for development only.")
