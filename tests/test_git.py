"""A generated project is a git repository with a first commit, where that is possible."""

import os
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")


@pytest.fixture(autouse=True)
def git_of_a_user(monkeypatch, tmp_path):
    """Let git be used, with the configuration of a user who has a name."""
    config = tmp_path / "gitconfig"
    config.write_text("[user]\nname = Alice\nemail = alice@example.com\n", encoding="utf-8")
    monkeypatch.delenv("GATEHOUSE_GIT")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    return config


def git(folder, *arguments):
    """Return the output of git in `folder`."""
    return subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, encoding="utf-8", check=True
    ).stdout


def test_everything_is_committed(bake, tmp_path):
    project = bake(output_dir=tmp_path)
    assert git(project, "log", "--format=%an %s") == "Alice Generate the project\n"
    assert git(project, "status", "--porcelain") == ""
    assert "resource_servers/orders/manage.py" in git(project, "ls-files").splitlines()


def test_no_secret_is_committed(bake, tmp_path):
    files = git(bake(output_dir=tmp_path), "ls-files").splitlines()
    assert [file for file in files if file == ".env" or file.startswith(".secrets")] == []


def test_a_user_without_a_name_gets_a_commit_too(bake, tmp_path, git_of_a_user):
    git_of_a_user.write_text("[user]\nuseConfigOnly = true\n", encoding="utf-8")
    assert git(bake(output_dir=tmp_path), "log", "--format=%an %ae") == (
        "Gatehouse admin@example.com\n"
    )


def test_neither_hooks_nor_signatures_of_the_user_are_in_the_way(bake, tmp_path, git_of_a_user):
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in "pre-commit", "commit-msg", "prepare-commit-msg":
        (hooks / name).write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
        (hooks / name).chmod(0o755)
    with git_of_a_user.open("a", encoding="utf-8") as file:
        file.write(f"[core]\nhooksPath = {hooks}\n[commit]\ngpgSign = true\n")
    assert git(bake(output_dir=tmp_path), "log", "--format=%s") == "Generate the project\n"


def test_a_folder_in_a_repository_gets_none_of_its_own(bake, tmp_path, capfd):
    git(tmp_path, "init")
    project = bake(output_dir=tmp_path)
    assert not (project / ".git").exists()
    assert "lies in a git repository" in capfd.readouterr().out


def test_generating_over_a_repository_commits_nothing(bake, tmp_path):
    project = bake(output_dir=tmp_path)
    bake({"project_name": "My platform"}, output_dir=tmp_path, overwrite_if_exists=True)
    assert git(project, "log", "--format=%s") == "Generate the project\n"


def test_a_variable_prevents_the_repository(bake, tmp_path, monkeypatch):
    monkeypatch.setenv("GATEHOUSE_GIT", "false")
    assert not (bake(output_dir=tmp_path) / ".git").exists()


def test_a_machine_without_git_gets_a_project(bake, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not (bake(output_dir=tmp_path) / ".git").exists()


def test_a_commit_that_fails_leaves_no_half_made_repository(bake, tmp_path, monkeypatch, capfd):
    fake = tmp_path / "bin"
    fake.mkdir()
    real = shutil.which("git")
    script = f'#!/bin/sh\ncase "$*" in *commit*) exit 1;; esac\nexec {real} "$@"\n'
    (fake / "git").write_text(script, encoding="utf-8")
    (fake / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake}:{os.environ['PATH']}")
    assert not (bake(output_dir=tmp_path) / ".git").exists()
    assert "No git repository was made" in capfd.readouterr().out
