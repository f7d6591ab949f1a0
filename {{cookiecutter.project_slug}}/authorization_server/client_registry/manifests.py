"""The resource servers, each described by its manifest, ``resource_server.toml``.

Manifests are read once per process: a new resource server is there after the next start.
"""

import logging
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

import msgspec
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from client_registry.schema import RegistryError, Table, check, check_text, parse, read_toml
from service_kit import env

logger = logging.getLogger("client_registry")

# An absolute URI with a host and no fragment (RFC 8707 section 2), and without user information.
AUDIENCE = r"[a-z][a-z0-9+.-]*://[^\s#@/?]+([/?][^\s#]*)?"


class ResourceServer(Table, frozen=True):
    """An API that accepts access tokens, and the descriptions of its scopes for people.

    Its scopes begin with its name, so each scope belongs to one resource server.
    """

    name: str
    title: str
    scopes: Mapping[str, str]
    #: The resource identifier (RFC 8707). `read_manifests` replaces "" by the public address.
    audience: str = ""

    def __post_init__(self) -> None:
        expected = "lower-case letters, digits and '-'"
        check_text("name", self.name, r"[a-z]([a-z0-9-]*[a-z0-9])?", expected)
        check_text("title", self.title)
        if self.audience:
            expected = "a URI with a host, no user, no fragment"
            check_text("audience", self.audience, AUDIENCE, expected)
        check(bool(self.scopes), "scopes", "at least one", dict(self.scopes))
        expected = f"'{self.name}:' and letters, digits or _.:-"
        for scope, description in self.scopes.items():
            check_text("scopes", scope, rf"{self.name}:[A-Za-z0-9_.:-]+", expected)
            check_text(f"scopes: {scope}", description)
        msgspec.structs.force_setattr(self, "scopes", MappingProxyType(dict(self.scopes)))

    @property
    def client_name(self) -> str:
        """The name of the client with which it introspects."""
        return f"{self.name}-introspection"

    @property
    def address(self) -> str:
        """Its public address; "" if NAME_URL is not set, but the audience."""
        try:
            return public_address(self.name, self.name)
        except AddressMissing:
            return ""


class AddressMissing(RegistryError):
    """A resource server has neither an audience nor an address."""


def resource_servers(*, complete: bool = False) -> Mapping[str, ResourceServer]:
    """Return the resource servers by their names, in alphabetical order.

    One without an address is left out, unless `complete`: it was added while this process was
    running, and takes part after the next start.

    Raises:
        RegistryError: A manifest is not valid, or two of them have the same audience.
    """
    return read_manifests(settings.RESOURCE_SERVERS_DIR, complete)


@cache
def read_manifests(directory: Path, complete: bool = True) -> Mapping[str, ResourceServer]:
    """Read ``*/resource_server.toml`` in `directory`. Folders have the names of their servers."""
    if not directory.is_dir():
        raise RegistryError(f"RESOURCE_SERVERS_DIR is {directory}, which is not a folder")
    servers: dict[str, ResourceServer] = {}
    names_by_audience: dict[str, str] = {}
    for path in sorted(directory.glob("*/resource_server.toml")):
        folder = path.parent.name
        place = f"{folder}/{path.name}"
        server = parse(read_toml(path), ResourceServer, place)
        if server.name != folder:
            raise RegistryError(f"{place}: name: expected {folder!r}, the name of the folder")
        try:
            audience = server.audience or public_address(server.name, place)
        except AddressMissing as error:
            if complete:
                raise
            logger.warning("Left out until the next start: %s", error)
            continue
        server = msgspec.structs.replace(server, audience=audience)
        other = names_by_audience.setdefault(server.audience, server.name)
        if other != server.name:
            raise RegistryError(f"{place}: audience: {server.audience!r} is the one of {other}")
        servers[server.name] = server
    return MappingProxyType(servers)


def public_address(name: str, place: str) -> str:
    """Return NAME_URL, which the resource server reads too: strict clients of RFC 9728 compare its
    identifier with the address that they used (section 3.3)."""
    variable = f"{name.upper().replace('-', '_')}_URL"
    try:
        if not env.text(variable, ""):
            raise AddressMissing(f"{place} has no audience, and {variable} is not set.")
        return env.base_url(variable, https_only=settings.PRODUCTION)
    except ImproperlyConfigured as error:
        raise RegistryError(f"{place} has no audience, and {error}") from error
