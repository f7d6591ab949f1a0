"""The password hasher for client secrets."""

import hashlib
import re
from collections.abc import Iterable
from typing import Any

from django.contrib.auth.hashers import BasePasswordHasher
from django.utils.crypto import constant_time_compare

HASH = re.compile(r"machine_sha256\$(?P<salt>[^$]+)\$(?P<hashes>[0-9a-f,]*)")


class MachineSecretHasher(BasePasswordHasher):
    """Salted SHA-256, for random secrets of 256 bits, which cannot be guessed at any speed.

    During a rotation a client has two secrets, whose hashes share the salt: to check one of them
    takes one hash. It must not be the first of PASSWORD_HASHERS, which stores passwords of people.
    """

    algorithm = "machine_sha256"

    def encode(self, password: str, salt: str) -> str:
        """Return ``machine_sha256$salt$hash``, the hash in hexadecimal."""
        return f"{self.algorithm}${salt}${digest(password, salt)}"

    def verify(self, password: str, encoded: str) -> bool:
        """Return whether one of the hashes is that of `password`, compared in constant time."""
        return verify_secret(password, encoded)

    def safe_summary(self, encoded: str) -> dict[Any, Any]:
        """Return the algorithm only, for the administration site."""
        return {"algorithm": self.algorithm}


def encode_secrets(secrets: Iterable[str]) -> str:
    """Return ``machine_sha256$salt$hash,hash`` for several secrets that are accepted."""
    hasher = MachineSecretHasher()
    salt = hasher.salt()
    hashes = ",".join(digest(secret, salt) for secret in secrets)
    return f"{hasher.algorithm}${salt}${hashes}"


def digest(secret: str, salt: str) -> str:
    """Return the hash of a secret, in hexadecimal."""
    return hashlib.sha256(f"{salt}${secret}".encode()).hexdigest()


def verify_secret(secret: str, stored: str) -> bool:
    """Return whether `stored` has the hash of `secret`, made by :class:`MachineSecretHasher`.

    Anything else that is stored, a secret in clear or the hash of another hasher, is never equal.
    django-oauth-toolkit would compare the hash of a hasher that is not installed with the secret.
    """
    match = HASH.fullmatch(stored)
    if match is None:
        return False
    given = digest(secret, match["salt"])
    return any(constant_time_compare(given, one) for one in match["hashes"].split(","))
