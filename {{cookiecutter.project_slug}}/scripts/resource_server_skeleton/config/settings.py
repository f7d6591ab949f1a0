"""Settings of one resource server, from the environment or the project's ``.env``.

The file is the same in every resource server: what tells them apart is ``resource_server.toml``,
whose name is also the prefix of this server's own variables (``orders`` → ``ORDERS_SECRET_KEY``).
Any NAME can be given as NAME_FILE, the path of a file that holds the value.
"""

import os
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from oauth_resource_server.issuers.environment import issuers_from_environment

BASE_DIR = Path(__file__).resolve().parents[1]
PROJECT_DIR = BASE_DIR.parents[1]
MANIFEST = tomllib.loads((BASE_DIR / "resource_server.toml").read_text(encoding="utf-8"))
PREFIX = MANIFEST["name"].upper().replace("-", "_")

env = environ.FileAwareEnv()
if env_file := os.environ.get("ENV_FILE", str(PROJECT_DIR / ".env")):
    env.read_env(env_file)


def secret(name: str) -> str:
    """Return the secret `name`; refuse one that is missing, short or an example."""
    value: str = env(name, default="")
    if len(value) < 32 or value.startswith("change-me"):
        raise ImproperlyConfigured(
            f"{name} is missing, an example or shorter than 32 characters: "
            "run `python scripts/init_env.py`, or set it in the environment."
        )
    return value


def choice(name: str, *values: str) -> str:
    """Return one of `values`, in whichever case it is written; the first where none is set."""
    value: str = env(name, default="").strip() or values[0]
    for one in values:
        if value.lower() == one.lower():
            return one
    raise ImproperlyConfigured(f"{name} is {value!r}, not {' or '.join(values)}.")


def number(name: str, default: int) -> int:
    """Return a number that is not negative."""
    value: str = env(name, default="").strip() or str(default)
    if not value.isdecimal():
        raise ImproperlyConfigured(f"{name} is {value!r}, not a number.")
    return int(value)


def database(name: str, default: Path) -> dict[str, Any]:
    """Return the database of the URL in `name`, which has a password and is never shown."""
    url = env(name, default="") or f"sqlite:///{default}"
    try:
        # Of anything else it would warn, and show it.
        config: dict[str, Any] = env.db_url_config(url) if urlsplit(url).scheme else {}
        config["ENGINE"]
    except (LookupError, ValueError):
        example = "postgres://USER:PASSWORD@HOST:5432/NAME"
        raise ImproperlyConfigured(
            f"{name} is not the URL of a database, such as {example}."
        ) from None
    return config


# === Environment ==================================================================================
# https://docs.djangoproject.com/en/stable/howto/deployment/checklist/

ENVIRONMENT = choice("ENVIRONMENT", "production", "development")
PRODUCTION = ENVIRONMENT == "production"
DEBUG = choice("DEBUG", "false", "true") == "true"
if PRODUCTION and DEBUG:
    raise ImproperlyConfigured("DEBUG=true shows settings to strangers: it is for development.")
SECRET_KEY = secret(f"{PREFIX}_SECRET_KEY")
DATA_DIR = Path(env("DATA_DIR", default=str(PROJECT_DIR / "var")))

URL = env(f"{PREFIX}_URL")
ALLOWED_HOSTS = [
    urlsplit(URL).hostname,
    *env.list(f"{PREFIX}_ALLOWED_HOSTS", default=[]),
    "127.0.0.1",  # whom a health check inside of a container asks
    *([] if PRODUCTION else ["localhost", "[::1]"]),
]

# === Tokens =======================================================================================
# https://django-oauth-toolkit.readthedocs.io/en/stable/resource_server.html

AUTHORIZATION_SERVER_URL = env("AUTHORIZATION_SERVER_URL")
# Where this process reaches it, when that is not the public address: in containers, for example.
INTERNAL_URL = env("AUTHORIZATION_SERVER_INTERNAL_URL", default=AUTHORIZATION_SERVER_URL)

OAUTH2_PROVIDER = {
    "RESOURCE_SERVER_INTROSPECTION_URL": f"{INTERNAL_URL}/o/introspect/",
    "RESOURCE_SERVER_INTROSPECTION_CREDENTIALS": (
        env(f"{PREFIX}_INTROSPECTION_CLIENT_ID"),
        secret(f"{PREFIX}_INTROSPECTION_CLIENT_SECRET"),
    ),
    # Seconds that a revoked token may still be accepted.
    "RESOURCE_SERVER_TOKEN_CACHING_SECONDS": number("RESOURCE_SERVER_TOKEN_CACHING_SECONDS", 60),
    # Without this line the project runs on DOT's own introspection.
    "OAUTH2_VALIDATOR_CLASS": (
        "oauth_resource_server.django.oauth2_validator.ResourceServerValidator"
    ),
    "SCOPES": MANIFEST["scopes"],
    "DEFAULT_SCOPES": [],
    "READ_SCOPE": f"{MANIFEST['name']}:read",
    "WRITE_SCOPE": f"{MANIFEST['name']}:write",
    "OAUTH2_PROTECTED_RESOURCE_IDENTIFIER": MANIFEST["audience"],
    "OAUTH2_PROTECTED_RESOURCE_AUTHORIZATION_SERVERS": [AUTHORIZATION_SERVER_URL],
    "OAUTH2_PROTECTED_RESOURCE_NAME": MANIFEST["title"],
    # RFC 9700. Most of these guard endpoints of an authorization server, which this is not; they
    # are on so that mounting one by accident opens nothing.
    "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT": True,
    "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
    "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
    "COMPLIANT_BCP_RFC9700_PKCE_REQUIRED": True,
    "COMPLIANT_BCP_RFC9700_REDIRECT_URI_MATCHING": True,
    "COMPLIANT_BCP_RFC9700_REDIRECT_URI_SCHEME": True,
    "COMPLIANT_BCP_RFC9700_REFRESH_TOKEN": True,
    "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": True,
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https"],
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
}

# Where the processes of this resource server share what they have asked, e.g. redis://valkey:6379/1.
# Each keeps its own answers besides, so one process alone needs none.
CACHE_URL = env(f"{PREFIX}_CACHE_URL", default="")
if CACHE_URL and urlsplit(CACHE_URL).scheme not in ("redis", "rediss"):
    raise ImproperlyConfigured(f"{PREFIX}_CACHE_URL does not begin with redis:// or rediss://.")

OAUTH_RESOURCE_SERVER = {
    "ISSUER": AUTHORIZATION_SERVER_URL,
    "AUDIENCE": MANIFEST["audience"],
    "REALM": MANIFEST["name"],
    # Whose tokens are accepted instead, or besides: from the variables ISSUERS, ISSUERS_CONFIG.
    # None: those of the authorization server.
    "ISSUERS": issuers_from_environment(env, PREFIX, PROJECT_DIR),
    "SHARED_CACHE": "tokens" if CACHE_URL else None,
    # Half of the threads (deploy/serve.py): a stalled authorization server gets no more.
    "MAX_WAITING_THREADS": max(1, number("WEB_THREADS", 4) // 2),
    # Seconds that a good token may be used longer while the authorization server is down.
    "STALE_IF_ERROR_SECONDS": number("RESOURCE_SERVER_STALE_IF_ERROR_SECONDS", 0),
}

# === API ==========================================================================================
# https://www.django-rest-framework.org/api-guide/settings/
# https://drf-spectacular.readthedocs.io/en/latest/settings.html

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "oauth_resource_server.rest_framework.authentication.BearerTokenAuthentication"
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "oauth_resource_server.rest_framework.permissions.TokenRequired"
    ],
    "EXCEPTION_HANDLER": "oauth_resource_server.rest_framework.exception_handler.exception_handler",
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}

SPECTACULAR_SETTINGS = {
    "TITLE": MANIFEST["title"],
    "VERSION": "1.0.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    # Served from here: the page works offline and sends nobody's address to a content network.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# === Django =======================================================================================
# https://docs.djangoproject.com/en/stable/ref/settings/

INSTALLED_APPS = [
    "api",
    "oauth_resource_server",
    "oauth2_provider",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "oauth_resource_server.request_id.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "oauth_resource_server.django.middleware.AuthorizationServerErrorMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
AUTH_USER_MODEL = "api.ResourceOwner"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TIME_ZONE = "UTC"
USE_TZ = True

TEMPLATES = [
    {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True},
]

# The files of the documentation page are served from where they lie: there is nothing to collect.
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True

# === Database =====================================================================================
# https://docs.djangoproject.com/en/stable/ref/databases/#sqlite-notes

SQLITE_OPTIONS = {
    # Readers do not wait for the writer, and a writer waits for another one instead of failing.
    "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;",
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
}
DATABASES = {
    "default": database(f"{PREFIX}_DATABASE_URL", DATA_DIR / f"{MANIFEST['name']}.sqlite3")
}
if "sqlite3" in DATABASES["default"]["ENGINE"]:
    DATABASES["default"]["OPTIONS"] = SQLITE_OPTIONS
    DATA_DIR.mkdir(parents=True, exist_ok=True)
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 60
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True

# === Cache ========================================================================================
# https://docs.djangoproject.com/en/stable/topics/cache/

CACHES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
}
if CACHE_URL:
    CACHES["tokens"] = {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": CACHE_URL,
        # A server for several services lets each of them touch keys that begin with its name.
        "KEY_PREFIX": MANIFEST["name"],
        "OPTIONS": {
            # Otherwise Django pickles, and whoever writes to the cache runs code here.
            "serializer": "oauth_resource_server.cache.shared.JSONSerializer",
            "socket_connect_timeout": 0.25,
            "socket_timeout": 0.25,
        },
    }

# === Security =====================================================================================
# https://docs.djangoproject.com/en/stable/topics/security/

# Cookies ignore the port: with Django's names, two services on localhost would share theirs.
SESSION_COOKIE_NAME = f"{PREFIX.lower()}_session"
CSRF_COOKIE_NAME = f"{PREFIX.lower()}_csrf"

if PRODUCTION:
    if urlsplit(URL).scheme != "https":
        raise ImproperlyConfigured(f"{PREFIX}_URL must begin with https:// in production.")
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^health/"]
    SECURE_HSTS_SECONDS = number("SECURE_HSTS_SECONDS", 3600)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

SILENCED_SYSTEM_CHECKS = [
    "security.W021",  # to be preloaded by browsers is for the owner of the domain to decide
]

# Only where a proxy of yours overwrites the headers: from anybody else they would be a lie.
if choice("TRUST_PROXY_HEADERS", "false", "true") == "true":
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    # X-Forwarded-For is the address of the client then.
    REST_FRAMEWORK["NUM_PROXIES"] = 1

# === Logging ======================================================================================
# https://docs.djangoproject.com/en/stable/topics/logging/

LOG_LEVEL = choice("LOG_LEVEL", "INFO", "DEBUG", "WARNING", "ERROR", "CRITICAL")
# On DEBUG they would write tokens into the log.
LIBRARIES_LEVEL = "INFO" if LOG_LEVEL == "DEBUG" else LOG_LEVEL

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "oauth_resource_server.request_id.RequestIdFilter"}},
    "formatters": {
        "for_people": {"format": "%(levelname)s %(name)s [%(request_id)s]: %(message)s"},
        "for_machines": {"()": "oauth_resource_server.request_id.KeyValueFormatter"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "filters": ["request_id"],
            "formatter": "for_machines" if PRODUCTION else "for_people",
        }
    },
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "level": LIBRARIES_LEVEL},
        "oauth2_provider": {"level": LIBRARIES_LEVEL},
        "oauthlib": {"level": LIBRARIES_LEVEL},
    },
}
