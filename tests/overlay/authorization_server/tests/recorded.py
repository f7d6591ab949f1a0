"""Fixtures for the tests of events."""

import logging
import re

import pytest
from audit import recording


@pytest.fixture
def commit_at_once(monkeypatch):
    """Have what waits for the commit of a transaction not wait for that of the test."""
    monkeypatch.setattr(recording.transaction, "on_commit", lambda function: function())


@pytest.fixture
def events(caplog, registered, commit_at_once):
    """Return a function that returns the events since its last call: name, outcome, members.

    Each has the address and the identifier of its request.
    """

    def events():
        found = []
        for record in caplog.records:
            if record.name == "security":
                members = dict(record.msg)
                assert members.pop("address") == "127.0.0.1"
                assert re.fullmatch("[0-9a-f]{32}", members.pop("request_id"))
                found.append((members.pop("event"), members.pop("outcome"), members))
        caplog.clear()
        return found

    caplog.set_level(logging.INFO, "security")
    caplog.clear()
    return events


@pytest.fixture
def lines(caplog, commit_at_once):
    """Return a function that returns the members of each event in the log."""
    caplog.set_level(logging.INFO, "security")
    return lambda: [r.msg for r in caplog.records if r.name == "security"]
