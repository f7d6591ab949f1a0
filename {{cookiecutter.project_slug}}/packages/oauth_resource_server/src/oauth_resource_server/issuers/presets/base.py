"""What presets share."""

import re

from django.core.exceptions import ImproperlyConfigured

# The annotation of an option that is a list, or a string with commas.
Strings = tuple[str, ...]
HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]+)?")


def https(host: str) -> str:
    """Return the URL of a host name, which may begin with ``https://``."""
    name = host.removeprefix("https://").rstrip("/")
    if not HOST.fullmatch(name):
        raise ImproperlyConfigured(f"{host!r} is not the name of a host, such as acme.example.com.")
    return f"https://{name}"


def credentials_of(client_id: str, client_secret: str) -> tuple[str, str] | None:
    """Return client id and secret, or None if one of them is empty."""
    return (client_id, client_secret) if client_id and client_secret else None
