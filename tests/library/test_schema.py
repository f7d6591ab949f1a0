"""What drf-spectacular writes about tokens."""

import pytest
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from oauth_resource_server.rest_framework.schema import document_refusals


@pytest.fixture(scope="module")
def schema():
    return SchemaGenerator().get_schema(public=True)


@pytest.fixture
def scheme(schema):
    return schema["components"]["securitySchemes"]["oauth2"]


def test_the_schema_is_valid(schema):
    validate_schema(schema)


def test_tokens_come_from_the_authorization_server(scheme):
    assert scheme["flows"]["authorizationCode"]["tokenUrl"] == "https://as.example.com/o/token/"


def test_a_token_can_be_pasted_into_the_documentation_page(schema):
    scheme = schema["components"]["securitySchemes"]["token"]
    assert scheme == {"type": "http", "scheme": "bearer"}


def test_people_go_there_too(scheme):
    url = scheme["flows"]["authorizationCode"]["authorizationUrl"]
    assert url == "https://as.example.com/o/authorize/"


def test_the_scopes_are_those_of_the_settings(scheme):
    assert list(scheme["flows"]["authorizationCode"]["scopes"]) == ["orders:read", "orders:write"]


@pytest.mark.parametrize(
    ("view", "security"),
    [
        ("scope", [{"oauth2": ["orders:write"]}, {"token": []}]),
        ("read-write", [{"oauth2": ["orders:read"]}, {"token": []}]),
        ("default", [{"oauth2": []}, {"token": []}]),
        ("open", [{"oauth2": []}, {"token": []}, {}]),
    ],
)
def test_an_operation_says_what_it_needs(schema, view, security):
    assert schema["paths"][f"/{view}/"]["get"]["security"] == security


def test_a_refusal_has_the_members_that_views_send():
    operation = {"security": [], "responses": {}}
    document_refusals({"paths": {"/items/": {"get": operation}}})
    contents = [response["content"] for response in operation["responses"].values()]
    schemas = [content["application/json"]["schema"] for content in contents]
    assert [list(schema["properties"]) for schema in schemas] == [["error", "detail"]] * 5


THROTTLE = ["oauth_resource_server.rest_framework.throttling.ClientRateThrottle"]


@pytest.mark.parametrize(
    ("operation", "throttles", "statuses"),
    [
        ({}, [], "406"),
        ({"security": []}, [], "400 401 403 406 503"),
        ({"security": [], "parameters": [{"in": "query"}]}, [], "400 401 403 404 406 503"),
        ({"security": [], "requestBody": {}}, [], "400 401 403 406 409 415 503"),
        ({"security": []}, THROTTLE, "400 401 403 406 429 503"),
    ],
)
def test_an_operation_has_the_refusals_that_can_happen(settings, operation, throttles, statuses):
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"DEFAULT_THROTTLE_CLASSES": throttles}
    operation["responses"] = {}
    document_refusals({"paths": {"/items/": {"get": operation}}})
    assert [*operation["responses"]] == statuses.split()
