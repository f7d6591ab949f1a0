"""The file of the RSA keys for ID tokens: blocks of PEM, each after a line with a date.

The first one signs. The others are published too: before a rotation the private key that signs
next, and afterwards the public keys of former ones, while an ID token of theirs can be of use.
date is when a private key was made, or when a public one has ceased to sign.
"""

import os
import re
import secrets
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from django.core.exceptions import ImproperlyConfigured
from jwcrypto import jwk

KEY_SIZE = 3072  # bits: NIST SP 800-57 for use beyond 2030
SMALLEST_KEY_SIZE = 2048  # bits: RFC 7518 section 3.3
# Text before a block of PEM is allowed (RFC 7468 section 5.2).
KEY = re.compile(r"(?:(\d{4}-\d\d-\d\d)\n)?(-----BEGIN .*?-----END [A-Z ]+-----\n?)", re.DOTALL)


class Key(NamedTuple):
    """A key (PEM) and its date (ISO 8601), "" if the file does not say it."""

    date: str
    pem: str

    @property
    def is_private(self) -> bool:
        """Whether it can sign, or will."""
        return "PRIVATE KEY" in self.pem


def ensure_signing_key(path: Path) -> bool:
    """Write a new key to `path`, readable by its owner only, unless the file exists.

    The file appears atomically. Of several concurrent processes one creates it, and the others use
    its key.

    Returns:
        Whether this call has created the file.
    """
    if path.exists():
        return False
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = write_draft(path, f"{today()}\n".encode() + new_key())
    try:
        # A rename would replace the key of a process that was faster; a link fails.
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    return True


def add_next_key(path: Path) -> None:
    """Add the key that signs after the next rotation: from now on it is published.

    Raises:
        OSError: The file cannot be read or written.
        ValueError: It holds a next key already, or no key.
    """
    keys = read_keys(path)
    if not (keys and keys[0].is_private):
        raise ValueError("there is no key that signs")
    if any(key.is_private for key in keys[1:]):
        raise ValueError("a next key is published already, and signs after --rotate (end=yes)")
    replace_keys(path, [keys[0], Key(str(today()), new_key().decode()), *keys[1:]])


def rotate_signing_key(path: Path, max_age: int) -> None:
    """Sign by the next key, and keep the public key of the one before.

    Args:
        max_age: Seconds for which a public key is kept. Older ones are deleted.

    Raises:
        OSError: The file cannot be read or written.
        ValueError: It does not hold a next key.
    """
    keys = read_keys(path)
    if [key.is_private for key in keys[:2]] != [True, True]:
        raise ValueError("no next key is published: --next does it (`make rotate` without end=yes)")
    former, following, *others = keys
    public = jwk.JWK.from_pem(former.pem.encode()).export_to_pem().decode()
    oldest = str(today() - timedelta(seconds=max_age))
    kept = [key for key in others if key.date >= oldest]
    replace_keys(path, [following, Key(str(today()), public), *kept])


def replace_keys(path: Path, keys: Iterable[Key]) -> None:
    """Replace the file atomically."""
    text = "".join(f"{key.date}\n{key.pem.strip()}\n" for key in keys)
    os.replace(write_draft(path, text.encode()), path)


def today() -> date:
    """Return the date in UTC."""
    return datetime.now(UTC).date()


def new_key() -> bytes:
    """Return a new private key (PEM)."""
    key = jwk.JWK.generate(kty="RSA", size=KEY_SIZE)
    pem: bytes = key.export_to_pem(private_key=True, password=None)
    return pem


def write_draft(path: Path, pem: bytes) -> Path:
    """Write `pem` to a new file beside `path`, for its owner only, and return the new path."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    return draft


def read_keys(path: Path) -> list[Key]:
    """Return the keys in `path`, else in OIDC_RSA_PRIVATE_KEY, else []. The first one signs."""
    try:
        text = path.read_text("ascii")
    except FileNotFoundError:
        text = os.environ.get("OIDC_RSA_PRIVATE_KEY", "").replace("\\n", "\n")
    except (OSError, ValueError) as error:
        raise ImproperlyConfigured(f"{path} cannot be read: {error}") from None
    # Without a block, the whole text, which the check of the key refuses.
    return [Key(*found) for found in KEY.findall(text)] or [Key("", text)] * bool(text)


# Parsing and checking an RSA key takes a third of a second of CPU.
@lru_cache(maxsize=1)
def problem_with(pem: str) -> str | None:
    """Return why `pem` cannot sign ID tokens, None if it can."""
    if not pem:
        return "There is none."
    try:
        key = jwk.JWK.from_pem(pem.encode())
    except (ValueError, TypeError):
        return "It is not a PEM file without a passphrase."
    if key["kty"] != "RSA" or not key.has_private:
        return "It is not a private RSA key."
    if key.get_op_key("sign").key_size < SMALLEST_KEY_SIZE:
        return f"It is shorter than {SMALLEST_KEY_SIZE} bits."
    return None
