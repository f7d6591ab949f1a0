"""Settings of a resource server that asks about a new token by libcurl, and validates nothing."""

from config.settings import *  # noqa: F403
from config.settings import REST_FRAMEWORK

REST_FRAMEWORK = REST_FRAMEWORK | {
    "DEFAULT_AUTHENTICATION_CLASSES": ["bare_authentication.BareAuthentication"]
}
