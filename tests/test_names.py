"""The rules for names of resource servers are the same in the hook and in the generated project."""

import keyword

import pytest

NAMES = [
    *("orders", "a", "a1", "order-history", "a" * 32, "x-1"),
    *("", "a" * 33, "Orders", "1orders", "-orders", "orders-", "order--history", "order_history"),
    *("orders\n", " orders", "ördersé", "a.b", "django", "offline-access", "class", "import"),
    *("aux", "com1", "lpt9", "com10"),
]


@pytest.fixture
def names(project_source, load_module):
    """Return the generated project's ``scripts/_names.py`` as a module."""
    path = project_source / "scripts" / "_names.py"
    if not path.exists():
        pytest.skip("the template has no scripts/_names.py yet")
    return load_module(path)


def test_the_pattern_is_the_same(hook, names):
    assert names.NAME_PATTERN.pattern == hook.NAME_PATTERN.pattern


def test_the_most_resource_servers_are_the_same(hook, names):
    assert names.MAX_RESOURCE_SERVERS == hook.MAX_RESOURCE_SERVERS


def test_the_reserved_names_are_the_same(hook, names):
    # Keywords are refused by both; whether the set holds them or the function asks is their affair.
    keywords = set(keyword.kwlist)
    assert names.RESERVED - keywords == hook.RESERVED - keywords


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_is_accepted_by_both_or_by_none(hook, names, name):
    assert (names.problem_with_name(name) is None) == (hook.problem_with_name(name) is None)
