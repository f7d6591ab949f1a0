"""The clients: the tables of ``clients.toml``, and one client for each resource server."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from django.conf import settings
from oauth2_provider.models import AbstractApplication as Application

from client_registry.manifests import ResourceServer
from client_registry.schema import WORD, RegistryError, Table, check, check_text, parse, read_toml
from client_registry.scopes import INTROSPECTION
from service_kit.env import ORIGIN

# In `redirect_uris` and `allowed_origins`, for the public address of each resource server.
EACH = "{resource_server}"
OWN = "{authorization_server}"  # likewise, for that of this server
LOOPBACK_PORT = re.compile(r"(?<=\Ahttp://127\.0\.0\.1):[0-9]+|(?<=\Ahttp://\[::1\]):[0-9]+")
NAME = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
ENVIRONMENTS = ("development", "production")
CHOICES = {
    "grant_type": (
        Application.GRANT_AUTHORIZATION_CODE,
        Application.GRANT_CLIENT_CREDENTIALS,
        Application.GRANT_DEVICE_CODE,
    ),
    "client_type": (Application.CLIENT_CONFIDENTIAL, Application.CLIENT_PUBLIC),
    # HS256 would need the client secret in clear.
    "algorithm": (Application.NO_ALGORITHM, Application.RS256_ALGORITHM),
}


def is_claimed(redirect_uri: str) -> bool:
    """Return whether only the client itself can get a code that is sent to `redirect_uri`.

    Any program can use the client_id of a public client, and on the device of a user also a
    loopback address or a private scheme (RFC 8252 section 8.6).
    """
    uri = urlsplit(redirect_uri)
    return uri.scheme == "https" and uri.hostname not in ("localhost", "127.0.0.1", "::1")


def is_declared(uri: str, declared: str) -> bool:
    """Return whether the strings are equal, but for the port of a loopback address (RFC 8252)."""
    return LOOPBACK_PORT.sub("", uri) in (LOOPBACK_PORT.sub("", one) for one in declared.split())


class ClientTable(Table, frozen=True, kw_only=True):
    """A table of ``clients.toml``. Its name is the name of the client."""

    title: str
    grant_type: str
    client_type: str
    #: Patterns of ``fnmatch`` over the scopes of all resource servers and of OpenID Connect.
    scopes: tuple[str, ...] = ()
    #: The scopes among them for a request without ``scope``.
    default_scopes: tuple[str, ...] = ()
    environments: tuple[str, ...] = ENVIRONMENTS
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    #: Origins of web pages that are this client, for CORS.
    allowed_origins: tuple[str, ...] = ()
    skip_authorization: bool = False
    #: The algorithm that signs ID tokens.
    algorithm: str = Application.NO_ALGORITHM

    def __post_init__(self) -> None:
        check_text("title", self.title)
        for key, choices in CHOICES.items():
            value = getattr(self, key)
            check(value in choices, key, " or ".join(map(repr, choices)), value)
        for key in self.__struct_fields__:
            if isinstance(values := getattr(self, key), tuple):
                check(len(values) == len(set(values)), key, "different values", list(values))
                for value in values:
                    check_text(key, value, WORD, "no blanks")
        for value in self.environments:
            check(value in ENVIRONMENTS, "environments", " or ".join(ENVIRONMENTS), value)
        for value in {*self.allowed_origins} - {EACH}:
            expected = "http(s)://host[:port] as browsers send it, lower case, no path"
            check_text("allowed_origins", value, ORIGIN.pattern, expected)
        self.check_grant_type()

    def check_grant_type(self) -> None:
        """Raise ValueError if values contradict the grant type or the client type."""
        is_code = self.grant_type == Application.GRANT_AUTHORIZATION_CODE
        is_machine = self.grant_type == Application.GRANT_CLIENT_CREDENTIALS
        uris = "one or more for authorization-code, none for other grant types"
        check(is_code == bool(self.redirect_uris), "redirect_uris", uris, list(self.redirect_uris))
        is_valid = self.is_confidential or not is_machine
        check(is_valid, "client_type", "'confidential' for client-credentials", self.client_type)
        is_valid = is_code or not self.algorithm
        check(is_valid, "algorithm", "none unless authorization-code", self.algorithm)
        is_assured = self.is_confidential or all(map(is_claimed, self.redirect_uris))
        is_valid = (is_code and is_assured) or not self.skip_authorization
        expected = (
            "false unless authorization-code, and for a public client with a redirect_uri "
            "that is not https or on the device of a user"
        )
        check(is_valid, "skip_authorization", expected, True)

    @property
    def is_confidential(self) -> bool:
        """Whether it has a secret."""
        return self.client_type == Application.CLIENT_CONFIDENTIAL

    def check_scopes(self, known: set[str]) -> None:
        """Raise ValueError for a scope that is not a pattern and that no request could get."""
        for key in ("scopes", "default_scopes"):
            for scope in getattr(self, key):
                is_valid = bool(self.algorithm) or scope not in settings.OPENID_SCOPES
                check(is_valid, key, "algorithm = 'RS256' with a scope of OpenID Connect", scope)
                is_valid = scope in known or bool(set(scope) & set("*?["))
                check(is_valid, key, "the scope of a resource server, or a pattern", scope)


class ClientDeclaration(ClientTable, frozen=True, kw_only=True):
    """A declared client. Its client_id and its secret come from the environment."""

    name: str
    #: The resource server that introspects with this client, or "".
    resource_server: str = ""

    def variable(self, suffix: str) -> str:
        """Return the name of the environment variable that ends in ``_CLIENT_`` and `suffix`."""
        return f"{self.name.upper().replace('-', '_')}_CLIENT_{suffix}"


def read_declarations(
    path: Path, servers: Mapping[str, ResourceServer]
) -> dict[str, ClientDeclaration]:
    """Return the declared clients of all environments by their names.

    Raises:
        RegistryError: A declaration is not valid.
    """
    clients = {server.client_name: introspection_client(server) for server in servers.values()}
    known = set(settings.OPENID_SCOPES).union(*(server.scopes for server in servers.values()))
    for name, values in read_toml(path).items():
        place = f"{path.name}: {name}"
        table = parse(values, ClientTable, place)
        try:
            check_text("name", name, NAME, "lower-case letters, digits and '-'")
            check(name not in clients, "name", "no client of a manifest", name)
            table.check_scopes(known)
        except ValueError as error:
            raise RegistryError(f"{place}: {error}") from None
        fields = msgspec.structs.asdict(table)
        for key in ("redirect_uris", "allowed_origins"):
            fields[key] = for_each(fields[key], servers)
        clients[name] = ClientDeclaration(name=name, **fields)
    return clients


def for_each(uris: Iterable[str], servers: Mapping[str, ResourceServer]) -> tuple[str, ...]:
    """Return `uris` with addresses; those with EACH once for each resource server."""
    addresses = [*filter(None, (server.address for server in servers.values()))]
    return tuple(
        uri.replace(EACH, address).replace(OWN, settings.AUTHORIZATION_SERVER_URL)
        for uri in uris
        for address in (addresses if EACH in uri else [""])
    )


def introspection_client(server: ResourceServer) -> ClientDeclaration:
    """Return the client with which `server` introspects tokens, its only use."""
    return ClientDeclaration(
        name=server.client_name,
        title=f"{server.title}, introspection",
        grant_type="client-credentials",
        client_type="confidential",
        scopes=(INTROSPECTION,),
        default_scopes=(INTROSPECTION,),
        resource_server=server.name,
    )
