"""Read client_ids and secrets from the environment, and refuse what is not safe.

No message says anything about a secret but what is wrong with it.
"""

import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from django.core.exceptions import ImproperlyConfigured

from client_registry.declarations import ClientDeclaration
from client_registry.errors import RegistryError
from service_kit import env

CLIENT_ID = r"[A-Za-z0-9_-]{1,100}"
SECRET_BITS = 256


@dataclass(frozen=True)
class Client:
    """A declared client and its credentials. `secret` is "" where it is public."""

    declaration: ClientDeclaration
    client_id: str
    secret: str = field(repr=False)


def read_clients(declarations: Iterable[ClientDeclaration]) -> list[Client]:
    """Return the `declarations` with their credentials, NAME_CLIENT_ID and NAME_CLIENT_SECRET.

    Raises:
        RegistryError: some are missing, not safe or used twice. It names them all.
    """
    clients: list[Client] = []
    problems: list[str] = []
    for declaration in declarations:
        try:
            client = read_client(declaration)
        except (ImproperlyConfigured, RegistryError) as error:
            problems.append(str(error).rstrip("."))
            continue
        problems += [problem for other in clients for problem in clashes(client, other)]
        clients.append(client)
    if problems:
        raise RegistryError("; ".join(problems))
    return clients


def read_client(declaration: ClientDeclaration) -> Client:
    """Return one client with its credentials."""
    client_id = read_client_id(declaration.variable("ID"))
    secret = read_secret(declaration.variable("SECRET")) if declaration.is_confidential else ""
    return Client(declaration, client_id, secret)


def clashes(client: Client, other: Client) -> Iterator[str]:
    """Say what both clients have that only one may have."""
    mine, theirs = client.declaration, other.declaration
    if client.client_id == other.client_id:
        yield f"{mine.variable('ID')} is the client_id of {theirs.name}, too"
    if client.secret and client.secret == other.secret:
        yield f"{mine.variable('SECRET')} is the secret of {theirs.name}, too"


def read_client_id(variable: str) -> str:
    """Return the client_id in `variable`: 1 to 100 characters of ``[A-Za-z0-9_-]``, no UUID.

    It is the ``sub`` of the client's own tokens, and must never look like that of a person. Pages
    of the device flow have it in their path, which rules out the dot.
    """
    client_id = env.text(variable)
    if not re.fullmatch(CLIENT_ID, client_id):
        raise RegistryError(f"{variable} is not 1 to 100 letters, digits, '_' and '-'")
    if is_uuid(client_id):
        raise RegistryError(f"{variable} is a UUID, which only people have")
    return client_id


def is_uuid(text: str) -> bool:
    """Return whether `text` is a UUID in any of its spellings."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def read_secret(variable: str) -> str:
    """Return the secret in `variable`: at least 256 bits as ``[A-Za-z0-9_-]``, not repeated.

    These characters mean the same in a shell, in TOML and in a form (RFC 6749 section 2.3.1).
    """
    secret = env.secret(variable)
    if not re.fullmatch(r"[A-Za-z0-9_-]+", secret):
        raise RegistryError(f"{variable} has other characters than A-Z, a-z, 0-9, '_' and '-'")
    bits = len(secret) * (4 if re.fullmatch(r"[0-9A-Fa-f]+", secret) else 6)
    if bits < SECRET_BITS:
        raise RegistryError(f"{variable} has fewer than {SECRET_BITS} bits: take 43 characters")
    if secret in (secret + secret)[1:-1]:
        raise RegistryError(f"{variable} repeats itself: it is not random")
    return secret
