"""Refusals are JSON, and are in the OpenAPI document."""

import pytest


def test_an_unknown_address_is_answered_with_json(anonymous):
    response = anonymous.get("/api/unknown/")
    assert (response.status_code, response.json()) == (404, {"detail": "Not found."})


def test_the_schema_says_why_in_words(anonymous):
    paths = anonymous.get("/api/schema/?format=json").json()["paths"]
    responses = paths["/api/items/"]["get"]["responses"]
    assert responses["403"]["description"] == "The access token does not have the scope."


@pytest.mark.parametrize("status", ["400", "401", "403", "404", "409", "415", "503"])
def test_the_schema_documents_refusals(anonymous, status):
    paths = anonymous.get("/api/schema/?format=json").json()["paths"]
    assert status in paths["/api/items/{id}/"]["put"]["responses"]


@pytest.mark.parametrize("path", ["/o/token/", "/o/authorize/", "/o/introspect/"])
def test_endpoints_of_an_authorization_server_are_not_served(anonymous, path):
    assert anonymous.get(path).status_code == 404
