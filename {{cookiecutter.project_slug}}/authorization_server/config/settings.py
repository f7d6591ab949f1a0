"""Settings of the authorization server, from the environment and the ``.env`` of the project.

ENVIRONMENT unset means production. docs/settings.md lists every variable.
"""

import os
import secrets
import sys
import tomllib
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from accounts.providers import upstreams
from accounts.signing_key import read_keys
from client_registry.claims import Claim
from service_kit import RFC9700, credentials, env
from service_kit.logging import LEVELS, logging_config

BASE_DIR = Path(__file__).resolve().parents[1]
PROJECT_DIR = BASE_DIR.parent
env.read_env_file(PROJECT_DIR / ".env")

# ---- Environment ---------------------------------------------------------------------------------
# https://docs.djangoproject.com/en/stable/howto/deployment/checklist/

ENVIRONMENT = env.choice("ENVIRONMENT", "production", "development")
PRODUCTION = ENVIRONMENT == "production"
DEBUG = env.debug(production=PRODUCTION)

SECRET_KEY = env.secret("AUTHORIZATION_SERVER_SECRET_KEY")
SECRET_KEY_FALLBACKS = env.words("AUTHORIZATION_SERVER_SECRET_KEY_FALLBACKS")
DATA_DIR = Path(env.text("DATA_DIR", str(PROJECT_DIR / "var")))

# The issuer (RFC 8414 section 2) in tokens and metadata. It is never taken from a request.
AUTHORIZATION_SERVER_URL = env.base_url("AUTHORIZATION_SERVER_URL", https_only=PRODUCTION)
INTERNAL_URL = env.base_url("AUTHORIZATION_SERVER_INTERNAL_URL", AUTHORIZATION_SERVER_URL)

ALLOWED_HOSTS = env.allowed_hosts(
    "AUTHORIZATION_SERVER_ALLOWED_HOSTS",
    AUTHORIZATION_SERVER_URL,
    INTERNAL_URL,
    local=not PRODUCTION,
)
CSRF_TRUSTED_ORIGINS = [AUTHORIZATION_SERVER_URL]

try:
    PROJECT = tomllib.loads((PROJECT_DIR / "project.toml").read_text("utf-8"))
except (OSError, ValueError):  # The pages need no name.
    PROJECT = {}
PROJECT_NAME = PROJECT.get("name", "Authorization server")
CONTACT_EMAIL = PROJECT.get("contact_email", "")

# ---- Django --------------------------------------------------------------------------------------
# https://docs.djangoproject.com/en/stable/ref/settings/

INSTALLED_APPS = [
    "accounts",
    "audit",
    "client_registry",
    "oauth",
    "revocation_events",
    "oauth2_provider",
    "corsheaders",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "service_kit.request_id.RequestIdMiddleware",
    "service_kit.database.DatabaseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "oauth.requests.RequestLimitsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "oauth.requests.page_headers",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "service_kit.request_id.SafeSlashMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.middleware.AccountsMiddleware",
    "audit.admin.record_administrators",
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
                "config.urls.project",
                "client_registry.models.requesting_application",
            ],
        },
    }
]
ROOT_URLCONF = "config.urls"
if not PRODUCTION:  # It can keep the resource servers waiting, and refuses to start in production.
    INSTALLED_APPS.append("playground")
DATABASES = {
    "default": env.database(
        "AUTHORIZATION_SERVER_DATABASE_URL", DATA_DIR / "authorization_server.sqlite3"
    )
}
# Reading 1,000 fields, Django's limit, costs more than anything a stranger may ask for. The longest
# form is that of a group, with a field for each permission.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200
HEALTH_CHECKS = ["accounts.apps.signing_key_state"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TIME_ZONE = "UTC"

# Few files: WhiteNoise serves them from the source folders, without `collectstatic`.
# https://whitenoise.readthedocs.io/en/stable/django.html
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}

LOGGING = logging_config(env.choice("LOG_LEVEL", *LEVELS), json=PRODUCTION)
IS_TRACED = env.is_traced()
# What `make rotate` replaces, and days until then. The secrets of clients are known to
# `ensure_clients` only.
CREDENTIAL_MAX_AGE_DAYS = env.number("CREDENTIAL_MAX_AGE_DAYS", 180)
CREDENTIALS = credentials.reading(
    "AUTHORIZATION_SERVER_DATABASE_URL",
    *(name for name in os.environ if name.endswith("_CLIENT_SECRET")),
)
# Without a token, only processes on this machine read /metrics, and in development only.
METRICS_TOKEN = env.secret("METRICS_TOKEN") if env.text("METRICS_TOKEN", "") else ""

# Days for which the audit table keeps an event; with 0, events are in the log only.
AUDIT_DAYS = env.number("AUDIT_DAYS", 0)
# Only `clear_tokens`, which seals events, and `verify_audit` need it.
_AUDIT_KEY = "AUTHORIZATION_SERVER_AUDIT_KEY"
AUDIT_KEY = env.secret(_AUDIT_KEY) if env.text(_AUDIT_KEY, "") else ""

# ---- People --------------------------------------------------------------------------------------
# https://docs.djangoproject.com/en/stable/topics/auth/customizing/

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.RateLimitedBackend"]
LOGIN_URL = "account_login"
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
# The first hasher is for people. Client secrets are random: a slow hash would protect nothing and
# would cost half a second of CPU for each introspection.
PASSWORD_HASHERS = [
    "accounts.hashers.PasswordHasher",
    "client_registry.hashers.MachineSecretHasher",
]

# Whether people may make an account: `open`, `closed`, or `invitation` (manage.py invite).
SIGN_UP = env.choice(
    "SIGN_UP", *(("closed", "open") if PRODUCTION else ("open", "closed")), "invitation"
)

# Mail: to EMAIL_URL; in development, without one, to the log and to files in var/mail.
MAIL_FOLDER = DATA_DIR / "mail"
EMAIL_URL = env.text("EMAIL_URL", "")
SENDS_MAIL = bool(EMAIL_URL) or not PRODUCTION
if SIGN_UP != "closed" and not SENDS_MAIL:
    raise ImproperlyConfigured(f"SIGN_UP={SIGN_UP} needs EMAIL_URL, to verify addresses.")
DUMMY = "django.core.mail.backends.dummy.EmailBackend"
vars().update(env.mail("EMAIL_URL", DUMMY if PRODUCTION else "accounts.mail.FileBackend"))
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", CONTACT_EMAIL or "webmaster@localhost")

# Limits of django-allauth, and used one-time codes. In the database, which every process shares.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "accounts_cacheentry",
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    }
}
# Not in a cookie of their own.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# https://docs.allauth.org/en/latest/account/configuration.html
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_FORMS = {"signup": "accounts.adapter.SignupForm"}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED = True
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_NOTIFICATIONS = SENDS_MAIL
ACCOUNT_EMAIL_SUBJECT_PREFIX = f"[{PROJECT_NAME}] "
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_SESSION_REMEMBER = True
# A client may ask to sign in again, also as another person (prompt=login).
ACCOUNT_AUTHENTICATED_LOGIN_REDIRECTS = False
ACCOUNT_RATE_LIMITS = {
    "login": None,  # accounts.backends has the limits of passwords.
    # Without a limit by account, by which strangers could keep its owner from it.
    "reset_password": "20/m/ip",
}
USERSESSIONS_ADAPTER = "accounts.adapter.UserSessionsAdapter"

# https://docs.allauth.org/en/latest/mfa/configuration.html
MFA_ADAPTER = "accounts.adapter.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_TOTP_ISSUER = PROJECT_NAME

# Sign-in with Google or GitHub, where the file has a table for it (docs/accounts.md). An upstream
# does not sign in to an account that was made here with the same address.
UPSTREAMS_FILE = Path(env.text("UPSTREAMS_FILE", str(BASE_DIR / "upstreams.toml")))
SOCIALACCOUNT_PROVIDERS = upstreams(UPSTREAMS_FILE)
if SOCIALACCOUNT_PROVIDERS:
    _providers = [f"allauth.socialaccount.providers.{name}" for name in SOCIALACCOUNT_PROVIDERS]
    INSTALLED_APPS += ["allauth.socialaccount", *_providers]
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False

# ---- Transport and cookies -----------------------------------------------------------------------
# https://docs.djangoproject.com/en/stable/topics/security/

# Cookies ignore the port, so services on one host need different names. With the prefix, browsers
# accept them from this host by HTTPS only, and so not from another subdomain.
_PREFIX = "__Host-" if PRODUCTION else ""
SESSION_COOKIE_NAME = f"{_PREFIX}authorization_server_session"
CSRF_COOKIE_NAME = f"{_PREFIX}authorization_server_csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = PRODUCTION
# A private network may have no TLS, and a redirect would make an introspection a GET.
SECURE_REDIRECT_EXEMPT = [r"^o/introspect/$", r"^metrics$"]
SECURE_HSTS_SECONDS = env.number("SECURE_HSTS_SECONDS", 3600) if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = PRODUCTION
# Safe only behind a proxy that overwrites X-Forwarded-Proto and X-Forwarded-For.
TRUST_PROXY_HEADERS = env.flag("TRUST_PROXY_HEADERS")
if TRUST_PROXY_HEADERS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

SILENCED_SYSTEM_CHECKS = [
    "security.W021",  # HSTS preloading is for the owner of the domain to decide.
    "mail.E001",  # Without EMAIL_URL no mail is sent, and nothing here depends on it.
]

# ---- Clients and resource servers ----------------------------------------------------------------

CLIENTS_FILE = Path(env.text("CLIENTS_FILE", str(BASE_DIR / "clients.toml")))
# Where this process reaches them, with {name} for the name, if that is not their public address.
RESOURCE_SERVER_INTERNAL_URL = env.text("RESOURCE_SERVER_INTERNAL_URL", "")
RESOURCE_SERVERS_DIR = Path(env.text("RESOURCE_SERVERS_DIR", str(PROJECT_DIR / "resource_servers")))

# ---- Claims --------------------------------------------------------------------------------------
# https://openid.net/specs/openid-connect-core-1_0.html#ScopeClaims

# Scopes that are not of a resource server, as the consent page describes them.
OPENID_SCOPES = {
    "openid": "Know who you are when you come back",
    "profile": "See your name",
    "email": "See your e-mail address",
}
# What clients and resource servers learn of a user, by the name of the claim (docs/clients.md):
# the attribute, the scope that a client needs, and the resource servers.
CLAIMS = {
    "name": Claim("name", "profile"),
    "email": Claim("email", "email"),
    "email_verified": Claim("email_verified", "email"),
}

# ---- Web pages of other origins (CORS) -----------------------------------------------------------
# https://pypi.org/project/django-cors-headers/

# Scripts use these endpoints. The origins are the `allowed_origins` of the clients, which
# `client_registry.models.is_origin_of_client` looks up.
CORS_URLS_REGEX = (
    r"^/(o/(token/|revoke_token/|userinfo/|\.well-known/jwks\.json)"
    r"|\.well-known/(oauth-authorization-server|openid-configuration))$"
)
CORS_EXPOSE_HEADERS = ["Retry-After", "WWW-Authenticate", "X-Request-ID"]

# ---- OAuth 2.0 and OpenID Connect ----------------------------------------------------------------
# https://django-oauth-toolkit.readthedocs.io/en/stable/settings.html

AUTHENTICATION_METHODS = ["client_secret_basic", "client_secret_post", "none"]

OIDC_RSA_PRIVATE_KEY_FILE = Path(
    env.text("OIDC_RSA_PRIVATE_KEY_FILE", str(DATA_DIR / "oidc_private_key.pem"))
)
CREDENTIALS["OIDC_RSA_PRIVATE_KEY"] = OIDC_RSA_PRIVATE_KEY_FILE.read_text
_keys = [key.pem for key in read_keys(OIDC_RSA_PRIVATE_KEY_FILE)]
if PRODUCTION and not _keys and "ensure_signing_key" not in sys.argv[1:2]:
    raise ImproperlyConfigured(
        f"{OIDC_RSA_PRIVATE_KEY_FILE} has no signing key: run `manage.py ensure_signing_key`."
    )

OAUTH2_PROVIDER: dict[str, Any] = RFC9700 | {
    "APPLICATION_ADMIN_CLASS": "client_registry.admin.ApplicationAdmin",
    "ACCESS_TOKEN_ADMIN_CLASS": "client_registry.admin.TokenAdmin",
    "REFRESH_TOKEN_ADMIN_CLASS": "client_registry.admin.TokenAdmin",
    "GRANT_ADMIN_CLASS": "client_registry.admin.IssuedAdmin",
    "ID_TOKEN_ADMIN_CLASS": "client_registry.admin.IssuedAdmin",
    "OAUTH2_VALIDATOR_CLASS": "oauth.validator.RegisteredClientValidator",
    "SCOPES_BACKEND_CLASS": "client_registry.scopes.ManifestScopes",
    "CLIENT_SECRET_HASHER": "machine_sha256",
    # Lifetimes in seconds. A refresh token ends 14 days after the last access token from it.
    "ACCESS_TOKEN_EXPIRE_SECONDS": 600,
    "ID_TOKEN_EXPIRE_SECONDS": 600,
    "REFRESH_TOKEN_EXPIRE_SECONDS": 14 * 24 * 3600,
    "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": 0,
    "ROTATE_REFRESH_TOKEN": True,
    "PKCE_REQUIRED": True,
    # Origins of web pages that are clients: http for a development server.
    "ALLOWED_SCHEMES": ["https"] if PRODUCTION else ["https", "http"],
    # Of any client. Native applications may have others (client_registry.registration).
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https"] if PRODUCTION else ["https", "http"],
    # Metadata (RFC 8414): only what the endpoints accept.
    "OAUTH2_GRANT_TYPES_SUPPORTED": [
        "authorization_code",
        "client_credentials",
        "refresh_token",
        "urn:ietf:params:oauth:grant-type:device_code",
    ],
    "OAUTH2_RESPONSE_TYPES_SUPPORTED": ["code"],
    "OAUTH2_TOKEN_ENDPOINT_AUTH_METHODS_SUPPORTED": AUTHENTICATION_METHODS,
    # Rows per batch of `clear_tokens`, and seconds between batches for other writers.
    "CLEAR_EXPIRED_TOKENS_BATCH_SIZE": 5000,
    "CLEAR_EXPIRED_TOKENS_BATCH_INTERVAL": 0.1,
    # Device flow (RFC 8628). The validator looks up the code, so no hook is needed before it.
    "OAUTH_DEVICE_VERIFICATION_URI": f"{AUTHORIZATION_SERVER_URL}/o/device/",
    "OAUTH_DEVICE_VERIFICATION_URI_COMPLETE": (
        f"{AUTHORIZATION_SERVER_URL}/o/device/?user_code={{user_code}}"
    ),
    "OAUTH_PRE_TOKEN_VALIDATION": [],
    # RFC 8628 section 6.1: no vowel, so no word, and no characters that look alike.
    "OAUTH_DEVICE_USER_CODE_GENERATOR": lambda: "".join(
        secrets.choice("BCDFGHJKLMNPQRSTVWXZ") for _ in range(8)
    ),
    # OpenID Connect.
    "OIDC_ENABLED": True,
    "OIDC_ISS_ENDPOINT": AUTHORIZATION_SERVER_URL,
    "OIDC_RSA_PRIVATE_KEY": _keys[0] if _keys else "",
    "OIDC_RSA_PRIVATE_KEYS_INACTIVE": _keys[1:],
    "OIDC_RESPONSE_TYPES_SUPPORTED": ["code"],
    "OIDC_RP_INITIATED_LOGOUT_ENABLED": True,
    # The view ends those of the session; the toolkit would end those of all devices.
    "OIDC_RP_INITIATED_LOGOUT_DELETE_TOKENS": False,
    "OIDC_TOKEN_ENDPOINT_AUTH_METHODS_SUPPORTED": AUTHENTICATION_METHODS,
}

# ---- Settings of your own ------------------------------------------------------------------------
# An update of the template does not change anything below this line (docs/upgrading.md).
