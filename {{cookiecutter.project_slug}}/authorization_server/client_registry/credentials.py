"""Read client_ids and secrets from the environment, and refuse unsafe ones.

An error says what is wrong with a secret, and shows no part of it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.core.exceptions import ImproperlyConfigured

from client_registry.declarations import ClientDeclaration
from client_registry.schema import RegistryError
from service_kit import env

CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
UUID = r"(-*[0-9A-Fa-f]){32}-*"
SECRET_BITS = 256


@dataclass(frozen=True)
class Client:
    """A declared client and its credentials: two secrets in a rotation, none if it is public."""

    declaration: ClientDeclaration
    client_id: str
    secrets: tuple[str, ...] = field(repr=False)


def read_clients(declarations: Iterable[ClientDeclaration]) -> list[Client]:
    """Return the `declarations` with their credentials, NAME_CLIENT_ID and NAME_CLIENT_SECRET.

    NAME_CLIENT_SECRET_FALLBACK, where it is set, is a second secret that is accepted.

    Raises:
        RegistryError: Some are missing, unsafe or used twice. The message has all problems.
    """
    clients: list[Client] = []
    problems: list[str] = []
    names: dict[str, str] = {}  # by client_id and by secret
    for declaration in declarations:
        try:
            client_id = read_client_id(declaration.variable("ID"))
            variables = [declaration.variable("SECRET")] * declaration.is_confidential
            fallback = declaration.variable("SECRET_FALLBACK")
            variables += [fallback] * bool(variables and env.text(fallback, ""))
            secrets = tuple(map(read_secret, variables))
        except (ImproperlyConfigured, RegistryError) as error:
            problems.append(str(error).rstrip("."))
            continue
        for suffix, value in ("ID", client_id), *(("SECRET", secret) for secret in secrets):
            name = names.setdefault(value, declaration.name)
            if name != declaration.name:
                problems.append(f"{declaration.variable(suffix)} is used by {name} already")
        clients.append(Client(declaration, client_id, secrets))
    if problems:
        raise RegistryError("; ".join(problems))
    return clients


def read_client_id(variable: str) -> str:
    """Return the client_id in `variable`: 1 to 100 characters of ``[A-Za-z0-9_-]``, not a UUID.

    It is the ``sub`` of the client's own tokens, which must not look like the one of a person. URLs
    of the device flow have it in their path, where Django's slugs allow no dot.
    """
    client_id = env.text(variable)
    if not CLIENT_ID.fullmatch(client_id):
        raise RegistryError(f"{variable} is not 1 to 100 letters, digits, '_' and '-'")
    if re.fullmatch(UUID, client_id):
        raise RegistryError(f"{variable} is a UUID, which only people have")
    return client_id


def read_secret(variable: str) -> str:
    """Return the secret in `variable`: at least 256 bits of ``[A-Za-z0-9_-]``.

    These characters need no quoting in a shell, TOML or a form (RFC 6749 section 2.3.1).
    """
    secret = env.secret(variable)
    if not re.fullmatch(r"[A-Za-z0-9_-]+", secret):
        raise RegistryError(f"{variable} has other characters than A-Z, a-z, 0-9, '_' and '-'")
    bits = len(secret) * (4 if re.fullmatch(r"[0-9A-Fa-f]+", secret) else 6)
    if bits < SECRET_BITS:
        raise RegistryError(f"{variable} has fewer than {SECRET_BITS} bits: use 43 characters")
    if secret in (secret + secret)[1:-1]:
        raise RegistryError(f"{variable} repeats itself: it is not random")
    return secret
