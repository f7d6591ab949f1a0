"""Views that are guarded in every way that the package and DOT know."""

from django.http import HttpResponse, JsonResponse
from oauth2_provider import decorators as dot
from oauth2_provider.contrib.rest_framework import (
    IsAuthenticatedOrTokenHasScope,
    TokenHasReadWriteScope,
    TokenHasScope,
    TokenMatchesOASRequirements,
)
from oauth2_provider.views.generic import (
    ProtectedResourceMetadataView,
    ProtectedResourceView,
    ReadWriteScopedResourceView,
    ScopedProtectedResourceMetadataView,
)
from oauth_resource_server.rest_framework.permissions import (
    MachineRequired,
    PersonRequired,
    TokenRequired,
)
from oauth_resource_server.rest_framework.throttling import ClientRateThrottle
from rest_framework.permissions import AllowAny, BasePermission, IsAdminUser, IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView


class View(APIView):
    """Say what the token says."""

    def get(self, request):
        token = request.auth
        return Response(
            token and {name: getattr(token, name) for name in ("sub", "client_id", "scope", "exp")}
        )

    post = put = get


class EchoView(APIView):
    """Return the body."""

    def post(self, request):
        return Response(request.data)


class UserView(View):
    """Say who the user is, which touches the row."""

    def get(self, request):
        user = request.user
        return Response({"username": user.get_username(), "staff": user.is_staff})


class TokenUserView(View):
    """Say who the user of the token is, as one would with a token of DOT's."""

    def get(self, request):
        return Response({"username": request.user.get_username()})


class BrokenView(View):
    """Raise what `exception` holds."""

    exception = None

    def get(self, request):
        raise self.exception


class Never(BasePermission):
    """Refuses everybody, for no reason of scope."""

    def has_permission(self, request, view):
        return False


class HasWriteScope(TokenHasScope):
    """A permission that knows its scope."""

    def get_scopes(self, request, view):
        return ["orders:write"]


def api(*permissions, view=View, **attributes):
    """Return a REST framework view behind `permissions`."""
    return type("View", (view,), {"permission_classes": permissions, **attributes}).as_view()


def hello(request):
    return JsonResponse({"owner": str(request.resource_owner)})


def plain(view_class, **attributes):
    """Return a plain Django view that is guarded by one of DOT's classes."""

    def get(self, request):
        return hello(request)

    return type("View", (view_class,), {"get": get, "post": get, **attributes}).as_view()


READ = {"required_scopes": ["orders:read"]}
WRITE = {"required_scopes": ["orders:write"]}

VIEWS = {
    "default": View.as_view(),
    "open": api(AllowAny),
    "never-stale": api(TokenRequired, accepts_stale_tokens=False),
    "token": api(TokenRequired),
    "person": api(PersonRequired),
    "machine": api(MachineRequired),
    "authenticated": api(IsAuthenticated),
    "user": api(TokenRequired, view=UserView),
    "echo": api(TokenRequired, view=EchoView),
    "token-user": api(TokenRequired, view=TokenUserView),
    "throttled": api(TokenRequired, throttle_classes=[ClientRateThrottle]),
    "throttled-open": api(AllowAny, throttle_classes=[ClientRateThrottle]),
    # Scopes, alone and composed.
    "scope": api(TokenHasScope, **WRITE),
    "two-scopes": api(TokenHasScope, required_scopes=["orders:read", "orders:write"]),
    "subclass": api(HasWriteScope),
    "read-write": api(TokenHasReadWriteScope),
    "user-or-scope": api(IsAuthenticatedOrTokenHasScope, **WRITE),
    "oas": api(
        TokenMatchesOASRequirements,
        required_alternate_scopes={"GET": [["orders:write"], ["orders:admin"]]},
    ),
    "and": api(TokenRequired & HasWriteScope),
    "or": api(IsAdminUser | HasWriteScope),
    "not": api(~HasWriteScope),
    "never": api(Never),
    "never-and-scope": api(Never & HasWriteScope),
    "never-after-scope": api(HasWriteScope, Never),
    # DOT's guards for plain views.
    "dot": dot.protected_resource()(hello),
    "dot-metadata": dot.protected_resource_metadata()(hello),
    "dot-scope": dot.protected_resource(scopes=["orders:write"])(hello),
    "dot-scope-metadata": dot.protected_resource_metadata(scopes=["orders:write"])(hello),
    "dot-read-write": dot.rw_protected_resource()(hello),
    "dot-read-write-metadata": dot.rw_protected_resource_metadata()(hello),
    "dot-no-user": dot.protected_resource()(lambda request: HttpResponse()),
    "protected-view": plain(ProtectedResourceView),
    "read-write-view": plain(ReadWriteScopedResourceView),
    "metadata-view": plain(ProtectedResourceMetadataView),
    "scoped-metadata-view": plain(ScopedProtectedResourceMetadataView, **WRITE),
}
