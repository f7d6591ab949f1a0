"""Every address of this server.

Of django-oauth-toolkit there are the endpoints for clients and the pages for people that belong to
them. Its pages to register applications are left out: clients are declared.
"""

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path
from oauth2_provider import views as oauth2

from config import pages
from introspection.endpoint import introspect
from oauth import endpoints

oauth2_patterns = [
    path("authorize/", endpoints.AuthorizationView.as_view(), name="authorize"),
    path("token/", endpoints.TokenView.as_view(), name="token"),
    path("revoke_token/", oauth2.RevokeTokenView.as_view(), name="revoke-token"),
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
    path("userinfo/", oauth2.UserInfoView.as_view(), name="user-info"),
    path("logout/", endpoints.RPInitiatedLogoutView.as_view(), name="rp-initiated-logout"),
    path(".well-known/jwks.json", oauth2.JwksInfoView.as_view(), name="jwks-info"),
]

urlpatterns = [
    path("", pages.home, name="home"),
    path("accounts/login/", LoginView.as_view(), name="login"),
    path("accounts/logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    path("o/", include((oauth2_patterns, "oauth2_provider"))),
    path(".well-known/oauth-authorization-server", endpoints.ServerMetadataView.as_view()),
    path(".well-known/openid-configuration", endpoints.OpenIDConfigurationView.as_view()),
]
