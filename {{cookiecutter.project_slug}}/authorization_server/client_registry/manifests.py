"""The resource servers, each described by its own ``resource_server.toml``, the manifest.

They are read once per process: a resource server that is added is there after the next start.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from django.conf import settings

from client_registry.errors import RegistryError
from client_registry.tables import Table, read_toml

# An absolute URI with a host and no fragment (RFC 8707 section 2), and without user information.
AUDIENCE = r"[a-z][a-z0-9+.-]*://[^\s#@/?]+([/?][^\s#]*)?"


@dataclass(frozen=True)
class ResourceServer:
    """An API that accepts access tokens, and what people are told about its scopes."""

    name: str
    title: str
    audience: str
    scopes: Mapping[str, str]

    @property
    def client_name(self) -> str:
        """The name of the client with which it introspects."""
        return f"{self.name}-introspection"


def resource_servers() -> Mapping[str, ResourceServer]:
    """Return the resource servers by their names, in alphabetical order.

    Raises:
        RegistryError: a manifest is not valid, or two of them contradict each other.
    """
    return read_manifests(Path(settings.RESOURCE_SERVERS_DIR))


@cache
def read_manifests(directory: Path) -> Mapping[str, ResourceServer]:
    """Read ``*/resource_server.toml`` in `directory`."""
    if not directory.is_dir():
        raise RegistryError(f"RESOURCE_SERVERS_DIR is {directory}, which is not a folder")
    servers: dict[str, ResourceServer] = {}
    for path in sorted(directory.glob("*/resource_server.toml")):
        server = read_manifest(path)
        for other in servers.values():
            if other.audience == server.audience:
                raise RegistryError(
                    f"{server.name}/{path.name}: audience: {server.audience!r} is the one of "
                    f"{other.name} already"
                )
        servers[server.name] = server
    return MappingProxyType(servers)


def read_manifest(path: Path) -> ResourceServer:
    """Read one manifest. The folder has the name of the resource server, so no two have the same.

    The scopes begin with that name, so each belongs to one resource server.
    """
    folder = path.parent.name
    place = f"{folder}/{path.name}"
    table = Table(place, read_toml(path), ("name", "title", "audience", "scopes"))
    name = table.text("name", r"[a-z]([a-z0-9-]*[a-z0-9])?")
    if name != folder:
        raise table.error("name", f"{name!r} is not the name of the folder")
    scopes = Table(f"{place}: scopes", table.values.get("scopes"))
    if not scopes.values:
        raise table.error("scopes", "there is none")
    for scope in scopes.values:
        if not re.fullmatch(rf"{name}:[A-Za-z0-9_.:-]+", scope):
            raise scopes.error(scope, f"it is not '{name}:' and letters, digits or _.:-")
        scopes.text(scope)
    return ResourceServer(
        name=name,
        title=table.text("title"),
        audience=table.text("audience", AUDIENCE),
        scopes=MappingProxyType(scopes.values),
    )
