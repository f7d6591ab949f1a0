"""The smallest service."""

SECRET_KEY = "only-for-tests"
ALLOWED_HOSTS = ["service.example.com"]
USE_TZ = True
ROOT_URLCONF = "tests.urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
INSTALLED_APPS = ["django.contrib.contenttypes"]
MIDDLEWARE = [
    "service_kit.request_id.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
]
SECURE_SSL_REDIRECT = True
HEALTH_CHECKS: list[str] = []
IS_TRACED = False
