"""Upstream providers, by which people may sign in: the tables of ``upstreams.toml``."""

import tomllib
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from service_kit import env

SUPPORTED: dict[str, dict[str, Any]] = {
    "github": {},
    "google": {"SCOPE": ["openid", "email", "profile"]},
}


def upstreams(path: Path) -> dict[str, Any]:
    """Return SOCIALACCOUNT_PROVIDERS of django-allauth; without the file, none.

    The secret of the client is the variable ``UPSTREAM_<NAME>_CLIENT_SECRET``.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}
        return {name: provider(name, table["client_id"]) for name, table in tables.items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ImproperlyConfigured(f"{path}: {type(error).__name__}: {error}") from None


def provider(name: str, client_id: str) -> dict[str, Any]:
    if name not in SUPPORTED:
        raise ImproperlyConfigured(f"upstreams.toml: {name} is none of {', '.join(SUPPORTED)}.")
    secret = env.text(f"UPSTREAM_{name.upper()}_CLIENT_SECRET")
    app = {"client_id": client_id, "secret": secret, "key": ""}
    return SUPPORTED[name] | {"APPS": [app], "OAUTH_PKCE_ENABLED": True}
