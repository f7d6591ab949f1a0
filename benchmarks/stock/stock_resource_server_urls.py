"""The URLs of the resource server, with a `whoami` for the tokens of django-oauth-toolkit."""

from config.urls import urlpatterns as project_urlpatterns
from django.urls import path
from rest_framework.response import Response
from rest_framework.views import APIView


class WhoAmIView(APIView):
    """Describe the stored token, which has no `sub`, `client_id` and `iss`."""

    def get(self, request):
        token = request.auth
        return Response({"scope": token.scope, "exp": int(token.expires.timestamp())})


urlpatterns = [path("api/whoami/", WhoAmIView.as_view()), *project_urlpatterns]
