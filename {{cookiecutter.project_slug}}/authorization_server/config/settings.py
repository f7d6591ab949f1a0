"""Settings of the authorization server, from the environment and ``.env`` at the project's root.

Where nothing is set it is production: development has to be asked for.
"""

import sys
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from config import environment as env

BASE_DIR = Path(__file__).resolve().parents[1]
PROJECT_DIR = BASE_DIR.parent
env.read_env_file(PROJECT_DIR / ".env")

# ---- Environment ---------------------------------------------------------------------------------
# https://docs.djangoproject.com/en/stable/howto/deployment/checklist/

ENVIRONMENT = env.choice("ENVIRONMENT", ("production", "development"))
PRODUCTION = ENVIRONMENT == "production"
DEBUG = env.flag("DEBUG")
if PRODUCTION and DEBUG:
    raise ImproperlyConfigured("DEBUG=true shows settings to strangers: it is for development.")

SECRET_KEY = env.secret("AUTHORIZATION_SERVER_SECRET_KEY")
DATA_DIR = Path(env.text("DATA_DIR", str(PROJECT_DIR / "var")))

# The issuer (RFC 8414 section 2): what tokens and metadata name, never taken from a request.
AUTHORIZATION_SERVER_URL = env.base_url("AUTHORIZATION_SERVER_URL")
if PRODUCTION and not AUTHORIZATION_SERVER_URL.startswith("https://"):
    raise ImproperlyConfigured("AUTHORIZATION_SERVER_URL must begin with https:// in production.")
INTERNAL_URL = env.base_url("AUTHORIZATION_SERVER_INTERNAL_URL", AUTHORIZATION_SERVER_URL)

ALLOWED_HOSTS = [
    env.host_of(AUTHORIZATION_SERVER_URL),
    env.host_of(INTERNAL_URL),
    *env.words("AUTHORIZATION_SERVER_ALLOWED_HOSTS"),
    "127.0.0.1",  # whom a health check inside of a container asks
    *([] if PRODUCTION else ["localhost", "[::1]"]),
]
CSRF_TRUSTED_ORIGINS = [AUTHORIZATION_SERVER_URL]

PROJECT_NAME, CONTACT_EMAIL = env.project(PROJECT_DIR / "project.toml")

# ---- Django --------------------------------------------------------------------------------------
# https://docs.djangoproject.com/en/stable/ref/settings/

INSTALLED_APPS = [
    "accounts",
    "client_registry",
    "oauth2_provider",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "config.request_id.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.context_processors.project",
            ],
        },
    }
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DATABASES = {
    "default": env.database(
        "AUTHORIZATION_SERVER_DATABASE_URL", DATA_DIR / "authorization_server.sqlite3"
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TIME_ZONE = "UTC"
USE_TZ = True

# Two small files and the admin's: served from where they lie, so there is nothing to collect.
# https://whitenoise.readthedocs.io/en/stable/django.html
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}

LOG_LEVEL = env.choice("LOG_LEVEL", ("INFO", "DEBUG", "WARNING", "ERROR", "CRITICAL"))
# On DEBUG they would write tokens into the log.
LIBRARIES_LEVEL = "INFO" if LOG_LEVEL == "DEBUG" else LOG_LEVEL

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "config.request_id.RequestIdFilter"}},
    "formatters": {
        "for_people": {"format": "%(levelname)s %(name)s [%(request_id)s]: %(message)s"},
        "for_machines": {"()": "config.request_id.KeyValueFormatter"},
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
        # Six lines each time that expired tokens are deleted; `clear_tokens` writes one.
        "oauth2_provider.models": {"level": "WARNING"},
    },
}

# ---- People --------------------------------------------------------------------------------------
# https://docs.djangoproject.com/en/stable/topics/auth/customizing/

AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
# The first one is for people. The secrets of machines are random, so that a slow hash would protect
# nothing and cost half a second of CPU for each introspection.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "client_registry.hashers.MachineSecretHasher",
]

# ---- Transport and cookies -----------------------------------------------------------------------
# https://docs.djangoproject.com/en/stable/topics/security/

# Two services on one host must not read each other's cookies: ports do not separate them.
SESSION_COOKIE_NAME = "authorization_server_session"
CSRF_COOKIE_NAME = "authorization_server_csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = PRODUCTION
# Inside of the platform there may be no TLS, and a redirect would turn a POST into a GET.
SECURE_REDIRECT_EXEMPT = [r"^o/introspect/$", r"^health/"]
SECURE_HSTS_SECONDS = env.number("SECURE_HSTS_SECONDS", 3600) if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = PRODUCTION
# Safe only behind a proxy that overwrites X-Forwarded-Proto and X-Forwarded-For.
TRUST_PROXY_HEADERS = env.flag("TRUST_PROXY_HEADERS")
if TRUST_PROXY_HEADERS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

SILENCED_SYSTEM_CHECKS = [
    "security.W021",  # to be preloaded by browsers is for the owner of the domain to decide
]

# ---- Clients and resource servers ----------------------------------------------------------------

CLIENTS_FILE = Path(env.text("CLIENTS_FILE", str(BASE_DIR / "clients.toml")))
RESOURCE_SERVERS_DIR = Path(env.text("RESOURCE_SERVERS_DIR", str(PROJECT_DIR / "resource_servers")))

# ---- OAuth 2.0 and OpenID Connect ----------------------------------------------------------------
# https://django-oauth-toolkit.readthedocs.io/en/stable/settings.html

AUTHENTICATION_METHODS = ["client_secret_basic", "client_secret_post", "none"]

OIDC_RSA_PRIVATE_KEY_FILE, _signing_key = env.signing_key(DATA_DIR / "oidc_private_key.pem")
if PRODUCTION and not _signing_key and "ensure_signing_key" not in sys.argv[1:2]:
    raise ImproperlyConfigured(
        f"There is no signing key in {OIDC_RSA_PRIVATE_KEY_FILE}: "
        "run `manage.py ensure_signing_key`, which makes one."
    )

OAUTH2_PROVIDER: dict[str, Any] = {
    "APPLICATION_ADMIN_CLASS": "client_registry.admin.ApplicationAdmin",
    "OAUTH2_BACKEND_CLASS": "oauth.endpoints.StrictOAuthLibCore",
    "OAUTH2_VALIDATOR_CLASS": "oauth.validator.RegisteredClientValidator",
    "SCOPES_BACKEND_CLASS": "client_registry.scopes.ManifestScopes",
    "CLIENT_SECRET_HASHER": "machine_sha256",
    # Lifetimes in seconds. A refresh token ends 14 days after the last access token from it.
    "ACCESS_TOKEN_EXPIRE_SECONDS": 600,
    "ID_TOKEN_EXPIRE_SECONDS": 600,
    "REFRESH_TOKEN_EXPIRE_SECONDS": 14 * 24 * 3600,
    "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": 0,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "ROTATE_REFRESH_TOKEN": True,
    "PKCE_REQUIRED": True,
    # Native applications need http for their loopback address (RFC 8252 section 7.3).
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https"] if PRODUCTION else ["https", "http"],
    # RFC 9700, the best current practice: what it forbids is off.
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
    # What the metadata offers (RFC 8414), no more than the endpoints accept.
    "OAUTH2_GRANT_TYPES_SUPPORTED": [
        "authorization_code",
        "client_credentials",
        "refresh_token",
        "urn:ietf:params:oauth:grant-type:device_code",
    ],
    "OAUTH2_RESPONSE_TYPES_SUPPORTED": ["code"],
    "OAUTH2_TOKEN_ENDPOINT_AUTH_METHODS_SUPPORTED": AUTHENTICATION_METHODS,
    # How much `clear_tokens` deletes at once, and seconds in which others may write in between.
    "CLEAR_EXPIRED_TOKENS_BATCH_SIZE": 5000,
    "CLEAR_EXPIRED_TOKENS_BATCH_INTERVAL": 0.1,
    # Device flow (RFC 8628). The validator looks up the code, so there is no hook before it.
    "OAUTH_DEVICE_VERIFICATION_URI": f"{AUTHORIZATION_SERVER_URL}/o/device/",
    "OAUTH_DEVICE_VERIFICATION_URI_COMPLETE": (
        f"{AUTHORIZATION_SERVER_URL}/o/device/?user_code={{user_code}}"
    ),
    "OAUTH_PRE_TOKEN_VALIDATION": [],
    # OpenID Connect.
    "OIDC_ENABLED": True,
    "OIDC_ISS_ENDPOINT": AUTHORIZATION_SERVER_URL,
    "OIDC_RSA_PRIVATE_KEY": _signing_key,
    "OIDC_RESPONSE_TYPES_SUPPORTED": ["code"],
    "OIDC_RP_INITIATED_LOGOUT_ENABLED": True,
    "OIDC_TOKEN_ENDPOINT_AUTH_METHODS_SUPPORTED": AUTHENTICATION_METHODS,
}
