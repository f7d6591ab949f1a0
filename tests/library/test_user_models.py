"""Any ``AUTH_USER_MODEL`` works, each in a process of its own."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import oauth_resource_server
import pytest
from oauth_resource_server.users import username_of

PATHS = Path(__file__).parents[1], Path(oauth_resource_server.__file__).parents[1]
UUID = username_of("https://as.example.com", "alice")
CHANGES = {
    "auth.User": {"is_staff": True},
    "people.EmailUser": {"is_active": False},
    "people.AdminUser": {"is_admin": True},
}
FACTORY = "library.people.models.phone_user"


@cache
def use(model, factory=""):
    """Return what people/use.py finds with the user model."""
    variables = {
        "USER_MODEL": model,
        "USER_FACTORY": factory,
        "CHANGE": json.dumps(CHANGES.get(model, {})),
        "PYTHONPATH": os.pathsep.join(map(str, PATHS)),
    }
    done = subprocess.run(
        [sys.executable, "-B", "-m", "library.people.use"],
        env=os.environ | variables,
        check=True,
        capture_output=True,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("model", CHANGES)
def test_checks_accept_the_model(model):
    assert use(model)["checks"] == []


@pytest.mark.parametrize(
    ("model", "username"),
    [
        ("auth.User", UUID),
        ("people.EmailUser", f"{UUID}@users.invalid"),
        ("people.AdminUser", UUID),
    ],
)
def test_the_username_is_made_from_issuer_and_sub(model, username):
    assert use(model)["username"] == username


@pytest.mark.parametrize("model", CHANGES)
def test_the_password_is_unusable(model):
    assert use(model)["usable_password"] is False


@pytest.mark.parametrize("model", CHANGES)
def test_a_user_is_refused_after_it_became_inactive_or_staff(model):
    assert (use(model)["refused"], use(model)["refused_after_change"]) == (False, True)


def test_people_are_linked_in_the_admin():
    assert use("auth.User")["admin_fields"] == [["issuer", "sub", "user"], ["name", "created"]]


def test_a_model_that_needs_more_fields_is_found():
    assert use("people.PhoneUser")["checks"] == [
        "USERS is 'create', but people.PhoneUser needs a value for phone, email, birthday: "
        "set USER_FACTORY, or set USERS to 'linked' or 'none'."
    ]


def test_a_model_that_needs_more_fields_is_no_problem_with_a_factory():
    assert use("people.PhoneUser", FACTORY)["checks"] == []


def test_a_factory_fills_the_fields():
    assert use("people.PhoneUser", FACTORY)["username"] == "+1 555 0100"
