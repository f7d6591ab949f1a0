from django.apps import AppConfig


class ClientRegistryConfig(AppConfig):
    name = "client_registry"
    verbose_name = "Clients"

    def ready(self) -> None:
        from client_registry import checks  # noqa: F401  (it registers itself)
