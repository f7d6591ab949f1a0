from django.apps import AppConfig


class RevocationEventsConfig(AppConfig):
    name = "revocation_events"
    verbose_name = "Revocation"

    def ready(self) -> None:
        from revocation_events import raising  # noqa: F401  (it connects the signals)
