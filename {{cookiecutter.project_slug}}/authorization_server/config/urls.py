"""Every address of this server.

Of django-oauth-toolkit there are the endpoints for clients and the pages for people that belong to
them. Its pages to register applications are left out: clients are declared.
"""

from typing import Any

from allauth.account.decorators import secure_admin_login
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.urls import include, path
from django.views.generic import RedirectView
from oauth2_provider import views as oauth2

from accounts import metrics, views
from config.home import home
from introspection.endpoint import introspect
from oauth import endpoints
from oauth.applications import applications


def project(request: HttpRequest) -> dict[str, Any]:
    """Return what the pages say about this server; the address to write to is "" without one."""
    return {
        "project_name": settings.PROJECT_NAME,
        "contact_email": settings.CONTACT_EMAIL,
        "sign_up": settings.SIGN_UP,
        "sends_mail": settings.SENDS_MAIL,
        "development": not settings.PRODUCTION,
        "mail_folder": "" if settings.PRODUCTION or settings.EMAIL_URL else settings.MAIL_FOLDER,
    }


oauth2_patterns = [
    path("authorize/", endpoints.AuthorizationView.as_view(), name="authorize"),
    path("token/", endpoints.TokenView.as_view(), name="token"),
    path("revoke_token/", endpoints.RevocationView.as_view(), name="revoke-token"),
    path("introspect/", introspect, name="introspect"),
    # Device flow (RFC 8628)
    path(
        "device-authorization/",
        endpoints.DeviceAuthorizationView.as_view(),
        name="device-authorization",
    ),
    path("device/", endpoints.DeviceUserCodeView.as_view(), name="device"),
    path(
        "device-confirm/<slug:client_id>/<slug:user_code>",
        oauth2.DeviceConfirmView.as_view(),
        name="device-confirm",
    ),
    path(
        "device-grant-status/<slug:client_id>/<slug:user_code>",
        oauth2.DeviceGrantStatusView.as_view(),
        name="device-grant-status",
    ),
    # OpenID Connect
    path("userinfo/", endpoints.UserInfoView.as_view(), name="user-info"),
    path("logout/", endpoints.RPInitiatedLogoutView.as_view(), name="rp-initiated-logout"),
    path(".well-known/jwks.json", oauth2.JwksInfoView.as_view(), name="jwks-info"),
]

# Administrators sign in by the same pages, with their second factor.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

handler500 = "service_kit.database.server_error"

urlpatterns = [
    path("", home, name="home"),
    path("favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}gatehouse.svg")),
    path("applications/", applications, name="applications"),
    path("accounts/delete/", views.delete_account, name="account_delete"),
    path("accounts/invitation/", views.invitation, name="invitation"),
    path("accounts/", include("allauth.urls")),
    path(
        ".well-known/change-password", RedirectView.as_view(pattern_name="account_change_password")
    ),
    path("admin/", admin.site.urls),
    path("metrics", metrics.view, name="metrics"),  # Needs METRICS_TOKEN in production.
    path("o/", include((oauth2_patterns, "oauth2_provider"))),
    path(".well-known/oauth-authorization-server", endpoints.ServerMetadataView.as_view()),
    path(".well-known/openid-configuration", endpoints.OpenIDConfigurationView.as_view()),
]
if not settings.SENDS_MAIL:
    for page in ("password/reset/", "email/"):
        urlpatterns.insert(0, path(f"accounts/{page}", views.no_mail))
if apps.is_installed("playground"):
    urlpatterns.append(path("playground/", include("playground.urls")))
