"""A project with edits of its owner is updated to a newer version of the template by cruft."""

import re
import shutil
import subprocess
import sys

import pytest
from owner import add_endpoint, add_scope, add_setting, edit
from stack import ROOT, copy_template, make, running, use_free_ports

GIT = ["git", "-c", "user.name=Test", "-c", "user.email=test@example.com"]
# The first commit with the layout of today.
OLDER = "79a3f0f8cca01c64017d2c6f51d4770639ab4c35"
SETTINGS = "resource_servers/orders/config/settings.py"
PAGE = (ROOT / "{{cookiecutter.project_slug}}" / "docs" / "upgrading.md").read_text("utf-8")
# The next one of `accounts` at that commit. The template has added others since.
MIGRATION = """from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_rate_limit")]
    operations = [
        migrations.AddField("user", "department", models.CharField(blank=True, max_length=50))
    ]
"""


def git(folder, *arguments, check=True, **options):
    """Run git in a folder."""
    return subprocess.run([*GIT, *arguments], cwd=folder, check=check, **options)


def commit(folder, message):
    """Commit all files of a folder; create the repository if needed."""
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


def has_commit(name):
    """Return whether the checkout has a commit; a shallow clone may not have it."""
    found = subprocess.run([*GIT, "cat-file", "-e", name], cwd=ROOT, capture_output=True)
    return found.returncode == 0


@pytest.fixture
def cruft(cookiecutter_config):
    """Return a function that runs cruft."""

    def cruft(folder, *arguments):
        config = ["--config-file", cookiecutter_config] if arguments[0] == "create" else []
        subprocess.run([sys.executable, "-m", "cruft", *arguments, *config], cwd=folder, check=True)

    return cruft


@pytest.fixture
def older_template(tmp_path):
    """Return a repository with the template at the commit OLDER."""
    folder = tmp_path / "gatehouse"
    folder.mkdir()
    archive = git(ROOT, "archive", OLDER, stdout=subprocess.PIPE).stdout
    subprocess.run(["tar", "--extract"], cwd=folder, input=archive, check=True)
    commit(folder, "One version")
    return folder


def take_newer_version(template):
    """Replace the older template by the current one, and commit it."""
    for path in template.iterdir():
        if path.name != ".git":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(copy_template(template.parent / "newer"), template, dirs_exist_ok=True)
    commit(template, "The next version")


def add_field_of_users(project):
    """Add a field to the user model, with its migration."""
    accounts = project / "authorization_server" / "accounts"
    field = r"\1    department = models.CharField(max_length=50, blank=True)\n"
    edit(accounts / "models.py", r'^(    name = models\.CharField\("full name".*\n)', field)
    path = accounts / "migrations" / "0003_user_department.py"
    path.write_text(MIGRATION, encoding="utf-8")


@pytest.mark.slow
@pytest.mark.skipif(not has_commit(OLDER), reason="the clone is shallow")
def test_a_project_with_edits_of_its_owner_is_brought_up_to_date(older_template, cruft, tmp_path):
    cruft(tmp_path, "create", str(older_template), "--no-input")
    project = tmp_path / "my_platform"
    commit(project, "Generate")
    secrets = (project / ".env").read_bytes()
    add_endpoint(project)
    add_scope(project)
    add_field_of_users(project)
    add_setting(project / "resource_servers" / "orders", "STOCK_WARNING = 3")
    commit(project, "Add the stock of orders")
    take_newer_version(older_template)

    cruft(project, "update", "--skip-apply-ask")

    assert list(project.rglob("*.rej")) == []
    assert git(project, "grep", "-l", "^<<<<<<< ", check=False).returncode == 1
    assert (project / SETTINGS).read_text(encoding="utf-8").endswith("\nSTOCK_WARNING = 3\n")
    assert (project / ".env").read_bytes() == secrets
    use_free_ports(project)
    make(project, "install", check=True)
    (merge,) = re.findall(r"^        (\(cd authorization_server.*--merge\))$", PAGE, re.M)
    python = project / ".venv" / "bin" / "python"
    key = [python, project / "authorization_server" / "manage.py", "ensure_signing_key"]
    subprocess.run(key, check=True)  # A project that has run has one.
    subprocess.run(["bash", "-euc", merge], cwd=project, input=b"y\n", check=True)
    for target in ("lint", "test"):
        make(project, target, check=True)
    with running(project):
        make(project, "smoke", check=True)
