"""The README of the template shows how large a project is, and no goal is missed."""

import pytest
from size import README, TABLE, measured, table


@pytest.fixture(scope="module")
def rows(project):
    return measured(project)


def test_the_readme_shows_the_size_of_today(rows):
    [shown] = TABLE.findall(README.read_text(encoding="utf-8"))
    assert shown == table(rows), "run `make size`"


def test_no_goal_is_missed(rows):
    assert [(what, value) for what, value, goal in rows if goal and value > goal] == []
