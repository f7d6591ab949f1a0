"""Permissions: ours, DOT's, and the challenge of a 403."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.utils import timezone
from oauth2_provider.models import AccessToken
from oauth_resource_server.rest_framework.permissions import TokenRequired
from rest_framework.request import Request
from rest_framework.test import APIClient

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader(authorization_server, client_with):
    """Alice with a token that may only read."""
    return client_with(authorization_server.issue("reader", scope="orders:read"))


def challenge(response):
    return response.headers.get("WWW-Authenticate", "")


@pytest.mark.parametrize(
    ("client", "view", "status"),
    [
        ("alice", "token", 200),
        ("machine", "token", 200),
        ("anonymous", "token", 401),
        ("alice", "person", 200),
        ("machine", "person", 403),
        ("anonymous", "person", 401),
        ("alice", "machine", 403),
        ("machine", "machine", 200),
        ("anonymous", "machine", 401),
        ("alice", "authenticated", 200),
        ("machine", "authenticated", 403),
        # DOT's.
        ("alice", "scope", 200),
        ("machine", "scope", 200),
        ("reader", "scope", 403),
        ("anonymous", "scope", 401),
        ("reader", "two-scopes", 403),
        ("alice", "read-write", 200),
        ("reader", "read-write", 200),
        ("alice", "user-or-scope", 200),
        ("machine", "user-or-scope", 200),
        ("reader", "user-or-scope", 403),
        ("anonymous", "user-or-scope", 401),
        ("alice", "oas", 200),
        ("reader", "oas", 403),
        ("anonymous", "oas", 401),
        # Composed.
        ("alice", "and", 200),
        ("reader", "and", 403),
        ("alice", "or", 200),
        ("reader", "or", 403),
        ("alice", "not", 403),
        ("reader", "not", 200),
    ],
)
def test_a_view_answers(request, client, view, status):
    assert request.getfixturevalue(client).get(f"/{view}/").status_code == status


def test_writing_needs_the_write_scope(reader):
    assert reader.post("/read-write/").status_code == 403


def test_writing_is_allowed_with_it(alice):
    assert alice.post("/read-write/").status_code == 200


def test_a_user_of_another_kind_needs_no_scope():
    client = APIClient()
    client.force_authenticate(User(username="local"))
    assert client.get("/user-or-scope/").status_code == 200


def test_a_user_of_another_kind_has_no_token():
    client = APIClient()
    client.force_authenticate(User(username="local"))
    assert client.get("/token/").status_code == 403


def test_a_token_that_expires_during_the_request_is_refused(authorization_server):
    from oauth_resource_server import AccessToken

    client = APIClient()
    client.force_authenticate(AnonymousUser(), AccessToken(sub="importer", exp=1))
    assert client.get("/token/").status_code == 403


# The challenge (RFC 6750 section 3.1).


def test_the_challenge_names_the_scope_that_is_missing(reader):
    assert challenge(reader.get("/scope/")) == (
        'Bearer realm="orders",error="insufficient_scope",'
        'error_description="The access token lacks a scope that this request needs.",'
        'scope="orders:write",'
        'resource_metadata="http://testserver/.well-known/oauth-protected-resource"'
    )


def test_the_body_of_a_403_has_the_error_of_the_challenge(reader):
    assert reader.get("/scope/").json() == {
        "error": "insufficient_scope",
        "detail": "The access token lacks a scope that this request needs.",
    }


def test_the_body_of_a_403_for_another_reason_has_no_error(reader):
    assert list(reader.get("/never/").json()) == ["detail"]


@pytest.mark.parametrize(
    ("view", "scope"),
    [
        ("subclass", "orders:write"),
        ("two-scopes", "orders:read orders:write"),
        ("user-or-scope", "orders:write"),
        ("oas", "orders:write"),
        ("and", "orders:write"),
        ("or", "orders:write"),
        ("never-after-scope", "orders:write"),
    ],
)
def test_the_challenge_names_what_the_permission_asks_for(reader, view, scope):
    assert f'scope="{scope}"' in challenge(reader.get(f"/{view}/"))


def test_the_challenge_of_a_write_names_the_write_scope(reader):
    assert 'scope="orders:write"' in challenge(reader.post("/read-write/"))


def test_the_challenge_of_a_read_names_the_read_scope(authorization_server, client_with):
    writer = client_with(authorization_server.issue("writer", scope="orders:write"))
    assert 'scope="orders:read"' in challenge(writer.get("/read-write/"))


@pytest.mark.parametrize(
    ("client", "view"),
    [
        ("alice", "machine"),
        ("machine", "person"),
        ("alice", "not"),
        ("alice", "never"),
        ("reader", "never-and-scope"),
        ("alice", "never-after-scope"),
    ],
)
def test_there_is_no_challenge_when_more_scope_would_not_help(request, client, view):
    response = request.getfixturevalue(client).get(f"/{view}/")
    assert (response.status_code, challenge(response)) == (403, "")


def test_there_is_no_challenge_without_a_token():
    client = APIClient()
    client.force_authenticate(User(username="local"))
    assert challenge(client.get("/scope/")) == ""


@pytest.mark.parametrize(("minutes", "is_accepted"), [(1, True), (-1, False)])
def test_a_token_of_dot_is_required_to_be_valid(rf, minutes, is_accepted):
    request = Request(rf.get("/"))
    expires = timezone.now() + timedelta(minutes=minutes)
    request.auth = AccessToken(scope="orders:read", expires=expires)
    assert TokenRequired().has_permission(request, None) is is_accepted
