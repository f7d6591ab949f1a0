"""The rules for names of resource servers are the same in the hook and in the generated project."""

import keyword

import pytest

NAMES = [
    *("orders", "a", "a1", "order-history", "a" * 32, "x-1"),
    *("", "a" * 33, "Orders", "1orders", "-orders", "orders-", "order--history", "order_history"),
    *("orders\n", " orders", "ördersé", "a.b", "django", "offline-access", "class", "import"),
    *("auxiliary", "com10", "console", "lpt"),
]
# Names of files that Windows reserves for devices.
DEVICES = [
    "aux",
    "con",
    "nul",
    "prn",
    *(f"{port}{n}" for port in ("com", "lpt") for n in range(10)),
]


@pytest.fixture
def names(project_source, load_module):
    """Return the generated project's ``scripts/_project.py`` as a module."""
    return load_module(project_source / "scripts" / "_project.py")


def test_the_pattern_is_the_same(hook, names):
    assert names.NAME_PATTERN.pattern == hook.NAME_PATTERN.pattern


def test_the_maximum_number_of_resource_servers_is_the_same(hook, names):
    assert names.MAX_RESOURCE_SERVERS == hook.MAX_RESOURCE_SERVERS


def test_the_reserved_names_are_the_same(hook, names):
    # Both refuse keywords, but only one of the sets may contain them.
    keywords = set(keyword.kwlist)
    assert names.RESERVED - keywords == hook.RESERVED - keywords


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_both_give_the_same_verdict_on_a_name(hook, names, name):
    assert (names.problem_with_name(name) is None) == (hook.problem_with_name(name) is None)


@pytest.mark.parametrize("name", DEVICES)
def test_no_resource_server_has_the_name_of_a_windows_device(hook, names, name):
    assert hook.problem_with_name(name) == f"{name!r} is reserved" == names.problem_with_name(name)


@pytest.mark.parametrize("name", DEVICES)
def test_no_project_has_the_name_of_a_windows_device(hook, name):
    assert len([*hook.problems_with("project_slug", name)]) == 1


@pytest.mark.parametrize("answer", ["AUX", "nul.txt", "com1.d"])
def test_no_answer_names_a_windows_device_in_another_spelling(hook, answer):
    prompts = "project_slug", "resource_servers"
    assert all([*hook.problems_with(prompt, answer)] for prompt in prompts)
