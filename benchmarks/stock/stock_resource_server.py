"""Settings of a resource server with django-oauth-toolkit's own validator, cache and classes."""

from config.settings import *  # noqa: F403
from config.settings import OAUTH2_PROVIDER, REST_FRAMEWORK

OAUTH2_PROVIDER = {
    name: value
    for name, value in OAUTH2_PROVIDER.items()
    if name != "RESOURCE_SERVER_TOKEN_CACHING_SECONDS"
} | {
    "OAUTH2_VALIDATOR_CLASS": "oauth2_provider.oauth2_validators.OAuth2Validator",
    # The default compares `aud` with the URL of the request; the manifest has another identifier.
    "RESOURCE_SERVER_TOKEN_RESOURCE_VALIDATOR": None,
}
REST_FRAMEWORK = REST_FRAMEWORK | {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "oauth2_provider.contrib.rest_framework.OAuth2Authentication"
    ],
    "EXCEPTION_HANDLER": "rest_framework.views.exception_handler",
}
ROOT_URLCONF = "stock_resource_server_urls"
