"""What drf-spectacular writes about tokens."""

import pytest
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema


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
