"""The application, and the check of the key that signs ID tokens."""

from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from oauth2_provider.settings import oauth2_settings

from accounts.signing_key import problem_with


@register
def check_signing_key(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E001: no ID token can be signed."""
    problem = problem_with(oauth2_settings.OIDC_RSA_PRIVATE_KEY)
    if problem is None:
        return []
    return [
        Error(
            f"The key that signs ID tokens cannot be used. {problem}",
            hint=f"`manage.py ensure_signing_key` makes {settings.OIDC_RSA_PRIVATE_KEY_FILE}.",
            id="accounts.E001",
        )
    ]


def signing_key_state() -> dict[str, str]:
    """Return for ``/health/ready`` whether ID tokens can be signed."""
    is_usable = problem_with(oauth2_settings.OIDC_RSA_PRIVATE_KEY) is None
    return {"signing_key": "ok" if is_usable else "cannot be used"}


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts import events  # noqa: F401  (it registers itself)
