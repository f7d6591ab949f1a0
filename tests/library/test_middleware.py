"""What the middleware and the exception handler make of what a view raises."""

import pytest
from django.test import RequestFactory
from oauth_resource_server import (
    AuthorizationServerUnavailable,
    IntrospectionCredentialsRefused,
    IntrospectionResponseInvalid,
    ResourceOwnerRefused,
    TokenValidationError,
)
from oauth_resource_server.django.middleware import AuthorizationServerErrorMiddleware
from rest_framework.test import APIRequestFactory

from .views import BrokenView

ERRORS = [
    AuthorizationServerUnavailable,
    IntrospectionCredentialsRefused,
    IntrospectionResponseInvalid,
]


def answered(error):
    middleware = AuthorizationServerErrorMiddleware(lambda request: None)
    return middleware.process_exception(RequestFactory().get("/"), error)


@pytest.mark.parametrize("kind", ERRORS)
def test_an_introspection_error_is_a_503(kind):
    assert answered(kind("no")).status_code == 503


@pytest.mark.parametrize("kind", ERRORS)
def test_every_introspection_error_has_one_base(kind):
    assert issubclass(kind, TokenValidationError)


def test_the_503_says_when_to_come_again():
    assert answered(AuthorizationServerUnavailable("no", retry_after=7))["Retry-After"] == "7"


def test_the_client_is_never_told_to_come_again_at_once():
    assert answered(AuthorizationServerUnavailable("no", retry_after=0))["Retry-After"] == "5"


def test_a_refused_owner_is_a_401():
    assert answered(ResourceOwnerRefused("no")).status_code == 401


def test_any_other_error_is_left_to_django():
    assert answered(ValueError("no")) is None


def test_the_exception_handler_answers_an_introspection_error_too():
    view = BrokenView.as_view(
        exception=AuthorizationServerUnavailable("no"),
        authentication_classes=[],
        permission_classes=[],
    )
    assert view(APIRequestFactory().get("/")).status_code == 503


def test_the_exception_handler_leaves_any_other_error_to_django():
    view = BrokenView.as_view(
        exception=ValueError("no"), authentication_classes=[], permission_classes=[]
    )
    with pytest.raises(ValueError, match="no"):
        view(APIRequestFactory().get("/"))
