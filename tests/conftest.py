"""Fixtures that generate projects from a copy of the template, without files in the user's home.

``bake`` calls the Python API of cookiecutter, ``run_cookiecutter`` its command line.
"""

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from cookiecutter.main import cookiecutter
from playwright.sync_api import sync_playwright
from stack import copy_template

# The tests import files of the template. A compiled file beside them would become part of the
# projects that are generated from there.
sys.dont_write_bytecode = True
# Folders are compared; test_git.py makes repositories.
os.environ["GATEHOUSE_GIT"] = "false"
# The background jobs of a script ignore SIGINT and SIGQUIT, and so would the processes of tests.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)

# `make test-library` runs tests/library; test_project.py runs tests/overlay in a generated project.
collect_ignore = ["library", "overlay"]
PARSERS = {
    "toml": tomllib.loads,
    "lock": tomllib.loads,
    "json": json.loads,
    # Compose has its own tags (`!override`), so nodes are composed but not constructed.
    "yml": lambda text: list(yaml.compose_all(text, Loader=yaml.SafeLoader)),
    "yaml": lambda text: list(yaml.compose_all(text, Loader=yaml.SafeLoader)),
}

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# The first words of each reason in tests/containers/engine.py and tests/swarm/nodes.py.
WITHOUT = re.compile("No (container was run|swarm was used)")


def pytest_terminal_summary(terminalreporter):
    """Print in one line why the suites that need Docker were skipped, also without -rs."""
    reasons = [str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", ())]
    skipped = [reason.removeprefix("Skipped: ") for reason in reasons if WITHOUT.search(reason)]
    for reason in sorted(set(skipped)):
        terminalreporter.write_line(f"{skipped.count(reason)} tests were skipped. {reason}")


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """Return a copy of the template without caches."""
    return copy_template(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def project_source(template):
    """Return the folder of the template that becomes the project."""
    return template / "{{cookiecutter.project_slug}}"


@pytest.fixture(scope="session")
def cookiecutter_config(tmp_path_factory):
    """Return a configuration of cookiecutter that writes no clones and replay files to the home."""
    folder = tmp_path_factory.mktemp("cookiecutter")
    config = folder / "config.yml"
    folders = {"cookiecutters_dir": str(folder / "clones"), "replay_dir": str(folder / "replay")}
    config.write_text(yaml.safe_dump(folders), encoding="utf-8")
    return config


@pytest.fixture(scope="session")
def bake(template, cookiecutter_config, tmp_path_factory):
    """Return a function that generates a project from `answers` and returns its folder."""

    def bake(answers=None, *, source=template, output_dir=None, **options):
        return Path(
            cookiecutter(
                str(source),
                no_input=True,
                extra_context=answers or {},
                output_dir=str(output_dir or tmp_path_factory.mktemp("output")),
                config_file=str(cookiecutter_config),
                **options,
            )
        )

    return bake


@pytest.fixture(scope="session")
def project(bake):
    """Return the folder of one project with the default answers, for tests that only read it."""
    return bake()


@pytest.fixture(scope="session")
def project_without_hooks(bake):
    """Return a project without resource servers and `.env`, for tests that only read it."""
    return bake(accept_hooks=False)


@pytest.fixture
def bare_project(project_without_hooks, tmp_path):
    """Return a copy of `project_without_hooks` for a test that changes it."""
    return shutil.copytree(project_without_hooks, tmp_path / "my_platform")


@pytest.fixture
def clean_environment():
    """Return the environment of this process without variables that name files of a project."""
    return {key: value for key, value in os.environ.items() if key not in ("ENV_FILE", "DATA_DIR")}


@pytest.fixture
def run_script(clean_environment):
    """Return a function that runs a script of a project with more variables."""

    def run_script(project, name, *arguments, python=(sys.executable, "-B"), **variables):
        return subprocess.run(
            [*python, project / "scripts" / f"{name}.py", *arguments],
            cwd=project,
            env=clean_environment | variables,
            capture_output=True,
            encoding="utf-8",
        )

    return run_script


@pytest.fixture(scope="session")
def generated(bake):
    """Return a project with the resource server orders, `.env` and `.secrets/`."""
    return bake({"resource_servers": "orders"})


@pytest.fixture
def platform(generated, tmp_path):
    """Return a copy of `generated` for a test that changes it."""
    return shutil.copytree(generated, tmp_path / "my_platform")


@pytest.fixture
def old_python(tmp_path):
    """Return variables that make this Python look like a version before 3.11 to a script."""
    (tmp_path / "old_python").mkdir()
    module = "raise ModuleNotFoundError('No module named tomllib')"
    (tmp_path / "old_python" / "tomllib.py").write_text(module, encoding="utf-8")
    return {"PYTHONPATH": str(tmp_path / "old_python")}


@pytest.fixture
def run_cookiecutter(cookiecutter_config, tmp_path):
    """Return a function that runs cookiecutter in an empty folder and returns the process."""

    def run_cookiecutter(*arguments, typed=""):
        return subprocess.run(
            [sys.executable, "-m", "cookiecutter", *map(str, arguments)],
            cwd=tmp_path,
            env=os.environ
            | {"COOKIECUTTER_CONFIG": str(cookiecutter_config), "PYTHONIOENCODING": "utf-8"},
            input=typed,
            capture_output=True,
            encoding="utf-8",
        )

    return run_cookiecutter


@pytest.fixture(scope="session")
def load_module():
    """Return a function that imports a Python file by its path."""

    def load_module(path):
        spec = importlib.util.spec_from_file_location(f"loaded_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # where data classes look their annotations up
        spec.loader.exec_module(module)
        return module

    return load_module


@pytest.fixture(scope="session")
def hook(template, load_module):
    """Return ``pre_gen_project`` as a module; its Jinja is inside main(), which is not called."""
    return load_module(template / "hooks" / "pre_gen_project.py")


@pytest.fixture(scope="session")
def files_that_do_not_parse():
    """Return a function that lists the data files in a folder that do not parse."""

    def files_that_do_not_parse(folder, kinds=tuple(PARSERS)):
        broken = []
        for path in sorted(path for kind in kinds for path in folder.rglob(f"*.{kind}")):
            try:
                PARSERS[path.suffix.removeprefix(".")](path.read_text(encoding="utf-8"))
            except (ValueError, yaml.YAMLError) as error:
                broken.append(f"{path.relative_to(folder)}: {error}")
        return broken

    return files_that_do_not_parse


@pytest.fixture(scope="session")
def chromium():
    """Return the Chromium or Chrome of this machine; skips the test without one.

    One for all tests of a process, in which Playwright can be started once.
    """
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        pytest.skip("neither Chromium nor Chrome is installed")
    with sync_playwright() as playwright:
        # Containers have no user namespaces for its sandbox; all pages are our own.
        with playwright.chromium.launch(executable_path=path, args=["--no-sandbox"]) as browser:
            yield browser
