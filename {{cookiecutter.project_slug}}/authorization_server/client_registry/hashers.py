"""The password hasher for client secrets."""

import hashlib
import re
from typing import Any

from django.contrib.auth.hashers import BasePasswordHasher
from django.utils.crypto import constant_time_compare

HASH = re.compile(r"machine_sha256\$[^$]+\$[0-9a-f]*")


class MachineSecretHasher(BasePasswordHasher):
    """Salted SHA-256, for random secrets of 256 bits, which cannot be guessed at any speed.

    It must not be the first of PASSWORD_HASHERS, which stores the passwords of people.
    """

    algorithm = "machine_sha256"

    def encode(self, password: str, salt: str) -> str:
        """Return ``machine_sha256$salt$hash``, the hash in hexadecimal."""
        digest = hashlib.sha256(f"{salt}${password}".encode()).hexdigest()
        return f"{self.algorithm}${salt}${digest}"

    def decode(self, encoded: str) -> dict[str, Any]:
        """Return the parts of an encoded secret."""
        algorithm, salt, digest = encoded.split("$", 2)
        return {"algorithm": algorithm, "salt": salt, "hash": digest}

    def verify(self, password: str, encoded: str) -> bool:
        """Compare in constant time."""
        return constant_time_compare(self.encode(password, self.decode(encoded)["salt"]), encoded)

    def safe_summary(self, encoded: str) -> dict[Any, Any]:
        """Return the algorithm only, for the administration site."""
        return {"algorithm": self.algorithm}

    def must_update(self, encoded: str) -> bool:
        """Return False: there is no work factor to raise."""
        return False

    def harden_runtime(self, password: str, encoded: str) -> None:
        """Do nothing: there is no work factor to equalize."""


def verify_secret(secret: str, stored: str) -> bool:
    """Return whether `stored` is the hash of `secret`, made by :class:`MachineSecretHasher`.

    Anything else that is stored, a secret in clear or the hash of another hasher, is never equal.
    django-oauth-toolkit would compare the hash of a hasher that is not installed with the secret.
    """
    return HASH.fullmatch(stored) is not None and MachineSecretHasher().verify(secret, stored)
