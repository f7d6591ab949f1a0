"""A generated project is complete and reproducible, and its secrets are private."""

import ast
import fnmatch
import json
import os
import shutil
import stat
import subprocess

import pytest


def contents_of(folder):
    """Return the bytes of each file in `folder` by its relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def without_secrets(contents):
    """Return the contents of the files that are the same in each generation."""
    return {path: content for path, content in contents.items() if not is_secret(path)}


def is_secret(path):
    return path == ".env" or path.startswith(".secrets/")


def test_the_same_answers_give_the_same_bytes_except_for_secrets(project, bake):
    first, second = contents_of(project), contents_of(bake())
    assert without_secrets(first) == without_secrets(second)


def test_two_projects_share_no_secret(project, bake):
    first, second = contents_of(project), contents_of(bake())
    same = [path for path in first if is_secret(path) and first[path] == second[path]]
    assert [path for path in same if first[path]] == []


def test_no_template_variable_is_left_in_a_file(project):
    left = [
        path
        for path, content in contents_of(project).items()
        if b"{{ cookiecutter" in content or b"{{cookiecutter" in content
    ]
    assert left == []


def test_no_template_variable_is_left_in_a_path(project):
    assert [path for path in contents_of(project) if "cookiecutter" in path] == []


def test_each_python_file_parses(project):
    paths = list(project.rglob("*.py"))
    assert [ast.parse(path.read_bytes(), filename=str(path)) for path in paths] != []


@pytest.mark.parametrize("kinds", [("toml", "lock"), ("json",), ("yml", "yaml")], ids=" and ".join)
def test_each_data_file_parses(project, files_that_do_not_parse, kinds):
    assert files_that_do_not_parse(project, kinds) == []


def test_no_compiled_file_is_left(bake, monkeypatch):
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    assert list(bake().rglob("__pycache__")) == []


def test_no_file_has_windows_line_endings(project):
    with_crlf = [
        path
        for path, content in contents_of(project).items()
        if b"\r\n" in content and b"\0" not in content
    ]
    assert with_crlf == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")
def test_only_the_owner_can_read_env(project):
    assert stat.S_IMODE((project / ".env").stat().st_mode) == 0o600


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
@pytest.mark.parametrize("path", [".env", ".secrets/POSTGRES_PASSWORD", "backups/x/orders.dump"])
def test_git_ignores_secrets_and_backups(bake, tmp_path, path):
    project = bake(output_dir=tmp_path)
    # A global ignore file of the user must not make the test pass.
    environment = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    subprocess.run(["git", "init", "--quiet"], cwd=project, env=environment, check=True)
    answer = subprocess.run(
        ["git", "-c", "core.excludesFile=", "check-ignore", path], cwd=project, env=environment
    )
    assert answer.returncode == 0


@pytest.mark.parametrize("skip", [False, True], ids=["overwriting", "skipping what exists"])
def test_generating_over_a_project_keeps_its_secrets(bake, tmp_path, skip):
    project = bake(output_dir=tmp_path)
    before = contents_of(project)
    bake(output_dir=tmp_path, overwrite_if_exists=True, skip_if_file_exists=skip)
    after = contents_of(project)
    assert [path for path in before if is_secret(path) and after[path] != before[path]] == []


def test_a_bad_answer_over_a_project_changes_nothing(template, run_cookiecutter, bake, tmp_path):
    project = bake(output_dir=tmp_path)
    before = contents_of(project)
    run_cookiecutter(template, "--no-input", "-f", "domain=localhost")
    assert contents_of(project) == before


def test_a_project_is_generated_when_hooks_are_refused(template, run_cookiecutter):
    assert run_cookiecutter(template, "--no-input", "--accept-hooks", "no").returncode == 0


def test_no_folder_is_copied_as_a_whole(template, project_source):
    # Cookiecutter deletes such a folder when it generates over a project.
    settings = json.loads((template / "cookiecutter.json").read_text(encoding="utf-8"))
    folders = [path for path in project_source.rglob("*") if path.is_dir()]
    copied = [
        folder
        for folder in folders
        for pattern in settings["_copy_without_render"]
        if fnmatch.fnmatch(str(folder.relative_to(project_source)), pattern)
    ]
    assert copied == []
