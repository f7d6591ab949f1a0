"""``make test-library`` runs both versions of Django and reports each failure and skip."""

import json
import sys

import library_suite
import pytest


@pytest.fixture
def suite(monkeypatch, tmp_path):
    """Return a function that runs the script and returns its exit code and its test runs."""

    def suite(*arguments, newer="python3.13", failing="", branches=95):
        runs = []
        totals = {"covered_branches": branches, "num_branches": 100}
        (tmp_path / "coverage.json").write_text(json.dumps({"totals": totals}), encoding="utf-8")

        def run(django, python, *options):
            runs.append((django, python, *options))
            return django != failing

        monkeypatch.setattr(library_suite, "run", run)
        monkeypatch.setattr(library_suite, "BUILD", tmp_path)
        monkeypatch.setattr(library_suite, "python_for_django_6_1", lambda: newer)
        return library_suite.main(list(arguments)), runs

    return suite


def test_both_versions_run_and_the_first_measures_the_coverage(suite):
    code, [first, second] = suite()
    assert (code, first[:3]) == (0, ("5.2", sys.executable, "--cov"))
    assert second == ("6.1", "python3.13")


def test_insufficient_branch_coverage_is_a_failure(suite):
    assert suite(branches=94)[0] == 1


def test_a_selection_of_tests_has_no_coverage_gate(suite):
    assert suite("-k", "jwt", branches=1)[1][0] == ("5.2", sys.executable, "-k", "jwt")


@pytest.mark.parametrize("django", ["5.2", "6.1"])
def test_a_failure_on_one_version_is_a_failure(suite, django):
    code, runs = suite(failing=django)
    assert (code, len(runs)) == (1, 2)


def test_without_a_newer_python_the_skip_is_printed(suite, capsys):
    code, runs = suite(newer=None)
    assert (code, [run[0] for run in runs]) == (0, ["5.2"])
    assert "SKIPPED: the library on Django 6.1" in capsys.readouterr().out
