"""Settings of an authorization server with django-oauth-toolkit's own endpoints and validator."""

from config.settings import *  # noqa: F403
from config.settings import OAUTH2_PROVIDER

ROOT_URLCONF = "stock_authorization_server_urls"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
OAUTH2_PROVIDER = {
    name: value
    for name, value in OAUTH2_PROVIDER.items()
    if name not in ("CLIENT_SECRET_HASHER", "OAUTH2_VALIDATOR_CLASS", "SCOPES_BACKEND_CLASS")
}
