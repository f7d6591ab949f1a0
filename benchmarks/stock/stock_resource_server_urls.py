"""The resource server's own addresses, with a `whoami` that knows what the toolkit knows."""

from config.urls import urlpatterns as own
from django.urls import path
from rest_framework.response import Response
from rest_framework.views import APIView


class WhoAmIView(APIView):
    """Say what the stored token says: without `sub`, `client_id` and `iss`, which it lacks."""

    def get(self, request):
        token = request.auth
        return Response({"scope": token.scope, "exp": int(token.expires.timestamp())})


urlpatterns = [path("api/whoami/", WhoAmIView.as_view()), *own]
