"""A plain Django view refuses requests as the API does."""

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.urls import path
from oauth_resource_server.rest_framework.decorators import token_required
from oauth_resource_server.testing import access_token


@token_required(settings.OAUTH2_PROVIDER["READ_SCOPE"])
def report(request):
    return HttpResponse(f"of {request.auth.sub}", content_type="application/pdf")


urlpatterns = [path("report/", report)]
pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


def test_the_view_sees_the_token(reader):
    response = reader.get("/report/", headers={"Accept": "*/*"})
    assert (response["Content-Type"], response.content) == ("application/pdf", b"of alice")


def test_no_token_is_challenged(anonymous):
    response = anonymous.get("/report/")
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith('Bearer realm="')


def test_a_missing_scope_is_named(api_client_for):
    response = api_client_for(access_token(sub="alice", scope="other")).get("/report/")
    assert response.status_code == 403
    assert 'error="insufficient_scope"' in response["WWW-Authenticate"]
    assert response.json()["error"] == "insufficient_scope"


def test_an_outage_is_no_fault_of_the_client(reader, authorization_server):
    authorization_server.unavailable()
    response = reader.get("/report/")
    assert response.status_code == 503
    assert "Retry-After" in response
