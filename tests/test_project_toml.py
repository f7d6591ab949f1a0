"""`project.toml` records the answers of a project literally."""

import json
import tomllib

import pytest
from test_answers import HOSTILE_NAMES

ANSWERS = {
    "project_name": "Shop",
    "project_slug": "shop",
    "resource_servers": "orders,order-history",
    "domain": "shop.example.org",
    "django_version": "5.2",
    "contact_email": "maria@example.org",
}


@pytest.fixture
def project_toml(bake):
    """Return a function that generates a project from `answers` and returns the parsed file."""

    def project_toml(answers):
        path = bake(answers, accept_hooks=False) / "project.toml"
        return tomllib.loads(path.read_text(encoding="utf-8"))

    return project_toml


@pytest.mark.parametrize("name", HOSTILE_NAMES.values(), ids=HOSTILE_NAMES)
def test_the_name_is_recorded_literally(project_toml, name):
    assert project_toml({"project_name": name})["name"] == name


def test_every_answer_is_recorded(project_toml):
    assert project_toml(ANSWERS)["template"]["answers"] == ANSWERS


def test_the_values_for_services_and_scripts_are_at_the_top_level(project_toml):
    settings = project_toml(ANSWERS)
    assert (settings["name"], settings["domain"], settings["contact_email"]) == (
        "Shop",
        "shop.example.org",
        "maria@example.org",
    )


def test_the_version_of_the_template_is_recorded(project_toml, template):
    settings = json.loads((template / "cookiecutter.json").read_text(encoding="utf-8"))
    assert project_toml({})["template"]["version"] == settings["_template_version"]
