"""The clients: the tables of ``clients.toml``, and one for each resource server."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from oauth2_provider.models import AbstractApplication as Application

from client_registry.errors import RegistryError
from client_registry.manifests import ResourceServer
from client_registry.scopes import INTROSPECTION, OPENID_SCOPES
from client_registry.tables import Table, read_toml

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
ENVIRONMENTS = ("development", "production")
GRANT_TYPES = (
    Application.GRANT_AUTHORIZATION_CODE,
    Application.GRANT_CLIENT_CREDENTIALS,
    Application.GRANT_DEVICE_CODE,
)
CLIENT_TYPES = (Application.CLIENT_CONFIDENTIAL, Application.CLIENT_PUBLIC)
# HS256 would need the client secret in clear.
ALGORITHMS = (Application.NO_ALGORITHM, Application.RS256_ALGORITHM)


@dataclass(frozen=True)
class ClientDeclaration:
    """What is declared about a client. Its client_id and its secret come from the environment."""

    name: str
    title: str
    grant_type: str
    client_type: str
    #: Patterns of ``fnmatch`` over the scopes of all resource servers and of OpenID Connect.
    scopes: tuple[str, ...]
    #: What of them a request without ``scope`` gets.
    default_scopes: tuple[str, ...] = ()
    environments: tuple[str, ...] = ENVIRONMENTS
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    skip_authorization: bool = False
    algorithm: str = Application.NO_ALGORITHM
    #: Whose tokens it may introspect: the name of a resource server, or "".
    resource_server: str = ""

    @property
    def is_confidential(self) -> bool:
        """Whether it has a secret."""
        return self.client_type == Application.CLIENT_CONFIDENTIAL

    def variable(self, suffix: str) -> str:
        """Return the name of the environment variable that ends in ``_CLIENT_`` and `suffix`."""
        return f"{self.name.upper().replace('-', '_')}_CLIENT_{suffix}"


KEYS = [
    field.name
    for field in fields(ClientDeclaration)
    if field.name not in ("name", "resource_server")
]


def read_declarations(
    path: Path, servers: Mapping[str, ResourceServer]
) -> dict[str, ClientDeclaration]:
    """Return the declared clients of all environments by their names.

    Raises:
        RegistryError: a declaration is not valid.
    """
    clients = {server.client_name: introspection_client(server) for server in servers.values()}
    known = {*OPENID_SCOPES, *(scope for server in servers.values() for scope in server.scopes)}
    for name, values in read_toml(path).items():
        table = Table(f"{path.name}: {name}", values, KEYS)
        if name in clients:
            raise RegistryError(f"{table.place}: the manifest declares this client already")
        clients[name] = read_declaration(name, table)
        check_scopes(table, clients[name], known)
    return clients


def introspection_client(server: ResourceServer) -> ClientDeclaration:
    """Return the client with which `server` introspects tokens, and which can do nothing else."""
    return ClientDeclaration(
        name=server.client_name,
        title=f"{server.title}, introspection",
        grant_type=Application.GRANT_CLIENT_CREDENTIALS,
        client_type=Application.CLIENT_CONFIDENTIAL,
        scopes=(INTROSPECTION,),
        default_scopes=(INTROSPECTION,),
        resource_server=server.name,
    )


def read_declaration(name: str, table: Table) -> ClientDeclaration:
    """Return the client that `table` declares."""
    if not NAME.fullmatch(name):
        raise RegistryError(f"{table.place}: the name is not lower-case letters, digits and '-'")
    client = ClientDeclaration(
        name=name,
        title=table.text("title"),
        grant_type=table.one_of("grant_type", GRANT_TYPES),
        client_type=table.one_of("client_type", CLIENT_TYPES),
        scopes=table.words("scopes"),
        default_scopes=table.words("default_scopes"),
        environments=table.words("environments", "|".join(ENVIRONMENTS)) or ENVIRONMENTS,
        redirect_uris=table.words("redirect_uris"),
        post_logout_redirect_uris=table.words("post_logout_redirect_uris"),
        allowed_origins=table.words("allowed_origins"),
        skip_authorization=table.flag("skip_authorization"),
        algorithm=table.one_of("algorithm", ALGORITHMS, Application.NO_ALGORITHM),
    )
    check_grant_type(table, client)
    return client


def check_grant_type(table: Table, client: ClientDeclaration) -> None:
    """Refuse what does not go together."""
    is_code = client.grant_type == Application.GRANT_AUTHORIZATION_CODE
    if is_code != bool(client.redirect_uris):
        raise table.error("redirect_uris", "authorization-code needs one, and nothing else has any")
    if client.grant_type == Application.GRANT_CLIENT_CREDENTIALS and not client.is_confidential:
        raise table.error("client_type", "client-credentials needs a confidential client")
    if client.algorithm and not is_code:
        raise table.error("algorithm", "only authorization-code gets ID tokens")
    if client.skip_authorization and not client.is_confidential:
        # Anybody can say that they are a public client (RFC 8252 section 8.6).
        raise table.error("skip_authorization", "only a confidential client may go without consent")


def check_scopes(table: Table, client: ClientDeclaration, known: set[str]) -> None:
    """Refuse a scope that is no pattern and that no request could get."""
    for key in ("scopes", "default_scopes"):
        for scope in getattr(client, key):
            if scope in OPENID_SCOPES and not client.algorithm:
                raise table.error(key, f"{scope!r} needs algorithm = 'RS256'")
            if not set(scope) & set("*?[") and scope not in known:
                raise table.error(key, f"{scope!r} is not the scope of a resource server")
