"""Settings of one resource server, from the environment and the ``.env`` of the project.

Every resource server has the same file. The name in ``resource_server.toml`` is the prefix of its
own variables (``orders``: ``ORDERS_SECRET_KEY``). docs/settings.md lists every variable.
"""

import tomllib
from pathlib import Path

from oauth_resource_server.issuers.environment import issuers_from_environment
from service_kit import RFC9700, credentials, env
from service_kit.logging import LEVELS, logging_config

BASE_DIR = Path(__file__).resolve().parents[1]
PROJECT_DIR = BASE_DIR.parents[1]
MANIFEST = tomllib.loads((BASE_DIR / "resource_server.toml").read_text(encoding="utf-8"))
NAME = MANIFEST["name"]
PREFIX = NAME.upper().replace("-", "_")
env.read_env_file(PROJECT_DIR / ".env")

# ---- Environment ---------------------------------------------------------------------------------
# https://docs.djangoproject.com/en/stable/howto/deployment/checklist/

PRODUCTION = env.choice("ENVIRONMENT", "production", "development") == "production"
DEBUG = env.debug(production=PRODUCTION)
SECRET_KEY = env.secret(f"{PREFIX}_SECRET_KEY")
URL = env.base_url(f"{PREFIX}_URL", https_only=PRODUCTION)
ALLOWED_HOSTS = env.allowed_hosts(f"{PREFIX}_ALLOWED_HOSTS", URL, local=not PRODUCTION)
# The resource identifier (RFC 8707). The authorization server derives it in the same way.
AUDIENCE = MANIFEST.get("audience") or URL
# Set this only behind a proxy that overwrites X-Forwarded-Proto and X-Forwarded-For.
TRUST_PROXY_HEADERS = env.flag("TRUST_PROXY_HEADERS")

# ---- Django --------------------------------------------------------------------------------------
# https://docs.djangoproject.com/en/stable/ref/settings/

INSTALLED_APPS = [
    "api",
    "oauth_resource_server",
    "oauth2_provider",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "corsheaders",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "service_kit.request_id.RequestIdMiddleware",
    "service_kit.database.DatabaseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "service_kit.request_id.SafeSlashMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "oauth_resource_server.django.middleware.AuthorizationServerErrorMiddleware",
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
ROOT_URLCONF = "config.urls"
AUTH_USER_MODEL = "api.ResourceOwner"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TIME_ZONE = "UTC"
DATA_DIR = Path(env.text("DATA_DIR", str(PROJECT_DIR / "var")))
DATABASES = {"default": env.database(f"{PREFIX}_DATABASE_URL", DATA_DIR / f"{NAME}.sqlite3")}
# WhiteNoise serves the files of the documentation page from their packages.
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True
HEALTH_CHECKS = ["oauth_resource_server.django.health.issuer_states"]
LOGGING = logging_config(env.choice("LOG_LEVEL", *LEVELS), json=PRODUCTION)
IS_TRACED = env.is_traced()

# ---- Transport and cookies -----------------------------------------------------------------------
# https://docs.djangoproject.com/en/stable/topics/security/

# Cookies ignore the port, so services on one host need different names. With the prefix, browsers
# accept them from this host by HTTPS only, and so not from another subdomain.
_COOKIE = f"{'__Host-' if PRODUCTION else ''}{PREFIX.lower()}"
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = f"{_COOKIE}_session", f"{_COOKIE}_csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = PRODUCTION
SECURE_REDIRECT_EXEMPT = [r"^metrics$"]  # Prometheus asks in the private network, without TLS.
SECURE_HSTS_SECONDS = env.number("SECURE_HSTS_SECONDS", 3600) if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = PRODUCTION
# The documentation page opens the sign-in page of the authorization server in a pop-up, and waits
# for it to come back. No page here has a session to protect.
SECURE_CROSS_ORIGIN_OPENER_POLICY = None
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUST_PROXY_HEADERS else None
SILENCED_SYSTEM_CHECKS = ["security.W021"]  # HSTS preloading is for the owner of the domain.

# ---- Access tokens -------------------------------------------------------------------------------
# https://django-oauth-toolkit.readthedocs.io/en/stable/resource_server.html

AUTHORIZATION_SERVER_URL = env.base_url("AUTHORIZATION_SERVER_URL", https_only=PRODUCTION)
# Its address for this process, if that is not the public one: in containers, for example.
INTERNAL_URL = env.base_url("AUTHORIZATION_SERVER_INTERNAL_URL", AUTHORIZATION_SERVER_URL)
# The processes of this resource server share introspection responses here.
TOKEN_CACHE = env.redis_cache(f"{PREFIX}_CACHE_URL", key_prefix=NAME)
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
if TOKEN_CACHE:
    CACHES["tokens"] = TOKEN_CACHE

# What `make rotate` replaces, and days until then.
CREDENTIAL_MAX_AGE_DAYS = env.number("CREDENTIAL_MAX_AGE_DAYS", 180)
CREDENTIALS = credentials.reading(
    f"{PREFIX}_INTROSPECTION_CLIENT_SECRET", f"{PREFIX}_DATABASE_URL", f"{PREFIX}_CACHE_URL"
)
OAUTH2_PROVIDER = {
    "RESOURCE_SERVER_INTROSPECTION_URL": f"{INTERNAL_URL}/o/introspect/",
    "RESOURCE_SERVER_INTROSPECTION_CREDENTIALS": (
        env.text(f"{PREFIX}_INTROSPECTION_CLIENT_ID"),
        env.secret(f"{PREFIX}_INTROSPECTION_CLIENT_SECRET"),
    ),
    # The most seconds for which a revoked token is still accepted.
    "RESOURCE_SERVER_TOKEN_CACHING_SECONDS": env.number(
        "RESOURCE_SERVER_TOKEN_CACHING_SECONDS", 60
    ),
    # For DOT's mixins, views and decorators. DOT's own validator matches users by username.
    "OAUTH2_VALIDATOR_CLASS": (
        "oauth_resource_server.django.oauth2_validator.ResourceServerValidator"
    ),
    "SCOPES": MANIFEST["scopes"],
    "DEFAULT_SCOPES": [],
    "READ_SCOPE": f"{NAME}:read",
    "WRITE_SCOPE": f"{NAME}:write",
    "OAUTH2_PROTECTED_RESOURCE_IDENTIFIER": AUDIENCE,
    "OAUTH2_PROTECTED_RESOURCE_AUTHORIZATION_SERVERS": [AUTHORIZATION_SERVER_URL],
    "OAUTH2_PROTECTED_RESOURCE_NAME": MANIFEST["title"],
    **RFC9700,
}
OAUTH_RESOURCE_SERVER = {
    # Of the secret above, if it comes from a file: a rotation needs no restart.
    "INTROSPECTION_SECRET_FILE": env.text(f"{PREFIX}_INTROSPECTION_CLIENT_SECRET_FILE", ""),
    "ISSUER": AUTHORIZATION_SERVER_URL,
    "AUDIENCE": AUDIENCE,
    # While it reports revocations, a token is asked about once.
    "REVOCATION_EVENTS_URL": f"{INTERNAL_URL}/o/events/",
    "REALM": NAME,
    # From ISSUERS and ISSUERS_CONFIG; None is the authorization server.
    "ISSUERS": issuers_from_environment(env.text, PREFIX, PROJECT_DIR),
    "SHARED_CACHE": "tokens" if TOKEN_CACHE else None,
    # Half of the threads of a process stay free while the authorization server stalls.
    "MAX_WAITING_THREADS": max(1, env.number("WEB_THREADS", 4, minimum=1) // 2),
    # Seconds for which a cached token is accepted longer while the authorization server is down.
    "STALE_IF_ERROR_SECONDS": env.number("RESOURCE_SERVER_STALE_IF_ERROR_SECONDS", 0),
    # Without a token, only processes on this machine read /metrics, and in development only.
    "METRICS_TOKEN": env.secret("METRICS_TOKEN") if env.text("METRICS_TOKEN", "") else "",
    "METRICS_NETWORKS": [] if PRODUCTION else ["127.0.0.0/8", "::1/128"],
    "REQUEST_HEADERS": "service_kit.request_id.outgoing_headers",
}

# ---- Web pages of other origins (CORS) -----------------------------------------------------------
# https://pypi.org/project/django-cors-headers/

# Their scripts may call this API and read its responses. No cookie is needed, and none is allowed.
CORS_ALLOWED_ORIGINS = env.origins(f"{PREFIX}_ALLOWED_ORIGINS", https_only=PRODUCTION)
CORS_EXPOSE_HEADERS = ["Retry-After", "Server-Timing", "WWW-Authenticate", "X-Request-ID"]
if not PRODUCTION:
    # The playground calls this API, and shows whether an introspection was needed.
    CORS_ALLOWED_ORIGINS.append(AUTHORIZATION_SERVER_URL)
    MIDDLEWARE.insert(1, "service_kit.timing.ServerTimingMiddleware")
    OAUTH_RESOURCE_SERVER["REQUEST_HEADERS"] = "service_kit.timing.outgoing_headers"

# ---- API -----------------------------------------------------------------------------------------
# https://www.django-rest-framework.org/api-guide/settings/
# https://drf-spectacular.readthedocs.io/en/latest/settings.html

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "oauth_resource_server.rest_framework.authentication.BearerTokenAuthentication"
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "oauth_resource_server.rest_framework.permissions.TokenRequired"
    ],
    "EXCEPTION_HANDLER": "oauth_resource_server.rest_framework.exception_handler.exception_handler",
    "DEFAULT_PARSER_CLASSES": ["oauth_resource_server.rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "NUM_PROXIES": 1 if TRUST_PROXY_HEADERS else None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": MANIFEST["title"],
    "VERSION": "1.0.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENFORCE_NON_BLANK_FIELDS": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "oauth_resource_server.rest_framework.schema.document_refusals",
    ],
    "SERVE_AUTHENTICATION": [],
    # Served from this host: the page works offline and contacts the issuers only.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_SETTINGS": "documentationSettings",  # of api/static/api/docs.js
    "SWAGGER_UI_OAUTH2_CONFIG": {
        "clientId": env.text("API_DOCS_CLIENT_ID", ""),
        "scopes": [*MANIFEST["scopes"]],
        "usePkceWithAuthorizationCodeGrant": True,
    },
}

# ---- Settings of your own ------------------------------------------------------------------------
# An update of the template does not change anything below this line (docs/upgrading.md).
