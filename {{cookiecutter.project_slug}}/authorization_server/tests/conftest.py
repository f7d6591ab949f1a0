"""Fixtures: Alice, a person, and the registered clients of ``clients.toml``."""

import io

import pytest
from django.core.management import call_command

from accounts.models import User
from tests.flows import Browser


@pytest.fixture
def registered(db):
    """Register the clients of ``clients.toml`` and of both resource servers."""
    call_command("ensure_clients", stdout=io.StringIO())


@pytest.fixture
def alice(db):
    """Return a person without a password, because setting one takes a slow hash."""
    return User.objects.create_user("alice@example.com", name="Alice")


@pytest.fixture
def browser(registered, alice):
    """Return a browser in which Alice is signed in. It does not follow redirects."""
    browser = Browser(enforce_csrf_checks=False)
    browser.force_login(alice)
    return browser
