"""Every process of every resource server refuses a token that has ended before its time.

Two resource servers with two processes each. The caching time is 600 seconds, and no test waits for
so long: without reports of revocations each of them fails.
"""

import secrets

import pytest
from compose import ADDED, AUTHORIZATION_SERVER, CACHING_SECONDS, FIRST, fetch, wait_until

pytestmark = pytest.mark.slow
# Connections are spread over the processes, so that this many reach each of them.
REQUESTS = 12
DJANGO = """
import os
from datetime import timedelta

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.core.management import call_command
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application

from accounts.models import User
from client_registry.models import RegisteredClient

browser = Application.objects.get(client_id="demo-browser")
"""
ISSUE = """
user = User.objects.create_user("{token}@example.com", "a long passphrase")
AccessToken.objects.create(
    user=user,
    application=browser,
    token="{token}",
    scope="{scope}",
    expires=timezone.now() + timedelta(minutes=10),
)
"""
USER = 'user = User.objects.get(email="{token}@example.com".lower())\n'
DEATHS = {
    "the token is deleted": 'AccessToken.objects.get(token="{token}").delete()',
    "the user is deactivated": USER + "user.is_active = False\nuser.save()",
    "the user is deactivated by update()": "User.objects.filter("
    'email="{token}@example.com".lower()).update(is_active=False)',
    "the password is changed": USER + 'user.set_password("another passphrase")\nuser.save()',
    "the user is deleted": USER + "user.delete()",
    "the tokens of the user are revoked": (
        'call_command("revoke_tokens", user="{token}@example.com")'
    ),
    "the tokens of the client are revoked": 'call_command("revoke_tokens", client="demo-browser")',
    "all tokens are revoked": 'call_command("revoke_tokens", all=True)',
}


@pytest.fixture(scope="module")
def caching_stack(extended_stack):
    """Return the stack with a cache lifetime that is longer than these tests."""
    name = "RESOURCE_SERVER_TOKEN_CACHING_SECONDS"
    extended_stack.variables[name] = CACHING_SECONDS
    extended_stack.up("--no-deps", FIRST, ADDED)
    yield extended_stack
    del extended_stack.variables[name]
    extended_stack.up("--no-deps", FIRST, ADDED)


@pytest.fixture
def token(caching_stack):
    """Return the header of a token of a new user, which each process has accepted."""
    token = secrets.token_urlsafe(16).lower().replace("_", "-").strip("-")
    scope = f"{FIRST}:read {ADDED}:read"
    run(caching_stack, ISSUE.format(token=token, scope=scope))
    headers = {"Authorization": f"Bearer {token}"}
    for service in (FIRST, ADDED):
        wait_until(lambda service=service: answers(caching_stack, service, headers) == {200})
    return token, headers


def run(stack, code):
    """Run code in the container of the authorization server, with Django set up."""
    stack.python(AUTHORIZATION_SERVER, DJANGO + code)


def answers(stack, service, headers):
    """Return the statuses of requests over connections of their own."""
    url = stack.url(service, "/api/whoami/")
    return {fetch("GET", url, headers).status for _ in range(REQUESTS)}


@pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS)
def test_a_token_ends_everywhere(caching_stack, token, death):
    token, headers = token
    run(caching_stack, death.format(token=token))
    for service in (FIRST, ADDED):
        wait_until(lambda service=service: answers(caching_stack, service, headers) == {401})


def test_a_token_that_ends_while_a_resource_server_is_paused_ends_after_it(caching_stack, token):
    token, headers = token
    caching_stack.compose("pause", FIRST)
    run(caching_stack, DEATHS["the token is deleted"].format(token=token))
    caching_stack.compose("restart", AUTHORIZATION_SERVER)
    caching_stack.compose("unpause", FIRST)
    wait_until(lambda: answers(caching_stack, FIRST, headers) == {401})
