"""The RSA key that signs ID tokens, and the public keys of those before it.

``NAME.pem`` is the private key. A rotation replaces it, and keeps its public key in
``NAME.KID.public.pem`` for as long as an ID token that it has signed can be of use.
"""

import os
import secrets
import time
from functools import lru_cache
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from jwcrypto import jwk

KEY_SIZE = 3072  # bits: NIST SP 800-57 for use beyond 2030
SMALLEST_KEY_SIZE = 2048  # bits: RFC 7518 section 3.3


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
    draft = write_draft(path, new_key())
    try:
        # A rename would replace the key of a process that was faster; a link fails.
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    return True


def rotate_signing_key(path: Path, max_age: int) -> None:
    """Replace the key in `path`, and keep its public key; both files appear atomically.

    Args:
        max_age: Seconds for which a public key is kept. Older ones are deleted.

    Raises:
        OSError: A file cannot be read or written.
        ValueError: `path` does not hold a key.
    """
    key = jwk.JWK.from_pem(path.read_bytes())
    public = path.with_name(f"{path.stem}.{key.thumbprint()}.public.pem")
    os.replace(write_draft(public, key.export_to_pem()), public)
    os.replace(write_draft(path, new_key()), path)
    for other in public_key_files(path):
        if other.stat().st_mtime < time.time() - max_age:
            other.unlink(missing_ok=True)


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


def public_key_files(path: Path) -> list[Path]:
    """Return the files with the public keys of the keys that were in `path` before."""
    return sorted(path.parent.glob(f"{path.stem}.*.public.pem"))


def read_previous_keys(path: Path) -> list[str]:
    """Return the public keys (PEM) that are still published."""
    try:
        return [file.read_text("ascii") for file in public_key_files(path)]
    except (OSError, ValueError) as error:
        raise ImproperlyConfigured(f"A public key beside {path} cannot be read: {error}") from None


def read_signing_key(path: Path) -> str:
    """Return the key (PEM) in `path`, else the one in OIDC_RSA_PRIVATE_KEY, else ""."""
    try:
        return path.read_text("ascii")
    except FileNotFoundError:
        return os.environ.get("OIDC_RSA_PRIVATE_KEY", "").replace("\\n", "\n")
    except (OSError, ValueError) as error:
        raise ImproperlyConfigured(f"{path} cannot be read: {error}") from None


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
