"""The scopes of all resource servers, and those of each client (RFC 6749 section 3.3)."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from django.conf import settings
from oauth2_provider.scopes import BaseScopes

from client_registry.manifests import resource_servers
from client_registry.models import active_registration

# For clients of resource servers only. It is not on consent pages or in the metadata.
INTROSPECTION = "introspection"


class ManifestScopes(BaseScopes):
    """django-oauth-toolkit's SCOPES_BACKEND_CLASS: the scopes are those of the manifests."""

    def get_all_scopes(self) -> dict[str, str]:
        """Return the descriptions of all scopes that people can consent to."""
        scopes = dict(settings.OPENID_SCOPES)
        for server in resource_servers().values():
            scopes |= server.scopes
        return scopes

    def get_available_scopes(
        self, application: Any = None, request: Any = None, *args: Any, **kwargs: Any
    ) -> list[str]:
        """Return the scopes that `application` may request; None: the scopes in the metadata."""
        if application is None:
            return list(self.get_all_scopes())
        registration = active_registration(application)
        if registration is None:
            return []
        if registration.resource_server:
            return [INTROSPECTION] if registration.resource_server in resource_servers() else []
        return [
            scope
            for scope in self.get_all_scopes()
            if matches(scope, registration.scopes)
            # Without an algorithm no ID token can be signed.
            and (application.algorithm or scope not in settings.OPENID_SCOPES)
        ]

    def get_default_scopes(
        self, application: Any = None, request: Any = None, *args: Any, **kwargs: Any
    ) -> list[str]:
        """Return the scopes of a request without ``scope``. Without any, it is refused."""
        available = self.get_available_scopes(application)
        registration = active_registration(application)
        defaults = registration.default_scopes if registration else []
        return [scope for scope in available if matches(scope, defaults)]


def matches(scope: str, patterns: Iterable[str]) -> bool:
    """Return whether one of the `patterns` (``fnmatch``) matches the whole `scope`."""
    return any(fnmatchcase(scope, pattern) for pattern in patterns)
