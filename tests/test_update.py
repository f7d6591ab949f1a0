"""A project made by cruft takes a newer version of the template without a conflict."""

import subprocess
import sys

import pytest

GIT = ["git", "-c", "user.name=Test", "-c", "user.email=test@example.com"]


@pytest.fixture
def commit():
    """Return a function that commits all that stands in a folder."""

    def commit(folder, message):
        for arguments in ("init --quiet", "add --all", "commit --quiet --message"):
            words = [*GIT, *arguments.split(), *[message] * arguments.endswith("message")]
            subprocess.run(words, cwd=folder, check=True)

    return commit


@pytest.fixture
def cruft(cookiecutter_config):
    """Return a function that runs cruft."""

    def cruft(folder, *arguments):
        config = ["--config-file", cookiecutter_config] if arguments[0] == "create" else []
        subprocess.run([sys.executable, "-m", "cruft", *arguments, *config], cwd=folder, check=True)

    return cruft


@pytest.fixture
def own_template(bake, template, tmp_path):
    """Return a copy of the template that a test may change."""
    import shutil

    return shutil.copytree(template, tmp_path / "gatehouse")


def test_an_update_leaves_no_conflict_and_keeps_the_secrets(own_template, commit, cruft, tmp_path):
    commit(own_template, "One version")
    cruft(tmp_path, "create", str(own_template), "--no-input")
    project = tmp_path / "my_platform"
    commit(project, "Generate")
    secrets = (project / ".env").read_bytes()

    readme = own_template / "{{cookiecutter.project_slug}}" / "README.md"
    readme.write_text(readme.read_text(encoding="utf-8") + "\nA newer line.\n", encoding="utf-8")
    commit(own_template, "The next version")
    cruft(project, "update", "--skip-apply-ask")

    assert list(project.rglob("*.rej")) == []
    assert (project / "README.md").read_text(encoding="utf-8").endswith("A newer line.\n")
    assert (project / ".env").read_bytes() == secrets
