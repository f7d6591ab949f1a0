"""The app and its system checks: ``manage.py check`` runs them, as most commands do first."""

from typing import Any

from django.apps import AppConfig
from django.contrib.auth.hashers import get_hashers
from django.core.checks import CheckMessage, Error, register
from oauth2_provider.settings import oauth2_settings

from client_registry import claims
from client_registry.hashers import MachineSecretHasher
from client_registry.manifests import resource_servers
from client_registry.schema import RegistryError


class ClientRegistryConfig(AppConfig):
    name = "client_registry"
    verbose_name = "Clients"

    def ready(self) -> None:
        from oauth2_provider.models import Application

        from client_registry.registration import registered_schemes

        # Its own knows the setting ALLOWED_REDIRECT_URI_SCHEMES only, and the model is not swapped.
        Application.get_allowed_schemes = registered_schemes


@register
def check_client_secret_hasher(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E001, E002: client secrets cannot be verified, or passwords are stored insecurely."""
    algorithm = MachineSecretHasher.algorithm
    algorithms = [hasher.algorithm for hasher in get_hashers()]
    if algorithm != oauth2_settings.CLIENT_SECRET_HASHER or algorithm not in algorithms:
        problem = "Client secrets are not stored by MachineSecretHasher."
        hint = (
            f"Set CLIENT_SECRET_HASHER to {algorithm!r}, and add "
            "client_registry.hashers.MachineSecretHasher to the end of PASSWORD_HASHERS."
        )
        return [Error(problem, hint, id="client_registry.E001")]
    if algorithms[0] == algorithm:
        problem = "The first of PASSWORD_HASHERS is the hasher for client secrets."
        hint = "Passwords of people need a slow hasher there."
        return [Error(problem, hint, id="client_registry.E002")]
    return []


@register
def check_manifests(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E003, E004: the manifest of a resource server, or a line of CLAIMS, is not valid."""
    try:
        resource_servers(complete=True)
    except RegistryError as error:
        return [Error(str(error), id="client_registry.E003")]
    return [Error(f"CLAIMS: {line}", id="client_registry.E004") for line in claims.problems()]
