"""How the secrets of machines are stored."""

import hashlib
from typing import Any

from django.contrib.auth.hashers import BasePasswordHasher, identify_hasher
from django.utils.crypto import constant_time_compare


class MachineSecretHasher(BasePasswordHasher):
    """Salted SHA-256, for random secrets of 256 bits, which nobody can guess however fast it is.

    Never for what people choose: that is why it must not be the first in PASSWORD_HASHERS.
    """

    algorithm = "machine_sha256"

    def encode(self, password: str, salt: str) -> str:
        """Return ``machine_sha256$salt$hash``, the hash in hexadecimal."""
        digest = hashlib.sha256(f"{salt}${password}".encode()).hexdigest()
        return f"{self.algorithm}${salt}${digest}"

    def decode(self, encoded: str) -> dict[str, Any]:
        """Return the parts of what :meth:`encode` has made."""
        algorithm, salt, digest = encoded.split("$", 2)
        return {"algorithm": algorithm, "salt": salt, "hash": digest}

    def verify(self, password: str, encoded: str) -> bool:
        """Compare in a time that says nothing about the secret."""
        return constant_time_compare(self.encode(password, self.decode(encoded)["salt"]), encoded)

    def safe_summary(self, encoded: str) -> dict[Any, Any]:
        """Return what may be shown of a stored secret."""
        return {"algorithm": self.algorithm}

    def must_update(self, encoded: str) -> bool:
        """Nothing ever has to: there is no work factor to raise."""
        return False

    def harden_runtime(self, password: str, encoded: str) -> None:
        """Do nothing: there is no work factor to make up for."""


def verify_secret(secret: str, stored: str) -> bool:
    """Return whether `secret` is the one of which `stored` is the hash.

    What no installed hasher has made is never equal to anything. django-oauth-toolkit compares it
    as it is, and would take the stored hash for the secret once its hasher is gone.
    """
    try:
        hasher = identify_hasher(stored)
    except ValueError:
        return False
    return hasher.verify(secret, stored)
