"""Fixtures for the tests of the template, beside those of the project."""

import pytest
from accounts.models import User
from audit import recording
from django.core.management import call_command
from django.test import Client
from introspection import endpoint


@pytest.fixture(autouse=True)
def first_refusal_is_logged(monkeypatch):
    """Begin each test without refusals before it."""
    monkeypatch.setattr(endpoint, "_last_logged", float("-inf"))
    recording._refusals.clear()


@pytest.fixture
def bob(db):
    """Return another person."""
    return User.objects.create_user("bob@example.com")


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
