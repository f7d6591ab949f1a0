"""The application, and the keys for ID tokens: their check, and reading them again."""

import logging
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import request_started
from oauth2_provider.settings import oauth2_settings

from accounts.signing_key import problem_with, read_keys

logger = logging.getLogger("accounts")
_version: object = None  # of the file of the keys that are used


@register
def check_signing_key(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E001: no ID token can be signed."""
    problem = problem_with(oauth2_settings.OIDC_RSA_PRIVATE_KEY)
    if problem is None:
        return []
    text = f"The key that signs ID tokens cannot be used. {problem}"
    hint = f"`manage.py ensure_signing_key` makes {settings.OIDC_RSA_PRIVATE_KEY_FILE}."
    return [Error(text, hint, id="accounts.E001")]


def signing_key_state() -> dict[str, str]:
    """Return for ``/health/ready`` whether ID tokens can be signed."""
    is_usable = problem_with(oauth2_settings.OIDC_RSA_PRIVATE_KEY) is None
    return {"signing_key": "ok" if is_usable else "cannot be used"}


def use_signing_keys(**kwargs: object) -> None:
    """Read the keys again if their file has changed: a rotation needs no restart."""
    global _version
    if _version == (version := version_of(settings.OIDC_RSA_PRIVATE_KEY_FILE)):
        return
    _version = version
    try:
        signing, *others = read_keys(settings.OIDC_RSA_PRIVATE_KEY_FILE)
    except (ImproperlyConfigured, ValueError):
        logger.exception("The keys are used that were read before.")
        return
    # The one that signs last: the others have been published before.
    values = {"OIDC_RSA_PRIVATE_KEYS_INACTIVE": [key.pem for key in others]}
    for name, value in (values | {"OIDC_RSA_PRIVATE_KEY": signing.pem}).items():
        settings.OAUTH2_PROVIDER[name] = value
        # Not reload(), which is not safe while other threads read.
        if getattr(oauth2_settings, name) != value:
            setattr(oauth2_settings, name, value)


def version_of(path: Path) -> tuple[str, int, int]:
    """Return what differs once a file has been replaced."""
    try:
        stat = path.stat()
    except OSError:
        return str(path), 0, 0
    return str(path), stat.st_ino, stat.st_mtime_ns


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        global _version
        from accounts import events  # noqa: F401  (it registers itself)

        _version = version_of(settings.OIDC_RSA_PRIVATE_KEY_FILE)
        request_started.connect(use_signing_keys)
