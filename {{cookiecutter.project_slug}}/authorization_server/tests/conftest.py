"""Fixtures: two people, Alice and Bob, and the registered clients of ``clients.toml``."""

import io

import pytest
from django.core.management import call_command
from django.test import Client

from accounts.models import User
from audit import recording
from introspection import endpoint
from tests.flows import Browser


@pytest.fixture(autouse=True)
def first_refusal_is_logged(monkeypatch):
    """Begin each test without refusals before it."""
    monkeypatch.setattr(endpoint, "_last_logged", float("-inf"))
    recording._refusals.clear()


@pytest.fixture
def registered(db):
    """Register the clients of ``clients.toml`` and of both resource servers."""
    call_command("ensure_clients", stdout=io.StringIO())


@pytest.fixture
def alice(db):
    """Return a person without a password, because setting one takes a slow hash."""
    return User.objects.create_user("alice@example.com", name="Alice")


@pytest.fixture
def bob(db):
    """Return another person."""
    return User.objects.create_user("bob@example.com")


@pytest.fixture
def browser(registered, alice):
    """Return a browser in which Alice is signed in. It does not follow redirects."""
    browser = Browser(enforce_csrf_checks=False)
    browser.force_login(alice)
    return browser


@pytest.fixture
def run(capsys):
    """Return a function that runs a management command and returns its output."""

    def run(*arguments):
        capsys.readouterr()
        call_command(*arguments)
        return capsys.readouterr().out

    return run


@pytest.fixture
def anonymous(registered):
    """Return a browser without a session."""
    return Client()
