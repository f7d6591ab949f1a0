"""`token_required` guards a plain Django view as an API of REST framework is guarded."""

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.urls import path
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from oauth_resource_server.rest_framework.decorators import token_required
from rest_framework.test import APIClient

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


@token_required("orders:read")
def report(request, number):
    """Return the report of a year."""
    content = f"{number} of {request.auth.sub} by {request.method}"
    return HttpResponse(content, content_type="application/pdf")


@token_required()
def name(request):
    return HttpResponse(request.user.get_username())


@token_required("orders:write", "orders:read")
def change(request):
    return HttpResponse()


@token_required()
@require_safe
def safe(request):
    return HttpResponse()


urlpatterns = [
    path("report/<int:number>/", report),
    path("name/", name),
    path("change/", change),
    path("safe/", safe),
]


@pytest.fixture
def reader(authorization_server, client_with):
    """Alice with a token that may only read."""
    return client_with(authorization_server.issue("reader", scope="orders:read"))


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_the_view_gets_the_token_the_method_and_its_arguments(reader, method):
    response = reader.generic(method, "/report/2026/")
    assert response.content.decode() == f"2026 of alice-uuid by {method}"


@pytest.mark.parametrize("accept", ["application/pdf", "text/html", "*/*"])
def test_the_view_decides_on_the_content_type(reader, accept):
    response = reader.get("/report/1/", headers={"Accept": accept})
    assert (response.status_code, response["Content-Type"]) == (200, "application/pdf")


def test_the_view_keeps_its_name_and_docstring():
    assert (report.__name__, report.__doc__) == ("report", "Return the report of a year.")


def test_a_machine_may_call_a_view_without_scopes(machine):
    assert machine.get("/name/").content == b""


def test_no_token_is_challenged():
    response = APIClient().get("/report/1/")
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="orders"'


@pytest.mark.parametrize("path", ["/report/1/", "/name/"])
def test_an_unknown_token_is_refused(client_with, path):
    response = client_with("unknown").get(path)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_token")


def test_a_token_in_the_url_is_refused(reader):
    response = reader.get("/report/1/?access_token=reader")
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


def test_a_missing_scope_is_named(reader):
    response = reader.post("/change/")
    assert (response.status_code, response.json()["error"]) == (403, "insufficient_scope")
    assert 'scope="orders:write orders:read"' in response["WWW-Authenticate"]


def test_an_outage_is_not_the_fault_of_the_client(authorization_server, client_with):
    authorization_server.answer_with(500)
    response = client_with("some-token").get("/report/1/")
    assert (response.status_code, response["Retry-After"]) == (503, "5")


def test_a_user_who_is_deactivated_is_refused(alice):
    assert alice.get("/name/").status_code == 200
    User.objects.update(is_active=False)
    assert alice.get("/name/").json()["error"] == "invalid_token"


def test_a_browser_needs_no_csrf_token(authorization_server):
    authorization_server.issue("hers")
    client = APIClient(enforce_csrf_checks=True, headers={"Authorization": "Bearer hers"})
    assert client.post("/report/1/").status_code == 200


def test_the_view_may_refuse_a_method(reader):
    assert (reader.get("/safe/").status_code, reader.post("/safe/").status_code) == (200, 405)


def test_the_openapi_document_leaves_it_out():
    assert SchemaGenerator().get_schema(public=True)["paths"] == {}
