"""The cast: Alice and Bob, who sign in, and the clients of the demo, which are registered."""

import io

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

from accounts.models import User
from introspection import endpoint, lookup
from tests.flows import Browser


@pytest.fixture(autouse=True)
def first_refusal_is_logged(monkeypatch):
    """Begin each test without a refusal in the second before it."""
    monkeypatch.setattr(endpoint, "_last_logged", float("-inf"))


@pytest.fixture(autouse=True)
def prepared_query_is_counted(monkeypatch):
    """Count the query that is sent without Django's cursor on PostgreSQL."""
    fetch_prepared = lookup.fetch_prepared

    def counted(*arguments):
        connection.queries_log.append({"sql": lookup.QUERY, "time": "0"})
        return fetch_prepared(*arguments)

    monkeypatch.setattr(lookup, "fetch_prepared", counted)


@pytest.fixture
def registered(db):
    """Register the clients of ``clients.toml`` and of both resource servers."""
    call_command("ensure_clients", stdout=io.StringIO())


@pytest.fixture
def alice(db):
    """Return a person without a password, which takes a slow hash to set."""
    return User.objects.create_user("alice@example.com", name="Alice")


@pytest.fixture
def bob(db):
    """Return another person."""
    return User.objects.create_user("bob@example.com")


@pytest.fixture
def browser(registered, alice):
    """Return a browser in which Alice is signed in, and which is not followed by redirects."""
    browser = Browser(enforce_csrf_checks=False)
    browser.force_login(alice)
    return browser


@pytest.fixture
def run(capsys):
    """Return a function that runs a management command and returns what it prints."""

    def run(*arguments):
        capsys.readouterr()
        call_command(*arguments)
        return capsys.readouterr().out

    return run


@pytest.fixture
def anonymous(registered):
    """Return a client of which nobody is signed in."""
    return Client()
