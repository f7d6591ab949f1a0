"""System checks: ``manage.py check`` runs them, and most commands do before they start."""

from typing import Any

from django.contrib.auth.hashers import get_hashers
from django.core.checks import CheckMessage, Error, register
from oauth2_provider.settings import oauth2_settings

from client_registry.errors import RegistryError
from client_registry.manifests import resource_servers


@register
def check_client_secret_hasher(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E001, E002: machine secrets cannot be verified, or people's passwords are stored badly."""
    algorithms = [hasher.algorithm for hasher in get_hashers()]
    algorithm = oauth2_settings.CLIENT_SECRET_HASHER
    if algorithm not in algorithms:
        return [
            Error(
                f"CLIENT_SECRET_HASHER is {algorithm!r}, which no hasher in PASSWORD_HASHERS is.",
                hint="Add client_registry.hashers.MachineSecretHasher, as the last one.",
                id="client_registry.E001",
            )
        ]
    if algorithms[0] == algorithm:
        return [
            Error(
                "The first of PASSWORD_HASHERS is the one for machine secrets.",
                hint="The passwords of people need a slow one there.",
                id="client_registry.E002",
            )
        ]
    return []


@register
def check_manifests(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E003: the manifest of a resource server is not valid."""
    try:
        resource_servers()
    except RegistryError as error:
        return [Error(str(error), id="client_registry.E003")]
    return []
