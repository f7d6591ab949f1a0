"""Read client_ids and secrets from the environment, and refuse what is not safe.

No message says anything about a secret but what is wrong with it.
"""

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.core.exceptions import ImproperlyConfigured

from client_registry.declarations import ClientDeclaration
from client_registry.errors import RegistryError
from config import environment

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
        RegistryError: one of them is missing, not safe or used twice.
    """
    problems, clients = [], []
    for declaration in declarations:
        try:
            client_id = read_client_id(declaration.variable("ID"))
            variable = declaration.variable("SECRET")
            secret = read_secret(variable) if declaration.is_confidential else ""
        except (ImproperlyConfigured, RegistryError) as error:
            problems.append(str(error).rstrip("."))
            continue
        for other in clients:
            if client_id == other.client_id:
                problems.append(f"{declaration.variable('ID')} is the client_id of {other.declaration.name}, too")
            if secret and secret == other.secret:
                problems.append(f"{variable} is the secret of {other.declaration.name}, too")
        clients.append(Client(declaration, client_id, secret))
    if problems:
        raise RegistryError("; ".join(problems))
    return clients


def read_client_id(variable: str) -> str:
    """Return the client_id in `variable`: 1 to 100 characters of ``[A-Za-z0-9_-]``, no UUID.

    It is the ``sub`` of the client's own tokens, and must never look like that of a person. Pages
    of the device flow have it in their path, which rules out the dot.
    """
    client_id = environment.text(variable)
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
    secret = environment.secret(variable)
    if not re.fullmatch(r"[A-Za-z0-9_-]+", secret):
        raise RegistryError(f"{variable} has other characters than A-Z, a-z, 0-9, '_' and '-'")
    bits = len(secret) * (4 if re.fullmatch(r"[0-9A-Fa-f]+", secret) else 6)
    if bits < SECRET_BITS:
        raise RegistryError(f"{variable} has fewer than {SECRET_BITS} bits: take 43 characters")
    if secret in (secret + secret)[1:-1]:
        raise RegistryError(f"{variable} repeats itself: it is not random")
    return secret
