"""The smallest resource server: what a project must set, and more patience than anybody needs."""

SECRET_KEY = "only-for-tests"
ALLOWED_HOSTS = ["testserver"]
USE_TZ = True
TIME_ZONE = "Pacific/Kiritimati"  # As far from UTC as it gets: 14 hours.
ROOT_URLCONF = "library.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

INSTALLED_APPS = [
    "oauth_resource_server",
    "oauth2_provider",
    "rest_framework",
    "drf_spectacular",
    "django.contrib.auth",
    "django.contrib.contenttypes",
]
MIDDLEWARE = ["oauth_resource_server.django.middleware.AuthorizationServerErrorMiddleware"]

OAUTH2_PROVIDER = {
    "RESOURCE_SERVER_INTROSPECTION_URL": "http://127.0.0.1:9/o/introspect/",
    "RESOURCE_SERVER_INTROSPECTION_CREDENTIALS": ("orders-introspection", "s3cret"),
    "RESOURCE_SERVER_INTROSPECTION_TIMEOUT_SECONDS": 30,
    "SCOPES": {"orders:read": "See your orders", "orders:write": "Change your orders"},
    "DEFAULT_SCOPES": [],
    "READ_SCOPE": "orders:read",
    "WRITE_SCOPE": "orders:write",
    "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT": True,
}
OAUTH_RESOURCE_SERVER = {
    "ISSUER": "https://as.example.com",
    "AUDIENCE": "https://orders.example.com",
    "REALM": "orders",
    "CONNECT_TIMEOUT_SECONDS": 30,
    "TOTAL_TIMEOUT_SECONDS": 60,
    "METRICS_NETWORKS": ["127.0.0.0/8", "10.0.0.0/8", "::1/128"],
}
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
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_RATES": {"client": "2/day"},
}
