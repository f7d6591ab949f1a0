"""A generated project passes its own checks."""

import os
import shutil
import subprocess

import pytest
from stack import (
    ROOT,
    has_compose,
    make,
    output_of,
    python_for_django_6_1,
    read_env,
    running,
    use_free_ports,
)

SERVICES = ["authorization_server", "resource_servers/orders", "resource_servers/inventory"]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(bake):
    """Return a function that generates and installs a project and returns its folder."""

    def installed(answers=None, **options):
        project = bake(answers)
        use_free_ports(project)
        make(project, "install", check=True, **options)
        return project

    return installed


@pytest.fixture(scope="module")
def default_project(installed):
    return installed()


def manage(project, service, *arguments, **variables):
    """Run a management command of a service; return its output if it fails, else ''."""
    process = subprocess.run(
        [project / ".venv" / "bin" / "python", "manage.py", *arguments],
        cwd=project / service,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    return process.stdout if process.returncode else ""


OVERLAY = ROOT / "tests" / "overlay"
SOAK = "test_soak_faults.py"  # takes minutes, and has a test of its own
OVERLAYS = ["authorization_server", "packages/service_kit", "resource_servers/orders", "tests"]


def run_overlay(project, folder, *, is_soak=False):
    """Copy the tests of the template into one suite of a project, run them, return the exit code.

    A project carries the tests of what its owner changes. The other tests are in ``tests/overlay``,
    in the folders of a project.
    """
    shutil.copytree(OVERLAY / folder, project / folder, dirs_exist_ok=True)
    found = (OVERLAY / folder).rglob("test_*.py")
    added = [path.relative_to(OVERLAY / folder) for path in found if (path.name == SOAK) is is_soak]
    options = ["-p", "infrastructure"] if folder == "tests" else []
    paths = [project / name for name in ("tests", "scripts", "deploy")] if options else []
    return subprocess.run(
        [project / ".venv" / "bin" / "python", "-m", "pytest", "--quiet", *options, *added],
        cwd=project / folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))},
    ).returncode


class TestDefaultAnswers:
    def test_its_own_tests_pass(self, default_project):
        assert make(default_project, "test").returncode == 0

    def test_its_own_lint_passes(self, default_project):
        assert make(default_project, "lint").returncode == 0

    @pytest.mark.parametrize("service", SERVICES)
    def test_the_deployment_check_has_no_warning(self, default_project, service):
        variables = read_env(default_project)
        variables |= {
            name: value.replace("http://localhost", "https://localhost")
            for name, value in variables.items()
            if name.endswith("_URL")
        }
        variables |= {"ENV_FILE": "", "ENVIRONMENT": "production", "TRUST_PROXY_HEADERS": "true"}
        manage(default_project, "authorization_server", "ensure_signing_key")
        check = ["check", "--deploy", "--fail-level", "WARNING"]
        assert manage(default_project, service, *check, **variables) == ""

    @pytest.mark.parametrize("service", SERVICES)
    def test_no_migration_is_missing(self, default_project, service):
        assert manage(default_project, service, "makemigrations", "--check", "--dry-run") == ""

    def test_the_lock_file_is_up_to_date(self, default_project):
        assert subprocess.run(["uv", "lock", "--check"], cwd=default_project).returncode == 0

    def test_smoke_without_running_services_names_make_run(self, default_project):
        assert "make run" in output_of(default_project, "smoke")

    @pytest.mark.skipif(not has_compose(), reason="docker compose is not installed")
    def test_the_compose_files_parse(self, default_project):
        check = ["docker", "compose", "config", "--quiet"]
        assert subprocess.run(check, cwd=default_project).returncode == 0

    def test_git_ignores_the_files_of_a_running_project(self, default_project):
        git = ["git", "-c", "core.excludesFile=", "-c", "user.name=a", "-c", "user.email=a@b.c"]
        make(default_project, "run", "--dry-run", check=True)
        subprocess.run([*git, "init", "--quiet"], cwd=default_project, check=True)
        listing = subprocess.run(
            [*git, "ls-files", "--others", "--exclude-standard"],
            cwd=default_project,
            capture_output=True,
            encoding="utf-8",
            check=True,
        ).stdout.splitlines()
        left = [path for path in listing if path.startswith((".venv", "var", ".env"))]
        assert [path for path in left if path != ".env.example"] == []

    @pytest.mark.parametrize("folder", OVERLAYS)
    def test_the_tests_of_the_template_pass(self, default_project, folder):
        assert run_overlay(default_project, folder) == 0

    def test_every_fault_under_load_is_within_the_contract(self, default_project):
        assert run_overlay(default_project, "tests", is_soak=True) == 0


def test_the_tests_of_a_project_with_django_6_1_pass(bake):
    python = python_for_django_6_1()
    if python is None:
        pytest.skip("no Python 3.12 or newer is installed")
    # The hook checks the Python that runs cookiecutter, which may be 3.11.
    project = bake({"django_version": "6.1"}, accept_hooks=False)
    environment = os.environ | {"UV_PYTHON": python}
    for script in (["add_resource_server.py", "orders", "inventory"], ["init_env.py"]):
        subprocess.run([python, f"scripts/{script[0]}", *script[1:]], cwd=project, check=True)
    assert make(project, "test", f"PYTHON={python}", env=environment).returncode == 0
    assert [folder for folder in OVERLAYS if run_overlay(project, folder)] == []


def test_resource_servers_that_are_added_later_pass_the_smoke_flow(installed):
    project = installed({"resource_servers": "order-history"})
    with running(project):
        assert make(project, "smoke").returncode == 0
    for name in ("billing", "b2b-catalogue"):
        assert make(project, "resource-server", f"name={name}").returncode == 0
    use_free_ports(project)
    with running(project):
        assert make(project, "smoke").returncode == 0


def test_ctrl_c_stops_every_service(installed):
    project = installed({"resource_servers": "orders"})
    with running(project) as process:
        pass
    assert (process.returncode, output_of(project, "smoke").count("make run")) == (
        process.returncode,
        1,
    )


@pytest.mark.parametrize(
    "names", ["orders", "orders, inventory, order-history"], ids=["1", "3 with a hyphen"]
)
def test_the_lock_file_does_not_depend_on_the_answers(bake, project, names):
    other = bake({"project_name": "Other", "resource_servers": names, "domain": "example.org"})
    assert (other / "uv.lock").read_bytes() == (project / "uv.lock").read_bytes()
